"""ADNI's tables of measures: FreeSurfer, amyloid and tau PET, plasma and cerebrospinal fluid.

Names are those of the data dictionaries (https://adni.loni.usc.edu) where these are public
(UCSFFSX7, UPENNBIOMK_ROCHE_ELECSYS), and of published scripts that read the files for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adestim.datasets.loaders.adni_forms import KEYS, MISSING, add_keys
from adestim.datasets.loaders.adni_regions import name_freesurfer_measure
from adestim.datasets.loaders.blocks import (
    Block,
    BlockForm,
    find_block_forms,
    read_block_cells,
)
from adestim.datasets.tables.visit_codes import DAYS_A_MONTH, read_months

WHERE = "study files of ADNI at ida.loni.usc.edu, Study Data"
PLASMA = (
    "pT217_F", "AB42_F", "AB40_F", "AB42_AB40_F", "pT217_AB42_F", "NfL_Q", "GFAP_Q", "NfL_F",
    "GFAP_F",
)  # fmt: skip
FLUID = ("ABETA42", "ABETA40", "ABETA", "TAU", "PTAU")
PET_KEYS = {"quality": "qc_flag", "tracer": "TRACER"}
# The code of a scan that passed; what others mean is not public.
PASSED = r"^2(?:\.0+)?$"


def name_uptake(column: str) -> str | None:
    """Return the name of a column of uptake ratios or Centiloids; regions' volumes are left out."""
    return column if column.endswith("_SUVR") or column == "CENTILOIDS" else None


def name_plasma(column: str) -> str | None:
    """Return the name of a plasma marker: Fujirebio (F) or Quanterix (Q)."""
    return column if column in PLASMA else None


def name_fluid(column: str) -> str | None:
    """Return the name of a marker of cerebrospinal fluid."""
    return column if column in FLUID else None


ADNI_BLOCKS = {
    "freesurfer": BlockForm(
        ("UCSFFSX7", "UCSFFSX6", "UCSFFSX51", "UCSFFSX"),
        name_freesurfer_measure,
        {"quality": "OVERALLQC"},
        passed=r"^(?:pass|partial)$",
    ),
    "amyloid_pet": BlockForm(
        ("UCBERKELEY_AMY_6MM",), name_uptake, PET_KEYS, passed=PASSED, signed=("CENTILOIDS",)
    ),
    "tau_pet": BlockForm(("UCBERKELEY_TAU_6MM",), name_uptake, PET_KEYS, passed=PASSED),
    "tau_pet_pvc": BlockForm(("UCBERKELEY_TAUPVC_6MM",), name_uptake, PET_KEYS, passed=PASSED),
    "plasma": BlockForm(("UPENN_PLASMA_FUJIREBIO_QUANTERIX",), name_plasma, {}, censored=True),
    "csf": BlockForm(("UPENNBIOMK_ROCHE_ELECSYS",), name_fluid, {}, censored=True),
}


def read_adni_blocks(root: str | Path, tables: Sequence[str]) -> tuple[Block, ...]:
    """Read the tables of measures that are asked for."""
    forms = find_block_forms(tables, ADNI_BLOCKS)
    return tuple(read_adni_block(root, name, form) for name, form in forms.items())


def read_adni_block(root: str | Path, name: str, form: BlockForm) -> Block:
    """Read one table of measures."""
    keys = {**KEYS, "date": ("SCANDATE", "EXAMDATE", "VISDATE")}
    table, columns = read_block_cells(
        root, name, form, keys,
        ids=["rid", "ptid", "site"], dates=["date", "changed"], codes=MISSING, where=WHERE,
    )  # fmt: skip
    rows = add_keys(table, form.names[0])
    planned = (read_months(rows["slot"]) * DAYS_A_MONTH).round()
    return Block(name, rows.assign(day=planned), columns)
