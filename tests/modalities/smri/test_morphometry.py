"""The morphometry backbone: atrophy is measured where it is, whatever the scanner did."""

import pickle

import nibabel
import numpy as np
import pytest
from nilearn.image import resample_img
from scipy.ndimage import gaussian_filter

from adestim.exceptions import VolumeError
from adestim.modalities.smri.morphometry import FEATURE_NAMES, Morphometry, region_features
from adestim.modalities.smri.parcellation import builtin_parcellation, resample_label_parcellation
from adestim.modalities.smri.template import load_template, mni_grid
from adestim.modalities.smri.volume import GridVolume

GRID = mni_grid(4.0)
NAMES = builtin_parcellation(GRID).names
VOLUME, ASYMMETRY = FEATURE_NAMES.index("volume"), FEATURE_NAMES.index("asymmetry")
FLUID = 120.0
HIPPOCAMPUS = [(-25, -12, -22), (-25, -25, -12), (-25, -38, -2)]
VENTRICLE = [(-12, 25, 8), (-14, -5, 22), (-22, -35, 14)]


def tokens_of(image, grid=GRID):
    return Morphometry(grid)(image)[0]


def measured(image, name, feature="volume"):
    return float(tokens_of(image)[NAMES.index(name), FEATURE_NAMES.index(feature)])


def with_fluid(image, places, share):
    """Let fluid take a share of the tissue around places of the left hemisphere, in mm."""
    voxels = np.moveaxis(np.indices(image.shape), 0, -1) @ image.affine[:3, :3].T
    voxels = voxels + image.affine[:3, 3]
    squares = [((voxels - place) ** 2).sum(axis=-1) for place in places]
    weight = share * np.exp(-np.min(squares, axis=0) / (2 * 6**2)) * (voxels[..., 0] < 0)
    values = image.get_fdata()
    lost = np.where(values > FLUID, weight * (values - FLUID), 0)
    return nibabel.Nifti1Image((values - lost).astype(np.float32), image.affine)


@pytest.fixture(params=["brain_image", "head_image"])
def image(request):
    """With the skull and without."""
    return request.getfixturevalue(request.param)


def test_tokens_are_finite_and_all_regions_are_seen(image):
    tokens, mask = Morphometry(GRID)(image)
    assert tokens.shape == (len(NAMES), len(FEATURE_NAMES))
    assert tokens.dtype == np.float32
    assert np.isfinite(tokens).all()
    assert mask.all()


def test_brain_has_a_brains_volume(image):
    tokens = tokens_of(image)
    is_tissue = np.array([not name.startswith(("lateral", "sulcal")) for name in NAMES])
    assert 1300 < tokens[is_tissue, VOLUME].sum() < 1750
    assert 2.5 < tokens[NAMES.index("hippocampus_L"), VOLUME] < 9


def test_hippocampal_loss_is_measured_in_order(image):
    images = [with_fluid(image, HIPPOCAMPUS, share) for share in (0, 0.1, 0.2, 0.3)]
    volumes = [measured(image, "hippocampus_L") for image in images]
    assert (np.diff(volumes) < -0.01 * volumes[0]).all(), volumes
    assert (np.diff([measured(i, "hippocampus_L", "intensity_mean") for i in images]) < 0).all()


def test_hippocampal_loss_stays_in_the_hippocampus(image):
    before, after = tokens_of(image), tokens_of(with_fluid(image, HIPPOCAMPUS, 0.3))
    change = (after[:, VOLUME] - before[:, VOLUME]) / before[:, VOLUME]
    right, far = NAMES.index("hippocampus_R"), NAMES.index("Visual_cortex_R_3")
    assert change[NAMES.index("hippocampus_L")] < -0.06
    assert abs(change[[right, far]]).max() < 0.02


def test_loss_on_one_side_shows_in_the_asymmetry(image):
    before = tokens_of(image)[:, ASYMMETRY]
    after = tokens_of(with_fluid(image, HIPPOCAMPUS, 0.3))[:, ASYMMETRY]
    left, right = NAMES.index("hippocampus_L"), NAMES.index("hippocampus_R")
    assert after[left] < before[left] - 0.05
    assert after[right] == pytest.approx(-after[left], abs=1e-6)


def test_ventricles_grow_in_order(image):
    images = [with_fluid(image, VENTRICLE, share) for share in (0, 0.3, 0.6, 0.9)]
    volumes = [measured(image, "lateral_ventricle_L") for image in images]
    assert (np.diff(volumes) > 0.005 * volumes[0]).all(), volumes
    assert volumes[-1] > 1.05 * volumes[0]


