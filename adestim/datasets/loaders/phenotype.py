"""Measures of a BIDS data set's people that stand in tables of their own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias
from warnings import warn

import pandas as pd

from adestim._support.missing import mask_missing
from adestim._support.words import first_names
from adestim.datasets.images.names import spell_session
from adestim.datasets.loaders.data_dictionary import DataDictionary, read_dictionary
from adestim.datasets.tables.cells import as_identifiers
from adestim.datasets.tables.columns import find_columns
from adestim.datasets.tables.files import SUFFIXES, find_suffix, read_cells
from adestim.datasets.tables.workbooks import WORKBOOK, read_sheets
from adestim.exceptions import DataWarning, InputError, TableError

Phenotype: TypeAlias = str | Path | pd.DataFrame
FOLDER = "phenotype"
KEYS = {
    "subject": ("participant_id", "participant", "subject_id", "subject", "sub", "bids_id", "id"),
    "session": ("session_id", "session", "ses"),
}


class Measures(NamedTuple):
    """One table: its name, its cells as text with ``subject`` and ``session``, what they mean."""

    name: str
    cells: pd.DataFrame
    dictionary: DataDictionary


def read_measures(root: Path, phenotype: Phenotype | Sequence[Phenotype] | None) -> list[Measures]:
    """Return the tables of measures that are asked for."""
    if phenotype is None:
        return []
    several = phenotype if isinstance(phenotype, (list, tuple)) else [phenotype]
    return [measures for given in several for measures in read_given(root, given)]


def read_given(root: Path, given: Phenotype) -> list[Measures]:
    """Return the tables of a frame, a file or a folder."""
    if isinstance(given, pd.DataFrame):
        return [tidy_measures(write_frame(given), "phenotype", DataDictionary())]
    place = find_place(root, given)
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    tables = [file for file in files if find_suffix(file, (*SUFFIXES, WORKBOOK))]
    if not tables:
        raise InputError(
            "The 'phenotype' parameter names tables (.tsv, .csv, .xlsx), or a folder of them",
            got=f"none in {place.name!r}",
        )
    return [read_measures_file(file) for file in tables]


def find_place(root: Path, given: str | Path) -> Path:
    """Return a file or folder, given as a path or as a name in the data set."""
    if not isinstance(given, (str, Path)):
        raise InputError(
            "The 'phenotype' parameter is a table, a path, or a list of these",
            got=f"{type(given).__name__}",
        )
    folder = root / FOLDER
    places = [Path(given).expanduser(), root / given, folder / given, folder / f"{given}.tsv"]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise InputError(
            "The 'phenotype' parameter names a table or a folder, by its path or in the data set",
            got=f"{str(given)!r}, which is neither; {FOLDER!r} has "
            f"{first_names(list_names(folder), limit=20) or 'no tables'}",
        )
    return found


def list_names(folder: Path) -> list[str]:
    """Return the names of the tables of a folder; none where it is not there."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return [file.name for file in files if find_suffix(file, (*SUFFIXES, WORKBOOK))]


def read_measures_file(path: Path) -> Measures:
    """Return the table of one file, and what stands beside it."""
    stem = path.name.partition(".")[0]
    is_book = path.suffix.casefold() == WORKBOOK
    cells = choose_sheet(path) if is_book else read_cells(path)
    return tidy_measures(cells, stem, read_dictionary(path.with_name(f"{stem}.json")))


def choose_sheet(path: Path) -> pd.DataFrame:
    """Return the one sheet of a workbook that has identifiers."""
    sheets = read_sheets(path)
    found = [cells for cells in sheets.values() if "subject" in find_columns(list(cells), KEYS)]
    if len(found) != 1:
        raise TableError(
            f"One sheet of {path.name!r} has a column 'participant_id'",
            got=f"{len(found)} of {len(sheets)}",
            remedy="Save the one that is meant as .csv",
        )
    return found[0]


