import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from adestim.evaluation import (
    HIGHER_IS_BETTER,
    ORDINAL_SCORES,
    REGRESSION_SCORES,
    SCORES,
    score_ordinal,
    score_predictions,
    score_probabilities,
)
from adestim.exceptions import InputError

CLASSES = ["CN", "MCI", "AD"]


def binary(seed, n=60, decimals=1):
    """Labels, coarse probabilities (many ties) and weights."""
    rng = np.random.default_rng(seed)
    y = np.append([0, 1], rng.integers(2, size=n - 2))
    p = np.round(rng.beta(1 + y, 2 - y), decimals)
    return y, np.stack([1 - p, p], axis=1), rng.integers(4, size=n) + (np.arange(n) < 2)


def three_classes(seed, n=80):
    rng = np.random.default_rng(seed)
    codes = np.append([0, 1, 2], rng.integers(3, size=n - 3))
    return codes, rng.dirichlet(np.ones(3) + np.eye(3)[codes].mean(axis=0), size=n)


def by_scikit_learn(y, p, weight=None):
    """Scores of two classes, each by scikit-learn's own function."""
    kw, predicted = {"sample_weight": weight}, p.argmax(axis=1)
    return {
        "accuracy": metrics.accuracy_score(y, predicted, **kw),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted, **kw),
        "roc_auc": metrics.roc_auc_score(y, p[:, 1], **kw),
        "pr_auc": metrics.average_precision_score(y, p[:, 1], **kw),
        "sensitivity": metrics.recall_score(y, predicted, **kw),
        "specificity": metrics.recall_score(y, predicted, pos_label=0, **kw),
        "f1": metrics.f1_score(y, predicted, zero_division=0, **kw),
        "brier": metrics.brier_score_loss(y, p[:, 1], **kw),
        "log_loss": metrics.log_loss(y, p, **kw),
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.booleans())
def test_scores_of_two_classes_are_those_of_scikit_learn(seed, weighted):
    y, p, weight = binary(seed)
    weight = weight if weighted else None
    expected = by_scikit_learn(y, p, weight)
    ours = score_probabilities(y, p, [0, 1], scores=list(expected), sample_weight=weight)
    assert ours == pytest.approx(expected, abs=1e-12)


def test_scores_of_three_classes_are_averages_of_one_against_the_rest():
    codes, p = three_classes(0)
    ours = score_probabilities(np.take(CLASSES, codes), p, CLASSES)
    predicted, one_hot = p.argmax(axis=1), np.eye(3)[codes]
    assert ours["roc_auc"] == pytest.approx(
        metrics.roc_auc_score(codes, p, multi_class="ovr", average="macro")
    )
    assert ours["pr_auc"] == pytest.approx(metrics.average_precision_score(one_hot, p))
    assert ours["f1"] == pytest.approx(metrics.f1_score(codes, predicted, average="macro"))
    recall = metrics.recall_score(codes, predicted, average="macro")
    assert ours["sensitivity"] == ours["balanced_accuracy"] == pytest.approx(recall)
    specificities = [metrics.recall_score(codes != k, predicted != k) for k in range(3)]
    assert ours["specificity"] == pytest.approx(np.mean(specificities))
    assert ours["brier"] == pytest.approx(((p - one_hot) ** 2).sum(axis=1).mean())
    assert ours["log_loss"] == pytest.approx(metrics.log_loss(codes, p))


def test_calibration_of_three_classes_is_an_average_of_one_against_the_rest():
    codes, p = three_classes(1)
    ours = score_probabilities(codes, p, [0, 1, 2])
    for name in ("calibration_slope", "calibration_intercept"):
        each = [
            score_probabilities(codes == k, np.stack([1 - p[:, k], p[:, k]], 1), [False, True])
            for k in range(3)
        ]
        assert ours[name] == pytest.approx(np.mean([scores[name] for scores in each]))


def test_calibration_slope_is_that_of_logistic_regression_on_the_logits():
    y, p, _ = binary(3, n=300, decimals=3)
    p = np.clip(p, 0.01, 0.99)
    logits = np.log(p[:, [1]] / (1 - p[:, [1]]))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logits, y)
    ours = score_probabilities(y, p, [0, 1], scores=["calibration_slope"])
    assert ours["calibration_slope"] == pytest.approx(model.coef_[0, 0], rel=1e-5)


def test_overconfident_predictions_have_a_slope_below_one():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=20000)
    y = rng.random(20000) < 1 / (1 + np.exp(-logits))
    for sharper, shift in [(1, 0), (2, 0), (1, -1)]:
        p = 1 / (1 + np.exp(-(sharper * logits + shift)))
        scores = score_probabilities(y, np.stack([1 - p, p], 1), [False, True])
        assert scores["calibration_slope"] == pytest.approx(1 / sharper, abs=0.05)
        assert scores["calibration_intercept"] == pytest.approx(-shift, abs=0.05)


