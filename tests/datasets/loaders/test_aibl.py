"""AIBL from its tables."""

import pandas as pd
import pytest

from adestim.datasets import load_aibl
from adestim.exceptions import TableError
from tests.datasets.writers.adni import write_bids
from tests.datasets.writers.aibl import write_aibl
from tests.datasets.writers.people import make_people


@pytest.fixture
def written(tmp_path):
    """A folder of tables, and what they were written from, by RID."""
    _, frame, target = make_people(10, "nc_ad")
    write_aibl(frame, target, tmp_path)
    names = [str(int(name.rsplit("_", 1)[1])) for name in frame.index]
    return tmp_path, frame.set_axis(names), target.set_axis(names)


def assert_same(cohort, frame, target):
    """Everything that was written is read again; of birth only the year was."""
    expected = frame.assign(cdr=frame["cdrsb"])[["sex", "apoe", "mmse", "cdr"]]
    pd.testing.assert_frame_equal(
        cohort.frame.loc[frame.index, expected.columns], expected, check_dtype=False,
        check_names=False,
    )  # fmt: skip
    assert cohort.target[frame.index].tolist() == target.tolist()


def test_tables_give_what_was_written(written):
    root, frame, target = written
    cohort = load_aibl(root)
    assert_same(cohort, frame, target)
    assert (cohort.frame.loc[frame.index, "age"] - frame["age"]).abs().max() <= 1.1
    assert cohort.frame.loc[frame.index, "date"].tolist() == frame["date"].tolist()
    assert cohort.name == "AIBL"
    assert cohort.columns["diagnostic"] == ["mmse", "cdr"]


def test_missing_cells_stay_missing(tmp_path):
    _, frame, target = make_people(40, seed=2, missing="adni")
    frame.loc[frame.index[[3, 4]], "mmse"] = None
    write_aibl(frame, target, tmp_path)
    names = [str(int(name.rsplit("_", 1)[1])) for name in frame.index]
    assert frame[["apoe", "mmse"]].isna().any().all()
    assert_same(load_aibl(tmp_path), frame.set_axis(names), target.set_axis(names))


def test_codes_tell_when_visits_were_if_no_table_has_dates(tmp_path, written):
    _, frame, target = written
    root = tmp_path / "undated"
    root.mkdir()
    _, people, labels = make_people(10)
    write_aibl(people, labels, root, dated=False)
    cohort = load_aibl(root)
    assert_same(cohort, frame, target)
    assert "age" not in cohort.frame
    assert (cohort.labels["months_followed"] >= 12).all()


def test_progression_is_labelled(tmp_path):
    _, frame, target = make_people(10, "smci_pmci", seed=1)
    write_aibl(frame, target, tmp_path)
    assert sorted(load_aibl(tmp_path, "smci_pmci").target) == sorted(target)


def test_sex_is_coded_one_for_male_and_two_for_female(written):
    root = written[0]
    raw = pd.read_csv(root / "aibl_ptdemog_01-Jun-2018.csv", dtype="str").set_index("RID")
    cohort = load_aibl(root)
    codes = raw.loc[cohort.frame.index, "PTGENDER"]
    assert (cohort.frame["sex"] == codes.map({"1": "M", "2": "F"})).all()


def test_images_are_found_by_roster_number(written):
    root, frame, _ = written
    write_bids(frame, root / "bids", prefix="AIBL")
    cohort = load_aibl(root, images=root / "bids", require=["t1w"])
    assert len(cohort.frame) == len(frame)
    assert cohort.frame["t1w"].str.contains("ses-M000").all()


def test_missing_table_is_named_with_where_to_get_it(tmp_path):
    with pytest.raises(TableError, match=r"'aibl_pdxconv' is in the folder.*the AIBL tables at"):
        load_aibl(tmp_path)
