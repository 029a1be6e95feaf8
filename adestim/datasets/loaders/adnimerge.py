"""ADNIMERGE, the study's tables joined into one, as a study."""

from __future__ import annotations

from pathlib import Path
from warnings import warn

import pandas as pd

from adestim.datasets.labelling.labels import diagnosis_labels
from adestim.datasets.loaders.adni_forms import (
    APOE,
    BIOMARKERS,
    DIAGNOSES,
    MERGED,
    REGISTRY,
    by_visit,
    read_form,
)
from adestim.datasets.loaders.adni_tables import (
    apoe_genotypes,
    as_study,
    memory_concern,
    once,
    sexes,
)
from adestim.datasets.loaders.study import Study
from adestim.datasets.tables.ages import DAYS_A_YEAR
from adestim.datasets.tables.visit_codes import one_a_visit, with_times
from adestim.exceptions import DataWarning

MEASURES = ("mmse", "cdrsb", "adas11", "adas13", "faq", "moca")
FROZEN = "ADNIMERGE covers ADNI1, ADNIGO, ADNI2 and ADNI3; ADNI4 is in the single tables."
COUNT_ONLY = (
    "ADNIMERGE counts the e4 alleles of APOE (column 'apoe4'); the genotype is in APOERES, which "
    "is not in the folder."
)


def read_merged(root: str | Path) -> Study:
    """Read ADNIMERGE, the cause of dementia from DXSUM and genotypes from APOERES."""
    forms = {"ADNIMERGE": read_form(root, MERGED, required=True)}
    for form in (DIAGNOSES, APOE, REGISTRY):
        table = read_form(root, form)
        if table is not None:
            forms[form.names[0]] = table
    rows = by_visit(forms["ADNIMERGE"], "ADNIMERGE")
    visits = merged_visits(with_causes(rows, forms.get("DXSUM")))
    people = merged_people(rows, forms.get("APOERES"))
    everybody = {name: table for name, table in forms.items() if name in ("ADNIMERGE", "REGISTRY")}
    notes = [FROZEN, *([COUNT_ONLY] if "apoe4" in people else [])]
    return as_study(people, visits, everybody, *notes)


def with_causes(rows: pd.DataFrame, diagnoses: pd.DataFrame | None) -> pd.DataFrame:
    """Add what dementia is due to, where DXSUM tells it."""
    if diagnoses is None:
        warn(
            "ADNIMERGE does not say what dementia is due to, so all of it counts as Alzheimer's "
            "disease. Put DXSUM into the same folder to set other causes apart.",
            DataWarning,
            stacklevel=2,
        )
        return rows.assign(due=pd.Series(pd.NA, index=rows.index, dtype="str"))
    causes = one_a_visit(by_visit(diagnoses, "DXSUM")[["number", "code", "slot", "due"]])
    return rows.merge(causes, how="left", on=["number", "slot"])


def merged_visits(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a visit with diagnosis, age and scores.

    The column AGE is the age at the baseline, on every row.
    """
    diagnosis = diagnosis_labels(rows, "text", column="diagnosis", cause="due")
    since = (rows["date"] - rows["baseline"]).dt.days / DAYS_A_YEAR
    age = (rows["age_at_baseline"] + since).round(1)
    measured = [*MEASURES, *BIOMARKERS, *(f"{name}_censored" for name in BIOMARKERS)]
    kept = ["number", "code", "slot", "phase", "date", *measured]
    visits = one_a_visit(rows[kept].assign(diagnosis=diagnosis, age=age))
    at_baseline = visits["number"].map(rows.groupby("number")["age_at_baseline"].first())
    age = visits["age"].fillna(at_baseline.where(visits["slot"] == "bl"))
    return with_times(visits.assign(age=age))


def merged_people(rows: pd.DataFrame, apoe: pd.DataFrame | None) -> pd.DataFrame:
    """Return what does not change, by roster number."""
    known = rows.groupby("number", sort=False)
    people = known[["education"]].first()
    people["sex"] = once(rows.assign(sex=sexes(rows["sex"])), "sex", "ADNIMERGE")
    people["smc"] = memory_concern(rows)
    if apoe is None:
        return people.assign(apoe4=known["apoe4"].first())
    return people.assign(apoe=once(apoe.assign(apoe=apoe_genotypes(apoe)), "apoe", "APOERES"))
