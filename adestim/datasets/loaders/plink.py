"""PLINK file sets of a study: whether they are complete, on which genome build, and of whom."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from warnings import warn

import pandas as pd

from adestim._support.tables import BLANKS, read_text_table
from adestim._support.text_files import UNPACKING_ERRORS, read_text
from adestim._support.words import first_names
from adestim.exceptions import DataWarning, GenotypeError

BUILDS = ("hg18", "hg19", "hg38")
# Positions in the order of BUILDS; dbSNP.
MARKERS = {
    "rs3094315": ("1", (742429, 752566, 817186)),
    "rs429358": ("19", (50103781, 45411941, 44908684)),
    "rs7412": ("19", (50103919, 45412079, 44908822)),
}
SUFFIXES = (".bed", ".bim", ".fam")


def find_file_sets(genotypes: str | Path | Sequence[str | Path] | None) -> list[Path]:
    """Return the prefixes of PLINK file sets, of which each must be complete."""
    if genotypes is None:
        return []
    given = [genotypes] if isinstance(genotypes, (str, Path)) else list(genotypes)
    prefixes = [strip_suffix(Path(path).expanduser()) for path in given]
    for prefix in prefixes:
        lacking = [end for end in SUFFIXES if not Path(f"{prefix}{end}").is_file()]
        if lacking:
            raise GenotypeError(
                "A PLINK file set has a .bed, a .bim and a .fam file",
                got=f"no {' and no '.join(lacking)} at {str(prefix)!r}",
                remedy="Name the three files by what comes before their suffix",
            )
    return prefixes


def strip_suffix(path: Path) -> Path:
    """Return the prefix of a file set, given as such or by one of its files."""
    return path.with_suffix("") if path.suffix in SUFFIXES else path


def find_build(prefix: Path) -> str | None:
    """Return the build on which a file set is; None where no marker tells it."""
    variants = read_bim_columns(Path(f"{prefix}.bim"), {0: "chromosome", 1: "id", 3: "position"})
    known = variants[variants["id"].isin(list(MARKERS))]
    rows = zip(known["id"], known["chromosome"], known["position"], strict=True)
    found = {find_build_of_marker(*row) for row in rows} - {None}
    if len(found) > 1:
        raise GenotypeError(
            "All variants of one file set are on one genome build",
            got=f"{' and '.join(sorted(map(str, found)))} in {str(prefix)!r}",
            remedy="Lift them over to one build first",
        )
    return found.pop() if found else None


def find_build_of_marker(name: str, chromosome: str, position: str) -> str | None:
    """Return the build on which a marker has this place."""
    home, positions = MARKERS[name]
    if chromosome.removeprefix("chr") != home:
        return None
    return dict(zip(map(str, positions), BUILDS, strict=True)).get(position)


def read_bim_columns(path: Path, names: dict[int, str]) -> pd.DataFrame:
    """Read columns of a table without names, separated by blanks."""
    try:
        table = read_text_table(path, has_names=False, separator=BLANKS)[list(names)]
    except (ValueError, KeyError, OSError, *UNPACKING_ERRORS):
        raise GenotypeError(
            "A .bim file has six columns and no line of names",
            got=f"something else in {path.name!r}",
        ) from None
    return table.rename(columns=names)


def read_samples(prefix: str | Path) -> list[str]:
    """Return the identifiers of the samples of a file set, the second column of ``.fam``."""
    path = Path(f"{prefix}.fam")
    if not path.is_file():
        raise GenotypeError(
            "A PLINK file set has a '.fam'",
            got=f"none at {str(path)!r}",
            remedy="Pass prefixes, without the suffix",
        )
    rows = [line.split() for line in read_lines_of(path) if line.strip()]
    if any(len(row) < 2 for row in rows):
        raise GenotypeError(
            "A '.fam' has a family and a sample on every line", got=f"less in {path.name!r}"
        )
    return [row[1] for row in rows]


def read_lines_of(path: Path) -> list[str]:
    """Return the lines of a file of text."""
    try:
        return read_text(path).splitlines()
    except (OSError, ValueError, *UNPACKING_ERRORS) as failure:
        raise GenotypeError(
            "A '.fam' is a file of text", got=f"{failure} in {path.name!r}"
        ) from None


def find_samples(prefixes: Sequence[str | Path], subjects: pd.Index) -> pd.Series:
    """Return each subject's sample identifier, with or without ``sub-``; missing without one."""
    samples = [name for prefix in prefixes for name in read_samples(prefix)]
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
