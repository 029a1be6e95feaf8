"""A table in any spelling, whole or damaged, is read right or refused, by every reader."""

import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adestim import ClinicalExtractor
from adestim.datasets.loaders.participants import read_participants, tidy_cells
from adestim.datasets.loaders.phenotype import read_measures
from adestim.datasets.tables.files import read_cells
from adestim.datasets.tables.read_table import read_table
from adestim.exceptions import AdestimError
from tests.datasets.tables.spellings import NAMES, rows, spellings, write_content

COLUMNS = dict(zip(("subject", "site", "score", "tau", "date"), NAMES, strict=True))
KINDS = {"ids": ["subject"], "numeric": ["score", "tau"], "dates": ["date"]}
QUICK = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def count():
    """Count what became of the tables; none is read wrongly, and not all are refused."""
    counts = Counter()
    yield counts
    assert counts["right"] > 5


def expected(rows):
    """What is written in rows, by name of column; missing ones as None."""
    names = ("site", "score", "tau", "date")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def same(read, wanted):
    """Tell whether cells are those that were written."""
    pairs = zip(read, wanted, strict=True)
    return all(
        pd.isna(cell) if value is None else cell == value or np.isclose(cell, value, rtol=1e-12)
        if isinstance(value, (int, float))
        else cell == (value if isinstance(value, str) else pd.Timestamp(value))
        for cell, value in pairs
    )  # fmt: skip


def judge(count, read, is_right):
    """Count one table as refused, read right or read wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = read()
        except AdestimError:
            count["refused"] += 1
            return
    outcome = "right" if is_right(found) else "wrong"
    count[outcome] += 1
    assert outcome == "right", found


def read_study(path, spelling):
    """Read a table; where no day tells it, the user says which of day and month comes first."""
    day_first = spelling.date.startswith("%d")
    table = read_table(
        path, COLUMNS, required=list(COLUMNS), key=["subject"], day_first=day_first, **KINDS
    )
    return table.set_index("subject")


@QUICK
@given(rows=rows, spelling=spellings)
def test_study_table_comes_back_or_is_refused(tmp_path, count, rows, spelling):
    path = tmp_path / "table.csv"
    path.write_bytes(write_content(rows, spelling))
    wanted = expected(rows)
    judge(count, lambda: read_study(path, spelling),
          lambda found: all(same(found[name], wanted[name]) for name in wanted))  # fmt: skip


@QUICK
@given(rows=rows, spelling=spellings)
def test_participants_come_back_or_are_refused(tmp_path, count, rows, spelling):
    names = ("participant_id", "Site", "score", "tau", "date")
    (tmp_path / "participants.tsv").write_bytes(write_content(rows, spelling, names))
    wanted = expected(rows)
    judge(count, lambda: tidy_cells(read_participants(tmp_path), {}, {}),
          lambda found: all(same_numbers(found[name], wanted[name]) for name in ("score", "tau"))
          and same(found["site"], wanted["site"]))  # fmt: skip


def same_numbers(read, wanted):
    """Tell whether numbers are those written; a column without a number may be text."""
    return same(read, wanted) if any(value is not None for value in wanted) else read.isna().all()


@QUICK
@given(rows=rows, spelling=spellings)
def test_measures_come_back_or_are_refused(tmp_path, count, rows, spelling):
    path = tmp_path / "gait.csv"
    path.write_bytes(write_content(rows, spelling, ("Subject", *NAMES[1:])))
    wanted = expected(rows)
    judge(count, lambda: read_measures(tmp_path, path)[0].cells,
          lambda found: same(found["SITE"], wanted["site"]))  # fmt: skip


@QUICK
@given(rows=rows, spelling=spellings)
def test_clinical_column_comes_back_or_is_refused(tmp_path, count, rows, spelling):
    path = tmp_path / "table.csv"
    path.write_bytes(write_content(rows, spelling))
    wanted = expected(rows)["tau"]
    judge(count, lambda: ClinicalExtractor().fit_transform(read_cells(path)[["TAU"]]),
          lambda found: all(
              cell is None if value is None
              else np.isclose(cell.tokens.item(), value, rtol=1e-6)
              for cell, value in zip(found["clinical"], wanted, strict=True)))  # fmt: skip


# Damaged bytes


damages = st.tuples(
    st.sampled_from(["replace", "delete", "insert", "cut"]),
    st.floats(0, 1),
    st.binary(min_size=1, max_size=2),
)


def damage(content, kind, place, noise):
    """Return bytes with one wound."""
    at = int(place * (len(content) - 1))
    rest = {"replace": at + len(noise), "delete": at + len(noise), "insert": at}.get(kind)
    added = b"" if kind in ("delete", "cut") else noise
    return content[:at] + added + (b"" if rest is None else content[rest:])


def line_of(content, kind, place, encoding):
    """Number of the line in which the wound is."""
    at = int(place * (len(content) - 1))
    return content[:at].decode(encoding, errors="ignore").count("\n")


@QUICK
@given(rows=rows, spelling=spellings, wound=damages)
def test_damage_of_one_row_changes_no_other_unless_it_is_refused(
    tmp_path, count, rows, spelling, wound
):
    content = write_content(rows, spelling)
    path = tmp_path / "table.csv"
    path.write_bytes(damage(content, *wound))
    wanted = expected(rows)
    step = 2 if spelling.blank_rows else 1
    hurt = {(line_of(content, *wound[:2], spelling.encoding) - 1 + more) // step for more in (0, 1)}

    def others_are_right(found):
        there = {name: place for place, name in enumerate(found.index)}
        spared = [place for place in range(len(rows)) if place not in hurt]
        spared = [place for place in spared if f"{place:04d}" in there]
        return all(
            same([found[name].iloc[there[f"{place:04d}"]] for place in spared],
                 [wanted[name][place] for place in spared])
            for name in wanted
        )  # fmt: skip

    judge(count, lambda: read_study(path, spelling), others_are_right)
