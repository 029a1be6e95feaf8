"""Coordinates of the A424 parcels, and series as BrainLM reads them."""

import numpy as np
import pytest

from adestim._support.digests import digest_file
from adestim.exceptions import InputError, TableError, TimeSeriesError
from adestim.modalities.fmri.models.a424 import learn_parcels, read_coordinates, scale_frames
from adestim.modalities.fmri.timeseries import RoiLayout
from tests.modalities.fmri.model_files import baselines, coordinates_file, series_of

SIZE = {"n_parcels": 30, "n_frames": 40}


def places(n=30, seed=0):
    return np.random.default_rng(seed).integers(-90, 70, size=(n, 3))


@pytest.fixture
def path(tmp_path):
    return coordinates_file(tmp_path / "A424_Coordinates.dat", places())


def test_coordinates_are_read_by_label(path):
    np.testing.assert_array_equal(read_coordinates(path, 30), places())


def test_coordinates_may_be_separated_by_commas(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("1,2,3,4\n2, 5,6,7\n")
    np.testing.assert_array_equal(read_coordinates(path, 2), [[2, 3, 4], [5, 6, 7]])


def test_other_coordinates_of_424_parcels_need_their_hash(tmp_path):
    path = coordinates_file(tmp_path / "c.dat", places(424))
    with pytest.raises(InputError, match=r"SHA-256 cdad8f88\.\.\.892c.*coordinates_sha256"):
        read_coordinates(path)
    digest = digest_file(path)
    assert read_coordinates(path, sha256=digest).shape == (424, 3)
    with pytest.raises(InputError, match="SHA-256 0000"):
        read_coordinates(path, sha256="0" * 64)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 2 3\n2 3 4\n", "must hold 2 rows"),
        ("0 1 2 3\n1 2 3 4\n", "label from 1 on"),
        ("1 1 2 3\n2 200 3 4\n", "within 120 mm.*voxel indices"),
        ("label x y z\n1 2 3 4\n", "without a header"),
        ("1 2 3 4\n2 3\n", "four a row"),
        ("1 1 2 nan\n2 2 3 4\n", "within 120 mm"),
    ],
)
def test_files_that_are_no_coordinates_are_refused(tmp_path, text, words):
    (tmp_path / "c.dat").write_text(text)
    with pytest.raises(TableError, match=words):
        read_coordinates(tmp_path / "c.dat", 2)


def test_coordinates_must_be_named_and_be_there(tmp_path):
    with pytest.raises(InputError, match=r"Got none.*A424_Coordinates.dat"):
        read_coordinates(None)
    with pytest.raises(InputError, match="no file"):
        read_coordinates(tmp_path / "absent.dat")


def test_frames_of_all_rows_are_pooled_without_padding(path):
    rows = [series_of(baselines(0, 40, 30), 0.735), series_of(baselines(1, 25, 30), 0.735)]
    options = learn_parcels(rows, "BrainLM", coordinates=path, **SIZE)
    pooled = np.concatenate([row.values - row.values.mean(axis=0) for row in rows])
    low, middle, high = np.quantile(pooled, [0.25, 0.5, 0.75], axis=0)
    np.testing.assert_allclose(options["centre"], middle, atol=1e-4)
    np.testing.assert_allclose(options["spread"], high - low, rtol=1e-4)


def test_slow_runs_are_resampled_and_short_ones_filled(path):
    rows = [series_of(baselines(seed, 8, 30), t_r=3.0) for seed in range(3)]
    options = learn_parcels(rows, "BrainLM", coordinates=path, **SIZE)
    frames = scale_frames(rows[0], "BrainLM", **options)
    n_real = int(7 * 3.0 / 0.735) + 1
    assert frames.shape == (30, 40)
    assert (np.diff(frames[:, :n_real], axis=1) != 0).all()
    filling = np.repeat((-options["centre"] / options["spread"])[:, None], 40 - n_real, axis=1)
    np.testing.assert_allclose(frames[:, n_real:], filling, atol=1e-5)


def test_parcels_without_a_signal_stand_at_the_median(path):
    rows = [series_of(baselines(seed, 40, 30), 0.735, absent=[7]) for seed in range(3)]
    options = learn_parcels(rows, "BrainLM", coordinates=path, **SIZE)
    frames = scale_frames(rows[0], "BrainLM", **options)
    assert (frames[7] == 0).all()
    assert np.isfinite(frames).all()


def test_modality_missing_for_all_training_rows_is_told_when_used(path):
    options = learn_parcels([], "BrainLM", coordinates=path, **SIZE)
    with pytest.raises(TimeSeriesError, match="must have been fitted to training rows"):
        scale_frames(series_of(baselines(0, 40, 30), 0.735), "BrainLM", **options)


class Rows(list):
    layout = RoiLayout(tuple(f"parcel{number}" for number in range(30, 0, -1)))


def test_order_of_the_parcels_is_checked(path):
    with pytest.raises(TimeSeriesError, match="'parcel30' where label 1 belongs"):
        learn_parcels(Rows(), "BrainLM", coordinates=path, **SIZE)


def test_unknown_options_are_refused(path):
    with pytest.raises(InputError, match=r"of BrainLM may hold 'coordinates'.*Got 'pooling'"):
        learn_parcels([], "BrainLM", coordinates=path, pooling="mean", **SIZE)
