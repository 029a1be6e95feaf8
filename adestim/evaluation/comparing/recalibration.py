"""What little updates bring on another cohort: its share of patients, and one intercept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.model_selection import StratifiedGroupKFold

from adestim._support.checks import require_count
from adestim._support.predictions import PROBABILITY, name_probabilities, require_predictions
from adestim._support.scores import N_RESAMPLES, calibration_intercept
from adestim._support.sklearn import draw_seeds
from adestim.evaluation.comparing.transfer import tabulate_model_scores
from adestim.evaluation.scores.checks import require_share
from adestim.exceptions import InputError

AS_IT_WAS, BY_PRIOR, BY_INTERCEPT = "as it was", "prior", "intercept"
SMALLEST = 1e-6
MOST_STEPS, TOLERANCE = 1000, 1e-8


def recalibrate(
    transferred: Any,
    training_prior: Mapping[Any, float],
    *,
    prior: Mapping[Any, float] | None = None,
    cv: int = 5,
    n_resamples: int = N_RESAMPLES,
    level: float = 0.95,
    random_state: Any = 0,
) -> pd.DataFrame:
    """Return scores on another cohort as they are, and after little updates of the probabilities.

    Parameters
    ----------
    transferred : Transfer
        What :func:`transfer` returned, of two classes or more.
    training_prior : mapping of label to float
        Shares of the classes among those that the estimators were trained on.
    prior : mapping of label to float, default=None
        Shares of the classes in the other cohort, from elsewhere; None estimates them from the
        probabilities, without labels [1]_.
    cv : int, default=5
        Folds of the other cohort, for the intercept: it is learned on the others of them. Fewer
        where a class has fewer groups.
    n_resamples : int, default=2000
        Resamples of the bootstrap.
    level : float, default=0.95
        Level of the intervals.
    random_state : int, RandomState instance or None, default=0
        Controls the folds and the bootstrap.

    Returns
    -------
    DataFrame
        A row for each estimator and update; columns are pairs of a score and ``"estimate"``,
        ``"low"`` and ``"high"``. Updates: ``"as it was"``; ``"prior"``, which weighs classes by the
        quotient of their shares; and for two classes ``"intercept"``, which adds to the
        log-odds what calibrates them in the large [2]_.

    Raises
    ------
    InputError
        When predictions are of numbers, a share is missing, not above 0, or shares do not sum to 1,
        or a class has a single group.

    See Also
    --------
    transfer : Makes what is updated.
    modality_shift : Which modality differs there.

    Notes
    -----
    ``"prior"`` is right where people of a class look the same in both cohorts (label shift).
    ``"intercept"`` uses labels of the other cohort: each person's is learned from other folds.
    Areas under the ROC curve change by neither, but for rounding and folds. Thresholds stay as they
    were.

    References
    ----------
    .. [1] Saerens, M., Latinne, P., & Decaestecker, C. (2002). Adjusting the outputs of a
       classifier to new a priori probabilities: a simple procedure. Neural Computation, 14(1),
       21-41.
    .. [2] Steyerberg, E. W. (2019). Clinical Prediction Models (2nd ed.). Springer.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from adestim.evaluation import recalibrate, transfer
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["CN", "AD"], [200, 200])
    >>> X = pd.DataFrame({"csf__tau": (y == "AD") + rng.normal(size=400)})
    >>> model = LogisticRegression().fit(X, y)
    >>> few = np.r_[0:200, 200:220]
    >>> result = transfer(model, X.iloc[few], y[few], n_resamples=20)
    >>> table = recalibrate(result, {"CN": 0.5, "AD": 0.5}, n_resamples=20)
    >>> brier = table["brier", "estimate"].droplevel("estimator")
    >>> bool(brier["prior"] < brier["as it was"])
    True
    """
    require_share(level)
    require_count(cv, "'cv' is a whole number from 2", least=2)
    require_count(n_resamples, "'n_resamples' is a whole number from 1")
    predictions = read_transferred(transferred)
    classes = tuple(
        name.removeprefix(PROBABILITY) for name in predictions if name.startswith(PROBABILITY)
    )
    old = read_prior(training_prior, classes, "training_prior")
    new = None if prior is None else read_prior(prior, classes, "prior")
    [seed] = draw_seeds(random_state, 1)
    parts, keys = [], []
    for estimator, own in predictions.groupby("estimator", sort=False):
        values = own[name_probabilities(classes)].to_numpy(dtype=float)
        updated = {AS_IT_WAS: values, BY_PRIOR: weigh_classes(values, old, new)}
        if len(classes) == 2:
            updated[BY_INTERCEPT] = update_intercept(own, values, classes, cv, seed)
        for name, probabilities in updated.items():
            keys.append((estimator, name))
            parts.append(replace_probabilities(own, probabilities, classes, str(len(keys))))
    table = tabulate_model_scores(pd.concat(parts), classes, n_resamples, level, random_state)
    return table.set_axis(pd.MultiIndex.from_tuples(keys, names=["estimator", "update"]))


def read_transferred(transferred: Any) -> pd.DataFrame:
    """Return predictions of classes on another cohort, labels as texts."""
    predictions = getattr(transferred, "predictions", None)
    require_predictions(predictions, ["estimator", "repeat", "row", "group", "y"])
    if "prediction" in predictions:
        raise InputError("Probabilities are recalibrated", got="predicted numbers")
    return predictions.assign(y=predictions["y"].astype(str))


def read_prior(prior: Mapping[Any, float], classes: tuple, name: str) -> np.ndarray:
    """Return shares of the classes, in their order."""
    shares = {str(label): share for label, share in dict(prior).items()}
    values = np.array([float(shares.get(label, np.nan)) for label in classes])
    if set(shares) != set(classes) or not (values > 0).all() or not np.isclose(values.sum(), 1):
        raise InputError(
            f"{name!r} has a share above 0 of {', '.join(map(repr, classes))}, which sum to 1",
            got=repr(shares),
        )
    return values


def weigh_classes(values: np.ndarray, old: np.ndarray, new: np.ndarray | None) -> np.ndarray:
    """Return probabilities of other shares of classes: (n_rows, n_classes)."""
    return shift_prior(values, old, estimate_prior(values, old) if new is None else new)


def shift_prior(values: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return probabilities weighed by quotients of shares, that sum to 1."""
    weighed = np.clip(values, SMALLEST, 1) * (new / old)
    return weighed / weighed.sum(axis=1, keepdims=True)


