"""The bundled Seitzman coordinates as seeds of named structures on one hemisphere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage

SEEDS_PER_REGION = 7
HIPPOCAMPAL_SPACING = 4.0

# How far, in mm, a structure's voxels may lie from its nearest seed.
REACH = {
    "hippocampus": 8.0,
    "amygdala": 8.0,
    "caudate": 8.0,
    "accumbens": 7.0,
    "putamen": 9.0,
    "pallidum": 6.0,
    "thalamus": 9.0,
}
CORTICAL_REACH = 25.0
PALLIDUM_X = 22.0


@dataclass(frozen=True, eq=False)
class Seeds:
    """Seeds on the right hemisphere, those of the left folded onto it."""

    names: tuple[str, ...]
    centres: np.ndarray  # (n_seeds, 3); coordinates in MNI152 space, in mm; x is never negative
    structure: np.ndarray  # (n_seeds,); place of each seed's structure in ``names``
    reach: np.ndarray  # (n_seeds,); how far the structure extends from the seed at most, in mm
    subcortical: np.ndarray  # (n_seeds,); true for the nuclei, the hippocampus and the amygdala


def seitzman_seeds() -> Seeds:
    """Return the seeds of the built-in structures.

    Subcortical seeds are merged by nucleus. Cortical ones are clustered by place (Ward) within
    their functional network, cerebellar ones over all networks, some seven a cluster,
    numbered from front to back.

    Seitzman et al. (2020). A set of functionally-defined brain regions with improved
    representation of the subcortex and cerebellum. NeuroImage 206, 116290.
    """
    table = fold_coordinates()
    table["structure"] = [structure_of(row) for row in table.itertuples()]
    table = pd.concat([table[table.structure != "hippocampus"], hippocampal_axis(table)])
    table["structure"] = split_large(table)
    names = (*REACH, *sorted(set(table.structure) - set(REACH)))
    place = {name: number for number, name in enumerate(names)}
    return Seeds(
        names,
        table[["x", "y", "z"]].to_numpy(float),
        table.structure.map(place).to_numpy(int),
        np.array([REACH.get(name, CORTICAL_REACH) for name in table.structure]),
        table.structure.isin(list(REACH)).to_numpy(),
    )


def fold_coordinates() -> pd.DataFrame:
    """Return coordinates in mm, x made positive, with region and network."""
    from nilearn.datasets import fetch_coords_seitzman_2018

    atlas = fetch_coords_seitzman_2018()
    table = pd.DataFrame(np.asarray(atlas.rois[["x", "y", "z"]], dtype=float), columns=list("xyz"))
    return table.assign(x=table.x.abs(), region=list(atlas.regions), network=list(atlas.networks))


def structure_of(seed) -> str:
    """Name the structure of a seed; basal ganglia by their place and network."""
    if seed.region.startswith("cortex"):
        return f"{seed.network}_cortex"
    if seed.region != "basalGanglia":
        return seed.region
    if seed.network == "SomatomotorDorsal":
        return "pallidum" if seed.x < PALLIDUM_X else "putamen"
    return "accumbens" if seed.network == "Reward" else "caudate"


def hippocampal_axis(table: pd.DataFrame) -> pd.DataFrame:
    """Return seeds along the hippocampus, from its anterior to its posterior coordinates."""
    seeds = table[table.structure == "hippocampus"]
    is_anterior = seeds.y > seeds.y.mean()
    ends = [
        seeds.loc[half, ["x", "y", "z"]].mean().to_numpy() for half in (is_anterior, ~is_anterior)
    ]
    front, back = ends
    n_seeds = int(np.ceil(np.linalg.norm(back - front) / HIPPOCAMPAL_SPACING)) + 1
    axis = pd.DataFrame(np.linspace(front, back, n_seeds), columns=list("xyz"))
    return axis.assign(region="hippocampus", network="none", structure="hippocampus")


def split_large(table: pd.DataFrame) -> list[str]:
    """Return the seeds' structures, those of many seeds split and numbered."""
    names = table.structure.to_numpy(dtype=object).copy()
    for name in sorted(set(names) - set(REACH)):
        members = np.flatnonzero(table.structure == name)
        clusters = front_to_back(table.iloc[members][["x", "y", "z"]].to_numpy())
        if clusters.max() > 1:
            names[members] = [f"{name}_{cluster}" for cluster in clusters]
    return list(names)


def front_to_back(centres: np.ndarray) -> np.ndarray:
    """Cluster coordinates by place; cluster 1 lies at the front."""
    n_clusters = int(np.ceil(len(centres) / SEEDS_PER_REGION))
    if n_clusters == 1:
        return np.ones(len(centres), dtype=int)
    clusters = fcluster(linkage(centres, method="ward"), n_clusters, criterion="maxclust")
    front = [-centres[clusters == cluster, 1].mean() for cluster in range(1, clusters.max() + 1)]
    return np.argsort(np.argsort(front))[clusters - 1] + 1
