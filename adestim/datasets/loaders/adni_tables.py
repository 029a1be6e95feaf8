"""ADNI's tables as a study: its own, one form each, or ADNIMERGE, which joins them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from warnings import warn

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from adestim._support.words import first_names
from adestim.datasets.labelling.diagnoses import RULES
from adestim.datasets.labelling.labels import diagnosis_labels
from adestim.datasets.loaders.adni_forms import (
    APOE,
    BIOMARKERS,
    BOXES,
    DEMOGRAPHICS,
    DIAGNOSES,
    MEASURES,
    MERGED,
    PATTERN,
    REGISTRY,
    SEXES,
    has_form,
    read_form,
    settle_visits,
)
from adestim.datasets.loaders.attach import extract_numbers
from adestim.datasets.loaders.study import Study
from adestim.datasets.tables.cells import DAYS_A_YEAR, compute_ages, read_birth_dates
from adestim.datasets.tables.read_table import settle_duplicates
from adestim.datasets.tables.visit_codes import add_times, find_origins, merge_visit_rows
from adestim.exceptions import DataWarning, TableError

CLINICAL = ("age", "sex", "education", "gds")
DIAGNOSTIC = ("mmse", "cdrsb", "cdr", "adas11", "adas13", "faq", "moca")
# Days after a visit at which a form is no longer of it.
LATE = 183
CODES_AND_WORDS = {**RULES["diagnosis"], **RULES["text"]}


MERGED_MEASURES = ("mmse", "cdrsb", "adas11", "adas13", "faq", "moca")
FROZEN = "ADNIMERGE covers ADNI1, ADNIGO, ADNI2 and ADNI3; ADNI4 is in the single tables."
COUNT_ONLY = (
    "ADNIMERGE counts the e4 alleles of APOE (column 'apoe4'); the genotype is in APOERES, which "
    "is not in the folder."
)


def read_single_tables(root: str | Path) -> Study:
    """Read ADNI's tables: DXSUM and PTDEMOG, and what else of them is there."""
    forms = {"DXSUM": read_form(root, DIAGNOSES, required=True)}
    forms["PTDEMOG"] = read_form(root, DEMOGRAPHICS, required=True)
    for form in (APOE, REGISTRY, *MEASURES):
        table = read_form(root, form)
        if table is not None:
            forms[form.names[0]] = table
    visits = add_measures(build_diagnosed_visits(forms["DXSUM"], forms.get("REGISTRY")), forms)
    people = add_group(build_demographics(forms), root)
    return build_adni_study(people, visits, forms)


def build_adni_study(
    people: pd.DataFrame, visits: pd.DataFrame, forms: dict[str, pd.DataFrame], *notes: str
) -> Study:
    """Name people by their PTID, compute ages, and lay out a study."""
    names = name_people(forms)
    people = people.loc[sorted(people.index, key=int)]
    people = people.assign(origin=find_origins(visits), number=people.index)
    people["site"] = find_sites(names, forms).reindex(people.index)
    people["person"] = name_persons(people.index, forms.get("REGISTRY"))
    if "birth" in people:
        visits = visits.assign(age=compute_ages_at(visits, people))
    visits = visits.assign(subject=visits["number"].map(names))
    people.index = pd.Index(people.index.map(names), name="subject", dtype="str")
    clinical = (*CLINICAL, *(["apoe4"] if "apoe4" in people else []))
    return Study("ADNI", people, visits, PATTERN, clinical, DIAGNOSTIC, BIOMARKERS, notes)


def name_people(forms: dict[str, pd.DataFrame]) -> pd.Series:
    """Return the PTID by roster number: the first that any table gives, or else the number."""
    rows = pd.concat([table[["number", "ptid"]] for table in forms.values()], ignore_index=True)
    return (
        rows.groupby("number", sort=False)["ptid"]
        .first()
        .fillna(pd.Series(rows["number"].unique(), index=rows["number"].unique()))
    )


def find_sites(names: pd.Series, forms: dict[str, pd.DataFrame]) -> pd.Series:
    """Return the centre by roster number: the first part of the PTID, or else the table's."""
    rows = pd.concat([table[["number", "site"]] for table in forms.values()], ignore_index=True)
    own = names.str.extract(r"(?i)^(\d{3})_?S", expand=False)
    return own.fillna(rows.groupby("number")["site"].first().reindex(names.index))


def build_diagnosed_visits(table: pd.DataFrame, registry: pd.DataFrame | None) -> pd.DataFrame:
    """Return one row a visit with its diagnosis, months and day."""
    rows = settle_visits(table, "DXSUM").assign(diagnosis=read_diagnoses)
    visits = merge_visit_rows(rows[["number", "code", "slot", "phase", "date", "diagnosis"]])
    if registry is not None:
        dates = merge_visit_rows(registry[["number", "code", "slot", "date"]])
        dates = visits[["number", "slot"]].merge(dates, how="left", on=["number", "slot"])["date"]
        visits = visits.assign(date=visits["date"].fillna(dates))
    return add_times(visits)


