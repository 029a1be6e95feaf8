import time

import pandas as pd
import pytest

from adestim._support.remarks import remark
from adestim.exceptions import DataWarning, InputError, SubjectsError
from adestim.extraction.parallel import windows
from adestim.extraction.prepared import Prepared
from adestim.extraction.subjects import (
    drop_failures,
    for_each_subject,
    readable_raws,
    settle_failures,
)


def test_one_failure_is_raised_as_it_is_and_several_together():
    one, other = InputError("first rule"), InputError("second rule")
    with pytest.raises(InputError, match="first rule"):
        settle_failures([1, one], "raise")
    with pytest.raises(SubjectsError, match=r"2 subject\(s\).*first rule.*second rule"):
        settle_failures([one, other], "raise")


def test_failures_are_missing_where_asked_for():
    with pytest.warns(DataWarning, match="treated as missing"):
        assert settle_failures([1, InputError("rule")], "missing") == [1, None]
    assert drop_failures([InputError("rule"), 2]) == [None, 2]


def test_rows_that_can_be_read_are_yielded():
    def read(cells):
        if cells[0] == "bad":
            raise InputError("A cell must be good")
        return cells[0]

    frame = pd.DataFrame({"cell": ["a", None, "bad", "b"]}, dtype=object)
    assert list(readable_raws(frame, read)) == ["a", "b"]


# Preparation while a model runs


class Noted:
    """A preparation that notes begin and end of every subject, and takes a while."""

    def __init__(self, folder, seconds=0.02):
        self.folder, self.seconds = folder, seconds

    def __call__(self, cells):
        note(self.folder, f"begin {cells[0]}")
        time.sleep(self.seconds)
        note(self.folder, f"end {cells[0]}")
        return Prepared(cells[0])


def note(folder, words):
    """Add a line to the notes; what is shorter than a page is written at once."""
    with open(folder / "notes", "a") as file:  # noqa: PTH123
        file.write(f"{words}\n")


def run_through(folder, n_jobs, n_subjects=12, size=3):
    """Prepare subjects while a stand-in for a model works on them; return the order of events."""
    frame = pd.DataFrame({"cell": [f"s{number:02d}" for number in range(n_subjects)]})
    coming = for_each_subject(Noted(folder), frame, n_jobs, False, "cell", size)
    for portion in windows(coming, size):
        note(folder, f"model {portion[0].inputs}")
        time.sleep(0.2)
        note(folder, f"model-done {portion[0].inputs}")
    return (folder / "notes").read_text().splitlines()


@pytest.mark.parametrize("n_jobs", [None, 2], ids=["in a thread", "in processes"])
def test_subjects_are_prepared_while_the_model_runs(tmp_path, n_jobs):
    events = run_through(tmp_path, n_jobs)
    for first, next_portion in (("s00", "s03"), ("s03", "s06"), ("s06", "s09")):
        running = slice(events.index(f"model {first}"), events.index(f"model-done {first}"))
        assert f"end {next_portion}" in events[running]


@pytest.mark.parametrize("n_jobs", [None, 2], ids=["in a thread", "in processes"])
def test_no_more_than_one_portion_is_prepared_ahead(tmp_path, n_jobs):
    events = run_through(tmp_path, n_jobs)
    for first, too_early in (("s00", "s06"), ("s03", "s09")):
        before = events[: events.index(f"model-done {first}")]
        assert f"begin {too_early}" not in before


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_results_are_in_the_subjects_order(tmp_path, n_jobs):
    frame = pd.DataFrame({"cell": [f"s{number:02d}" for number in range(7)]})
    found = for_each_subject(Noted(tmp_path, 0), frame, n_jobs, False, "cell", 3)
    assert [item.inputs for item in found] == frame["cell"].tolist()


def test_who_turns_away_waits_for_the_subject_in_hand_alone(tmp_path):
    frame = pd.DataFrame({"cell": [f"s{number:02d}" for number in range(40)]})
    coming = for_each_subject(Noted(tmp_path), frame, None, False, "cell", 20)
    next(coming)
    coming.close()
    begun = (tmp_path / "notes").read_text().count("begin")
    assert 20 <= begun <= 23


def test_nobody_is_prepared_of_an_empty_table(tmp_path):
    frame = pd.DataFrame({"cell": []})
    assert list(for_each_subject(Noted(tmp_path, 0), frame, None, False, "cell", 3)) == []


class Remarking:
    """A preparation with something to say of every other subject."""

    def __call__(self, cells):
        if cells[0] % 2:
            remark("mirrored")
        return Prepared(cells[0])


@pytest.mark.parametrize("n_jobs", [None, 2], ids=["in a thread", "in processes"])
def test_remarks_are_told_once_with_the_subjects_they_are_about(n_jobs):
    frame = pd.DataFrame({"cell": range(5)}, index=[f"s{number}" for number in range(5)])
    with pytest.warns(DataWarning, match="^2 subjects, 's1', 's3': mirrored$") as caught:
        found = list(for_each_subject(Remarking(), frame, n_jobs, False, "cell", 2))
    assert [item.inputs for item in found] == list(range(5))
    assert len(caught) == 1


def test_remarks_on_training_rows_are_told_when_they_are_encoded():
    frame = pd.DataFrame({"cell": [1, 3]})
    assert len(list(readable_raws(frame, Remarking()))) == 2


class RemarkingInVain(Remarking):
    """One that fails after it has said something."""

    def __call__(self, cells):
        super().__call__(cells)
        raise InputError("rule", got="got", remedy="Mend it")


def test_failure_tells_what_was_remarked_before():
    frame = pd.DataFrame({"cell": [1, 2]}, index=["s1", "s2"])
    first, second = for_each_subject(RemarkingInVain(), frame, None, False, "cell")
    assert str(first) == "Subject 's1': rule. Got got. Mend it. Besides: mirrored."
    assert str(second) == "Subject 's2': rule. Got got. Mend it."
