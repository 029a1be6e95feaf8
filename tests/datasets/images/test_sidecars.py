import json

import pandas as pd
import pytest

from adestim._support.bids import find_namesake, sort_sidecars
from adestim.datasets import index_images
from adestim.datasets.images.sidecars import (
    find_repetition_time,
    read_scan_times,
    read_session_times,
)
from adestim.exceptions import DataWarning
from tests.datasets.writers.bids import make_people, write, write_bids, write_fmriprep, write_table

RUN = "sub-01_task-rest_run-1_bold.nii.gz"


def levels_of(root, *folders):
    """Write sidecars, the dataset's own first, and return them as a walk would."""
    levels = []
    for number, sidecars in enumerate(folders):
        folder = root / str(number)
        for name, facts in sidecars.items():
            write(folder / name, facts if isinstance(facts, str) else json.dumps(facts))
        levels.append(sort_sidecars(str(folder), list(sidecars)))
    return levels


def test_sidecar_of_the_data_set_holds_for_every_run(tmp_path):
    levels = levels_of(tmp_path, {"task-rest_bold.json": {"RepetitionTime": 3.0}}, {})
    assert find_repetition_time(RUN, levels) == 3.0


def test_nearer_sidecar_goes_before_a_farther_one(tmp_path):
    levels = levels_of(
        tmp_path,
        {"task-rest_bold.json": {"RepetitionTime": 3.0}},
        {"sub-01_task-rest_run-1_bold.json": {"RepetitionTime": 0.6}},
    )
    assert find_repetition_time(RUN, levels) == 0.6


def test_more_particular_sidecar_of_a_folder_goes_first(tmp_path):
    both = {
        "bold.json": {"RepetitionTime": 3.0},
        "task-rest_bold.json": {"RepetitionTime": 2.0},
    }
    assert find_repetition_time(RUN, levels_of(tmp_path, both)) == 2.0


def test_sidecar_that_says_nothing_leaves_it_to_those_above(tmp_path):
    levels = levels_of(
        tmp_path,
        {"task-rest_bold.json": {"RepetitionTime": 3.0}},
        {"sub-01_task-rest_run-1_bold.json": {"EchoTime": 0.03}},
    )
    assert find_repetition_time(RUN, levels) == 3.0


@pytest.mark.parametrize(
    "name",
    ["task-nback_bold.json", "task-rest_run-2_bold.json", "task-rest_events.json"],
)
def test_sidecar_of_something_else_does_not_apply(tmp_path, name):
    levels = levels_of(tmp_path, {name: {"RepetitionTime": 3.0}})
    assert find_repetition_time(RUN, levels) is None


@pytest.mark.parametrize("value", [0, -1, "3 s", None, True])
def test_what_is_no_time_is_none(tmp_path, value):
    levels = levels_of(tmp_path, {"task-rest_bold.json": {"RepetitionTime": value}})
    assert find_repetition_time(RUN, levels) is None


def test_number_in_writing_is_a_time(tmp_path):
    levels = levels_of(tmp_path, {"task-rest_bold.json": {"RepetitionTime": "2.0"}})
    assert find_repetition_time(RUN, levels) == 2.0


def test_sampling_frequency_is_a_repetition_time_too(tmp_path):
    levels = levels_of(tmp_path, {"task-rest_bold.json": {"SamplingFrequency": 0.5}})
    assert find_repetition_time(RUN, levels) == 2.0


def test_sidecar_that_is_no_json_is_passed_over_with_a_warning(tmp_path):
    levels = levels_of(tmp_path, {"task-rest_bold.json": "{"})
    with pytest.warns(DataWarning, match=r"task-rest_bold.json' is no JSON"):
        assert find_repetition_time(RUN, levels) is None


def test_sidecar_whose_content_was_never_fetched_says_nothing(tmp_path):
    (tmp_path / "task-rest_bold.json").symlink_to(tmp_path / "gone.json")
    levels = [sort_sidecars(str(tmp_path), ["task-rest_bold.json"])]
    assert find_repetition_time(RUN, levels) is None


