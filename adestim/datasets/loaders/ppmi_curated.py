"""The curated data cut of PPMI, a workbook or one of its sheets."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from adestim.datasets.loaders.ppmi_tables import BASELINE, SEXES, find_arm
from adestim.datasets.tables.cells import take_lasting, translate_codes
from adestim.datasets.tables.columns import find_columns
from adestim.datasets.tables.files import SUFFIXES
from adestim.datasets.tables.read_table import find_table, read_table, settle_duplicates
from adestim.datasets.tables.workbooks import WORKBOOK, read_sheets
from adestim.exceptions import TableError

NAMES = ("PPMI_Curated_Data_Cut_Public", "PPMI_Curated_Data_Cut*", "*Curated*Data*Cut*")
WHERE = "curated data cuts of PPMI at ida.loni.usc.edu (ppmi-info.org)"
KEYS = {"subject": "PATNO", "event": "EVENT_ID"}
COLUMNS = {
    **KEYS,
    "definition": "COHORT_DEFINITION",
    "code": "COHORT",
    "subgroup": "subgroup",
    "date": "visit_date",
    "site": "SITE",
    "age": ("age_at_visit", "age"),
    "sex": "SEX",
    "education": ("EDUCYRS", "educ"),
    "apoe": "APOE",
    "gds": "gds",
    "upsit": "upsit",
    "moca": "moca",
    "updrs1": "updrs1_score",
    "updrs2": "updrs2_score",
    "updrs3": "updrs3_score",
    "hoehn_yahr": "hy",
    "rbdsq": "rem",
    "ledd": "LEDD",
    "datscan_putamen": ("mean_putamen", "DATSCAN_PUTAMEN"),
}
NUMBERS = (
    "age", "education", "gds", "upsit", "moca", "updrs1", "updrs2", "updrs3", "hoehn_yahr", "rbdsq",
    "ledd", "datscan_putamen",
)  # fmt: skip
GENETIC = r"(?i)LRRK2|GBA|SNCA|PRKN|PARKIN|PINK1|genetic"


def find_curated(root: str | Path, *, required: bool = True) -> Path | None:
    """Find the newest curated data cut."""
    return find_table(
        root, NAMES[0], NAMES[1:], where=WHERE, suffixes=(WORKBOOK, *SUFFIXES), required=required
    )


def read_sheet_of_visits(path: Path) -> pd.DataFrame:
    """Return the sheet of a workbook that has the visits, its cells as strings."""
    sheets = read_sheets(path, "A curated data cut")
    for cells in sheets.values():
        if len(find_columns(list(cells.columns), KEYS)) == len(KEYS):
            cells.attrs["name"] = path.name
            return cells
    raise TableError(
        f"One sheet of {path.name!r} has the columns 'PATNO' and 'EVENT_ID'",
        got=f"none of {len(sheets)}",
    )


def read_curated(root: str | Path) -> pd.DataFrame:
    """Return one row a participant at baseline; who has none has an empty event."""
    path = find_curated(root)
    source = read_sheet_of_visits(path) if path.suffix.casefold() == WORKBOOK else path
    table = read_table(
        source, COLUMNS, ids=["subject", "site"], dates=["date"], numeric=NUMBERS,
        required=["subject", "event", "code", "sex"], expected=["subgroup", "apoe", *NUMBERS],
        unreadable="missing",
    )  # fmt: skip
    table = table[table["subject"].notna()]
    table = settle_duplicates(table, ["subject", "event"], "first", path.name)
    event = table["event"].str.upper()
    rank = event.map({name: place for place, name in enumerate(BASELINE)})
    ordered = table.assign(rank=rank).sort_values("rank", kind="stable", na_position="last")
    return merge_subject_rows(ordered).assign(
        genetic=lambda rows: rows["subgroup"].str.contains(GENETIC).fillna(False).astype(bool)
    )


def merge_subject_rows(ordered: pd.DataFrame) -> pd.DataFrame:
    """Merge the rows of baseline and screening; later visits tell only what does not change."""
    lasting = ["definition", "code", "subgroup", "sex", "site", "apoe", "education"]
    people = ordered.groupby("subject", sort=False)[lasting].first()
    for column in ("code", "sex", "apoe"):
        take_lasting(ordered, column, "curated data cut")
    early = ordered[ordered["rank"].notna()].drop(columns=[*lasting, "rank"])
    return people.join(early.groupby("subject", sort=False).first())


def read_people_of_cut(root: str | Path) -> pd.DataFrame:
    """Return everybody of a curated data cut, as :func:`people_of_tables` does."""
    table = read_curated(root)
    people = table.assign(
        cohort=find_arm(table["definition"], table["code"]),
        sex=translate_codes(table["sex"], SEXES, "SEX", "curated data cut"),
        # A cut holds enrolled participants only.
        status="enrolled",
        enrolled=True,
        seen=table["event"].notna(),
        medicated=table["ledd"].gt(0).astype(object).where(table["ledd"].notna()),
        age=table["age"].round(1),
    )
    return people.drop(columns=["definition", "code", "subgroup", "event"])
