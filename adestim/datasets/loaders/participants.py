"""People and visits of a BIDS data set, in the names and units of adestim, and their labels."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from warnings import warn

import pandas as pd
from pandas.api.types import is_numeric_dtype

from adestim._support.missing import mask_missing
from adestim._support.tables import read_rows
from adestim._support.words import first_names
from adestim._support.written_numbers import (
    fold_unit,
    is_word,
    learn_spelling,
    looks_like_number,
    read_written_numbers,
)
from adestim.datasets.images.names import spell_session
from adestim.datasets.loaders.data_dictionary import Levels
from adestim.datasets.tables.columns import find_columns
from adestim.datasets.tables.files import read_cells
from adestim.exceptions import DataWarning, InputError, TableError

SHARES_OF_YEAR = {
    **dict.fromkeys(("year", "yr", "y", "a"), 1.0),
    **dict.fromkeys(("month", "mo"), 1 / 12),
    **dict.fromkeys(("week", "wk"), 7 / 365.25),
    **dict.fromkeys(("day", "d"), 1 / 365.25),
}
SPELLINGS = {
    "age": ("age", "age_bl", "age_at_scan", "age_years", "participant_age"),
    "sex": ("sex", "gender", "participant_sex"),
    "education": ("education", "education_level", "education_years", "years_of_education", "educ"),
    "site": ("site", "center", "centre", "institution", "scanner_site"),
    "apoe": ("apoe", "apoe_genotype"),
    "apoe_1": ("apoe_gen1", "apgen1"),
    "apoe_2": ("apoe_gen2", "apgen2"),
}
PARTICIPANT = ("participant_id", "participant", "subject_id", "subject", "sub")
FEMALE = re.compile(r"f|w|females?|wom[ae]n|girl")
MALE = re.compile(r"m|males?|m[ae]n|boy")


Group = str | re.Pattern | Callable[[str], str | None]
TARGETS = (
    "diagnosis",
    "diagnostic_group",
    "clinical_group",
    "group",
    "dx",
    "dx_group",
    "diagnosis_sc",
)


def read_participants(root: Path) -> pd.DataFrame | None:
    """Return the cells of ``participants.tsv`` by subject, as text; None without the file."""
    path = root / "participants.tsv"
    if not path.is_file():
        return None
    cells = read_cells(path)
    found = find_columns(cells.columns, {"participant_id": PARTICIPANT})
    if not found:
        raise TableError(
            "'participants.tsv' has a column 'participant_id'",
            got=f"none among {len(cells.columns)} columns, {first_names(cells, limit=20)}",
            remedy="Rename the column of the identifiers",
        )
    ids = mask_missing(cells.pop(found["participant_id"]))
    cells = cells.apply(mask_missing).set_axis(spell_subjects(ids))[ids.notna().to_numpy()]
    twice = cells.index[cells.index.duplicated()].unique()
    if len(twice):
        raise TableError(
            "'participants.tsv' has one row a participant", got=f"several for {first_names(twice)}"
        )
    return cells


def spell_subjects(ids: pd.Series) -> pd.Index:
    """Return identifiers with ``sub-``, which some tables leave out."""
    return pd.Index("sub-" + ids.astype("str").str.removeprefix("sub-"), name=None)


def read_visits(root: Path, subjects: pd.Index) -> pd.DataFrame:
    """Return the cells of every ``sessions.tsv``, as text, with ``subject`` and ``session``."""
    rows = []
    for subject in subjects:
        path = f"{root}{os.sep}{subject}{os.sep}{subject}_sessions.tsv"
        if os.path.isfile(path):  # noqa: PTH113 (thousands of subjects)
            rows += [lay_out_visit(subject, row) for row in read_rows(path)]
    if not rows:
        return pd.DataFrame({"subject": [], "session": []}, dtype="str")
    return pd.DataFrame.from_records(rows).apply(mask_missing)


def lay_out_visit(subject: str, row: Mapping[str, str]) -> dict[str, str]:
    """Return one visit, its session as Clinica writes it today."""
    rest = {key: value for key, value in row.items() if key != "session_id"}
    return {"subject": subject, "session": spell_session(row.get("session_id") or ""), **rest}


def take_at_visit(people: pd.DataFrame, visits: pd.DataFrame, sessions: pd.Series) -> pd.DataFrame:
    """Return what is known of people at their session: of the visit, else of the person."""
    wanted = pd.MultiIndex.from_arrays([sessions.index, sessions.fillna("").map(spell_session)])
    seen = visits.drop_duplicates()
    twice = seen.loc[seen.duplicated(["subject", "session"]), "subject"].unique()
    if len(twice):
        raise TableError(
            "'sessions.tsv' has one row a session", got=f"differing rows for {first_names(twice)}"
        )
    seen = seen.set_index(["subject", "session"])
    seen = seen.reindex(wanted).set_axis(sessions.index)
    people = people.reindex(sessions.index)
    plain = {name.casefold(): name for name in people}
    seen = seen.rename(columns={name: plain.get(name.casefold(), name) for name in seen})
    return seen.combine_first(people).reindex(
        columns=[*people, *(name for name in seen if name not in people)]
    )


def explain_codes(cells: pd.Series, levels: Levels) -> pd.Series:
    """Return what the codes of a column mean, where that is told."""
    meaning = levels.get(str(cells.name), {})
    return cells.map(meaning).astype("str").fillna(cells) if meaning else cells


def explain_levels(cells: pd.Series, levels: Levels) -> pd.Series:
    """Return what codes mean; a scale of which only the ends are told stays a scale."""
    known = cells.dropna()
    explained = known.isin(list(levels.get(str(cells.name), {})))
    if explained.all() or not known.map(looks_like_number).all():
        return explain_codes(cells, levels)
    return cells


def tidy_cells(
    cells: pd.DataFrame,
    levels: Levels,
    sex_codes: Mapping[str, str],
    units: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Return cells under the names of adestim, numbers as numbers.

    Age and education in years, sex ``"F"`` or ``"M"``, APOE ``"3/4"``; other columns under
    their own names in lower case.
    """
    found = find_columns(cells.columns, SPELLINGS)
    renamed = {spelled: name for name, spelled in found.items()}
    columns = {}
    for spelled in cells:
        name = renamed.get(spelled, join_words(spelled))
        name = spelled if name in columns else name
        column = convert_column(name, explain_levels(cells[spelled], levels), sex_codes)
        columns[name] = convert_to_years(column, name, units.get(spelled, "year"))
    return join_alleles(pd.DataFrame(columns, index=cells.index))


