"""Scores of predicted probabilities and of predicted numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.frames import read_frame
from adestim._support.labels import read_column
from adestim._support.positive_class import turn_to_positive
from adestim._support.predictions import read_outcome, read_weight
from adestim._support.scores import (
    CLASS_SCORES,
    LEVEL_SCORES,
    NUMBER_SCORES,
    ORDINAL_SCORES,
    REGRESSION_SCORES,
    SCORES,
    require_scores,
    score_numbers,
    score_outcome,
)
from adestim.exceptions import InputError


def score_probabilities(
    y: Any,
    probabilities: Any,
    classes: Any,
    *,
    scores: Sequence[str] = SCORES,
    threshold: Any = None,
    sample_weight: Any = None,
    positive: Any = None,
) -> dict[str, float]:
    """Return scores of a classifier's probabilities.

    Of two classes one is the positive one. With more, ``roc_auc``, ``pr_auc``,
    ``sensitivity``, ``specificity``, ``ppv``, ``npv``, ``f1`` and the calibration are averages
    over the classes, each against the rest.

    Parameters
    ----------
    y : array-like of shape (n_subjects,)
        Class labels.
    probabilities : array-like of shape (n_subjects, n_classes)
        Probabilities, columns in the order of ``classes``.
    classes : array-like of shape (n_classes,)
        The classes, at least two.
    scores : sequence of str, default=SCORES
        Which scores.
    threshold : float or array-like of shape (n_subjects,), default=None
        With two classes: from which probability on the positive class is predicted, for all or
        for each subject. None predicts the class that is the most probable, the first of equals.
    sample_weight : array-like of shape (n_subjects,), default=None
        Weights of the subjects.
    positive : label, default=None
        The positive of two classes; None for the patients' (AD beside CN, pMCI beside sMCI),
        wherever their column stands, or else the last of ``classes``.

    Returns
    -------
    dict of str to float
        NaN where a score cannot be computed: a class that it needs is absent, or never predicted
        (``ppv``, ``npv``), predictions are
        constant (``calibration_slope``) or separate the classes perfectly (idem: infinite).

    Raises
    ------
    InputError
        When the probabilities are none, hold NaN, or do not fit the labels.

    Notes
    -----
    ``pr_auc`` is average precision, the step-wise area under precision over recall. ``ppv`` and
    ``npv``, the predictive values, hold at the share of positives among these subjects. ``brier``
    is the mean squared error of the positive class's probability [1]_, with more than two classes
    summed over the classes. ``calibration_slope`` is that of a logistic regression of the outcome
    on the logit of its probability [2]_, below 1 for overconfident predictions;
    ``calibration_intercept`` is calibration in the large: the intercept of the same regression
    with its slope held at 1, above 0 where risks are underestimated [3]_. Probabilities 0 and 1
    are moved inwards by the machine precision of their type before a logarithm is taken.

    References
    ----------
    .. [1] Brier, G. W. (1950). Verification of forecasts expressed in terms of probability.
       Monthly Weather Review, 78(1), 1-3.
    .. [2] Cox, D. R. (1958). Two further applications of a model for binary regression.
       Biometrika, 45(3/4), 562-565.
    .. [3] Van Calster, B., McLernon, D. J., van Smeden, M., Wynants, L., & Steyerberg, E. W.
       (2019). Calibration: the Achilles heel of predictive analytics. BMC Medicine, 17, 230.

    Examples
    --------
    >>> from adestim.evaluation import score_probabilities
    >>> y = ["CN", "CN", "AD", "AD"]
    >>> probabilities = [[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]]
    >>> score_probabilities(y, probabilities, ["CN", "AD"], scores=["roc_auc", "sensitivity"])
    {'roc_auc': 0.75, 'sensitivity': 0.5}
    """
    require_scores(scores, CLASS_SCORES)
    probabilities, classes = turn_to_positive(read_frame(probabilities), classes, positive)
    return score_outcome(read_outcome(y, probabilities, classes, threshold, sample_weight), scores)


def score_predictions(
    y: Any, predictions: Any, scores: Sequence[str] = REGRESSION_SCORES
) -> dict[str, float]:
    """Return scores of a regressor's predictions.

    Parameters
    ----------
    y : array-like of shape (n_subjects,)
        True values.
    predictions : array-like of shape (n_subjects,)
        Predicted values.
    scores : sequence of str, default=REGRESSION_SCORES
        Which: mean absolute error, root of the mean squared error, coefficient of determination,
        Pearson's and Spearman's correlation.

    Returns
    -------
    dict of str to float
        NaN where a score cannot be computed, as the correlation with a constant.

    Raises
    ------
    InputError
        When lengths differ or a value is not finite.

    Examples
    --------
    >>> from adestim.evaluation import score_predictions
    >>> score_predictions([24.0, 29.0, 18.0], [25.0, 28.0, 20.0], scores=["mae", "spearman"])
    {'mae': 1.3333333333333333, 'spearman': 1.0}
    """
    require_scores(scores, NUMBER_SCORES)
    return score_numbers(y, predictions, scores)


def score_ordinal(
    y: Any,
    predicted: Any,
    order: Sequence[Any],
    *,
    scores: Sequence[str] = ORDINAL_SCORES,
    sample_weight: Any = None,
) -> dict[str, float]:
    """Return scores of predicted classes that have an order.

    Parameters
    ----------
    y : array-like of shape (n_subjects,)
        Class labels.
    predicted : array-like of shape (n_subjects,)
        Predicted labels.
    order : sequence of shape (n_levels,)
        The labels from least to most.
    scores : sequence of str, default=ORDINAL_SCORES
        Which: Cohen's kappa with quadratic weights [1]_, 1 for perfect agreement and 0 for what
        chance gives; and the mean number of levels by which predictions are off.
    sample_weight : array-like of shape (n_subjects,), default=None
        Weights of the subjects.

    Returns
    -------
    dict of str to float
        The kappa is NaN where all labels and predictions are of one and the same level.

    Raises
    ------
    InputError
        When lengths differ, nobody is there, or a label is not in the order.

    References
    ----------
    .. [1] Cohen, J. (1968). Weighted kappa: nominal scale agreement with provision for scaled
       disagreement or partial credit. Psychological Bulletin, 70(4), 213-220.

    Examples
    --------
    >>> from adestim.evaluation import score_ordinal
    >>> y = ["CN", "MCI", "AD", "AD"]
    >>> score_ordinal(y, ["CN", "CN", "AD", "MCI"], order=["CN", "MCI", "AD"])
    {'quadratic_kappa': 0.692..., 'level_mae': 0.5}
    """
    require_scores(scores, LEVEL_SCORES)
    true, found = find_levels(y, order), find_levels(predicted, order)
    n_weights = len(true) if sample_weight is None else len(sample_weight)
    if not len(true) or not len(true) == len(found) == n_weights:
        raise InputError(
            "There is one true and one predicted class a subject, and one weight",
            got=f"{len(true)}, {len(found)} and {n_weights}",
        )
    weight = read_weight(sample_weight, len(true))
    return {name: float(LEVEL_SCORES[name].compute(true, found, weight)) for name in scores}


def find_levels(labels: Any, order: Sequence[Any]) -> np.ndarray:
    """Return labels as levels from 0, or say which one the order lacks."""
    order = list(order)
    absent = [label for label in pd.unique(read_column(labels)).tolist() if label not in order]
    if absent or len(set(order)) < len(order):
        raise InputError(
            "'order' lists every label once, from least to most",
            got=f"no {absent[0]!r}" if absent else "a label more than once",
        )
    return np.array([order.index(label) for label in np.asarray(labels).tolist()], dtype=int)
