"""CIFTI files as cells and as atlases: found by vertex and voxel, refused where they differ."""

import pickle

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import FMRIExtractor
from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri.cifti import grayordinates_of, match_grayordinates
from adestim.modalities.fmri.parcellation import read_label_parcellation
from adestim.modalities.fmri.timeseries import SeriesReader
from tests.modalities.fmri.cifti_files import (
    atlas,
    grayordinates,
    parcel_series,
    run,
    saved,
    scalars,
)

WALL = (3, 4, 5)
CODES = np.r_[np.arange(40) // 10 + 1, np.arange(40) // 10 + 5, np.full(12, 9), np.full(12, 10)]


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(100, 5, size=(12, 10))


@pytest.fixture
def dense(values):
    """A run without medial walls, each grayordinate with its region's series."""
    axis = grayordinates(medial_wall=WALL)
    kept = np.r_[np.setdiff1d(np.arange(40), WALL), 40 + np.setdiff1d(np.arange(40), WALL)]
    return run(values[:, CODES[np.r_[kept, np.arange(80, 104)]] - 1], axis)


@pytest.fixture
def labels():
    return atlas(CODES, grayordinates())


def read(parcellation, cell, **params):
    reader = SeriesReader(read_label_parcellation(parcellation), **params)
    return reader.read(cell, reader.layout(cell))


@pytest.mark.parametrize("in_memory", [True, False])
def test_run_is_averaged_over_an_atlas_of_whole_surfaces(
    dense, labels, values, tmp_path, in_memory
):
    cell, regions = dense, labels
    if not in_memory:
        cell = saved(dense, tmp_path / "bold.dtseries.nii")
        regions = saved(labels, tmp_path / "atlas.dlabel.nii")
    series = read(regions, cell)
    np.testing.assert_allclose(series.values, values, rtol=1e-6)
    assert (series.t_r, series.present.all()) == (2.0, True)


def test_grayordinates_are_found_whatever_their_order(dense, labels, values):
    axis = dense.header.get_axis(1)
    order = np.r_[np.arange(74, 98), np.arange(37, 74), np.arange(37)]
    assert len(order) == len(axis)
    turned = run(dense.get_fdata()[:, order], axis[order])
    np.testing.assert_allclose(read(labels, turned).values, values, rtol=1e-6)


def test_names_of_the_regions_are_the_atlas_own(dense):
    names = {code: f"LH_Vis_{code}" for code in range(1, 11)}
    reader = SeriesReader(read_label_parcellation(atlas(CODES, grayordinates(), names)), None)
    layout = reader.layout(dense)
    assert layout.names[:2] == ("LH_Vis_1", "LH_Vis_2")
    assert set(layout.networks) == {"Vis"}


def test_region_that_the_run_hardly_shows_is_masked(labels, values):
    cortex = run(values[:, CODES[:80] - 1], grayordinates(deep=False))
    series = read(labels, cortex)
    assert series.present.tolist() == [True] * 8 + [False] * 2


def test_atlas_is_small_when_pickled(labels):
    parcellation = read_label_parcellation(labels)
    again = pickle.loads(pickle.dumps(parcellation))
    assert again == parcellation
    assert len(again.grayordinates) == np.count_nonzero(CODES)


def test_extractor_reads_runs_and_ready_series(dense, labels, values, tmp_path):
    names = [f"region{code}" for code in range(1, 11)]
    ready = saved(parcel_series(values, names), tmp_path / "series.ptseries.nii")
    frame = pd.DataFrame({"bold": [saved(dense, tmp_path / "bold.dtseries.nii"), ready]})
    extractor = FMRIExtractor(parcellation=labels, min_duration=None, high_pass=None, low_pass=None)
    first, second = extractor.fit_transform(frame)["fmri"]
    np.testing.assert_allclose(first.tokens, second.tokens, atol=1e-4)


@pytest.mark.parametrize(("unit", "t_r"), [("SECOND", 0.8), ("HERTZ", None)])
def test_parcel_series_have_names_and_a_step(labels, values, unit, t_r):
    names = [f"P{number}" for number in range(10)]
    cell = parcel_series(values, names, step=0.8, unit=unit)
    reader = SeriesReader(read_label_parcellation(labels), None)
    assert reader.layout(cell).names == tuple(names)
    series = read(labels, cell)
    np.testing.assert_allclose(series.values, values, rtol=1e-6)
    assert series.t_r == t_r


def test_parcels_of_one_name_are_refused(labels, values):
    with pytest.raises(TimeSeriesError, match="'P' 10 times"):
        read(labels, parcel_series(values, ["P"] * 10))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (grayordinates(n_vertices=50), "40 vertices of CIFTI_STRUCTURE_CORTEX_LEFT in the atlas"),
        (grayordinates(shape=(7, 6, 6)), r"grid \(6, 6, 6\) in the atlas, \(7, 6, 6\)"),
        (grayordinates(affine=np.diag([3.0, 3.0, 3.0, 1.0])), "of another affine"),
    ],
)
def test_other_surfaces_and_grids_are_refused(labels, other, words):
    values = np.random.default_rng(0).normal(size=(5, len(other)))
    with pytest.raises(TimeSeriesError, match=words):
        read(labels, run(values, other))