def join_words(name: str) -> str:
    """Return a column's name in lower case, words joined by underscores."""
    return re.sub(r"\W+", "_", name.strip()).strip("_").casefold()


def convert_column(name: str, cells: pd.Series, sex_codes: Mapping[str, str]) -> pd.Series:
    """Return a column as what it is."""
    if name == "sex":
        return parse_sexes(cells, sex_codes)
    if name == "apoe":
        return parse_genotypes(cells)
    if name in ("site", "apoe_1", "apoe_2"):
        return cells
    # A data set may hide the age of the very old: '89+'.
    return read_if_numbers(cells.str.removesuffix("+") if name == "age" else cells, cells, name)


def read_if_numbers(text: pd.Series, cells: pd.Series, name: str) -> pd.Series:
    """Return numbers where a column holds numbers alone, else its cells."""
    texts = text.fillna("").tolist()
    if not all(looks_like_number(word) for word in texts if is_word(word)):
        return cells
    read = read_written_numbers(texts, learn_spelling(texts, f"column {name!r}"))
    if read.is_unreadable.any() or read.is_limit.any():
        return cells
    if read.unusual:
        warn(
            f"Column {name!r} is written with {read.unusual}, and read as numbers.",
            DataWarning,
            stacklevel=5,
        )
    return pd.Series(read.values, index=cells.index, name=cells.name)


def convert_to_years(cells: pd.Series, name: str, unit: str) -> pd.Series:
    """Return an age or an education that is told in months, weeks or days in years."""
    share = SHARES_OF_YEAR.get(fold_unit(unit.strip()))
    if name not in ("age", "education") or not is_numeric_dtype(cells) or share in (None, 1):
        return cells
    warn(
        f"Column {name!r} is in {unit!r}, as the file of JSON beside it says, and was converted "
        "to years.",
        DataWarning,
        stacklevel=4,
    )
    return cells * share


