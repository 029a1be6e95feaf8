"""Resting-state signals: series of 300 regions, and 4-D runs made of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from adestim.datasets.simulation.tasks import MEASURES

WITHIN, BETWEEN = 0.25, 0.05
# Share of the within-network correlation that one standard deviation of the measure changes.
CHANGE_PER_SD = 0.30
NETWORKS_OF = {
    "dmn": ("DefaultMode",),
    "somatomotor": ("SomatomotorDorsal", "SomatomotorLateral"),
    "frontoparietal": ("FrontoParietal",),
}
TIME_CONSTANT = 6.0
SETTLING = 30
BASE_LEVEL, BASE_SD = 1000.0, 10.0
DRIFT = 0.5
MOTION_LOAD = 0.20
SPREAD_MM = 5.0
# One byte a voxel keeps files small: signals are 2 to 3 percent of the mean level.
VOXEL_LEVEL, VOXEL_SD = 150.0, 3.5
VOXEL_NOISE = 0.6
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


@dataclass(frozen=True, eq=False)
class Atlas:
    """Seitzman's 300 regions."""

    coordinates: np.ndarray  # (300, 3); in mm (MNI)
    networks: np.ndarray  # (300,)
    names: list[str]  # hemisphere, network and number: ``"LH_DefaultMode_101"``


@lru_cache(maxsize=1)
def load_atlas() -> Atlas:
    """Load the coordinates that nilearn brings along."""
    from nilearn.datasets import fetch_coords_seitzman_2018

    fetched = fetch_coords_seitzman_2018()
    coordinates = pd.DataFrame(fetched.rois)[["x", "y", "z"]].to_numpy(dtype=float)
    networks = np.asarray(fetched.networks).astype(str)
    sides = np.where(coordinates[:, 0] < 0, "LH", "RH")
    names = [
        f"{side}_{network}_{number:03d}"
        for number, (side, network) in enumerate(zip(sides, networks, strict=True), start=1)
    ]
    return Atlas(coordinates, networks, names)


@dataclass(frozen=True, eq=False)
class Run:
    """A resting-state run."""

    series: np.ndarray  # (n_volumes, 300); mean signal of each region, arbitrary units
    # (n_volumes, 7); rigid-body motion in mm and rad, and framewise displacement in mm
    confounds: pd.DataFrame
    t_r: float  # repetition time, in s

    def table(self) -> pd.DataFrame:
        """Return the series with their names, and the time of each volume in s."""
        table = pd.DataFrame(self.series, columns=load_atlas().names)
        table.insert(0, "time", np.arange(len(table)) * self.t_r)
        return table


def make_run(
    measures: np.ndarray, n_volumes: int, t_r: float, random_state: np.random.Generator
) -> Run:
    """Draw a run whose networks are as strong as the measurements say.

    Regions share a whole-brain signal and their network's; every part is a first-order
    autoregression of the same time constant, so correlations are those of the model.
    """
    atlas = load_atlas()
    size = dict(zip(MEASURES, measures, strict=True))
    networks, member_of = np.unique(atlas.networks, return_inverse=True)
    shared = share_variance(networks, size)[member_of]
    parts = draw_autoregression(n_volumes, 1 + len(networks) + len(member_of), t_r, random_state)
    whole, network, own = np.split(parts, [1, 1 + len(networks)], axis=1)
    series = np.sqrt(BETWEEN) * whole + np.sqrt(shared) * network[:, member_of]
    series += np.sqrt(1 - BETWEEN - shared) * own
    confounds = draw_motion(n_volumes, random_state)
    series += draw_drifts(n_volumes, len(member_of), random_state)
    series += make_motion_artefact(confounds, len(member_of), random_state)
    return Run((BASE_LEVEL + BASE_SD * series).astype(np.float32), confounds, float(t_r))


def share_variance(networks: np.ndarray, size: dict[str, float]) -> np.ndarray:
    """Return the share of variance that each network's signal has, shape (n_networks,)."""
    share = np.full(len(networks), WITHIN - BETWEEN)
    share[networks == "unassigned"] = 0.0
    for measure, members in NETWORKS_OF.items():
        change = np.clip(1 + CHANGE_PER_SD * size[measure], 0.05, 3.0)
        share[np.isin(networks, members)] *= change
    return share