def test_atlas_and_run_of_other_structures_are_refused():
    axis = grayordinates()
    left, right = axis[:40], axis[40:80]
    with pytest.raises(TimeSeriesError, match="must share grayordinates"):
        read(atlas(np.ones(40), left), run(np.random.default_rng(0).normal(size=(5, 40)), right))


def test_voxels_and_grayordinates_do_not_mix(dense, labels):
    volume = nibabel.Nifti1Image(np.ones((6, 6, 6), dtype=np.uint8), np.eye(4))
    with pytest.raises(TimeSeriesError, match=r"averaged over a CIFTI atlas.*\.dlabel\.nii"):
        read(volume, dense)
    bold = nibabel.Nifti1Image(np.ones((6, 6, 6, 5), dtype=np.float32), np.eye(4))
    with pytest.raises(TimeSeriesError, match="averaged over a label image in its own space"):
        read(labels, bold)


@pytest.mark.parametrize(
    ("image", "name", "words"),
    [
        (scalars(np.ones(104), grayordinates()), "a.dtseries.nii", "Got ScalarAxis and BrainModel"),
        (run(np.ones((3, 104)), grayordinates()), "a.ptseries.nii", "SeriesAxis and ParcelsAxis"),
        (nibabel.Nifti1Image(np.ones((4, 4, 4)), np.eye(4)), "a.dtseries.nii", "voxels alone"),
    ],
)
def test_files_of_another_kind_are_refused(labels, tmp_path, image, name, words):
    with pytest.raises(TimeSeriesError, match=words):
        read(labels, saved(image, tmp_path / name))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (run(np.ones((3, 104)), grayordinates()), "must hold a label for every grayordinate"),
        (scalars(np.ones(104), grayordinates(), maps=2), "must hold one map.*Got 2 maps"),
        (scalars(np.full(104, 0.5), grayordinates()), "whole numbers.*Got fractions"),
        (atlas(np.zeros(104), grayordinates()), "at least one region"),
        (atlas(CODES, grayordinates(), dict.fromkeys(range(1, 11), "same")), "'same' 10 times"),
    ],
)
def test_atlases_of_another_kind_are_refused(image, words):
    with pytest.raises(TimeSeriesError, match=words):
        read_label_parcellation(image)


@pytest.mark.parametrize("n_bytes", [0, 200, 5000])
def test_damaged_files_are_refused(labels, dense, tmp_path, n_bytes):
    path = saved(dense, tmp_path / "bold.dtseries.nii")
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(TimeSeriesError):
        read(labels, path)


def test_missing_file_is_refused(labels):
    with pytest.raises(TimeSeriesError, match="no such file"):
        read(labels, "nowhere.dtseries.nii")


def test_places_are_minus_one_where_nothing_matches():
    wanted, found = grayordinates_of(grayordinates()), grayordinates_of(grayordinates(deep=False))
    places = match_grayordinates(wanted, found)
    assert places[:80].tolist() == list(range(80))
    assert (places[80:] == -1).all()
