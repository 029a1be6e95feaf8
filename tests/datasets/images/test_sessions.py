import pandas as pd
import pytest

from adestim.datasets import FlowTable
from adestim.datasets.images.index import build_index
from adestim.datasets.images.sessions import (
    choose_entry_sessions,
    drop_broken,
    drop_strange_confounds,
    find_derivative_folders,
    find_earliest,
    prefer_first_source,
    tabulate_paths,
)
from adestim.exceptions import InputError, VolumeError
from tests.datasets.writers.bids import make_people, write_bids, write_fmriprep

NO_VISITS = pd.DataFrame({"subject": [], "session": []}, dtype="str")


def seen(*rows):
    """Sessions of one subject, with their times."""
    table = pd.DataFrame(rows, columns=["session", "acquired"]).assign(subject="sub-01")
    return table.assign(acquired=pd.to_datetime(table["acquired"]))


def file_rows(*rows):
    """Rows of an index."""
    names = ["subject", "modality", "pipeline", "task", "run", "problem", "path"]
    table = pd.DataFrame(rows, columns=names[:5]).assign(problem=None)
    return table.assign(path=[str(n) for n in range(len(table))])[names].astype("str")


def test_earliest_is_told_by_number_not_by_alphabet():
    assert find_earliest(seen(("ses-12", None), ("ses-6", None)))["sub-01"] == "ses-6"
    assert find_earliest(seen(("ses-d12345", None), ("ses-d0757", None)))["sub-01"] == "ses-d0757"


def test_time_of_acquisition_goes_before_the_number():
    sessions = seen(("ses-1", "2013-01-01"), ("ses-2", "2012-01-01"))
    assert find_earliest(sessions)["sub-01"] == "ses-2"
    # One time alone orders nothing.
    assert find_earliest(seen(("ses-1", None), ("ses-2", "2012-01-01")))["sub-01"] == "ses-1"


def test_one_session_is_the_earliest_whatever_its_name():
    assert find_earliest(seen(("ses-baseline", None)))["sub-01"] == "ses-baseline"


def test_sessions_in_no_order_are_named():
    with pytest.raises(InputError, match=r"neither for 'sub-01', sessions 'ses-post', 'ses-pre'"):
        find_earliest(seen(("ses-post", None), ("ses-pre", None)))


def test_visit_without_an_image_counts_for_those_without_any():
    subjects = pd.Index(["sub-01", "sub-02", "sub-03"])
    images = seen(("ses-M012", None))
    visits = pd.DataFrame({"subject": ["sub-01", "sub-02"], "session": ["ses-M000", "ses-M006"]})
    sessions = choose_entry_sessions(subjects, images, visits, None)
    assert list(sessions[:2]) == ["ses-M012", "ses-M006"]
    assert pd.isna(sessions["sub-03"])
    assert choose_entry_sessions(subjects, images, visits, "M00").to_dict()["sub-01"] == "ses-M000"


def test_people_without_sessions_have_none():
    images = seen((None, None))
    assert choose_entry_sessions(pd.Index(["sub-01"]), images, NO_VISITS, None).isna().all()


def test_later_folder_gives_what_the_earlier_lacks(tmp_path):
    people = make_people(4)
    write_bids(people, tmp_path / "raw")
    write_fmriprep(people.iloc[:2], tmp_path / "fmriprep")
    indexes = [build_index(tmp_path / name, True) for name in ("fmriprep", "raw")]
    joined = prefer_first_source(indexes, "rest")
    t1w = joined[joined["modality"] == "t1w"].groupby("subject")["pipeline"].unique()
    assert {subject: list(names) for subject, names in t1w.items()} == {
        "sub-0001": ["fMRIPrep"], "sub-0002": ["fMRIPrep"], "sub-0003": ["raw"],
    }  # fmt: skip


def test_broken_file_of_the_earlier_folder_leaves_room_for_the_later(tmp_path):
    people = make_people(4).iloc[:1]
    write_bids(people, tmp_path / "raw")
    paths = write_fmriprep(people, tmp_path / "fmriprep")
    indexes = [build_index(tmp_path / name, True) for name in ("fmriprep", "raw")]
    for index in indexes[:1]:
        index["problem"] = "empty file"
    assert set(prefer_first_source(indexes, None)["pipeline"]) == {"fMRIPrep", "raw"}
    assert paths.notna().all(axis=None)


@pytest.mark.parametrize("changed", ["pipeline", "task", "run"])
def test_confounds_of_another_run_are_left_out(changed):
    run = ("sub-01", "bold", "fMRIPrep", "rest", "1")
    rows = file_rows(run, ("sub-01", "confounds", *run[2:]))
    assert len(drop_strange_confounds(rows)) == 2
    rows.loc[1, changed] = "other"
    assert list(drop_strange_confounds(rows)["modality"]) == ["bold"]


def test_confounds_belong_to_series_where_there_is_no_run():
    rows = file_rows(
        ("sub-01", "roi_series", "raw", "rest", None), ("sub-01", "confounds", "raw", "rest", None)
    )
    assert len(drop_strange_confounds(rows)) == 2


def test_nobody_left_is_an_error_that_says_why():
    rows = file_rows(("sub-01", "t1w", "raw", None, None)).assign(problem="dangling link")
    flow = FlowTable.start(["sub-01"])
    with pytest.raises(VolumeError, match=r"Got t1w: dangling link \(1 files\)\. Fetch"):
        drop_broken(rows, flow, "exclude")


def test_table_of_paths_has_a_column_for_what_there_is():
    rows = file_rows(("sub-01", "t1w", "raw", None, None), ("sub-02", "bold", "raw", "rest", None))
    cells = tabulate_paths(rows, pd.Index(["sub-01", "sub-02"]))
    assert list(cells) == ["t1w", "bold"]
    assert cells.isna().to_numpy().tolist() == [[False, True], [True, False]]


def test_derivatives_are_found_by_name_or_path(tmp_path):
    (tmp_path / "derivatives" / "fmriprep").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    found = find_derivative_folders(tmp_path, ["fmriprep", tmp_path / "elsewhere"])
    assert found == [tmp_path / "derivatives" / "fmriprep", tmp_path / "elsewhere"]
    assert find_derivative_folders(tmp_path, None) == []