def write_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of a frame as text; its index is the identifiers where no column is."""
    frame = frame.rename(columns=str)
    if "subject" not in find_columns(list(frame), KEYS) and not isinstance(
        frame.index, pd.RangeIndex
    ):
        frame = frame.rename_axis("participant_id").reset_index()
    text = {
        place: frame.iloc[:, place].astype("str").where(frame.iloc[:, place].notna().to_numpy(), "")
        for place in range(frame.shape[1])
    }
    # A whole number in a column with gaps is a float to pandas.
    cells = {place: as_identifiers(column.astype("str")) for place, column in text.items()}
    return pd.DataFrame(cells, dtype="str").set_axis(list(frame), axis=1)


def tidy_measures(cells: pd.DataFrame, name: str, dictionary: DataDictionary) -> Measures:
    """Return a table by ``subject`` and ``session``, identifiers spelled as in the data set."""
    found = find_columns(list(cells), KEYS)
    if "subject" not in found:
        raise TableError(
            f"{name!r} has a column 'participant_id'",
            got=f"none among {cells.shape[1]} columns, {first_names(cells, limit=20)}",
            remedy="Rename the column of the identifiers",
        )
    text = cells.apply(mask_missing)
    subjects = as_identifiers(text.pop(found["subject"]))
    sessions = text.pop(found["session"]) if "session" in found else None
    text.insert(0, "subject", "sub-" + subjects.str.removeprefix("sub-"))
    text.insert(1, "session", None if sessions is None else spell_sessions(sessions))
    known = text[text["subject"].notna()].drop_duplicates(ignore_index=True)
    return Measures(name, known, dictionary)


def spell_sessions(sessions: pd.Series) -> pd.Series:
    """Return sessions as they are spelled in the data set."""
    return as_identifiers(sessions).map(spell_session, na_action="ignore")


def select_at_session(measures: Measures, sessions: pd.Series) -> pd.DataFrame:
    """Return one row a subject: of the session at which they enter, else of no session."""
    cells, name = measures.cells, measures.name
    require_acquaintance(cells["subject"], sessions.index, name)
    cells = cells[cells["subject"].isin(sessions.index)]
    due = cells["subject"].map(sessions)
    is_due = (cells["session"] == due).fillna(False).astype(bool)
    is_open = cells["session"].isna() | due.isna()
    has_due = is_due.groupby(cells["subject"]).transform("any").astype(bool)
    taken = cells[is_due | (is_open & ~has_due)]
    twice = taken.loc[taken["subject"].duplicated(), "subject"].unique()
    if len(twice):
        raise TableError(
            f"{name!r} has one row a participant, or one a session",
            got=f"several for {first_names(twice)}",
            remedy="Keep one, or name their sessions in a column 'session_id'",
        )
    late = set(cells["subject"]) - set(taken["subject"])
    if late:
        warn(
            f"{name!r} tells of {len(late)} participants at other sessions alone than the one at "
            f"which they enter, and is missing for them: {first_names(sorted(late))}.",
            DataWarning,
            stacklevel=4,
        )
    return taken.drop(columns="session").set_index("subject")


def require_acquaintance(subjects: pd.Series, known: pd.Index, name: str) -> None:
    """Refuse a table of which nobody is in the data set; warn of those who are not."""
    strange = subjects[~subjects.isin(known)].unique()
    if len(strange) and len(strange) == subjects.nunique():
        raise TableError(
            f"Identifiers in {name!r} are those of the data set, with or without 'sub-'",
            got=f"for instance {strange[0]!r} and, in the data set, {known[0]!r}; nobody in common",
            remedy="Write both in the same way, with their leading zeros",
        )
    if len(strange):
        warn(
            f"{len(strange)} participants of {name!r} are not in the data set and are passed over: "
            f"{first_names(strange)}.",
            DataWarning,
            stacklevel=4,
        )


def join_measures(
    cells: pd.DataFrame, tables: Sequence[Measures], sessions: pd.Series
) -> tuple[pd.DataFrame, list[DataDictionary]]:
    """Put measures beside what is known of people; a name that is taken gets the table's before."""
    dictionaries = []
    for measures in tables:
        rows = select_at_session(measures, sessions).reindex(cells.index)
        rows = rows.drop(columns=find_repeated(cells, rows))
        names = rename_taken(cells.columns, rows.columns, measures.name)
        cells = pd.concat([cells, rows.rename(columns=names)], axis=1)
        dictionaries.append(measures.dictionary.rename(names))
    return cells, dictionaries


def find_repeated(cells: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """Return the columns that say the same as one of that name does already."""
    there = {name.casefold(): name for name in cells}
    shared = [name for name in rows if name.casefold() in there]
    return [
        name
        for name in shared
        if rows[name].isna().all()
        or rows[name].fillna("").equals(cells[there[name.casefold()]].fillna(""))
    ]


def rename_taken(taken: Collection[str], names: Collection[str], table: str) -> dict[str, str]:
    """Return another name for each column whose name is taken; warn of it."""
    folded = {name.casefold() for name in taken}
    renamed = {name: f"{table}_{name}" for name in names if name.casefold() in folded}
    if renamed:
        warn(
            f"Columns of {table!r} have the name of others that differ, and are called "
            f"{first_names(renamed.values(), limit=20)}.",
            DataWarning,
            stacklevel=4,
        )
    return renamed