def draw_autoregression(
    n_volumes: int, n_series: int, t_r: float, random_state: np.random.Generator
) -> np.ndarray:
    """Draw stationary first-order autoregressions of unit variance, shape (time, n_series)."""
    memory = np.exp(-t_r / TIME_CONSTANT)
    noise = random_state.standard_normal((n_volumes, n_series), dtype=np.float32)
    noise[1:] *= np.sqrt(1 - memory**2)
    return lfilter([1.0], [1.0, -memory], noise, axis=0)


def draw_drifts(n_volumes: int, n_regions: int, random_state: np.random.Generator) -> np.ndarray:
    """Draw a slow scanner drift for each region."""
    time = np.linspace(-1, 1, n_volumes)[:, None]
    return DRIFT * time * random_state.standard_normal(n_regions)


def draw_motion(n_volumes: int, random_state: np.random.Generator) -> pd.DataFrame:
    """Draw head motion as a random walk, calmer in some than in others."""
    calm = np.exp(random_state.normal(0, 0.4))
    steps = random_state.standard_normal((n_volumes, 6)) * calm
    steps *= np.array([0.02, 0.02, 0.02, 4e-4, 4e-4, 4e-4])
    steps[0] = 0
    walk = np.cumsum(steps, axis=0)
    table = pd.DataFrame(walk - walk.mean(axis=0), columns=list(MOTION))
    arc = np.array([1, 1, 1, 50, 50, 50])
    displacement = (np.abs(steps) * arc).sum(axis=1)
    displacement[0] = np.nan
    return table.assign(framewise_displacement=displacement)


def make_motion_artefact(
    confounds: pd.DataFrame, n_regions: int, random_state: np.random.Generator
) -> np.ndarray:
    """Let motion leak into the signal, a little differently in every region."""
    motion = confounds[list(MOTION)].to_numpy()
    spread = motion.std(axis=0)
    standard = motion / np.where(spread > 0, spread, 1)
    loads = MOTION_LOAD / np.sqrt(6) * random_state.standard_normal((6, n_regions))
    return standard @ loads


@dataclass(frozen=True, eq=False)
class VoxelMap:
    """How regions show in voxels."""

    inside: np.ndarray  # (x, y, z); grey matter, and the voxel nearest to each region
    # (n_inside, 300); Gaussians around the coordinates; the largest of a region is one
    weights: np.ndarray
    level: np.ndarray  # (n_inside,)
    affine: np.ndarray  # (4, 4)


@lru_cache(maxsize=2)
def load_voxel_map(resolution: int) -> VoxelMap:
    """Lay the regions over the bundled grey-matter template at a resolution in mm."""
    from nilearn.datasets import load_mni152_gm_template

    image = load_mni152_gm_template(resolution=resolution)
    grey = image.get_fdata(dtype=np.float32)
    atlas = load_atlas()
    inverse = np.linalg.inv(image.affine)
    nearest = np.rint(atlas.coordinates @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    nearest = np.clip(nearest, 0, np.array(grey.shape) - 1)
    inside = grey > 0.25
    inside[tuple(nearest.T)] = True
    mm = np.argwhere(inside) @ image.affine[:3, :3].T + image.affine[:3, 3]
    distance = np.linalg.norm(mm[:, None] - atlas.coordinates[None], axis=2)
    weights = np.exp(-(distance**2) / (2 * SPREAD_MM**2))
    weights[weights < 0.01] = 0
    weights /= weights.max(axis=0)
    level = VOXEL_LEVEL * (0.6 + 0.4 * grey[inside])
    return VoxelMap(inside, weights.astype(np.float32), level, image.affine)


def make_bold(run: Run, resolution: float, random_state: np.random.Generator):
    """Return the run as a 4-D image: sums of the regions' signals, and noise."""
    from nibabel import Nifti1Image

    voxels = load_voxel_map(int(resolution))
    signal = (run.series - BASE_LEVEL) / BASE_SD @ voxels.weights.T
    signal += VOXEL_NOISE * random_state.standard_normal(signal.shape, dtype=np.float32)
    volume = np.zeros((*voxels.inside.shape, len(run.series)), dtype=np.uint8)
    values = np.rint(voxels.level[:, None] + VOXEL_SD * signal.T)
    volume[voxels.inside] = np.clip(values, 0, 255)
    image = Nifti1Image(volume, voxels.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], run.t_r))
    return image
