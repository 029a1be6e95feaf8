"""Background and the beginning of intensities, whatever their scale."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import SMRIExtractor
from adestim.exceptions import VolumeError
from adestim.modalities.smri.background import (
    count_holes,
    find_background,
    find_zero,
    lift_intensities,
    settle_background,
)
from adestim.modalities.smri.volume import read_volume


def ball(radius=3, size=11):
    """A ball of differing intensities from 10 to 20, zero around it."""
    place = np.indices((size,) * 3) - size // 2
    inside = (place**2).sum(axis=0) <= radius**2
    values = np.random.default_rng(0).uniform(10, 20, inside.shape)
    return np.where(inside, values, 0).astype(np.float32), inside


VALUES, INSIDE = ball()


def test_background_is_what_the_faces_share():
    assert find_background(VALUES) == 0
    assert find_background(VALUES - 5) == -5
    assert find_background(np.random.default_rng(0).normal(size=(4, 4, 4))) is None
    assert find_background(np.full((3, 3, 3), np.nan)) is None


@pytest.mark.parametrize("background", [np.nan, -1000.0, 7.0, 0.0])
def test_background_below_the_rest_becomes_zero(background):
    offset = 0 if np.isnan(background) else background
    found = settle_background(np.where(INSIDE, VALUES + offset, background))
    np.testing.assert_allclose(found, VALUES, atol=1e-4)


def test_nan_beside_a_constant_background_is_background():
    values = np.where(INSIDE, VALUES, 0) - 1000
    values[:2] = np.nan
    np.testing.assert_allclose(settle_background(values), VALUES, atol=1e-4)


def test_background_amid_the_intensities_or_above_them_stays():
    scores = np.where(INSIDE, VALUES - 15, 0)
    np.testing.assert_array_equal(settle_background(scores), scores)
    white = np.where(INSIDE, VALUES, 99)
    np.testing.assert_array_equal(settle_background(white), white)


def test_holes_are_the_nan_that_reach_no_face():
    values = np.where(INSIDE, VALUES, np.nan)
    assert count_holes(values) == 0
    values[5, 5, 4:6] = np.nan
    assert count_holes(values) == 2
    assert count_holes(VALUES) == 0


def test_hole_is_refused_and_counted():
    values = np.where(INSIDE, VALUES, np.nan)
    n_outside = np.isnan(values).sum()
    values[5, 5, 5] = np.nan
    with pytest.raises(VolumeError, match=f"Got {n_outside + 1} NaN.* 1 NaN away from"):
        read_volume(values, affine=np.eye(4))


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_background_is_refused(bad):
    with pytest.raises(VolumeError, match="NaN or infinite"):
        read_volume(np.where(INSIDE, VALUES, bad), affine=np.eye(4))


def test_nothing_but_nan_is_refused():
    with pytest.raises(VolumeError, match="must not be constant"):
        read_volume(np.full((3, 3, 3), np.nan), affine=np.eye(4))


@pytest.mark.parametrize(
    ("shift", "signed"), [(0, False), (-1000, True), (1000, True), (-15, True)]
)
def test_zero_is_kept_where_it_means_nothing(shift, signed):
    inside = np.linspace(5, 20, 1000) + shift
    zero, high = find_zero(inside)
    assert zero == pytest.approx(inside[10] if signed else 0, abs=0.1)
    assert high == pytest.approx(inside[-11], abs=0.1)


def test_intensities_are_lifted_to_zero_and_artefacts_cut():
    values = VALUES - 15
    values[5, 5, 5], values[5, 5, 6] = -30000, 30000
    lifted = lift_intensities(values, INSIDE)
    assert lifted.min() == 0
    assert lifted.max() < 20
    assert (lifted[~INSIDE] == 0).all()


SCALES = {
    "offset down": lambda v, m: v - 1000,
    "offset up": lambda v, m: v + 1000,
    "minus one to one": lambda v, m: v / v.max() * 2 - 1,
    "z-scored with the background": lambda v, m: (v - v.mean()) / v.std(),
    "z-scored inside": lambda v, m: np.where(m, (v - v[m].mean()) / v[m].std(), 0),
    "tiny": lambda v, m: v * 1e-6,
    "huge": lambda v, m: v * 1e6,
    "bytes": lambda v, m: np.rint(v / v.max() * 255),
    "white background": lambda v, m: np.where(m, v, 5000),
    "nan background": lambda v, m: np.where(m, v, np.nan),
    "nan background, z-scored": lambda v, m: np.where(m, (v - v[m].mean()) / v[m].std(), np.nan),
    "a dark artefact": lambda v, m: np.where(np.arange(v.size).reshape(v.shape) == 70000, -3e4, v),
}


@pytest.fixture(scope="module")
def solid_brain(brain_image):
    """The brain without the holes of the template's ventricles."""
    from scipy.ndimage import binary_fill_holes

    values = brain_image.get_fdata(dtype=np.float32)
    return np.where(binary_fill_holes(values > 0), np.maximum(values, 1), 0), brain_image.affine


@pytest.fixture(scope="module")
def measured(solid_brain):
    return measure(*solid_brain)


def measure(values, affine):
    frame = pd.DataFrame({"t1w": [nibabel.Nifti1Image(values.astype(np.float32), affine)]})
    return SMRIExtractor(resolution=4.0).fit_transform(frame).iloc[0, 0].tokens


@pytest.mark.parametrize("scale", SCALES)
def test_same_brain_measures_the_same_on_any_scale(solid_brain, measured, scale):
    values, affine = solid_brain
    found = measure(SCALES[scale](values, values > 0), affine)
    agreement = [np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, measured.T, strict=True)]
    # Where zero is lost, the darkest intensities stand for it.
    tolerance, least = (0.3, 0.9) if scale.endswith(("inside", "z-scored")) else (0.02, 0.99)
    assert min(agreement) > least
    np.testing.assert_allclose(found[:, 0], measured[:, 0], rtol=tolerance, atol=0.1)
