import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from adestim import PoolTokens
from adestim.evaluation import plot_robustness, robustness_curve
from adestim.evaluation.splitting.folds import list_splits
from adestim.exceptions import InputError, LeakageError
from tests.fusion_tables import encodings_table, numeric_table, with_missing


def linear():
    return make_pipeline(SimpleImputer(), LogisticRegression())


@pytest.fixture(scope="module")
def data():
    return numeric_table(200)


@pytest.fixture(scope="module")
def curve(data):
    return robustness_curve(linear(), *data, rates=(0, 0.3, 0.7), n_draws=3, cv=4)


def test_there_is_a_row_a_rate_draw_and_score(curve):
    counts = curve.groupby(["rate", "score"]).size()
    assert counts.to_dict() == {
        (rate, score): 1 if rate == 0 else 3
        for rate in (0, 0.3, 0.7)
        for score in ("roc_auc", "balanced_accuracy")
    }


def test_scores_fall_with_the_rate(curve):
    means = curve[curve["score"] == "roc_auc"].groupby("rate")["value"].mean()
    assert means.is_monotonic_decreasing
    assert means.iloc[0] - means.iloc[-1] > 0.1


def test_draws_differ(curve):
    values = curve[(curve["rate"] == 0.7) & (curve["score"] == "roc_auc")]["value"]
    assert values.nunique() == 3


def test_the_share_hidden_in_fact_is_told(curve):
    shares = curve.groupby("rate")["hidden"].mean()
    assert shares[0] == 0
    assert shares[0.3] == pytest.approx(0.3, abs=0.05)
    # One of three modalities is kept where all were drawn.
    assert shares[0.7] == pytest.approx(0.7 - 0.7**3 / 3, abs=0.05)


def test_a_rate_of_zero_is_plain_cross_validation(data):
    X, y = data
    curve = robustness_curve(linear(), X, y, rates=[0], scores=["accuracy"], cv=4, random_state=3)
    assert curve["value"][0] > 0.85


def test_nobody_loses_all(data):
    X, y = data

    class Strict(LogisticRegression):
        def predict_proba(self, X):
            assert X.notna().any(axis=1).all()
            return super().predict_proba(X.fillna(0))

    robustness_curve(Strict(), X, y, rates=[1.0], n_draws=2, cv=2)


def test_only_the_modalities_named_are_hidden(data):
    X, y = data
    curve = robustness_curve(
        linear(), X, y, rates=[0, 1], modalities=["gene"], scores=["roc_auc"], n_draws=2, cv=3
    )
    assert curve["hidden"].iloc[-1] == pytest.approx(1 / 3)
    assert np.ptp(curve["value"]) < 0.03


def test_encodings_and_numbers_give_the_same_curve(data):
    X, y = data
    settings = {"rates": [0, 0.5], "n_draws": 2, "cv": 2}
    numbers = robustness_curve(linear(), X.astype("float32"), y, **settings)
    pooled = make_pipeline(PoolTokens(), SimpleImputer(), LogisticRegression())
    encodings = robustness_curve(pooled, encodings_table(X), y, **settings)
    pd.testing.assert_frame_equal(numbers, encodings, rtol=1e-3)


def test_a_fitted_estimator_is_not_fitted_again(data):
    X, y = data
    fitted = linear().fit(X, y)
    before = fitted[-1].coef_.copy()
    curve = robustness_curve(fitted, X, y, rates=[0], scores=["accuracy"], cv="prefit")
    assert curve["value"][0] == fitted.score(X, y)
    np.testing.assert_array_equal(fitted[-1].coef_, before)


def test_repeated_and_partial_test_rows_are_averaged(data):
    X, y = data
    splits = list_splits(X, y, cv=4, n_repeats=2, random_state=0)[:6]
    curve = robustness_curve(linear(), X, y, rates=[0], scores=["accuracy"], cv=splits)
    assert curve["value"][0] > 0.8


def test_a_seed_gives_the_same_curve(data):
    first, second = (
        robustness_curve(linear(), *data, rates=[0.5], n_draws=1, cv=2, random_state=1)
        for _ in "ab"
    )
    pd.testing.assert_frame_equal(first, second)


def test_what_is_missing_already_stays_missing(data):
    X, y = data
    curve = robustness_curve(linear(), with_missing(X), y, rates=[0.3], n_draws=1, cv=2)
    assert curve["value"].between(0.5, 1).all()


def test_groups_are_needed_where_a_subject_has_several_rows(data):
    X, y = data
    with pytest.raises(LeakageError, match=r"groups=X\.index"):
        robustness_curve(linear(), X.set_axis(np.arange(200) // 2), y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rates": [0.1, 1.5]}, r"'rates' must be.*Got \[1\.5\]"),
        ({"rates": []}, r"'rates' must be.*Got \[\]"),
        ({"n_draws": 0}, r"'n_draws' must be at least 1"),
        ({"modalities": ["pet"]}, r"Got 'pet'.*Choose from"),
    ],
)
def test_settings_that_mean_nothing_are_refused(data, params, message):
    with pytest.raises(InputError, match=message):
        robustness_curve(linear(), *data, **params)


def test_a_single_modality_is_refused(data):
    X, y = data
    with pytest.raises(InputError, match=r"two at least\. Got 'features'.*modality__feature"):
        robustness_curve(linear(), X.to_numpy(), y)


def test_a_regressor_is_refused(data):
    X, y = data
    with pytest.raises(InputError, match=r"takes a classifier\. Got LinearRegression"):
        robustness_curve(LinearRegression(), X, y == "AD")


def test_the_plot_has_a_line_an_estimator(curve):
    ax = plot_robustness({"linear": curve, "again": curve}, score="balanced_accuracy")
    assert [line.get_label() for line in ax.get_lines()] == ["linear", "again"]
    assert ax.get_ylabel() == "balanced_accuracy"
    assert len({(line.get_linestyle(), line.get_marker()) for line in ax.get_lines()}) == 2
    assert ax.get_lines()[0].get_xdata().tolist() == [0, 0.3, 0.7]
    plt.close(ax.figure)


def test_a_score_that_is_not_there_is_refused(curve):
    with pytest.raises(InputError, match="must have the score 'f1'"):
        plot_robustness(curve, plt.subplots()[1], score="f1")
    plt.close("all")
