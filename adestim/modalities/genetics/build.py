"""Which genome build a set of variants is on, and whether several are on the same one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.genotypes import GenotypeSet

BUILDS = ("hg18", "hg19", "hg38")
SAME_BUILD_SHARE = 0.5
REMEDY = (
    "Lift all genotype files over to one build first (UCSC liftOver, CrossMap, or Picard "
    "LiftoverVcf), then harmonise"
)


class Marker(NamedTuple):
    """One variant whose position is known on every build, in the order of BUILDS."""

    chromosome: str
    positions: tuple[int, int, int]


MARKERS = {
    "rs3094315": Marker("1", (742429, 752566, 817186)),
    "rs429358": Marker("19", (50103781, 45411941, 44908684)),
    "rs7412": Marker("19", (50103919, 45412079, 44908822)),
}


def sniff_build(variants: pd.DataFrame) -> str | None:
    """Tell the genome build from the positions of three well-known variants.

    rs3094315 is on almost every array; rs429358 and rs7412 make APOE.

    Parameters
    ----------
    variants : DataFrame
        One row a variant; columns ``id`` (rs number), ``chromosome`` and ``position``
        (1-based base pairs).

    Returns
    -------
    {"hg18", "hg19", "hg38"} or None
        None where none of the three is among the variants, or not at a known place.

    Raises
    ------
    GenotypeError
        When the three disagree, that is, the table mixes builds.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.modalities.genetics import sniff_build
    >>> sniff_build(pd.DataFrame({"id": ["rs7412"], "chromosome": ["19"], "position": [45412079]}))
    'hg19'
    """
    known = variants[variants["id"].isin(list(MARKERS))]
    found = {
        build_of_marker(name, chromosome, position)
        for name, chromosome, position in zip(
            known["id"], known["chromosome"], known["position"], strict=True
        )
    } - {None}
    if len(found) > 1:
        raise GenotypeError(
            "All variants of one table must be on one genome build",
            got=" and ".join(sorted(str(build) for build in found)),
            remedy=REMEDY,
        )
    return found.pop() if found else None


def build_of_marker(name: str, chromosome: str, position: int) -> str | None:
    """Return the build on which a marker has this position."""
    marker = MARKERS[name]
    if str(chromosome).removeprefix("chr") != marker.chromosome:
        return None
    return dict(zip(marker.positions, BUILDS, strict=True)).get(int(position))


def build_of_set(genotypes: GenotypeSet) -> str | None:
    """Return a file's build, from its variants or else from its header."""
    return sniff_build(genotypes.variants) or genotypes.declared_build


def common_build(sets: Sequence[GenotypeSet]) -> str | None:
    """Return the build of all the files; None where nothing tells it."""
    builds = {str(item.path): build_of_set(item) for item in sets}
    if len(set(builds.values()) - {None}) > 1:
        raise GenotypeError(
            "All genotype files must be on one genome build",
            got=", ".join(f"{path}: {build or 'unknown'}" for path, build in builds.items()),
            remedy=REMEDY,
        )
    for number, item in enumerate(sets):
        for earlier in sets[:number]:
            require_shared_positions(earlier.variants, item.variants, str(item.path))
    return next(filter(None, builds.values()), None)


def require_same_build(
    reference: pd.DataFrame, build: str | None, sets: Sequence[GenotypeSet]
) -> None:
    """Refuse files on another build than the variants of the training set."""
    found = common_build(sets)
    if build is not None and found is not None and found != build:
        raise GenotypeError(
            f"The genotype files must be on the genome build of the training set, {build}",
            got=found,
            remedy=REMEDY,
        )
    for item in sets:
        require_shared_positions(reference, item.variants, str(item.path))


def require_shared_positions(first: pd.DataFrame, second: pd.DataFrame, path: str) -> None:
    """Refuse two tables whose shared rs numbers mostly lie at different positions."""
    second = second[second["id"].isin(first["id"])]
    first = first[first["id"].isin(second["id"])]
    places = [
        table.loc[table["id"].str.startswith("rs") & (table["position"] > 0)]
        .drop_duplicates("id")
        .set_index("id")["position"]
        for table in (first, second)
    ]
    shared = pd.concat(places, axis=1, join="inner", keys=["first", "second"])
    agreeing = (shared["first"] == shared["second"]).sum()
    if len(shared) and agreeing / len(shared) < SAME_BUILD_SHARE:
        raise GenotypeError(
            f"All genotype files must be on one genome build, but {path} places the variants "
            "it shares with another file elsewhere",
            got=f"{agreeing} of {len(shared)} shared rs numbers at equal positions",
            remedy=REMEDY,
        )
