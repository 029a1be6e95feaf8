"""Steps of a forest along lines."""

import numpy as np
import pytest

from adestim.encoding.tokens import feature_moments
from adestim.inspection.tokens.forest_path import follow_lines, share_steps, sum_by_row
from adestim.training.phase_one.distinct import DistinctColumns
from adestim.training.phase_one.forest import Grower, grow_forest
from adestim.training.phase_one.logistic import LogisticProblem, inner_folds

N = 80


def grow(blocks, y, n_classes, n_trees):
    """A forest without missing modalities, of five folds."""
    distinct = [
        DistinctColumns.find(block, np.isfinite(feature_moments(block)[1])) for block in blocks
    ]
    problem = LogisticProblem([], y, np.ones(len(y)), n_classes)
    folds = inner_folds(y, np.arange(len(y)), 0)
    return grow_forest(blocks, distinct, problem, n_classes, folds, Grower(n_trees, 0))


@pytest.fixture(scope="module")
def grown():
    """A forest of three classes over two modalities, one of whole numbers with gaps, and both ends.

    Whole numbers end on values that many others have, and gaps are read as values of their own.
    """
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(N, 4)), rng.integers(0, 3, size=(N, 2)).astype(float)]
    blocks[1][::5] = np.nan
    y = (blocks[0][:, 0] * np.nan_to_num(blocks[1][:, 0]) > 0.3).astype(int) + (blocks[0][:, 2] > 1)
    forest = grow(blocks, y, 3, 25)
    end = forest.select(blocks)
    start = np.where(np.isnan(end), end, np.nanmean(end, axis=0))
    return forest, start, end


def odds(forest, columns):
    """What the forest says where all modalities are shown."""
    return forest.odds(columns.astype(np.float32), np.ones((len(columns), 2), dtype=bool))


def test_ends_are_what_the_forest_says(grown):
    forest, start, end = grown
    found = follow_lines(forest, start, end)
    np.testing.assert_allclose(found.start, odds(forest, start), atol=1e-9)
    np.testing.assert_allclose(found.end, odds(forest, end), atol=1e-9)


def test_ends_are_right_where_lines_begin_and_end_on_thresholds(grown):
    forest, start, end = grown
    start, end = start.copy(), end.copy()
    trees = [(grove, tree.tree_) for grove in forest.groves for tree in grove.model.estimators_]
    cuts = np.concatenate([tree.threshold[grove.own[tree.feature] == 0] for grove, tree in trees])
    # Of thresholds between float32 numbers some are float32 numbers themselves.
    cuts = cuts[np.isfinite(cuts) & (cuts.astype(np.float32) == cuts)]
    start[: len(cuts), 0] = cuts[:N]
    end[-len(cuts) :, 0] = cuts[:N]
    assert 10 < len(cuts) < N / 2
    found = follow_lines(forest, start, end)
    np.testing.assert_allclose(found.start, odds(forest, start), atol=1e-9)
    np.testing.assert_allclose(found.end, odds(forest, end), atol=1e-9)


def test_steps_sum_to_the_difference_of_the_ends(grown):
    found = follow_lines(*grown)
    np.testing.assert_allclose(found.steps.sum(axis=1), found.end - found.start, atol=1e-9)


def test_steps_are_those_that_a_walk_along_the_line_meets(grown):
    """Between close points rarely more than one column crosses: its value alone tells the step."""
    forest, start, end = grown
    found = follow_lines(forest, start, end).steps
    share = np.linspace(0, 1, 3001)[:, None]
    for row in (1, 2, 5):
        points = (start[row] + share * (end[row] - start[row])).astype(np.float32)
        said = odds(forest, points)
        walked = np.zeros_like(found[row])
        for place in np.flatnonzero(np.abs(np.diff(said, axis=0)).any(axis=1)):
            before, after = points[place], points[place + 1]
            alone = np.where(np.eye(len(before), dtype=bool), after, before)
            walked += odds(forest, alone) - said[place]
        np.testing.assert_allclose(walked, found[row], atol=1e-4)


def test_what_does_not_move_and_what_is_unknown_adds_nothing(grown):
    forest, start, end = grown
    end = end.copy()
    end[:, 1] = start[:, 1]
    steps = follow_lines(forest, start, end).steps
    assert not steps[:, 1].any()
    assert not steps[::5][np.isnan(end[::5])].any()
    assert steps[:, 0].any()


def test_where_one_column_moves_all_is_its(grown):
    forest, start, end = grown
    moved = start.copy()
    moved[:, 2] = end[:, 2]
    found = follow_lines(forest, start, moved)
    np.testing.assert_allclose(found.steps[:, 2], odds(forest, moved) - odds(forest, start))


def test_a_line_that_crosses_two_splits_is_shared_in_their_order():
    """Class 1 where both columns are above 0; the later of two crossings changes what is said."""
    block = np.random.default_rng(0).uniform(-1, 1, size=(400, 2))
    y = (block > 0).all(axis=1).astype(int)
    forest = grow([block], y, 2, 30)
    start = forest.select([np.array([[-0.2, -0.8], [-0.8, -0.2]])])
    steps = follow_lines(forest, start, np.full((2, 2), 0.8)).steps[:, :, 0]
    assert (steps.argmax(axis=1) == [1, 0]).all()
    assert (steps.max(axis=1) > 3 * np.abs(steps.min(axis=1))).all()


def test_many_rows_are_the_same_as_few(grown, monkeypatch):
    forest, start, end = grown
    whole = follow_lines(forest, start, end).steps
    monkeypatch.setattr("adestim.inspection.tokens.forest_path.ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(follow_lines(forest, start, end).steps, whole, atol=1e-12)


def test_log_odds_are_shared_among_the_columns_of_each_modality(grown):
    found = follow_lines(*grown)
    shares = found.share(2 * (found.end - found.start))
    assert [share.shape for share in shares] == [(N, 4), (N, 2)]
    np.testing.assert_allclose(np.hstack(shares), 2 * found.steps.sum(axis=2), atol=1e-9)


def test_what_ends_where_it_began_shares_nothing(grown):
    forest, start, _ = grown
    found = follow_lines(forest, start, start)
    assert not np.hstack(found.share(np.zeros_like(found.end))).any()


def test_shuffled_columns_stay_within_their_modality(grown):
    found = follow_lines(*grown)
    shuffled = found.shuffle_columns(np.random.default_rng(1))
    for own, other in zip(found.columns, shuffled.columns, strict=True):
        np.testing.assert_array_equal(np.sort(other), own)
    np.testing.assert_array_equal(found.columns[0], np.arange(4))


def test_running_sums_begin_anew_at_every_row():
    values = np.array([[1.0], [2.0], [5.0], [1.0]])
    found = sum_by_row(values, np.array([0, 0, 1, 1]))
    np.testing.assert_array_equal(found[:, 0], [1, 3, 5, 6])


def test_steps_of_a_sum_go_to_the_parts_that_pull_it_where_it_went():
    parts = np.array([[[5.0, -1.0], [-4.9, -3.0]], [[0.0, 1.0], [0.0, -1.0]]])
    shares = share_steps(np.array([[1.0, 2.0], [0.0, 0.0]]), parts)
    np.testing.assert_allclose(shares, [[1 + 0.5, 1.5], [0, 0]])
