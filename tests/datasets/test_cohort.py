"""What every loader returns."""

import pickle

import numpy as np
import pandas as pd
import pytest

from adestim.datasets import FlowTable
from adestim.datasets.cohort import build_cohort, sort_by_extractor
from adestim.exceptions import InputError


@pytest.fixture
def parts():
    frame = pd.DataFrame({"t1w": ["a.nii.gz", np.nan], "age": [70.0, np.nan]}, index=["s1", "s2"])
    subjects = pd.Series(["s1", "s2"], index=frame.index)
    return {
        "frame": frame,
        "target": pd.Series(["CN", "AD"], index=frame.index),
        "groups": subjects,
        "flow": FlowTable.start(frame.index),
        "site": pd.Series(["002", np.nan], index=frame.index),
        "description": "Two people.",
        "name": "ADNI",
        "columns": sort_by_extractor(frame, clinical=["age"]),
    }


# The flow


def test_flow_counts_who_was_there_before_each_step():
    flow = (
        FlowTable.start("abcd").exclude(["b"], "labels", "short").exclude(["a"], "images", "none")
    )
    assert flow.steps.to_dict("list") == {
        "step": ["labels", "images"],
        "n_before": [4, 3],
        "n_excluded": [1, 1],
        "reason": ["short", "none"],
    }
    assert flow.excluded.to_dict("list") == {
        "subject": ["b", "a"], "step": ["labels", "images"], "reason": ["short", "none"],
    }  # fmt: skip
    assert list(flow.kept) == ["c", "d"]


def test_flow_does_not_change():
    flow = FlowTable.start("ab")
    flow.exclude(["a"], "labels", "short")
    assert list(flow.kept) == ["a", "b"]


def test_first_reason_stays():
    flow = FlowTable.start("ab").exclude(["a"], "one", "first").exclude(["a"], "two", "second")
    assert list(flow.excluded["reason"]) == ["first"]
    assert list(flow.steps["n_excluded"]) == [1, 0]


def test_step_that_excludes_nobody_is_still_told():
    flow = FlowTable.start("ab").exclude([], "images", "no T1w volume")
    assert flow.steps["n_excluded"].sum() == 0
    assert len(flow.steps) == 1


def test_subject_counts_once():
    assert FlowTable.start(["a", "a", "b"]).subjects == ("a", "b")
    assert len(FlowTable.start("ab").exclude(["a", "a"], "step", "why").excluded) == 1


def test_whom_to_exclude_may_be_a_mask():
    mask = pd.Series([True, False], index=["a", "b"])
    assert list(FlowTable.start("ab").exclude(mask, "step", "why").kept) == ["b"]


def test_everybody_may_have_a_reason_of_their_own():
    reasons = pd.Series({"a": "short", "b": np.nan, "c": "reverted", "d": "short"})
    flow = FlowTable.start("abcd").exclude_each(reasons, "labels")
    assert list(flow.kept) == ["b"]
    assert list(flow.steps["reason"]) == ["short", "reverted"]
    assert list(flow.steps["n_before"]) == [4, 2]


@pytest.mark.parametrize("reasons", [{}, {"a": None}])
def test_reasons_that_nobody_has_are_one_step(reasons):
    flow = FlowTable.start("a").exclude_each(reasons, "labels")
    assert list(flow.steps["n_excluded"]) == [0]


def test_first_reason_stays_among_reasons_of_their_own():
    flow = FlowTable.start("ab").exclude(["a"], "one", "first").exclude_each({"a": "x"}, "two")
    assert list(flow.excluded["reason"]) == ["first"]


def test_stranger_cannot_be_excluded():
    with pytest.raises(InputError, match=r"there at the start.*'z', who were not"):
        FlowTable.start("ab").exclude(["z"], "step", "why")


def test_markdown_keeps_a_reason_within_its_cell():
    text = FlowTable.start("ab").exclude(["a"], "labels", "one|two\nthree").to_markdown()
    assert text.splitlines()[2:] == ["| labels | 2 | 1 | one\\|two three |", "| kept | 1 | | |"]


def test_flow_survives_pickling():
    flow = pickle.loads(pickle.dumps(FlowTable.start("ab").exclude(["a"], "step", "why")))
    assert list(flow.kept) == ["b"]


# The cohort


def test_cohort_is_laid_out_as_that_of_make_cohort(parts):
    cohort = build_cohort(**parts, genotype_files=["snps"])
    assert {"frame", "target", "groups", "columns", "genotype_files", "description"} <= set(cohort)
    assert cohort.columns["smri"] == ["t1w"]
    assert cohort.columns["clinical"] == ["age"]
    assert cohort.genotype_files == ["snps"]
    assert (cohort.target.name, cohort.groups.name, cohort.site.name) == (
        "diagnosis", "subject", "site",
    )  # fmt: skip


def test_parts_come_in_the_order_of_the_frame(parts):
    parts["target"] = parts["target"].iloc[::-1]
    assert list(build_cohort(**parts).target) == ["CN", "AD"]


def test_missing_site_stays_missing(parts):
    assert build_cohort(**parts).site.isna().tolist() == [False, True]


def test_identifiers_that_are_no_strings_are_refused(parts):
    parts["frame"].index = [1, 2]
    with pytest.raises(InputError, match=r"identifiers as strings\. Got 2"):
        build_cohort(**parts)


def test_two_rows_of_a_subject_are_refused(parts):
    parts["frame"].index = ["s1", "s1"]
    with pytest.raises(InputError, match=r"one row a subject. Got several for 's1'"):
        build_cohort(**parts)


def test_subject_who_is_gone_without_a_reason_is_refused(parts):
    parts["flow"] = FlowTable.start(["s1", "s2", "s3"])
    with pytest.raises(InputError, match=r"those that its flow keeps.*'s3'"):
        build_cohort(**parts)


@pytest.mark.parametrize("part", ["target", "groups", "site"])
def test_part_that_lacks_a_subject_is_refused(parts, part):
    parts[part] = parts[part].drop("s2")
    with pytest.raises(InputError, match=f"The {part} of a cohort .* none for 's2'"):
        build_cohort(**parts)


def test_missing_label_is_refused(parts):
    parts["target"]["s2"] = None
    with pytest.raises(InputError, match=r"The target of a cohort .* none for 's2'"):
        build_cohort(**parts)


def test_column_that_is_not_there_is_refused(parts):
    parts["columns"] = {"clinical": ["age", "iq"]}
    with pytest.raises(InputError, match=r"in the frame. Got 'iq'"):
        build_cohort(**parts)


def test_image_that_is_no_path_is_refused(parts):
    parts["frame"] = parts["frame"].astype({"t1w": object})
    parts["frame"].loc["s2", "t1w"] = 7
    with pytest.raises(InputError, match=r"column 't1w' are paths as strings.*'s2'"):
        build_cohort(**parts)


def test_run_is_preferred_to_its_series():
    frame = pd.DataFrame(columns=["bold", "roi_series", "confounds", "genotypes"])
    columns = sort_by_extractor(frame)
    assert columns["fmri"] == ["bold", "confounds"]
    assert columns["genetics"] == ["genotypes"]
    assert columns["smri"] == columns["clinical"] == columns["diagnostic"] == []
