"""Cells of every kind become ROI series."""

import json
from contextlib import suppress

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri.parcellation import read_label_parcellation, seitzman_parcellation
from adestim.modalities.fmri.timeseries import (
    RoiLayout,
    SeriesReader,
    networks_of_names,
    rename_regions,
)


@pytest.fixture
def series():
    return np.random.default_rng(0).normal(size=(20, 4))


@pytest.fixture
def reader():
    atlas = np.zeros((4, 4, 4), dtype=np.uint8)
    atlas[:2, :2], atlas[2:, 2:] = 1, 2
    return SeriesReader(read_label_parcellation(nibabel.Nifti1Image(atlas, np.eye(4))), t_r=None)


def run_image(n_volumes=20, t_r=2.0):
    values = np.random.default_rng(1).normal(100, 5, size=(4, 4, 4, n_volumes))
    image = nibabel.Nifti1Image(values.astype(np.float32), np.eye(4))
    image.header.set_zooms((1, 1, 1, t_r))
    image.header.set_xyzt_units("mm", "sec")
    return image


def read(reader, cell):
    return reader.read(cell, reader.layout(cell))


def test_kinds_of_cells_give_the_same_series(reader, series, tmp_path):
    np.save(tmp_path / "a.npy", series)
    pd.DataFrame(series).to_csv(tmp_path / "a.csv", index=False, header=False)
    frame = pd.DataFrame(series, columns=list("abcd"))
    frame.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    cells = [series, series.tolist(), frame, tmp_path / "a.npy", str(tmp_path / "a.csv")]
    for cell in [*cells, tmp_path / "a.tsv"]:
        np.testing.assert_array_equal(read(reader, cell).values, series)


def test_run_is_averaged_and_timed_by_its_header(reader):
    image = run_image(t_r=2.0)
    result = read(reader, image)
    expected = image.get_fdata()[:2, :2].mean(axis=(0, 1, 2))
    np.testing.assert_allclose(result.values[:, 0], expected)
    assert (result.t_r, result.duration) == (2.0, 40.0)


def test_run_is_timed_by_its_sidecar_where_the_header_is_silent(reader, tmp_path):
    nibabel.save(run_image(t_r=0), tmp_path / "sub-1_bold.nii.gz")
    (tmp_path / "sub-1_bold.json").write_text(json.dumps({"RepetitionTime": 0.607}))
    assert read(reader, tmp_path / "sub-1_bold.nii.gz").t_r == 0.607


def test_ready_series_are_timed_by_sidecar_or_time_column(reader, series, tmp_path):
    frame = pd.DataFrame(series, columns=list("abcd"))
    frame.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    assert read(reader, tmp_path / "a.tsv").t_r is None
    (tmp_path / "a.json").write_text(json.dumps({"RepetitionTime": 3.0}))
    assert read(reader, tmp_path / "a.tsv").t_r == 3.0
    assert read(reader, frame.assign(time=np.arange(20) * 1.5)).t_r == 1.5


@pytest.mark.parametrize("fault", ["nan", "inf", "constant"])
def test_column_without_a_usable_signal_is_not_present(reader, series, fault):
    series[5:, 2] = {"nan": np.nan, "inf": np.inf, "constant": 7.0}[fault]
    series[:5, 2] = 7.0
    result = read(reader, series)
    np.testing.assert_array_equal(result.present, [True, True, False, True])
    assert (result.values[:, 2] == 0).all()


def test_nothing_but_censored_rows_is_refused(reader, series):
    series[3] = np.nan
    with pytest.raises(TimeSeriesError, match="censored rows"):
        read(reader, series)


def test_columns_are_found_by_name(reader, series):
    frame = pd.DataFrame(series, columns=list("abcd"))
    layout = reader.layout(frame)
    result = reader.read(frame[["d", "b", "a", "c"]], layout)
    np.testing.assert_array_equal(result.values, series)


