"""Phase 1 for times to an event."""

import numpy as np
import pytest
from scipy.special import expit

from adestim.training.intervals import TimeIntervals
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.hazard import HazardProblem, fit_hazard_phase_one, hazard_folds
from tests.fusion_tables import conversions, tables_of, with_missing

INTERVALS = TimeIntervals(np.array([0.5, 1.5, 4.0]))


@pytest.fixture(scope="module")
def fitted():
    X, y = conversions(100)
    lived = INTERVALS.encode(y["event"], y["time"])
    tables = tables_of(with_missing(X))
    folds = hazard_folds(lived, np.arange(100), 0, 3)
    phase_one, unseen = fit_hazard_phase_one(tables, lived, np.ones(100), folds, 3, Grower(10, 0))
    present = np.stack([table.present for table in tables.values()], axis=1)
    scores = phase_one.scores([table.pooled() for table in tables.values()])
    return phase_one, unseen, scores, present, lived


def test_a_head_shifts_all_intervals_alike(fitted):
    phase_one, *_ = fitted
    for head in (*phase_one.separate, *phase_one.joint):
        np.testing.assert_allclose(head.coef, head.coef[:, :1].repeat(3, axis=1))


def test_unseen_scores_tell_who_has_the_event(fitted):
    phase_one, unseen, _, present, lived = fitted
    odds = phase_one.logits(unseen, present, "stacked")
    problem = HazardProblem([], lived, np.ones(100), 3)
    rows = np.arange(100)
    known = problem.losses(np.tile(phase_one.baseline, (100, 1)), rows).mean()
    assert problem.losses(odds, rows).mean() < known - 0.1


def test_average_is_that_of_hazards(fitted):
    phase_one, _, scores, present, _ = fitted
    found = expit(phase_one.logits(scores, present, "average"))
    row = np.flatnonzero(~present.all(axis=1))[0]
    expected = expit(scores.values[row, present[row], 0]).mean(axis=0)
    np.testing.assert_allclose(found[row], expected, rtol=1e-5)


def test_who_lacks_the_anchor_has_the_hazard_of_the_cohort(fitted):
    phase_one, _, scores, present, _ = fitted
    name = phase_one.modalities[0]
    odds = phase_one.logits(scores, present, "anchor", name)
    np.testing.assert_allclose(odds[~present[:, 0]], phase_one.baseline[None].repeat(
        (~present[:, 0]).sum(), axis=0), rtol=1e-5)  # fmt: skip


def test_columns_that_go_with_the_event_are_strong():
    X, y = conversions(200)
    lived = INTERVALS.encode(y["event"], y["time"])
    problem = HazardProblem([], lived, np.ones(200), 3)
    strengths = dict(zip(X, problem.strengths(X.to_numpy(), np.arange(200)), strict=True))
    assert min(strengths["mri__a"], strengths["csf__a"]) > 2 * strengths["gene__a"]


def test_folds_have_events_and_keep_groups_whole():
    lived = np.where(np.arange(60) % 5 == 0, 1.0, -2.0)
    groups = np.arange(60) // 2
    for train, test in hazard_folds(lived, groups, 0, 4):
        assert (lived[test] > 0).any()
        assert not set(groups[train]) & set(groups[test])


@pytest.mark.parametrize("n_censored", [0, 1, 3])
def test_folds_do_not_need_the_censored(n_censored):
    lived = np.where(np.arange(20) < n_censored, -1.0, 1.0)
    folds = hazard_folds(lived, np.arange(20), 0, 5)
    assert len(folds) == 5
    assert np.sort(np.concatenate([test for _, test in folds])).tolist() == [*range(20)]


def test_events_of_one_group_make_no_folds():
    lived = np.where(np.arange(20) < 3, 1.0, -1.0)
    assert hazard_folds(lived, np.where(np.arange(20) < 3, 0, np.arange(20)), 0) == []
