"""Tissue fractions from simulated intensities."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from adestim.modalities.smri.tissue import segment_tissues

MEANS = np.array([0.3, 0.65, 0.9])


@pytest.fixture
def brain():
    """Voxels of known fractions, half of them on a border, and blurred priors."""
    rng = np.random.default_rng(0)
    n_voxels = 6000
    mixed = rng.uniform(size=n_voxels) * (rng.uniform(size=n_voxels) < 0.5)
    first = rng.integers(3, size=n_voxels)
    second = np.where(first == 1, rng.choice([0, 2], n_voxels), 1)
    fractions = np.zeros((3, n_voxels))
    voxel = np.arange(n_voxels)
    fractions[first, voxel] = 1 - mixed
    fractions[second, voxel] += mixed
    priors = 0.6 * fractions + 0.4 / 3
    intensities = MEANS @ fractions + rng.normal(0, 0.02, n_voxels)
    return intensities, priors, rng.uniform(-70, 70, (n_voxels, 3)), fractions


def error_of(segmentation, fractions):
    return np.abs(segmentation.fractions - fractions).mean()


def test_means_and_fractions_are_recovered(brain):
    *data, fractions = brain
    segmentation = segment_tissues(*data)
    assert_allclose(segmentation.means, MEANS, atol=0.03)
    assert_allclose(segmentation.fractions.sum(axis=0), 1, atol=1e-5)
    assert error_of(segmentation, fractions) < 0.05
    assert_allclose(segmentation.fractions.mean(axis=1), fractions.mean(axis=1), atol=0.03)


def test_smooth_inhomogeneity_is_removed(brain):
    intensities, priors, positions, fractions = brain
    x, y, z = positions.T / 70
    field = 1 + 0.2 * x - 0.15 * y * z
    segmentation = segment_tissues(intensities * field, priors, positions)
    ratio = segmentation.corrected / intensities
    assert ratio.std() / ratio.mean() < 0.03
    assert error_of(segmentation, fractions) < 0.06


def test_relative_intensity_puts_csf_at_zero_and_white_matter_at_one(brain):
    *data, fractions = brain
    relative = segment_tissues(*data).relative_intensity()
    assert relative[fractions[0] == 1].mean() == pytest.approx(0, abs=0.06)
    assert relative[fractions[2] == 1].mean() == pytest.approx(1, abs=0.06)


def test_more_fluid_than_the_priors_expect_is_followed(brain):
    intensities, priors, positions, fractions = brain
    is_wider = np.arange(len(intensities)) % 5 == 0
    noise = np.random.default_rng(1).normal(0, 0.02, len(intensities))
    widened = np.where(is_wider, MEANS[0] + noise, intensities)
    expected = np.where(is_wider, 1, fractions[0]).mean()
    found = segment_tissues(widened, priors, positions).fractions[0].mean()
    assert fractions[0].mean() + 0.1 < expected
    assert found == pytest.approx(expected, abs=0.05)


def test_spatial_priors_decide_between_alike_intensities():
    rng = np.random.default_rng(0)
    tissue = np.repeat([0, 1, 2], 400)
    intensities = MEANS[tissue] + rng.normal(0, 0.1, 1200)
    positions = rng.normal(0, 50, (1200, 3))
    weak, strong = (np.full((3, 1200), rest) for rest in (0.3, 0.05))
    weak[tissue, np.arange(1200)], strong[tissue, np.arange(1200)] = 0.4, 0.9
    share = [
        segment_tissues(intensities, priors, positions).fractions[tissue, np.arange(1200)].mean()
        for priors in (weak, strong)
    ]
    assert share[1] > share[0] + 0.05