def estimate_prior(values: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Return the likeliest shares of classes, by expectation and maximisation."""
    new = old
    for _ in range(MOST_STEPS):
        found = shift_prior(values, old, new).mean(axis=0)
        if np.abs(found - new).max() < TOLERANCE:
            break
        new = found
    return found


def update_intercept(
    own: pd.DataFrame, values: np.ndarray, classes: tuple, cv: int, seed: int
) -> np.ndarray:
    """Return probabilities whose log-odds were shifted by what other folds ask for."""
    y = (own["y"] == classes[1]).to_numpy()
    groups = own["group"].to_numpy()
    fewest = min(len(np.unique(groups[y == side])) for side in (False, True))
    if fewest < 2:
        raise InputError(
            "An intercept is learned where each class has two groups or more", got=str(fewest)
        )
    log_odds = logit(np.clip(values[:, 1], SMALLEST, 1 - SMALLEST))
    splitter = StratifiedGroupKFold(min(cv, fewest), shuffle=True, random_state=seed)
    p = np.empty(len(y))
    for train, test in splitter.split(log_odds, y, groups):
        shift = calibration_intercept(y[train], log_odds[train], np.ones(len(train)))
        p[test] = expit(log_odds[test] + shift)
    return np.stack([1 - p, p], axis=1)


def replace_probabilities(
    own: pd.DataFrame, values: np.ndarray, classes: tuple, estimator: str
) -> pd.DataFrame:
    """Return predictions with other probabilities, under another name."""
    columns = dict(zip(name_probabilities(classes), values.T, strict=True))
    return own.assign(estimator=estimator, **columns)
