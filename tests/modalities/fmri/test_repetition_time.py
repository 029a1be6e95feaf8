"""The repetition time: units, sidecars, inheritance, contradictions."""

import json
import tarfile

import nibabel
import numpy as np
import pytest

from adestim.exceptions import DataWarning, TimeSeriesError
from adestim.modalities.fmri._repetition_time import (
    read_header_t_r,
    read_sidecar_t_r,
    require_possible_t_r,
    settle_t_r,
)


def run_with(zoom, unit):
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2, 3), dtype=np.float32), np.eye(4))
    image.header.set_zooms((1, 1, 1, zoom))
    image.header.set_xyzt_units("mm", unit)
    return image


def write_json(path, **fields):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields), encoding="utf-8")


@pytest.mark.parametrize(
    ("zoom", "unit"), [(2.5, "sec"), (2500, "msec"), (2.5e6, "usec"), (2.5, "unknown")]
)
def test_header_is_read_in_its_own_unit(zoom, unit):
    assert read_header_t_r(run_with(zoom, unit)) == pytest.approx(2.5)


def test_header_states_nothing_where_the_axis_is_not_time_or_zero():
    assert read_header_t_r(run_with(2.5, "hz")) is None
    assert read_header_t_r(run_with(0, "sec")) is None


def test_one_without_a_unit_is_what_software_writes_that_was_not_told():
    untold = nibabel.Nifti1Image(np.zeros((2, 2, 2, 3), dtype=np.float32), np.eye(4))
    assert read_header_t_r(untold) is None
    assert read_header_t_r(run_with(1, "sec")) == 1


def test_negative_time_of_a_header_is_refused():
    image = run_with(2, "sec")
    image.header["pixdim"][4] = -2
    with pytest.raises(TimeSeriesError, match="-2 s from the image's header"):
        settle_t_r(None, read_header_t_r(image), None)


@pytest.mark.parametrize("value", [0, -2.0, 21, np.nan, np.inf, "3", True, None])
def test_impossible_times_are_refused(value):
    with pytest.raises(TimeSeriesError, match=r"between 0\.05 and 20 s"):
        require_possible_t_r(value, "the parameter t_r")


def test_milliseconds_are_recognised():
    with pytest.raises(TimeSeriesError, match=r"looks like milliseconds \(3 s\)"):
        require_possible_t_r(3000, "the JSON sidecar")


def test_seconds_declared_as_milliseconds_are_recognised():
    with pytest.raises(TimeSeriesError, match=r"declared as milliseconds \(2 s\)"):
        settle_t_r(None, read_header_t_r(run_with(2.0, "msec")), None)


def test_sidecar_beside_the_run(tmp_path):
    write_json(tmp_path / "rest.json", RepetitionTime=0.607)
    assert read_sidecar_t_r(tmp_path / "rest.nii.gz") == 0.607


def test_sampling_frequency_of_a_derivative_is_understood(tmp_path):
    write_json(tmp_path / "sub-1_timeseries.json", SamplingFrequency=0.5)
    assert read_sidecar_t_r(tmp_path / "sub-1_timeseries.tsv") == 2.0


def test_sidecar_is_inherited_from_the_folders_above(tmp_path):
    write_json(tmp_path / "dataset_description.json", Name="study")
    write_json(tmp_path / "task-rest_bold.json", RepetitionTime=3.0)
    run = tmp_path / "sub-1" / "ses-2" / "func" / "sub-1_ses-2_task-rest_bold.nii.gz"
    run.parent.mkdir(parents=True)
    assert read_sidecar_t_r(run) == 3.0


def test_nearest_sidecar_that_states_a_time_wins(tmp_path):
    write_json(tmp_path / "task-rest_bold.json", RepetitionTime=3.0)
    write_json(tmp_path / "sub-1" / "sub-1_task-rest_bold.json", RepetitionTime=0.6)
    write_json(tmp_path / "sub-1" / "func" / "sub-1_task-rest_bold.json", EchoTime=0.03)
    assert read_sidecar_t_r(tmp_path / "sub-1" / "func" / "sub-1_task-rest_bold.nii") == 0.6


def test_sidecars_of_other_runs_are_not_inherited(tmp_path):
    write_json(tmp_path / "task-nback_bold.json", RepetitionTime=2.0)
    write_json(tmp_path / "sub-2_task-rest_bold.json", RepetitionTime=2.0)
    write_json(tmp_path / "task-rest_events.json", RepetitionTime=2.0)
    assert read_sidecar_t_r(tmp_path / "sub-1_task-rest_bold.nii.gz") is None


def test_nothing_above_the_dataset_is_read(tmp_path):
    write_json(tmp_path / "task-rest_bold.json", RepetitionTime=2.0)
    write_json(tmp_path / "study" / "dataset_description.json", Name="study")
    assert read_sidecar_t_r(tmp_path / "study" / "sub-1_task-rest_bold.nii.gz") is None


def test_broken_sidecar_is_named(tmp_path):
    (tmp_path / "rest.json").write_text("{")
    with pytest.raises(TimeSeriesError, match=r"rest\.json"):
        read_sidecar_t_r(tmp_path / "rest.nii")


def test_sidecar_without_a_number_is_named(tmp_path):
    write_json(tmp_path / "rest.json", RepetitionTime="3 s")
    with pytest.raises(TimeSeriesError, match="must be a number"):
        read_sidecar_t_r(tmp_path / "rest.nii")


def test_number_in_writing_is_a_time(tmp_path):
    write_json(tmp_path / "rest.json", RepetitionTime="2.0")
    assert read_sidecar_t_r(tmp_path / "rest.nii") == 2.0


def test_sidecar_wins_over_the_header_with_a_warning_that_names_both():
    with pytest.warns(DataWarning, match=r"1 s in the image's header and 3 s in.*sidecar, which"):
        assert settle_t_r(None, 1.0, 3.0) == 3.0


def test_sidecar_in_milliseconds_is_refused_whatever_the_header_says():
    with pytest.raises(TimeSeriesError, match="looks like milliseconds"):
        settle_t_r(None, 2.0, 2000.0)


def test_rounding_is_no_disagreement():
    assert settle_t_r(None, 0.61, 0.607) == 0.607


def test_user_wins_over_both():
    assert settle_t_r(2.0, 1.0, 3.0) == 2.0


def test_real_sidecar_at_the_root_of_a_dataset(realdata, tmp_path):
    with tarfile.open(realdata / "openneuro" / "ds000245.tar.gz") as files:
        files.extract("ds000245/task-rest_bold.json", tmp_path, filter="data")
    stated = json.loads((tmp_path / "ds000245" / "task-rest_bold.json").read_text())
    run = tmp_path / "ds000245" / "sub-ODP10" / "func" / "sub-ODP10_task-rest_bold.nii.gz"
    run.parent.mkdir(parents=True)
    assert read_sidecar_t_r(run) == require_possible_t_r(stated["RepetitionTime"], "the file") > 0


def test_nobody_states_it():
    assert settle_t_r(None, None, None) is None
