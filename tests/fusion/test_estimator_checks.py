"""scikit-learn's own checks of every estimator of the room, and what replaces an excused one."""

from importlib import import_module

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from adestim import (
    AnchoredFusionClassifier,
    AnchoredFusionRegressor,
    BlockAverageClassifier,
    ConcatFusionClassifier,
    CrossAttentionFusionClassifier,
    LateFusionClassifier,
    LinearFusionClassifier,
    MixtureFusionClassifier,
    OrdinalClassifier,
    PatternCalibratedClassifier,
    PatternConformalClassifier,
    SelfAttentionFusionClassifier,
    UnimodalClassifier,
)
from adestim.fusion import tuned_logistic

SMALLEST = {"width": 8, "max_epochs": 1}
EXCUSED = "check_sample_weight_equivalence_on_dense_data"
REASON = (
    "batches and inner folds are drawn at random over rows, so weights and repeated rows differ "
    "by chance; replaced in {} by {}"
)
ZERO_WEIGHTS = "test_rows_of_weight_zero_change_nothing_at_all"
DOUBLED_WEIGHTS = "test_doubling_all_weights_changes_nothing_in_the_loss_of_phase_two"
HEAVIER_CLASS = "test_a_heavier_class_becomes_more_probable"
OF_RIVALS = ("test_rivals", ZERO_WEIGHTS, HEAVIER_CLASS)

# Estimators whose phase 1 only has to be quick, and where the excused check is replaced.
QUICK = {
    ConcatFusionClassifier(**SMALLEST): OF_RIVALS,
    CrossAttentionFusionClassifier(depth=1, **SMALLEST): OF_RIVALS,
    LinearFusionClassifier(**SMALLEST): OF_RIVALS,
    MixtureFusionClassifier(**SMALLEST): OF_RIVALS,
    SelfAttentionFusionClassifier(depth=1, **SMALLEST): OF_RIVALS,
    UnimodalClassifier(depth=1, **SMALLEST): OF_RIVALS,
    LateFusionClassifier(): OF_RIVALS,
    BlockAverageClassifier(): None,
    BlockAverageClassifier(tuned_logistic([])): None,
}
OTHERS = {
    AnchoredFusionClassifier(n_trees=5): (
        "test_anchored_classifier",
        ZERO_WEIGHTS,
        DOUBLED_WEIGHTS,
        HEAVIER_CLASS,
    ),
    AnchoredFusionRegressor(width=8, n_queries=2, max_epochs=2, random_state=0): (
        "test_anchored_regressor",
        ZERO_WEIGHTS,
        DOUBLED_WEIGHTS,
        "test_heavier_subjects_draw_predictions_to_themselves",
    ),
    OrdinalClassifier(LogisticRegression()): None,
    OrdinalClassifier(GaussianNB()): None,
    PatternCalibratedClassifier(LogisticRegression()): None,
    PatternCalibratedClassifier(LogisticRegression(), method="platt"): None,
    PatternConformalClassifier(LogisticRegression()): None,
}


def excused_of(table):
    """What ``parametrize_with_checks`` asks for: the excused checks of an estimator."""
    reasons = {
        type(estimator): {EXCUSED: REASON.format(tests[0], ", ".join(tests[1:]))}
        for estimator, tests in table.items()
        if tests
    }
    return lambda estimator: reasons.get(type(estimator), {})


ignoring_what_checks_provoke = [
    pytest.mark.filterwarnings("ignore:A class has a single group:adestim.exceptions.DataWarning"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning"),
]
pytestmark = ignoring_what_checks_provoke


@pytest.mark.usefixtures("few_penalties")
@parametrize_with_checks(list(QUICK), expected_failed_checks=excused_of(QUICK), xfail_strict=True)
def test_estimators_that_are_quick(estimator, check):
    check(estimator)


@parametrize_with_checks(list(OTHERS), expected_failed_checks=excused_of(OTHERS), xfail_strict=True)
def test_estimators(estimator, check):
    check(estimator)


@pytest.mark.parametrize("tests", sorted({each for each in (QUICK | OTHERS).values() if each}))
def test_an_excused_check_exists_and_has_its_replacement(tests):
    module, *replacements = tests
    assert hasattr(estimator_checks, EXCUSED)
    found = import_module(f"tests.fusion.{module}")
    assert all(hasattr(found, name) for name in replacements)