@pytest.mark.parametrize(("positive", "found"), [(None, 1.0), ("AD", 1.0), ("CN", 0.5)])
def test_the_patients_or_whom_one_names_are_positive_wherever_their_column_stands(positive, found):
    y, p = ["AD", "CN", "CN"], np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    for values, classes in ((p, ["AD", "CN"]), (p[:, ::-1], ["CN", "AD"])):
        scores = score_probabilities(y, values, classes, scores=["sensitivity"], positive=positive)
        assert scores == {"sensitivity": found}


def test_the_last_of_two_classes_is_positive_where_nothing_tells_the_patients():
    y, p = ["a", "b", "b"], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    assert score_probabilities(y, p, ["a", "b"], scores=["sensitivity"]) == {"sensitivity": 0.5}


def test_threshold_decides_from_its_value_on():
    y, p = [0, 1, 1], [[0.7, 0.3], [0.7, 0.3], [0.9, 0.1]]
    names = ["sensitivity", "specificity"]
    assert score_probabilities(y, p, [0, 1], scores=names) == {
        "sensitivity": 0.0,
        "specificity": 1.0,
    }
    assert score_probabilities(y, p, [0, 1], scores=names, threshold=0.3) == {
        "sensitivity": 0.5,
        "specificity": 0.0,
    }


def test_each_subject_may_have_its_own_threshold():
    y, p = [0, 1], [[0.7, 0.3], [0.7, 0.3]]
    scores = score_probabilities(y, p, [0, 1], scores=["accuracy"], threshold=[0.4, 0.2])
    assert scores == {"accuracy": 1.0}


def test_scores_that_need_an_absent_class_are_nan_without_a_warning():
    p = [[0.9, 0.1], [0.4, 0.6]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score_probabilities(["CN", "CN"], p, ["CN", "AD"])
    undefined = {name for name, value in scores.items() if np.isnan(value)}
    assert undefined == set(SCORES) - {"accuracy", "specificity", "ppv", "npv", "brier", "log_loss"}


def test_averages_over_classes_are_nan_where_a_class_is_absent():
    p = np.full((4, 3), 1 / 3)
    scores = score_probabilities(["CN", "AD", "CN", "AD"], p, CLASSES)
    assert np.isnan([scores["balanced_accuracy"], scores["roc_auc"], scores["f1"]]).all()
    assert scores["accuracy"] == 0.5


@pytest.mark.parametrize("p", [[0.5, 0.5, 0.5, 0.5], [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.2]])
def test_slope_of_constant_or_separating_predictions_is_nan(p):
    p = np.array(p)
    scores = score_probabilities([0, 0, 1, 1], np.stack([1 - p, p], 1), [0, 1])
    assert np.isnan(scores["calibration_slope"])
    assert np.isfinite(scores["calibration_intercept"])


def test_certain_and_wrong_predictions_have_finite_scores():
    for dtype in (np.float32, np.float64):
        p = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=dtype)
        scores = score_probabilities([0, 0, 1, 1], p, [0, 1])
        assert np.isfinite(list(scores.values())).all()
        assert scores["log_loss"] == pytest.approx(metrics.log_loss([0, 0, 1, 1], p), rel=1e-6)


def test_subjects_without_weight_do_not_count():
    y, p, weight = binary(5)
    kept = weight > 0
    ours = score_probabilities(y, p, [0, 1], sample_weight=weight)
    assert ours == score_probabilities(y[kept], p[kept], [0, 1], sample_weight=weight[kept])


def test_weight_is_as_good_as_repetition():
    y, p, weight = binary(6)
    repeated = np.repeat(np.arange(len(y)), weight)
    ours = score_probabilities(y, p, [0, 1], sample_weight=weight)
    assert ours == pytest.approx(score_probabilities(y[repeated], p[repeated], [0, 1]))


def test_pandas_objects_are_read_by_position():
    y = pd.Series(["CN", "AD", "AD"], index=[5, 3, 1], dtype="category")
    p = pd.DataFrame({"CN": [0.8, 0.3, 0.1], "AD": [0.2, 0.7, 0.9]}, index=[1, 3, 5])
    assert score_probabilities(y, p, p.columns, scores=["accuracy"]) == {"accuracy": 1.0}