def test_sidecars_with_other_names_belong_to_the_file_named_alike(tmp_path):
    write(tmp_path / "ADNI_I1.json", json.dumps({"RepetitionTime": 3.0}))
    level = find_namesake(str(tmp_path), "ADNI_I1.nii", ["ADNI_I1.json", "ADNI_I1.nii"])
    assert find_repetition_time("ADNI_I1.nii", [level]) == 3.0


def test_data_set_in_a_data_set_inherits_no_sidecar_but_borrows_from_the_run(tmp_path):
    people = make_people(4)
    write_bids(people, tmp_path)
    write_fmriprep(people, tmp_path / "derivatives" / "fmriprep")
    alone = index_images(tmp_path / "derivatives" / "fmriprep")
    assert alone["repetition_time"].isna().all()
    both = index_images(tmp_path)
    runs = both["modality"] == "bold"
    assert (both.loc[runs, "repetition_time"] == 3.0).all()
    assert both.loc[~runs, "repetition_time"].isna().all()


def test_times_of_scans_are_read_beside_the_session(tmp_path):
    table = pd.DataFrame(
        {"acq_time": ["2012-05-10T12:00:00", "n/a"]},
        index=pd.Index(["anat/sub-01_T1w.nii.gz", "func/sub-01_bold.nii.gz"], name="filename"),
    )
    path = write_table(tmp_path / "sub-01" / "sub-01_scans.tsv", table)
    wanted = str(tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    assert read_scan_times([path]) == {wanted: "2012-05-10T12:00:00"}


@pytest.mark.parametrize("column", ["acq_time", "examination_date"])
def test_times_of_sessions_are_read_in_either_spelling(tmp_path, column):
    table = pd.DataFrame({column: ["2012-05-10"]}, index=pd.Index(["ses-M00"], name="session_id"))
    path = write_table(tmp_path / "sub-01" / "sub-01_sessions.tsv", table)
    assert read_session_times([path]) == {("sub-01", "ses-M000"): "2012-05-10"}


def test_image_without_a_time_has_that_of_its_session(tmp_path):
    write_bids(make_people(4).iloc[:1], tmp_path, sessions=["ses-M000"])
    folder = tmp_path / "sub-0001" / "ses-M000"
    names = pd.Index(["anat/sub-0001_ses-M000_T1w.nii.gz"], name="filename")
    table = pd.DataFrame({"acq_time": ["1880-05-10T12:00:00.250000Z"]}, index=names)
    write_table(folder / "sub-0001_ses-M000_scans.tsv", table)
    index = index_images(tmp_path)
    # The first year of the calendar in nanoseconds is 1677, of dates made anonymous about 1800.
    assert set(index["acquired"]) == {pd.Timestamp("1880-05-10 12:00:00.25")}
    assert len(index) == 2


def acquired(root, *times):
    """When images of as many subjects were acquired, as the tables of their scans write it."""
    for number, time in enumerate(times, 1):
        name = f"sub-{number:02d}"
        write(root / name / "anat" / f"{name}_T1w.nii.gz", b"")
        table = pd.DataFrame({"filename": [f"anat/{name}_T1w.nii.gz"], "acq_time": [time]})
        write_table(root / name / f"{name}_scans.tsv", table.set_index("filename"))
    return index_images(root)["acquired"].tolist()


@pytest.mark.parametrize("times", [("13.05.2012", "02.05.2012"), ("13/05/2012", "02/05/2012"),
                                   ("13-May-2012", "2-May-2012")])  # fmt: skip
def test_dates_in_another_spelling_are_read(tmp_path, times):
    assert acquired(tmp_path, *times) == [pd.Timestamp(2012, 5, 13), pd.Timestamp(2012, 5, 2)]


@pytest.mark.parametrize("times", [("03/05/2012", "02/05/2012"), ("13/05/2012", "05/13/2012"),
                                   ("May", "yesterday")])  # fmt: skip
def test_times_that_cannot_be_read_are_told(tmp_path, times):
    with pytest.warns(DataWarning, match=r"Times of acquisition are not written as"):
        assert pd.isna(acquired(tmp_path, *times)).all()
