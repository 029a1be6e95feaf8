"""Who is in PLINK file sets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from warnings import warn

import pandas as pd

from adestim._support.words import first_names
from adestim.exceptions import DataWarning, GenotypeError


def sample_names(prefix: str | Path) -> list[str]:
    """Return the identifiers of the samples of a file set, the second column of ``.fam``."""
    path = Path(f"{prefix}.fam")
    if not path.is_file():
        raise GenotypeError(
            "A PLINK file set has a '.fam'",
            got=f"none at {str(path)!r}",
            remedy="Pass prefixes, without the suffix",
        )
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if any(len(row) < 2 for row in rows):
        raise GenotypeError(
            "A '.fam' has a family and a sample on every line", got=f"less in {path.name!r}"
        )
    return [row[1] for row in rows]


def genotype_cells(prefixes: Sequence[str | Path], subjects: pd.Index) -> pd.Series:
    """Return each subject's sample identifier, with or without ``sub-``; missing without one."""
    samples = [name for prefix in prefixes for name in sample_names(prefix)]
    by_label = {name.removeprefix("sub-"): name for name in samples}
    cells = [by_label.get(subject.removeprefix("sub-")) for subject in subjects]
    found = pd.Series(cells, index=subjects, dtype="str", name="genotypes")
    warn_of_strangers(found, samples)
    return found


def warn_of_strangers(cells: pd.Series, samples: Collection[str]) -> None:
    """Warn of samples none of which is of the cohort: the files may be of another study."""
    if cells.isna().all():
        warn(
            f"None of {len(samples)} samples ({first_names(samples, limit=3)}) is of anybody in "
            "the cohort, so genotypes are missing. Check that the files are of the same study.",
            DataWarning,
            stacklevel=3,
        )