def read_diagnoses(table: pd.DataFrame) -> pd.Series:
    """Return the diagnosis of a visit in whichever column its phase put it.

    DXCURREN in ADNI1, DXCHANGE in ADNIGO and ADNI2, DIAGNOSIS in ADNI3; since October 2024
    DIAGNOSIS in all phases.
    """
    rules: dict[str, str | Mapping[str, str]] = {
        "diagnosis": CODES_AND_WORDS,
        "dxcurren": "dxcurren",
        "dxchange": "dxchange",
    }
    if table[list(rules)].isna().all(axis=None):
        raise TableError(
            "DXSUM has diagnoses in DIAGNOSIS, DXCURREN or DXCHANGE", got="none in any of them"
        )
    labels = pd.Series(np.nan, index=table.index, dtype="str")
    for column, rule in rules.items():
        labels = labels.fillna(diagnosis_labels(table, rule, column=column, cause="due"))
    return labels


def add_measures(visits: pd.DataFrame, forms: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the scores of each visit beside its diagnosis."""
    for form in MEASURES:
        name = form.names[0]
        if name not in forms:
            continue
        rows = drop_late_rows(settle_visits(forms[name], name), visits, name)
        rows = add_sum_of_boxes(rows) if name == "CDR" else rows
        scores = merge_visit_rows(rows.drop(columns=["ptid", "phase", "site", "date"]))
        visits = visits.merge(scores, how="left", on=["number", "slot"])
    return visits


def drop_late_rows(rows: pd.DataFrame, visits: pd.DataFrame, source: str) -> pd.DataFrame:
    """Leave out rows dated long after the visit whose code they bear: they tell its future."""
    keys = ["number", "slot"]
    due = rows[keys].merge(visits[[*keys, "date"]], how="left", on=keys)["date"]
    late = (rows["date"] - due.set_axis(rows.index)).dt.days > LATE
    if late.any():
        warn(
            f"{int(late.sum())} rows of {source!r} are dated more than {LATE} days after the visit "
            f"whose code they bear, and are left out: {first_names(rows.loc[late, 'number'])}.",
            DataWarning,
            stacklevel=2,
        )
    return rows[~late]


def add_sum_of_boxes(rows: pd.DataFrame) -> pd.DataFrame:
    """Add up the boxes of the Clinical Dementia Rating where the table does not; all six count."""
    boxes = [f"box_{box}" for box in BOXES]
    total = rows[boxes].sum(axis=1, min_count=len(boxes))
    return rows.assign(cdrsb=rows["cdrsb"].fillna(total)).drop(columns=boxes)


def build_demographics(forms: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return sex, education, birth and APOE by roster number, of everybody in any table."""
    table = forms["PTDEMOG"].sort_values("date", kind="stable")
    every = pd.concat([form["number"] for form in forms.values()]).unique()
    people = pd.DataFrame(index=pd.Index(every, name="number"))
    people["sex"] = settle_lasting(
        table.assign(sex=translate_sexes(table["sex"])), "sex", "PTDEMOG"
    )
    births = read_birth_dates(table["birth"], table["birth_year"], table["birth_month"])
    known = table.assign(birth=births).groupby("number")
    people["birth"] = known["birth"].first()
    people["education"] = known["education"].first()
    if "APOERES" in forms:
        people["apoe"] = settle_lasting(
            forms["APOERES"].assign(apoe=read_apoe_genotypes(forms["APOERES"])), "apoe", "APOERES"
        )
    return people


def settle_lasting(table: pd.DataFrame, column: str, source: str) -> pd.Series:
    """Return what does not change in a person, by roster number; a change is warned of."""
    rows = table[["number", column]].dropna()
    return settle_duplicates(rows, ["number"], "last", source).set_index("number")[column]


def translate_sexes(cells: pd.Series) -> pd.Series:
    """Return ``"F"`` and ``"M"``, from 2 and 1 or from words."""
    found = cells.str.lower().map(SEXES).astype("str")
    odd = cells.notna() & found.isna()
    if odd.any():
        raise TableError(
            "PTGENDER is 1 or Male, 2 or Female",
            got=f"something else in {int(odd.sum())} rows",
            remedy="Correct these cells, or empty them",
        )
    return found


def read_apoe_genotypes(table: pd.DataFrame) -> pd.Series:
    """Return genotypes such as ``"3/4"``, the lower allele first.

    From one column (``3/4``, ``4/3``) or, as in older tables, two.
    """
    both = table["first"].str.cat(table["second"], sep="/")
    text = table["genotype"].fillna(both).str.replace(r"\.0\b|[Ee\s]", "", regex=True)
    alleles = text.str.extract(r"^([234])/?([234])$")
    odd = text.notna() & alleles[0].isna()
    if odd.any():
        raise TableError(
            "APOE genotypes are two of the alleles 2, 3 and 4",
            got=f"something else in {int(odd.sum())} rows",
        )
    swapped = (alleles[0] > alleles[1]).fillna(False).astype(bool)
    low, high = alleles[0].mask(swapped, alleles[1]), alleles[1].mask(swapped, alleles[0])
    return low.str.cat(high, sep="/").astype("str")


def compute_ages_at(visits: pd.DataFrame, people: pd.DataFrame) -> pd.Series:
    """Return the age at each visit."""
    known = people[["origin", "birth"]].reindex(visits["number"]).set_axis(visits.index)
    start, births = known["origin"], known["birth"]
    return compute_ages(births, start + pd.to_timedelta(visits["day"], unit="D"))


def add_group(people: pd.DataFrame, root: str | Path) -> pd.DataFrame:
    """Add who was enrolled with subjective memory concern, if ADNIMERGE is there to tell it."""
    if not has_form(root, MERGED):
        return people
    merged = read_form(root, MERGED)
    return people.assign(smc=find_memory_concern(merged).reindex(people.index))


def find_memory_concern(merged: pd.DataFrame) -> pd.Series:
    """Return by roster number who was enrolled with subjective memory concern."""
    return merged.groupby("number")["enrolled_as"].first().str.upper() == "SMC"


def name_persons(numbers: pd.Index, registry: pd.DataFrame | None) -> pd.Series:
    """Return one name a person: who was screened again under a new number keeps the first."""
    own = pd.Series(np.arange(len(numbers)), index=numbers)
    if registry is None:
        return pd.Series(numbers, index=numbers)
    pairs = registry[["number"]].assign(previous=extract_numbers(registry["previous"], PATTERN))
    ends = [pairs[column].map(own) for column in ("number", "previous")]
    known = ends[0].notna() & ends[1].notna()
    rows, columns = (end[known].to_numpy(int) for end in ends)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(own), len(own)))
    _, group = connected_components(graph, directed=False)
    lowest = pd.Series(numbers.astype(int)).groupby(group).transform("min").astype("str")
    return lowest.set_axis(numbers)


