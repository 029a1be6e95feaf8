"""Little updates of probabilities on another cohort."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LinearRegression, LogisticRegression

from adestim.evaluation import recalibrate, transfer
from adestim.evaluation.comparing.recalibration import estimate_prior, shift_prior
from adestim.exceptions import InputError

EVEN = {"CN": 0.5, "AD": 0.5}
QUICK = {"n_resamples": 20}


@cache
def transferred(seed=0):
    """A model of as many patients as controls, where patients are one in six."""
    rng = np.random.default_rng(seed)
    y = np.repeat(["CN", "AD"], [300, 300])
    home = pd.DataFrame((y == "AD") * 1.5 + rng.normal(size=600), columns=["csf__tau"])
    model = LogisticRegression().fit(home, y)
    abroad = np.repeat(["CN", "AD"], [500, 100])
    X = pd.DataFrame((abroad == "AD") * 1.5 + rng.normal(size=600), columns=["csf__tau"])
    return transfer({"plain": model}, X, abroad, n_resamples=20)


def estimates(**settings):
    table = recalibrate(transferred(), EVEN, **QUICK, **settings)
    return table.xs("estimate", axis=1, level=1).droplevel("estimator")


def test_every_update_is_calibrated_better():
    found = estimates()
    assert found.index.tolist() == ["as it was", "prior", "intercept"]
    off = found["calibration_intercept"].abs()
    assert off["as it was"] > 1
    assert (off.drop("as it was") < 0.3).all()
    assert (found["brier"].drop("as it was") < found.loc["as it was", "brier"]).all()


def test_what_was_is_what_transfer_said():
    was = transferred().scores.xs("estimate", axis=1, level=1).iloc[0]
    pd.testing.assert_series_equal(estimates().loc["as it was"], was, check_names=False)


def test_ranks_stay():
    found = estimates()["roc_auc"]
    assert found["prior"] == pytest.approx(found["as it was"])
    assert found["intercept"] == pytest.approx(found["as it was"], abs=0.01)


def test_a_known_prior_is_taken():
    same = estimates(prior=EVEN)
    assert same.loc["prior", "brier"] == pytest.approx(same.loc["as it was", "brier"])


def test_shares_are_estimated_without_labels():
    rng = np.random.default_rng(1)
    y = rng.random(4000) < 0.2
    x = 2.0 * y + rng.normal(size=4000)
    p = expit(2.0 * (x - 1.0))
    found = estimate_prior(np.stack([1 - p, p], axis=1), np.array([0.5, 0.5]))
    assert found[1] == pytest.approx(0.2, abs=0.03)


def test_equal_shares_change_nothing():
    values = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    prior = np.array([0.3, 0.3, 0.4])
    np.testing.assert_allclose(shift_prior(values, prior, prior), values)


def test_three_classes_have_no_intercept():
    rng = np.random.default_rng(2)
    y = np.array(["AD", "CN", "MCI"])[np.arange(90) % 3]
    X = pd.DataFrame(rng.normal(size=(90, 2)) + (y == "AD")[:, None], columns=["a__x", "b__y"])
    result = transfer(LogisticRegression().fit(X, y), X, y, n_resamples=5)
    table = recalibrate(result, dict.fromkeys(["AD", "CN", "MCI"], 1 / 3), n_resamples=5)
    assert table.index.get_level_values("update").tolist() == ["as it was", "prior"]


def test_a_seed_gives_one_table():
    pd.testing.assert_frame_equal(estimates(random_state=1), estimates(random_state=1))


@pytest.mark.parametrize(
    ("prior", "settings", "words"),
    [
        ({"CN": 1.0}, {}, "'training_prior' has a share above 0"),
        ({"CN": 1.0, "AD": 0.0}, {}, "'training_prior' has a share above 0"),
        ({"CN": 0.6, "AD": 0.6}, {}, "which sum to 1"),
        ({"CN": 0.5, "AD": 0.5, "PD": 0.0}, {}, "'training_prior' has a share"),
        (EVEN, {"prior": {"AD": 1.0}}, "'prior' has a share"),
        (EVEN, {"cv": 1}, "'cv' is a whole number from 2"),
        (EVEN, {"n_resamples": 0}, "'n_resamples'"),
    ],
)
def test_other_shares_and_settings_are_refused(prior, settings, words):
    with pytest.raises(InputError, match=words):
        recalibrate(transferred(), prior, **settings)


def test_numbers_and_lone_patients_are_refused():
    X = pd.DataFrame({"csf__tau": [1.0, 2.0, 3.0]})
    numbers = transfer(
        LinearRegression().fit(X, [1.0, 2.0, 3.0]), X, [1.0, 2.0, 2.0], n_resamples=5
    )
    with pytest.raises(InputError, match="predicted numbers"):
        recalibrate(numbers, EVEN)
    y = np.array(["CN", "CN", "AD"])
    lone = transfer(LogisticRegression().fit(X, y), X, y, n_resamples=5)
    with pytest.raises(InputError, match="two groups or more"):
        recalibrate(lone, EVEN, **QUICK)