P = [[0.9, 0.1], [0.2, 0.8]]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((["CN", "AD"], [[0.5, 0.5], [np.nan, 0.5]], ["CN", "AD"]), {}, "NaN for 1 of 2"),
        ((["CN", "AD"], [[0.5, 0.5]], ["CN", "AD"]), {}, r"have shape \(2, 2\). Got \(1, 2\)"),
        ((["CN", "AD"], [[-1.0, 2.0], [0.5, 0.5]], ["CN", "AD"]), {}, "from -1 to 2"),
        ((["CN", "AD"], [[0.5, 0.9], [0.5, 0.5]], ["CN", "AD"]), {}, "sum to 1"),
        ((["CN", "MCI"], P, ["CN", "AD"]), {}, "among the classes 'CN', 'AD'. Got 1 others"),
        (([1.0, np.nan], P, [0, 1]), {}, "Got 1 others"),
        (([], np.zeros((0, 2)), [0, 1]), {}, "one label a subject"),
        (([0, 0], P, [0, 0]), {}, "all different"),
        (([0, 0], [[1.0], [1.0]], [0]), {}, "two or more classes"),
        (([0, 1], P, [0, 1]), {"scores": ["auc"]}, "roc_auc, .* Got 'auc'"),
        (([0, 1], P, [0, 1]), {"scores": "roc_auc"}, "a sequence of names"),
        (([0, 1], P, [0, 1]), {"threshold": [0.1, 0.2, 0.3]}, "one for each subject"),
        (([0, 1], P, [0, 1]), {"threshold": np.nan}, "one for each subject"),
        (([0, 1], np.full((2, 3), 1 / 3), [0, 1, 2]), {"threshold": 0.5}, "Got 3 classes"),
        (([0, 1], P, [0, 1]), {"sample_weight": [1.0]}, "one finite number"),
        (([0, 1], P, [0, 1]), {"sample_weight": [1.0, -1.0]}, "one finite number"),
        (([0, 1], P, [0, 1]), {"sample_weight": [0.0, 0.0]}, "all 0"),
    ],
)
def test_bad_input_is_refused(arguments, options, message):
    with pytest.raises(InputError, match=message):
        score_probabilities(*arguments, **options)


def test_scores_of_numbers_are_those_of_scikit_learn_and_scipy():
    rng = np.random.default_rng(0)
    y = rng.integers(30, size=50)
    predictions = y + rng.integers(-5, 5, size=50)
    assert score_predictions(y, predictions) == pytest.approx(
        {
            "mae": metrics.mean_absolute_error(y, predictions),
            "rmse": metrics.root_mean_squared_error(y, predictions),
            "r2": metrics.r2_score(y, predictions),
            "pearson": stats.pearsonr(y, predictions).statistic,
            "spearman": stats.spearmanr(y, predictions).statistic,
        }
    )


def test_correlation_with_a_constant_is_nan():
    scores = score_predictions([1.0, 2.0, 4.0], [2.0, 2.0, 2.0])
    assert np.isnan([scores["pearson"], scores["spearman"]]).all()
    assert np.isfinite(scores["r2"])
    assert np.isnan(score_predictions([2.0, 2.0], [1.0, 3.0])["r2"])


@pytest.mark.parametrize(
    ("y", "predictions", "message"),
    [
        ([1.0, 2.0], [1.0], r"shapes \(2,\) and \(1,\)"),
        ([], [], "one true and one predicted"),
        ([1.0, 2.0], [1.0, np.nan], "are finite"),
        ([1.0, np.inf], [1.0, 2.0], "are finite"),
    ],
)
def test_bad_numbers_are_refused(y, predictions, message):
    with pytest.raises(InputError, match=message):
        score_predictions(y, predictions)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_scores_of_levels_are_those_of_scikit_learn(seed, weighted):
    rng = np.random.default_rng(seed)
    true, found = rng.integers(3, size=40), rng.integers(3, size=40)
    weight = rng.integers(1, 4, size=40) if weighted else None
    scores = score_ordinal(
        np.array(CLASSES)[true], np.array(CLASSES)[found], CLASSES, sample_weight=weight
    )
    kappa = metrics.cohen_kappa_score(
        true, found, labels=[0, 1, 2], weights="quadratic", sample_weight=weight
    )
    error = metrics.mean_absolute_error(true, found, sample_weight=weight)
    assert scores == {"quadratic_kappa": pytest.approx(kappa), "level_mae": pytest.approx(error)}


def test_the_order_decides_how_wrong_a_level_is():
    y, predicted = ["CN", "MCI", "AD"], ["AD", "MCI", "AD"]
    assert score_ordinal(y, predicted, CLASSES, scores=["level_mae"])["level_mae"] == 2 / 3
    other = score_ordinal(y, predicted, ["CN", "AD", "MCI"], scores=["level_mae"])
    assert other["level_mae"] == 1 / 3


def test_the_kappa_of_a_single_level_is_not_known():
    scores = score_ordinal(["CN", "CN"], ["CN", "CN"], CLASSES)
    assert np.isnan(scores["quadratic_kappa"])
    assert scores["level_mae"] == 0


@pytest.mark.parametrize(
    ("y", "predicted", "order", "message"),
    [
        (["CN", "SCD"], ["CN", "CN"], CLASSES, "no 'SCD'"),
        (["CN", "AD"], ["CN", "AD"], ["CN", "AD", "CN"], "a label more than once"),
        (["CN", "AD"], ["CN"], CLASSES, "one true and one predicted class"),
        ([], [], CLASSES, "one true and one predicted class"),
    ],
)
def test_bad_levels_are_refused(y, predicted, order, message):
    with pytest.raises(InputError, match=message):
        score_ordinal(y, predicted, order)


def test_every_score_has_a_direction():
    assert set(HIGHER_IS_BETTER) == {*SCORES, *REGRESSION_SCORES, *ORDINAL_SCORES}
    assert {name for name, up in HIGHER_IS_BETTER.items() if up is False} == {
        "brier",
        "log_loss",
        "mae",
        "rmse",
        "level_mae",
    }
