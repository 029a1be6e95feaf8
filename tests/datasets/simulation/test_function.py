"""Resting-state runs: networks, motion, and voxels made of them."""

import numpy as np
import pytest

from adestim.datasets.simulation.function import (
    TIME_CONSTANT,
    draw_autoregression,
    draw_motion,
    load_atlas,
    load_voxel_map,
    make_bold,
    make_run,
    share_variance,
)
from adestim.datasets.simulation.tasks import MEASURES


def measures_of(**sizes):
    """Measurements of which only some are not those of an average control."""
    return np.array([sizes.get(name, 0.0) for name in MEASURES])


def network_correlation(run, network):
    """Mean Fisher z between the regions of a network."""
    members = load_atlas().networks == network
    correlation = np.corrcoef(run.series[:, members].T)
    return np.arctanh(correlation[np.triu_indices(members.sum(), 1)]).mean()


def test_voxels_at_a_region_follow_its_series():
    run = make_run(measures_of(), 140, 3.0, np.random.default_rng(0))
    image = make_bold(run, 6, np.random.default_rng(1))
    inverse = np.linalg.inv(image.affine)
    nearest = np.rint(load_atlas().coordinates @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    voxels = np.asarray(image.dataobj)[tuple(nearest.T)].astype(float)
    own = [
        np.corrcoef(voxel, series)[0, 1] for voxel, series in zip(voxels, run.series.T, strict=True)
    ]
    assert np.median(own) > 0.6


@pytest.mark.parametrize(
    ("measure", "network"),
    [
        ("dmn", "DefaultMode"),
        ("somatomotor", "SomatomotorDorsal"),
        ("frontoparietal", "FrontoParietal"),
    ],
)
def test_drop_of_a_measurement_lowers_its_network_and_no_other(measure, network):
    usual, low = (
        make_run(measures_of(**{measure: size}), 200, 3.0, np.random.default_rng(0))
        for size in (0.0, -2.0)
    )
    assert network_correlation(low, network) < network_correlation(usual, network) - 0.05
    assert network_correlation(low, "Visual") == network_correlation(usual, "Visual")


def test_share_of_a_network_stays_a_share_of_variance():
    networks = np.array(["DefaultMode", "Visual", "unassigned"])
    high, low = (share_variance(networks, dict.fromkeys(MEASURES, size)) for size in (99.0, -99.0))
    assert 0 < low[0] < high[0] < 0.95
    assert high[1] == low[1] > 0
    assert high[2] == low[2] == 0


@pytest.mark.parametrize("t_r", [0.607, 3.0])
def test_memory_is_the_same_in_seconds_whatever_the_repetition_time(t_r):
    series = draw_autoregression(1500, 40, t_r, np.random.default_rng(0))
    assert series.var() == pytest.approx(1, abs=0.1)
    lagged = np.mean(series[1:] * series[:-1]) / series.var()
    assert lagged == pytest.approx(np.exp(-t_r / TIME_CONSTANT), abs=0.03)


def test_displacement_is_the_sum_of_the_steps_on_a_sphere_of_50_mm():
    motion = draw_motion(20, np.random.default_rng(0))
    steps = motion.drop(columns="framewise_displacement").diff().abs()
    expected = steps.iloc[:, :3].sum(axis=1) + 50 * steps.iloc[:, 3:].sum(axis=1)
    assert np.isnan(motion["framewise_displacement"].iloc[0])
    np.testing.assert_allclose(motion["framewise_displacement"].iloc[1:], expected.iloc[1:])


def test_table_names_the_regions_and_the_time_of_each_volume():
    table = make_run(measures_of(), 4, 2.4, np.random.default_rng(0)).table()
    assert list(table) == ["time", *load_atlas().names]
    np.testing.assert_allclose(table["time"], [0, 2.4, 4.8, 7.2])


def test_names_of_the_regions_are_unique_and_say_the_side():
    atlas = load_atlas()
    assert len(set(atlas.names)) == 300
    left = np.array([name.startswith("LH_") for name in atlas.names])
    np.testing.assert_array_equal(left, atlas.coordinates[:, 0] < 0)


def test_same_seed_gives_the_same_run():
    first, second = (make_run(measures_of(), 10, 3.0, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first.series, second.series)


def test_run_of_voxels_has_the_repetition_time_and_is_empty_outside_grey_matter():
    run = make_run(measures_of(), 6, 0.607, np.random.default_rng(0))
    image = make_bold(run, 10, np.random.default_rng(1))
    assert image.shape[3] == 6
    assert image.header.get_zooms() == pytest.approx((10, 10, 10, 0.607))
    assert image.header.get_xyzt_units() == ("mm", "sec")
    volumes = np.asarray(image.dataobj)
    assert (volumes[~load_voxel_map(10).inside] == 0).all()
    assert (volumes[load_voxel_map(10).inside].std(axis=1) > 0).all()