def parse_sexes(cells: pd.Series, codes: Mapping[str, str]) -> pd.Series:
    """Return ``"F"`` and ``"M"``; codes are never guessed, for studies swap them."""
    text = cells.map(lambda cell: codes.get(cell, cell), na_action="ignore").astype("str")
    text = text.str.casefold().str.strip()
    female = text.str.fullmatch(FEMALE).fillna(False).astype(bool)
    male = text.str.fullmatch(MALE).fillna(False).astype(bool)
    other = text.notna() & ~female & ~male
    numbers = text[other].str.fullmatch(r"-?\d+(\.\d+)?")
    if numbers.any():
        raise TableError(
            "Sex is coded by words, or 'participants.json' tells by 'Levels' what its codes mean",
            got=f"bare numbers for {int(numbers.sum())} participants",
            remedy="Pass sex_codes={'1': 'M', '2': 'F'}, the right way round: studies differ",
        )
    if other.any():
        warn(
            f"Sex of {int(other.sum())} participants is neither female nor male and counts as "
            "missing.",
            DataWarning,
            stacklevel=2,
        )
    sex = pd.Series(None, index=cells.index, dtype="str", name="sex")
    return sex.mask(female, "F").mask(male, "M")


def parse_genotypes(cells: pd.Series) -> pd.Series:
    """Return APOE genotypes as ``"3/4"``, whether E3/E4, e3e4, 34 or 4/3."""
    digits = cells.str.findall(r"[234]")
    pairs = digits.map(lambda pair: "/".join(sorted(pair)), na_action="ignore")
    return pairs.where(digits.str.len() == 2).astype("str")


def join_alleles(table: pd.DataFrame) -> pd.DataFrame:
    """Make one column of APOE out of one an allele."""
    if "apoe" in table or not {"apoe_1", "apoe_2"} <= set(table):
        return table
    pairs = parse_genotypes(table["apoe_1"] + "/" + table["apoe_2"])
    return table.drop(columns=["apoe_1", "apoe_2"]).assign(apoe=pairs)


def find_target_column(names: pd.Index, target: str | None) -> str:
    """Return the column with the groups, as the tables spell it."""
    spellings = {"target": TARGETS if target is None else (target,)}
    found = find_columns(list(names), spellings)
    if target is not None and not found:
        near = get_close_matches(target.casefold(), [str(name).casefold() for name in names], n=1)
        nearest = [name for name in names if str(name).casefold() in near]
        raise TableError(
            f"A table of the people has a column {target!r}",
            got=f"none{'; nearest: ' + first_names(nearest) if nearest else ''}; there are "
            f"{first_names(names, limit=20)}",
            remedy="Name one of these by 'target', or pass its table as 'phenotype'",
        )
    if not found:
        raise TableError(
            "'participants.tsv' or 'sessions.tsv' says who belongs to which group",
            got=f"none of {first_names(TARGETS, limit=9)} among the columns "
            f"{first_names(names, limit=20)}",
            remedy="Name the column by 'target', pass its table as 'phenotype', or pass 'group', "
            "which reads identifiers",
        )
    return found["target"]


def read_groups(subjects: pd.Index, group: Group) -> pd.Series:
    """Return the group that is part of an identifier."""
    if isinstance(group, (str, re.Pattern)):
        pattern = re.compile(group)
        found = [pattern.search(subject.removeprefix("sub-")) for subject in subjects]
        codes = [match and match[1 if pattern.groups else 0] for match in found]
    else:
        codes = [group(subject.removeprefix("sub-")) for subject in subjects]
    return pd.Series(codes, index=subjects, dtype="str", name="group")


def label_codes(
    codes: pd.Series, levels: Levels, labels: Mapping[str, str] | None
) -> tuple[pd.Series, pd.Series]:
    """Turn codes of groups into labels."""
    meanings = explain_codes(codes, levels)
    target = meanings
    if labels is not None:
        asked = {str(code): label for code, label in labels.items()}
        target = codes.map(asked).astype("str").fillna(meanings.map(asked).astype("str"))
    if target.isna().all():
        raise InputError(
            "Somebody belongs to a group that is asked for",
            got=f"only the groups {first_names(sorted(meanings.dropna().unique()), limit=20)}",
            remedy="Name them in 'labels', as {'code': 'label'}",
        )
    unasked = "group " + meanings + " is not asked for"
    reasons = unasked.fillna("no group is told")[target.isna()]
    return target.dropna().rename("diagnosis"), reasons
