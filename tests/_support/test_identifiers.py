"""Numbers that name rows or stand for missing ones, and numbers that do not."""

import numpy as np
import pytest

from adestim._support.identifiers import find_identifier, find_sentinels

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "name",
    ["Unnamed: 0", "unnamed_0", "index", "level_0", "row", "Row Number", "RID", "PTID", "PATNO",
     "id", "ID", "pid", "subject", "subject_id", "SubjectID", "participant_id", "Patient ID",
     "patient-no", "record_id", "Image Data ID", "MRN", "eid", "subjectkey"],
)  # fmt: skip
@pytest.mark.parametrize("values", [[4010, 4003, 4021], [7, 7, np.nan, 3]])
def test_name_of_an_identifier_is_enough(name, values):
    assert "has the name of" in find_identifier(name, np.array(values, dtype=float))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.arange(12), "in the order of the rows"),
        (np.arange(40)[::-1] + 1, "in the order of the rows"),
        (np.cumsum(RNG.integers(1, 90, 30)), "in the order of the rows"),
        (RNG.permutation(40) + 4000, "another whole number for every row"),
        (RNG.permutation(40)[:30], "another whole number for every row"),
        (np.r_[np.nan, np.arange(12)], "in the order of the rows"),
    ],
    ids=["rising", "falling", "with gaps", "shuffled", "of a training fold", "with a missing one"],
)
def test_whole_numbers_that_count_rows_are_found(values, reason):
    assert reason in find_identifier("x", values.astype(float))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("age", RNG.integers(55, 99, 40)),
        ("age", [70, 71, 72]),
        ("age", np.arange(50, 90)),
        ("AgeAtVisit", np.arange(50, 90)),
        ("MMSE", RNG.integers(0, 31, 40)),
        ("year_of_birth", np.arange(1920, 1960)),
        ("months_since_onset", np.arange(20)),
        ("hippocampus", np.sort(RNG.normal(size=40))),
        ("platelets", RNG.choice(300_000, 60, replace=False)),
        ("x", [1, 2, 3]),
        ("amyloid", RNG.normal(size=40)),
        ("site", np.repeat(np.arange(10), 4)),
        ("x", []),
        ("x", [np.nan, np.inf]),
    ],
)
def test_measures_and_codes_are_no_identifiers(name, values):
    assert not find_identifier(name, np.array(values, dtype=float))


@pytest.mark.parametrize(
    ("values", "sentinels"),
    [
        ([29, 30, 24, -4], [-4]),
        ([29, 30, 24, -1, -4], [-4, -1]),
        ([12, 16, 20, 999], [999]),
        ([1, 2, 2, -9], [-9]),
        ([0, 1, 1, 99], [99]),
        ([0, 3, 15, 88, 99], [88, 99]),
        ([70.5, 81.2, 64.0, 9999], [9999]),
        ([-0.5, 0.7, 1.2, -999], [-999]),
        ([29, 30, 24, -9, np.nan], [-9]),
    ],
)
def test_codes_far_outside_the_other_numbers_are_found(values, sentinels):
    assert find_sentinels(np.array(values, dtype=float)) == sentinels


@pytest.mark.parametrize(
    "values",
    [
        [55, 70, 93, 99],
        [-1, 0, 1],
        [-1, 1],
        [-2.5, -1, 0.3, 1.7],
        [-5.2, -4, -1.5, 2.1],
        [80, 412, 700, 999],
        [1, 2, 3, 40],
        [999, 999],
        [],
    ],
)
def test_numbers_within_reach_of_the_others_are_measured(values):
    assert not find_sentinels(np.array(values, dtype=float))