def read_merged(root: str | Path) -> Study:
    """Read ADNIMERGE, the cause of dementia from DXSUM and genotypes from APOERES."""
    forms = {"ADNIMERGE": read_form(root, MERGED, required=True)}
    for form in (DIAGNOSES, APOE, REGISTRY):
        table = read_form(root, form)
        if table is not None:
            forms[form.names[0]] = table
    rows = settle_visits(forms["ADNIMERGE"], "ADNIMERGE")
    visits = build_merged_visits(add_causes(rows, forms.get("DXSUM")))
    people = build_merged_people(rows, forms.get("APOERES"))
    everybody = {name: table for name, table in forms.items() if name in ("ADNIMERGE", "REGISTRY")}
    notes = [FROZEN, *([COUNT_ONLY] if "apoe4" in people else [])]
    return build_adni_study(people, visits, everybody, *notes)


def add_causes(rows: pd.DataFrame, diagnoses: pd.DataFrame | None) -> pd.DataFrame:
    """Add what dementia is due to, where DXSUM tells it."""
    if diagnoses is None:
        warn(
            "ADNIMERGE does not say what dementia is due to, so all of it counts as Alzheimer's "
            "disease. Put DXSUM into the same folder to set other causes apart.",
            DataWarning,
            stacklevel=2,
        )
        return rows.assign(due=pd.Series(pd.NA, index=rows.index, dtype="str"))
    causes = merge_visit_rows(settle_visits(diagnoses, "DXSUM")[["number", "code", "slot", "due"]])
    return rows.merge(causes, how="left", on=["number", "slot"])


def build_merged_visits(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a visit with diagnosis, age and scores.

    The column AGE is the age at the baseline, on every row.
    """
    diagnosis = diagnosis_labels(rows, "text", column="diagnosis", cause="due")
    since = (rows["date"] - rows["baseline"]).dt.days / DAYS_A_YEAR
    age = (rows["age_at_baseline"] + since).round(1)
    measured = [*MERGED_MEASURES, *BIOMARKERS, *(f"{name}_censored" for name in BIOMARKERS)]
    kept = ["number", "code", "slot", "phase", "date", *measured]
    visits = merge_visit_rows(rows[kept].assign(diagnosis=diagnosis, age=age))
    at_baseline = visits["number"].map(rows.groupby("number")["age_at_baseline"].first())
    age = visits["age"].fillna(at_baseline.where(visits["slot"] == "bl"))
    return add_times(visits.assign(age=age))


def build_merged_people(rows: pd.DataFrame, apoe: pd.DataFrame | None) -> pd.DataFrame:
    """Return what does not change, by roster number."""
    known = rows.groupby("number", sort=False)
    people = known[["education"]].first()
    people["sex"] = settle_lasting(
        rows.assign(sex=translate_sexes(rows["sex"])), "sex", "ADNIMERGE"
    )
    people["smc"] = find_memory_concern(rows)
    if apoe is None:
        return people.assign(apoe4=known["apoe4"].first())
    return people.assign(
        apoe=settle_lasting(apoe.assign(apoe=read_apoe_genotypes(apoe)), "apoe", "APOERES")
    )
