"""OASIS-3's tables of measures: FreeSurfer, and PET by the PET Unified Pipeline (PUP).

Names are those of published scripts that read the files; the study's dictionary is at
https://sites.wustl.edu/oasisbrains.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from adestim.datasets.loaders.blocks import (
    Block,
    BlockForm,
    find_block_forms,
    read_block_cells,
)
from adestim.datasets.loaders.oasis_tables import DEPTH, WHERE
from adestim.exceptions import TableError

OASIS_KEYS = {
    "subject": ("OASISID", "Subject", "subject_id"),
    "label": ("MR_session", "PUP_PUPTIMECOURSEDATA ID", "FS_FSDATA ID", "label"),
}
PASSED = r"^passed"
PET_KEYS = {"quality": "PET TC QC Status", "tracer": "tracer"}


def name_oasis_freesurfer(column: str) -> str | None:
    """Return FreeSurfer's name of a column: volumes of structures bear no measure there."""
    if column == "IntraCranialVol":
        return column
    found = re.fullmatch(r"(.+)_(volume|thickness|area)", column)
    if found is None or column.startswith("TOTAL_"):
        return None
    return column if re.match(r"[lr]h_", column) or found[2] != "volume" else found[1]


def name_oasis_uptake(column: str) -> str | None:
    """Return the name of a column of uptake ratios or Centiloids, not corrected for spill-over."""
    if column == "Centil_fSUVR_TOT_CORTMEAN":
        return "CENTILOIDS"
    found = re.fullmatch(r"PET_fSUVR_(?!rsf_)(.+)", column)
    return f"{found[1]}_SUVR" if found else None


OASIS_BLOCKS = {
    "freesurfer": BlockForm(
        ("OASIS3_Freesurfer_output", "*Freesurfer*output*"),
        name_oasis_freesurfer,
        {"quality": "FS QC Status"},
        passed=PASSED,
    ),
    "amyloid_pet": BlockForm(
        ("OASIS3_PUP", "*PUP*"), name_oasis_uptake, PET_KEYS, passed=PASSED,
        tracers=("AV45", "PIB"), signed=("CENTILOIDS",),
    ),
    "fdg_pet": BlockForm(
        ("OASIS3_PUP", "*PUP*"),
        lambda column: None if column.startswith("Centil") else name_oasis_uptake(column),
        PET_KEYS, passed=PASSED, tracers=("FDG",),
    ),
}  # fmt: skip


def read_oasis_blocks(root: str | Path, tables: Sequence[str]) -> tuple[Block, ...]:
    """Read the tables of measures that are asked for."""
    forms = find_block_forms(tables, OASIS_BLOCKS)
    return tuple(read_oasis_block(root, name, form) for name, form in forms.items())


def read_oasis_block(root: str | Path, name: str, form: BlockForm) -> Block:
    """Read one table of measures; subjects and days are those of the sessions' labels."""
    table, columns = read_block_cells(
        root, name, form, OASIS_KEYS, ids=["subject"], dates=[], codes=(), where=WHERE, depth=DEPTH
    )
    subject = table["label"].str.extract(r"^(OAS3\d{4,})_", expand=False)
    day = pd.to_numeric(table["label"].str.extract(r"_d(\d+)$", expand=False))
    number = table["subject"].fillna(subject)
    if number.isna().any() or day.isna().any():
        odd = int((number.isna() | day.isna()).sum())
        raise TableError(
            f"Every row of {form.names[0]!r} names its subject and session, such as "
            "OAS30001_MR_d0129",
            got=f"{odd} rows that do not",
            remedy="Download the table again, or remove these rows",
        )
    undated = pd.Series(pd.NaT, index=table.index, dtype="datetime64[us]")
    rows = table.assign(number=number, day=day.astype("float64"), date=undated)
    return Block(name, rows, columns)
