"""Participants of PPMI at baseline, from its tables or from a curated data cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from adestim.datasets.loaders.ppmi_curated import read_curated
from adestim.datasets.loaders.ppmi_forms import (
    AGE,
    ARMS,
    COGNITION,
    DEMOGRAPHICS,
    DEPRESSION,
    EDUCATION,
    GENETICS,
    MOTOR,
    OTHER_PARTS,
    PUTAMEN,
    SEXES,
    SITES,
    SMELL,
    TRANSPORTER,
    WHERE,
    at_baseline,
    depression,
    dose_at_baseline,
    read_form,
    read_status,
)
from adestim.datasets.tables.cells import ages, once, text_of, translated
from adestim.datasets.tables.read_table import find_table, read_table
from adestim.exceptions import TableError

COHORTS = {"1": "PD", "2": "CN", "3": "SWEDD", "4": "Prodromal"}
# How the words of COHORT_DEFINITION begin.
DEFINITIONS = {"parkinson": "PD", "healthy": "CN", "swedd": "SWEDD", "prodromal": "Prodromal"}
# Withdrawn and complete participants were enrolled.
ENROLLED = r"(?i)^(?:enrolled|withdr|complete)"


def cohort_of(definition: pd.Series, code: pd.Series) -> pd.Series:
    """Return the arm of the study: by its definition's words, by its code where there are none."""
    words = definition.str.strip().str.casefold()
    named = definition.str.strip()
    for start, label in DEFINITIONS.items():
        named = named.mask(words.str.startswith(start).fillna(False).astype(bool), label)
    plain = code.str.strip().str.replace(r"\.0+$", "", regex=True)
    coded = text_of(plain.map(COHORTS)).fillna(text_of(code.map(arm_of_words)))
    return named.fillna(coded).fillna("code " + plain)


def arm_of_words(code: object) -> object:
    """Return the arm whose words stand where a code is due, as in some data cuts."""
    text = str(code).strip().casefold()
    return next((arm for start, arm in DEFINITIONS.items() if text.startswith(start)), np.nan)


def people_of_tables(root: str | Path) -> pd.DataFrame:
    """Return everybody in ``Participant_Status`` or ``Demographics`` with what baseline says."""
    status, demographics = read_status(root), read_demographics(root)
    forms = {form.names[0]: read_form(root, form) for form in (AGE, MOTOR, COGNITION, *OTHER_PARTS)}
    everybody = status.index.union(demographics["subject"].dropna(), sort=False)
    status = status.reindex(everybody)
    people = pd.DataFrame(index=pd.Index(everybody, name="subject", dtype="str"))
    people["cohort"] = cohort_of(status["definition"], status["code"])
    people["status"] = status["status"]
    people["enrolled"] = status["status"].str.contains(ENROLLED).fillna(False).astype(bool)
    people["genetic"] = status[list(ARMS)].eq(1).any(axis=1)
    people["date"] = dates_of([demographics, *forms.values()]).reindex(everybody)
    people["seen"] = people["date"].notna() | everybody.isin(subjects_seen(forms))
    people["date"] = people["date"].fillna(status["enrolled"])
    people = people.join(demographic_columns(root, demographics))
    people = people.join(scores(root, forms)).join(dose_at_baseline(root, people["date"]))
    born = ages(people.pop("birth"), people["date"])
    people["age"] = people["age"].fillna(status["age"]).fillna(born).round(1)
    return people


def read_demographics(root: str | Path) -> pd.DataFrame:
    """Read the demographics, sex translated."""
    path = find_table(root, "Demographics", ["Screening___Demographics"], where=WHERE)
    table = read_table(
        path, DEMOGRAPHICS, ids=["subject"], dates=["date", "birth"], required=["subject", "sex"],
        unreadable="missing",
    )  # fmt: skip
    return table.assign(sex=translated(table["sex"], SEXES, "SEX", path.name))


def dates_of(tables: list[pd.DataFrame | None]) -> pd.Series:
    """Return the month of the baseline visit, or of the screening, by subject."""
    rows = [t[["subject", "event", "state", "date"]] for t in tables if t is not None]
    return at_baseline(pd.concat(rows, ignore_index=True).dropna(subset=["event"]), ["date"])[
        "date"
    ]


def subjects_seen(forms: dict[str, pd.DataFrame | None]) -> set[str]:
    """Return who has a form of the baseline or the screening."""
    return {s for table in forms.values() for s in at_baseline(table, ["date"]).index}


def demographic_columns(root: str | Path, demographics: pd.DataFrame) -> pd.DataFrame:
    """Return what does not change: sex, birth, education, centre and APOE."""
    columns = {name: once(demographics, name) for name in ("sex", "birth")}
    for name, form in (("education", EDUCATION), ("site", SITES), ("apoe", GENETICS)):
        table = read_form(root, form)
        columns[name] = pd.Series(dtype="object") if table is None else once(table, name)
    frame = pd.DataFrame(columns)
    return frame.astype({"education": "float64", "birth": "datetime64[us]"})


def scores(root: str | Path, forms: dict[str, pd.DataFrame | None]) -> pd.DataFrame:
    """Return age and scores at baseline by subject."""
    parts = [at_baseline(forms[form.names[0]], form.numeric) for form in
             (AGE, MOTOR, COGNITION, *OTHER_PARTS)]  # fmt: skip
    putamen = at_baseline(read_form(root, TRANSPORTER), PUTAMEN).astype("float64")
    table = pd.concat([*parts, at_baseline(read_form(root, SMELL), SMELL.numeric)], axis=1)
    table = table.astype("float64")
    return table.assign(
        updrs1=table.pop("rated") + table.pop("told"),
        gds=depression(read_form(root, DEPRESSION)),
        datscan_putamen=putamen.mean(axis=1, skipna=False),
    )


def people_of_curated(root: str | Path) -> pd.DataFrame:
    """Return everybody of a curated data cut, as :func:`people_of_tables` does."""
    table = read_curated(root)
    people = table.assign(
        cohort=cohort_of(table["definition"], table["code"]),
        sex=translated(table["sex"], SEXES, "SEX", "curated data cut"),
        # A cut holds enrolled participants only.
        status="enrolled",
        enrolled=True,
        seen=table["event"].notna(),
        medicated=table["ledd"].gt(0).astype(object).where(table["ledd"].notna()),
        age=table["age"].round(1),
    )
    return people.drop(columns=["definition", "code", "subgroup", "event"])


def read_people(root: str | Path, source: str) -> pd.DataFrame:
    """Read the source that is asked for; ``"auto"`` prefers the tables."""
    if source == "auto":
        status = find_table(root, "Participant_Status", required=False)
        source = "curated" if status is None else "tables"
    people = people_of_curated(root) if source == "curated" else people_of_tables(root)
    if people.empty:
        raise TableError("The tables of PPMI name participants", got="nobody")
    return people
