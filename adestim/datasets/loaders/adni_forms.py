"""The tables of ADNI: their names, columns and codes, in every generation.

Names and codes are those of the study's data dictionaries (https://adni.loni.usc.edu) and of the
R package ADNIMERGE2, which decodes them to words. In October 2024 ``DXSUM_PDXCONV_ADNIALL`` became
``DXSUM``, with one ``DIAGNOSIS`` for all phases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from adestim.datasets.loaders.attach import extract_numbers
from adestim.datasets.tables.read_table import find_table, read_table, settle_duplicates
from adestim.datasets.tables.visit_codes import name_slots
from adestim.exceptions import TableError

WHERE = "study files of ADNI at ida.loni.usc.edu: DXSUM and PTDEMOG, or ADNIMERGE"
# Site, S and roster number, which has four digits or, since ADNI4, five; or that number alone.
PATTERN = r"(?i)^(?:sub-)?(?:ADNI)?(?:\d{3}_?S_?)?0*(\d+)$"
# Not applicable, and (ADNI1) confirmed missing: numbers like any other.
MISSING = ("-4", "-1")
MISSING_YEARS = {"*": MISSING, "birth_year": ("9999",)}
KEYS = {
    "rid": "RID",
    "ptid": ("PTID", "subject_id"),
    "phase": ("COLPROT", "PHASE"),
    "site": ("SITEID", "SITE"),
    "translated": "VISCODE2",
    "code": "VISCODE",
    "date": ("EXAMDATE", "VISDATE"),
    "changed": ("USERDATE2", "USERDATE", "update_stamp"),
}
SEXES = {"1": "M", "2": "F", "male": "M", "female": "F"}
BOXES = ("memory", "orient", "judge", "commun", "home", "care")
BIOMARKERS = ("abeta", "tau", "ptau")


@dataclass(frozen=True)
class Form:
    """One table."""

    names: tuple[str, ...]  # names of the file; an earlier one is preferred
    # our names and the file's, as ``read_table`` takes them
    columns: Mapping[str, str | tuple[str, ...]]
    numeric: tuple[str, ...] = ()  # our names of numbers, and of numbers with limits of an assay
    censored: tuple[str, ...] = ()
    # our names of columns that must and that should be there; of a tuple, any one
    needed: tuple[str | tuple[str, ...], ...] = ()
    expected: tuple[str | tuple[str, ...], ...] = ()


DIAGNOSES = Form(
    ("DXSUM", "DXSUM_PDXCONV_ADNIALL", "DXSUM_PDXCONV"),
    {
        "diagnosis": "DIAGNOSIS",
        "dxcurren": "DXCURREN",
        "dxchange": "DXCHANGE",
        "due": "DXDDUE",
    },
    needed=(("diagnosis", "dxcurren", "dxchange"),),
    expected=("due",),
)
DEMOGRAPHICS = Form(
    ("PTDEMOG",),
    {
        "sex": "PTGENDER",
        "education": "PTEDUCAT",
        "birth": "PTDOB",
        "birth_year": "PTDOBYY",
        "birth_month": "PTDOBMM",
    },
    numeric=("education", "birth_year", "birth_month"),
    needed=("sex",),
    expected=("education", ("birth", "birth_year")),
)
APOE = Form(
    ("APOERES",),
    {"genotype": "GENOTYPE", "first": "APGEN1", "second": "APGEN2"},
    expected=(("genotype", "first"),),
)
REGISTRY = Form(("REGISTRY",), {"previous": "RGPREVID"})
MEASURES = (
    Form(("MMSE",), {"mmse": "MMSCORE"}, numeric=("mmse",), expected=("mmse",)),
    Form(
        ("CDR",),
        {"cdr": "CDGLOBAL", "cdrsb": "CDRSB", **{f"box_{b}": f"CD{b.upper()}" for b in BOXES}},
        numeric=("cdr", "cdrsb", *(f"box_{b}" for b in BOXES)),
        expected=("cdr", ("cdrsb", "box_memory")),
    ),
    Form(
        ("ADAS", "ADASSCORES"),
        {"adas11": ("TOTSCORE", "TOTAL11"), "adas13": ("TOTAL13", "TOTALMOD")},
        numeric=("adas11", "adas13"),
        expected=("adas11", "adas13"),
    ),
    Form(("FAQ",), {"faq": "FAQTOTAL"}, numeric=("faq",), expected=("faq",)),
    Form(("MOCA",), {"moca": "MOCA"}, numeric=("moca",), expected=("moca",)),
    Form(("GDSCALE",), {"gds": "GDTOTAL"}, numeric=("gds",), expected=("gds",)),
    Form(
        ("UPENNBIOMK_ROCHE_ELECSYS",),
        {"abeta": ("ABETA42", "ABETA"), "tau": "TAU", "ptau": "PTAU"},
        censored=BIOMARKERS,
        expected=BIOMARKERS,
    ),
)
MERGED = Form(
    ("ADNIMERGE", "TADPOLE_D1_D2"),
    {
        "diagnosis": "DX",
        "enrolled_as": "DX_bl",
        "age_at_baseline": "AGE",
        "baseline": "EXAMDATE_bl",
        "sex": "PTGENDER",
        "education": "PTEDUCAT",
        "apoe4": "APOE4",
        "mmse": "MMSE",
        "cdrsb": "CDRSB",
        "adas11": "ADAS11",
        "adas13": "ADAS13",
        "faq": "FAQ",
        "moca": "MOCA",
        "abeta": "ABETA",
        "tau": "TAU",
        "ptau": "PTAU",
    },
    numeric=(
        "age_at_baseline", "education", "apoe4", "mmse", "cdrsb", "adas11", "adas13", "faq", "moca",
    ),
    censored=BIOMARKERS,
    needed=("code", "diagnosis", "sex", "age_at_baseline"),
    expected=("education", "apoe4", "mmse", "cdrsb", "adas13", "faq"),
)  # fmt: skip


def has_form(root: str | Path, form: Form) -> bool:
    """Tell whether a folder has a table."""
    return find_table(root, form.names[0], form.names[1:], required=False) is not None


def read_form(
    root: str | Path, form: Form, *, required: bool = False, where: str = WHERE
) -> pd.DataFrame | None:
    """Read a table of ADNI, or of AIBL, which has the same keys."""
    path = find_table(root, form.names[0], form.names[1:], where=where, required=required)
    if path is None:
        return None
    dates = ["date", "changed", *(["baseline"] if "baseline" in form.columns else [])]
    table = read_table(
        path,
        {**KEYS, **form.columns},
        ids=["rid", "ptid", "site"],
        dates=dates,
        numeric=form.numeric,
        censored=form.censored,
        sentinels=MISSING_YEARS,
        required=form.needed,
        expected=form.expected,
        unreadable="missing",
    )
    return add_keys(table, path.name)


def add_keys(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Add the roster number and the slot of the visit; put rows into the order of their changes."""
    numbers = extract_numbers(table["rid"], PATTERN).fillna(extract_numbers(table["ptid"], PATTERN))
    if numbers.isna().any():
        raise TableError(
            f"Every row of {source!r} has a RID or a PTID",
            got=f"{int(numbers.isna().sum())} rows without one",
            remedy="Download the table again, or remove these rows",
        )
    code = table["translated"].fillna(table["code"])
    table = table.assign(number=numbers, code=code, slot=name_slots(code, table["date"]))
    table = table.sort_values("changed", kind="stable", na_position="first")
    return table.drop(columns=["rid", "translated", "changed"]).reset_index(drop=True)


def settle_visits(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Settle rows of one visit that were entered twice: the one changed last counts."""
    return settle_duplicates(table, ["number", "code", "slot"], "last", source)