def test_scale_of_the_scanner_does_not_matter(image):
    scaled = nibabel.Nifti1Image(image.get_fdata() * 0.013, image.affine)
    np.testing.assert_allclose(tokens_of(scaled), tokens_of(image), rtol=1e-3, atol=1e-3)


def test_standardised_intensities_do_not_matter(brain_image):
    values = brain_image.get_fdata()
    scores = (values - values.mean()) / values.std()
    standard = tokens_of(nibabel.Nifti1Image(scores, brain_image.affine))
    raw = tokens_of(brain_image)
    assert np.corrcoef(standard[:, VOLUME], raw[:, VOLUME])[0, 1] > 0.99


def test_inhomogeneity_of_the_coil_hardly_matters(image):
    x, y, z = np.indices(image.shape) / np.reshape(image.shape, (3, 1, 1, 1)) - 0.5
    field = 1 + 0.4 * x - 0.3 * y * z
    biased = nibabel.Nifti1Image(image.get_fdata() * field, image.affine)
    corrected, clean = tokens_of(biased)[:, VOLUME], tokens_of(image)[:, VOLUME]
    assert np.median(abs(corrected - clean) / clean) < 0.03


@pytest.mark.parametrize("axes", ["LAS", "PSR", "IAL"])
def test_orientation_of_the_file_does_not_matter(image, axes):
    ornt = nibabel.orientations.axcodes2ornt(axes)
    turned = image.as_reoriented(
        nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), ornt)
    )
    assert "".join(nibabel.aff2axcodes(turned.affine)) == axes
    np.testing.assert_allclose(tokens_of(turned), tokens_of(image), rtol=1e-4, atol=1e-4)


def test_anisotropic_voxels_hardly_matter(image):
    thick = resample_img(
        image,
        target_affine=np.diag([2.0, 4.0, 3.0]),
        interpolation="linear",
        force_resample=True,
        copy_header=True,
    )
    thick_volume, volume = tokens_of(thick)[:, VOLUME], tokens_of(image)[:, VOLUME]
    assert np.corrcoef(thick_volume, volume)[0, 1] > 0.99
    assert np.median(abs(thick_volume - volume) / volume) < 0.05


def test_region_outside_the_field_of_view_is_masked(head_image):
    cropped = head_image.slicer[:, :, 12:]
    tokens, mask = Morphometry(GRID)(cropped)
    assert not mask[NAMES.index("cerebellum_L_1")]
    assert (tokens[~mask] == 0).all()
    assert mask.mean() > 0.8


def test_users_regions_are_measured(brain_image):
    values = np.zeros(brain_image.shape, dtype=np.uint8)
    values[:25, 20:40, 20:30], values[25:, 20:40, 20:30] = 1, 2
    atlas = nibabel.Nifti1Image(values, brain_image.affine)
    regions = resample_label_parcellation(atlas, GRID, labels=["core_L", "core_R"])
    morphometry = Morphometry(GRID, regions)
    tokens, mask = morphometry(brain_image)
    assert tokens.shape == (2, len(FEATURE_NAMES))
    assert mask.all()
    assert tokens[0, ASYMMETRY] == pytest.approx(-tokens[1, ASYMMETRY])
    assert morphometry.spec().option("token_names") == ("core_L", "core_R")


def test_regions_without_counterpart_have_no_asymmetry(brain_image):
    atlas = nibabel.Nifti1Image(np.ones((9, 9, 9), dtype=np.uint8), 8 * np.eye(4))
    tokens, _ = Morphometry(GRID, resample_label_parcellation(atlas, GRID))(brain_image)
    assert tokens[0, ASYMMETRY] == 0


def test_inverted_contrast_is_refused():
    template = load_template(GRID)
    inverted = GridVolume(
        np.where(template.brain, 1.2 - gaussian_filter(template.t1w, 0.5), 0).astype(np.float32),
        template.brain.astype(np.float32),
    )
    with pytest.raises(VolumeError, match="White matter must be brighter"):
        region_features(inverted, template, builtin_parcellation(GRID))


def test_spec_tells_what_the_tokens_depend_on():
    spec = Morphometry(GRID).spec()
    assert spec.name == "morphometry"
    assert spec.option("token_names") == NAMES
    assert spec.option("feature_names") == FEATURE_NAMES
    others = [Morphometry(mni_grid(6.0)), Morphometry(GRID, registration="affine")]
    assert len({hash(spec), *(hash(other.spec()) for other in others)}) == 3


def test_pickle_is_small_and_equivalent(brain_image):
    payload = pickle.dumps(Morphometry(GRID))
    assert len(payload) < 1000
    np.testing.assert_array_equal(
        pickle.loads(payload)(brain_image)[0], Morphometry(GRID)(brain_image)[0]
    )