def test_other_regions_are_refused(reader, series):
    frame = pd.DataFrame(series, columns=list("abcd"))
    layout = reader.layout(frame)
    with pytest.raises(TimeSeriesError, match="4 regions of the training rows"):
        reader.read(series[:, :3], layout)
    with pytest.raises(TimeSeriesError, match="'x' for instance"):
        reader.read(frame.rename(columns={"a": "x"}), layout)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (3.7, "of type float"),
        (np.zeros((2, 3, 4, 5)), "put a 4-D array in a nibabel image"),
        (np.zeros(8), r"shape \(8,\)"),
        (np.zeros((0, 3)), r"shape \(0, 3\)"),
        ([[1, "a"], [2, "b"]], "must be numbers"),
    ],
)
def test_cells_that_are_no_series_are_refused(reader, cell, words):
    with pytest.raises(TimeSeriesError, match=words):
        reader.layout(cell)


def test_pickled_array_file_is_refused(reader, tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(TimeSeriesError, match="readable array of numbers"):
        reader.layout(tmp_path / "a.npy")


def test_damaged_array_file_ends_in_one_clear_error_or_an_array(reader, series, tmp_path):
    path, rng = tmp_path / "a.npy", np.random.default_rng(0)
    np.save(path, series)
    content = path.read_bytes()
    for place in rng.integers(0, 128, size=200):
        path.write_bytes(content[:place] + bytes([rng.integers(256)]) + content[place + 1 :])
        with suppress(TimeSeriesError):
            reader.layout(path)


def test_volume_in_place_of_a_run_is_refused(reader):
    volume = nibabel.Nifti1Image(np.zeros((4, 4, 4), dtype=np.float32), np.eye(4))
    with pytest.raises(TimeSeriesError, match="4-D run"):
        read(reader, volume)
    with pytest.raises(TimeSeriesError, match="several volumes"):
        read(reader, run_image(n_volumes=1))


def test_run_without_a_signal_is_refused(reader):
    image = nibabel.Nifti1Image(np.ones((4, 4, 4, 9), dtype=np.float32), np.eye(4))
    with pytest.raises(TimeSeriesError, match="does not overlap"):
        read(reader, image)


def test_user_names_the_regions():
    layout = RoiLayout(("label1", "label2"))
    assert rename_regions(layout, None) is layout
    assert rename_regions(layout, ["PCC", "V1"]).names == ("PCC", "V1")
    assert rename_regions(RoiLayout(("roi0", "roi1"), named=False), ["PCC", "V1"]).named


@pytest.mark.parametrize("labels", [["PCC"], ["PCC", "PCC"]])
def test_wrong_number_of_names_is_refused(labels):
    with pytest.raises(TimeSeriesError, match="2 different names"):
        rename_regions(RoiLayout(("label1", "label2")), labels)


def test_networks_are_read_from_names_of_the_schaefer_atlases():
    names = ("7Networks_LH_Vis_1", "7Networks_RH_Default_PFC_2", "RH_Cont_3", "LH-Hippocampus")
    assert networks_of_names(names) == ("Vis", "Default", "Cont", "other")
    assert networks_of_names(("LCau", "LPut", "LThal")) is None


def test_reading_needs_no_file_of_a_run_to_know_its_regions():
    reader = SeriesReader(seitzman_parcellation())
    layout = reader.layout("absent_bold.nii.gz")
    assert layout.n_rois == 300
    assert len(set(layout.networks)) == 14


def test_real_table_and_real_image(realdata, reader):
    table = SeriesReader(reader.parcellation, t_r=1.35)
    result = read(table, realdata / "nitime_fmri" / "fmri_timeseries.csv")
    assert result.present.all()
    assert result.duration == pytest.approx(250 * 1.35)
    source = nibabel.load(realdata / "nitime_fmri" / "fmri1.nii.gz")
    halves = np.ones(source.shape[:3], dtype=np.uint8)
    halves[5:] = 2
    real = SeriesReader(read_label_parcellation(nibabel.Nifti1Image(halves, source.affine)))
    run = read(real, realdata / "nitime_fmri" / "fmri1.nii.gz")
    np.testing.assert_allclose(
        run.values[:, 1], source.get_fdata()[5:].mean(axis=(0, 1, 2)), rtol=1e-5
    )
    assert run.t_r == pytest.approx(1.35)
