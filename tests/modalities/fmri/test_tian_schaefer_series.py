"""Series of two atlases become those of Brain-JEPA, in its order."""

import json

import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri import join_tian_schaefer
from adestim.modalities.fmri.models.roi_order import schaefer_names, tian_names
from tests.modalities.fmri.cifti_files import parcel_series, saved

N_VOLUMES = 12


def frame_of(names, seed=0):
    values = np.random.default_rng(seed).normal(100, 5, size=(N_VOLUMES, len(names)))
    return pd.DataFrame(values, columns=names)


@pytest.fixture
def tian():
    return frame_of(tian_names())


@pytest.fixture
def schaefer():
    return frame_of(schaefer_names(), seed=1)


@pytest.fixture
def network_table():
    """Names of a 4S atlas, in another order than that of the 17 networks, others besides."""
    order = np.random.default_rng(2).permutation(400)
    return pd.DataFrame(
        {
            "index": range(1, 403),
            "label": [*(f"LH_Vis_{place}" for place in range(400)), "LH-Pu", "LH-Ca"],
            "label_17network": [*np.array(schaefer_names())[order], None, None],
            "index_17network": [*(order + 1.0), np.nan, np.nan],
        }
    )


def test_regions_come_in_the_order_of_the_model(tian, schaefer):
    joined = join_tian_schaefer(tian[tian_names()[::-1]], schaefer, t_r=2.5)
    assert list(joined.columns) == ["time", *tian_names(), *schaefer_names()]
    assert joined["time"].iloc[1] == 2.5
    np.testing.assert_array_equal(joined["aGP-lh"], tian["aGP-lh"])
    np.testing.assert_array_equal(joined[schaefer_names()], schaefer)


@pytest.mark.parametrize("column", ["label", "name"])
def test_seven_networks_are_reordered_by_the_atlas_own_table(tian, network_table, tmp_path, column):
    network_table = network_table.rename(columns={"label": column})
    network_table.to_csv(tmp_path / "dseg.tsv", sep="\t", index=False, na_rep="n/a")
    series = frame_of(list(network_table[column]))
    joined = join_tian_schaefer(tian, series, schaefer_table=tmp_path / "dseg.tsv")
    assert list(joined.columns) == [*tian_names(), *schaefer_names()]
    for name, label in zip(
        network_table["label_17network"][:400], network_table[column][:400], strict=True
    ):
        np.testing.assert_array_equal(joined[name], series[label])


def test_files_are_read_with_the_time_that_they_state(tian, schaefer, tmp_path):
    deep = parcel_series(tian.to_numpy(), tian_names(), step=0.8)
    cortex = tmp_path / "sub-1_seg-4S456Parcels_timeseries.tsv"
    schaefer.to_csv(cortex, sep="\t", index=False, na_rep="n/a")
    joined = join_tian_schaefer(saved(deep, tmp_path / "tian.ptseries.nii"), cortex)
    assert joined["time"].iloc[1] == 0.8
    cortex.with_suffix(".json").write_text(json.dumps({"RepetitionTime": 1.5}))
    assert join_tian_schaefer(tian, cortex)["time"].iloc[1] == 1.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tian, schaefer: (tian.iloc[:-1], schaefer), "Got 11 and 12 volumes"),
        (lambda tian, schaefer: (tian.to_numpy(), schaefer), "'tian' must name their regions"),
        (lambda tian, schaefer: (tian.iloc[:, 1:], schaefer), "none named 'HIP-head-m-rh', and 0"),
        (lambda tian, schaefer: (tian, schaefer.iloc[:, 1:]), "Schaefer's 400.*Got 399"),
        (lambda tian, schaefer: (tian, schaefer.iloc[:, ::-1]), "fixed order"),
    ],
)
def test_other_series_are_refused(tian, schaefer, change, words):
    with pytest.raises(TimeSeriesError, match=words):
        join_tian_schaefer(*change(tian, schaefer))


def test_seven_networks_without_a_table_are_refused(tian):
    names = [name.replace("17Networks", "7Networks") for name in schaefer_names()]
    with pytest.raises(TimeSeriesError, match="7-network atlas, whose order is another"):
        join_tian_schaefer(tian, frame_of(names))


def test_tables_without_the_seventeen_networks_are_refused(tian, schaefer, tmp_path):
    table = pd.DataFrame({"index": [1], "name": ["LH_Vis_1"]})
    with pytest.raises(TimeSeriesError, match=r"needs the columns.*'label_17network'"):
        join_tian_schaefer(tian, schaefer, schaefer_table=table)
    with pytest.raises(TimeSeriesError, match="FileNotFoundError"):
        join_tian_schaefer(tian, schaefer, schaefer_table=tmp_path / "none.tsv")
