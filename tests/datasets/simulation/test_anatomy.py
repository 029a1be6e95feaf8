"""T1-weighted volumes: what a measurement does to them, and what an image model finds in them."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score

from adestim.datasets.simulation.anatomy import (
    REGIONS,
    VENTRICLE_BOX,
    draw_scanner,
    load_brain_maps,
    make_cosine_waves,
    make_grid_mm,
    make_t1w,
)
from adestim.datasets.simulation.tables import draw_tables
from adestim.datasets.simulation.tasks import MEASURES


def volume_of(site=0, seed=0, resolution=5, **sizes):
    """A volume as numbers; the measurements not named are those of an average control."""
    measures = np.array([sizes.get(name, 0.0) for name in MEASURES])
    image = make_t1w(measures, site, resolution, np.random.default_rng(seed))
    return np.asarray(image.dataobj).astype(float)


def near_seeds(name, resolution=5):
    """The voxels within 8 mm of a region's seeds."""
    template = load_brain_maps(resolution)
    mm = make_grid_mm(template.grey.shape, template.affine)
    centres = np.array(REGIONS[name][0])
    return np.min([np.linalg.norm(mm - c[:, None, None, None], axis=0) for c in centres], 0) < 8


@pytest.fixture(scope="module")
def scans():
    """T1-weighted volumes of both tasks at 8 mm, with their labels and sites."""
    made = {}
    for task in ("nc_ad", "nc_mci"):
        tables = draw_tables(160, task, None, seed=3)
        rows = zip(tables.latent.measures, tables.acquisition.site, strict=True)
        images = [
            make_t1w(measures, site, 8, np.random.default_rng([3, row]))
            for row, (measures, site) in enumerate(rows)
        ]
        made[task] = (images, tables.latent.y, tables.acquisition.site)
    return made


def intensities(images):
    """Brain voxels of images on one grid."""
    volumes = np.array([np.asarray(image.dataobj) for image in images], dtype=np.float32)
    return volumes[:, volumes.max(axis=0) > 0]


def hippocampal_signal(images):
    """Mean intensity within 8 mm of the hippocampal seeds, against white matter's."""
    image = images[0]
    mm = make_grid_mm(image.shape, image.affine)
    centres = np.array(REGIONS["hippocampus"][0])
    distance = np.min([np.linalg.norm(mm - c[:, None, None, None], axis=0) for c in centres], 0)
    volumes = np.array([np.asarray(image.dataobj) for image in images], dtype=np.float32)
    white = np.percentile(volumes[:, volumes.max(axis=0) > 0], 90, axis=1)
    return volumes[:, distance < 8].mean(axis=1) / white


def auc_with_error(y, score):
    """AUC and its standard error (Hanley and McNeil)."""
    auc = roc_auc_score(y, score)
    n1, n0 = y.sum(), (1 - y).sum()
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n1 - 1) * (q1 - auc**2) + (n0 - 1) * (q2 - auc**2)
    return auc, np.sqrt(variance / (n1 * n0))


@pytest.mark.parametrize(("task", "low", "high"), [("nc_ad", 0.83, 0.90), ("nc_mci", 0.68, 0.75)])
def test_hippocampus_in_the_images_separates_as_published(scans, task, low, high):
    images, y, _ = scans[task]
    auc, error = auc_with_error(y, -hippocampal_signal(images))
    assert low - 3 * error <= auc <= high + 3 * error
    assert 0.62 < auc < 0.93


def test_whole_image_is_not_too_easy(scans):
    images, y, _ = scans["nc_mci"]
    voxels = intensities(images)[:, ::7]
    voxels = voxels / np.percentile(voxels, 90, axis=1, keepdims=True)
    score = cross_val_score(RidgeClassifier(100.0), voxels, y, cv=5, scoring="roc_auc").mean()
    assert 0.52 < score < 0.78


def test_site_shows_in_raw_intensities(scans):
    images, _, site = scans["nc_ad"]
    voxels = intensities(images)
    summary = np.column_stack([voxels.mean(axis=1), voxels.std(axis=1), np.median(voxels, axis=1)])
    forest = RandomForestClassifier(50, random_state=0)
    assert cross_val_score(forest, summary, site, cv=3).mean() > 0.5


@pytest.mark.parametrize("region", list(REGIONS))
def test_loss_of_a_region_darkens_it_and_nothing_far_away(region):
    whole, less = volume_of(), volume_of(**{region: -2.0})
    assert less[near_seeds(region)].mean() < whole[near_seeds(region)].mean() - 5
    far = load_brain_maps(5).regions[region] < 1e-6
    np.testing.assert_array_equal(less[far], whole[far])


def test_ventricles_grow_with_their_measurement():
    template = load_brain_maps(5)
    x, y, z = make_grid_mm(template.grey.shape, template.affine)
    inside = [
        (place > low) & (place < high)
        for place, (low, high) in zip((np.abs(x), y, z), VENTRICLE_BOX, strict=True)
    ]
    box = np.logical_and.reduce(inside) & template.brain
    fluid = [(volume_of(ventricles=size)[box] < 80).sum() for size in (-2.0, 0.0, 2.0)]
    assert fluid[0] < fluid[1] < fluid[2]


def test_same_seed_gives_the_same_volume():
    np.testing.assert_array_equal(volume_of(seed=1), volume_of(seed=1))
    assert (volume_of(seed=1) != volume_of(seed=2)).any()


def test_volume_is_skull_stripped_in_the_template_s_space():
    image = make_t1w(np.zeros(len(MEASURES)), 0, 5, np.random.default_rng(0))
    template = load_brain_maps(5)
    volume = np.asarray(image.dataobj)
    assert volume.dtype == np.uint8
    np.testing.assert_array_equal(volume > 0, template.brain)
    np.testing.assert_array_equal(image.affine, template.affine)
    assert image.header.get_zooms() == (5, 5, 5)
    assert image.header.get_xyzt_units()[0] == "mm"


def test_scanner_of_a_site_is_the_same_in_every_cohort():
    assert draw_scanner(3) == draw_scanner(3)
    assert len({draw_scanner(site) for site in range(8)}) == 8


def test_waves_of_the_deformation_have_unit_variance():
    waves = make_cosine_waves((9, 11, 7))
    np.testing.assert_allclose(waves.std(axis=(1, 2, 3)), 1, rtol=1e-4)
