import numpy as np
import pytest

from adestim.training.phase_one.judges import ColumnOdds, ScoreOdds
from adestim.training.phase_one.penalised import Scores

ALL_SHOWN = np.ones((60, 2), dtype=bool)


class Sums:
    """A reader of one column a modality, which says the sum of what it sees."""

    places = np.array([0, 1])

    def __init__(self, columns=(0, 1)):
        self.columns, self.calls = columns, []

    def select(self, features):
        return np.hstack(
            [block[:, [own]] for block, own in zip(features, self.columns, strict=True)]
        )

    def odds(self, values, present):
        self.calls.append(present)
        return np.nansum(np.where(present, values, np.nan), axis=1, keepdims=True)


class Times:
    """A combiner that says a multiple of the mean score of what is shown."""

    def __init__(self, factor):
        self.factor = factor

    def odds(self, scores, present):
        return self.factor * (scores * present[:, :, None]).mean(axis=1)


def scores_of(rows):
    values = np.arange(60.0)[:, None, None, None] + np.zeros((60, 2, 2, 1))
    return Scores.of_all(values).take(np.asarray(rows))


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(60, size)) for size in (4, 3)]
    blocks[1][::5] = np.nan
    return blocks


# Members that read columns


def test_odds_are_those_of_the_reader_for_what_is_shown(features):
    reader, rows = Sums(), np.array([3, 8, 20, 41])
    shown = np.array([[True, True], [False, True], [True, False], [True, True]])
    odds = ColumnOdds([(reader, np.arange(60))], features, 1)(scores_of(rows), shown)
    np.testing.assert_array_equal(odds, reader.odds(reader.select(features)[rows], shown))


def test_every_row_is_judged_by_the_reader_that_judges_it(features):
    parts = [(Sums((0, 0)), np.arange(30)), (Sums((1, 1)), np.arange(30, 50))]
    odds = ColumnOdds(parts, features, 1)(scores_of(np.arange(60)), ALL_SHOWN)
    for reader, rows in parts:
        values = reader.select(features)[rows]
        np.testing.assert_array_equal(odds[rows], reader.odds(values, ALL_SHOWN[rows]))
    assert not odds[50:].any()


def test_nothing_is_computed_before_it_is_asked_for_and_nothing_twice(features):
    reader = Sums()
    odds = ColumnOdds([(reader, np.arange(60))], features, 1)
    assert len(reader.calls) == 0
    rows = np.array([1, 2, 1])
    for _ in range(2):
        odds(scores_of(rows), ALL_SHOWN[rows])
    assert len(reader.calls) == 1
    hidden = np.array([[True, False], [True, True], [True, False]])
    for _ in range(2):
        odds(scores_of(rows), hidden)
    assert len(reader.calls) == 2


def test_hiding_what_a_subject_lacks_costs_nothing(features):
    reader, rows = Sums(), np.arange(0, 60, 5)
    odds = ColumnOdds([(reader, np.arange(60))], features, 1)
    lacking = np.tile([True, False], (len(rows), 1))
    np.testing.assert_array_equal(
        odds(scores_of(rows), lacking), odds(scores_of(rows), ALL_SHOWN[rows])
    )
    assert len(reader.calls) == 1


def test_odds_once_given_may_be_changed(features):
    odds, rows = ColumnOdds([(Sums(), np.arange(60))], features, 1), scores_of(np.arange(60))
    first = odds(rows, ALL_SHOWN)
    kept = first.copy()
    first += 1
    np.testing.assert_array_equal(odds(rows, ALL_SHOWN), kept)


# Members that combine scores


def test_combinations_judge_those_they_have_not_seen_and_the_whole_one_the_others():
    judge = ScoreOdds(Times(1), [(Times(2), np.array([0, 2])), (Times(3), np.array([1]))])
    found = judge(scores_of([1, 2, 5]), np.ones((3, 2), dtype=bool))
    np.testing.assert_array_equal(found[:, 0], [3, 4, 5])


def test_combinations_hear_what_is_shown():
    found = ScoreOdds(Times(1))(scores_of([4]), np.array([[True, False]]))
    np.testing.assert_array_equal(found, [[2.0]])
