"""What scores of survival are given."""

import numpy as np
import pandas as pd
import pytest

from adestim import make_survival
from adestim.evaluation.survival.outcomes import Outcomes, read_curves, read_horizon, read_risk
from adestim.exceptions import InputError

Y = make_survival([1, 0, 1, 1, 0], [1, 2, 2, 3, 4])


def test_weights_are_inverse_probabilities_of_being_seen():
    outcomes = Outcomes.of(Y, None, "scores")
    np.testing.assert_allclose(outcomes.weight, [1, 1.5, 1.5, 1.5, 0])
    np.testing.assert_allclose(outcomes.take(np.array([3, 0])).weight, [1.5, 1])


def test_censoring_may_be_learned_from_others():
    train = make_survival([1, 1, 1], [1, 2, 5])
    np.testing.assert_allclose(Outcomes.of(Y, train, "scores").weight, 1)


@pytest.mark.parametrize("time", [-1.0, 4.0, np.nan])
def test_times_outside_follow_up_are_refused(time):
    outcomes = Outcomes.of(Y, None, "scores")
    outcomes.require_times(np.array([0.0, 3.9]), "scores")
    with pytest.raises(InputError, match="Times of scores lie within follow-up, from 0 to below"):
        outcomes.require_times(np.array([time]), "scores")


def test_times_at_which_all_of_training_were_censored_are_refused():
    outcomes = Outcomes.of(Y, make_survival([1, 0], [1, 2]), "scores")
    with pytest.raises(InputError, match="within follow-up, from 0 to below 1 years"):
        outcomes.require_times(np.array([2.5]), "scores")


@pytest.mark.parametrize("risk", [[1.0], [[1.0] * 5], [np.nan] * 5])
def test_risks_of_another_shape_or_nan_are_refused(risk):
    with pytest.raises(InputError, match="a finite risk score for every subject"):
        read_risk(risk, 5, "scores")


@pytest.mark.parametrize(
    ("survival", "message"),
    [
        (np.ones((2, 1)), "needs a DataFrame of survival"),
        (pd.DataFrame({1.0: [0.5]}), "needs a DataFrame of survival"),
        (pd.DataFrame({2.0: [0.5, 0.5], 1.0: [0.5, 0.5]}), "rising times"),
        (pd.DataFrame({1.0: [0.5, np.nan]}), "between 0 and 1"),
        (pd.DataFrame({1.0: [0.5, 1.5]}), "between 0 and 1"),
    ],
)
def test_what_is_no_survival_is_refused(survival, message):
    with pytest.raises(InputError, match=message):
        read_curves(survival, 2, "scores")


def test_a_horizon_is_a_finite_number():
    assert read_horizon(2, "scores").tolist() == [2]
    for times in (np.nan, [], [[1.0]]):
        with pytest.raises(InputError, match="finite numbers of years"):
            read_horizon(times, "scores")
