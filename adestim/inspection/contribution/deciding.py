"""Which anchor decides for whom, and whether anchors agree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import xlogy
from sklearn.base import is_classifier

from adestim.encoding.presence import find_present
from adestim.encoding.tables import check_fusion_table
from adestim.exceptions import InputError
from adestim.inspection.contribution.hiding import split_estimator
from adestim.training.aggregation import (
    Aggregation,
    ByConfidence,
    BySkill,
    Mean,
    Stacked,
    stacking_features,
)
from adestim.training.mixture import ANCHORED, name_anchored

FEWEST_FOR_CORRELATION = 3


@dataclass(frozen=True, eq=False)
class AnchorDecisions:
    """What every anchor says of every subject, and how much it counts.

    Parameters
    ----------
    weights : DataFrame of shape (n_subjects, n_anchors)
        How much an anchor counts where the anchors are combined; a subject's sum to 1, and an
        anchor that does not judge the subject has 0.
    confidences : DataFrame of shape (n_subjects, n_anchors)
        One minus the normalised entropy of an anchor's probabilities; of a regressor the distance
        of its prediction from the training mean, in standard deviations of the training subjects'
        numbers. NaN where an anchor does not judge.
    decisions : DataFrame of shape (n_subjects, n_anchors)
        Most probable class, or number; missing where an anchor does not judge.
    table : DataFrame of shape (n_subjects, 6)
        ``anchor``, the one of the largest weight times confidence; its ``weight``, ``confidence``
        and ``decision``; the decision of all ``combined``; and whether the two ``agree``, for
        numbers whether they lie on one side of the training mean.
    agreement : DataFrame of shape (n_anchors, n_anchors)
        Share of subjects judged by both of whom two anchors say the same class; of a regressor
        the correlation of their predictions. NaN where there are no such subjects.

    See Also
    --------
    adestim.inspection.AnchorsDisplay : Draws the agreement.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.inspection import AnchorDecisions
    >>> shares = pd.DataFrame({"mri": [0.5, 0.5], "csf": [0.5, 0.5]})
    >>> sure = pd.DataFrame({"mri": [0.9, 0.1], "csf": [0.2, 0.3]})
    >>> said = pd.DataFrame({"mri": ["AD", "CN"], "csf": ["CN", "CN"]})
    >>> table = pd.DataFrame({"anchor": ["mri", "csf"], "agree": [True, True]})
    >>> AnchorDecisions(shares, sure, said, table, shares).summary()["n_decides"].to_dict()
    {'mri': 1, 'csf': 1}
    """

    weights: pd.DataFrame
    confidences: pd.DataFrame
    decisions: pd.DataFrame
    table: pd.DataFrame
    agreement: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """Return how often every anchor judges and decides.

        Returns
        -------
        DataFrame
            A row an anchor: ``n_judged``, ``n_decides`` and ``share`` of all subjects;
            ``mean_weight`` and ``mean_confidence`` over those that it judges, and
            ``agrees_with_combined`` where it decides.
        """
        judged = self.confidences.notna()
        decides = self.table["anchor"].value_counts().reindex(self.weights.columns, fill_value=0)
        return pd.DataFrame(
            {
                "n_judged": judged.sum(),
                "n_decides": decides,
                "share": decides / max(len(self.table), 1),
                "mean_weight": self.weights.where(judged).mean(),
                "mean_confidence": self.confidences.mean(),
                "agrees_with_combined": self.table.groupby("anchor")["agree"].mean(),
            },
            index=pd.Index(self.weights.columns, name="anchor"),
        )


def deciding_anchor(estimator: Any, X: Any) -> AnchorDecisions:
    """Say which anchor decides for whom.

    An anchor's say is its weight among the anchors times how sure it is of the subject. Where
    every anchor is a member of its own (``aggregate="mixture"``), weights are as the anchors'
    shares in the mixture, and an anchor without a share judges nobody. Anchors that a subject lacks
    do not judge it; who lacks all that judge is judged by all of them, through the stand-ins that
    they learned. What members of phase 1 say is not counted here.

    Parameters
    ----------
    estimator : estimator
        A fitted :class:`adestim.AnchoredFusionClassifier` or
        :class:`adestim.AnchoredFusionRegressor`, or a pipeline that ends in one.
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        Table as ``estimator.predict`` takes it.

    Returns
    -------
    AnchorDecisions

    Raises
    ------
    InputError
        When the estimator has no anchors, or none that has a share in its prediction, or the table
        lacks a modality.
    NotFittedError
        When the estimator is not fitted.
    NoModalityError
        When a subject has no modality at all.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.inspection import deciding_anchor
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["mri__a", "csf__tau"])
    >>> y = np.where(X["mri__a"] > 0, "AD", "CN")
    >>> X.loc[0, "mri__a"] = np.nan
    >>> model = AnchoredFusionClassifier(
    ...     members=(), start="average", aggregate="mean", max_epochs=2, random_state=0
    ... ).fit(X, y)
    >>> decided = deciding_anchor(model, X)
    >>> decided.table.loc[0, "anchor"]
    'csf'
    >>> decided.agreement.shape
    (2, 2)
    """
    model, table = split_estimator(estimator, X)
    require_anchors(model)
    values = ask_anchors(model, table)
    shares = read_shares(model)
    counted = find_judges(model, table, shares)
    index, anchors = pd.DataFrame(table).index, list(model.anchors_)
    classes = model.classes_ if is_classifier(model) else None
    unit = None if is_classifier(model) else (model.target_mean_, model.target_scale_)
    rule = BySkill(shares) if model.aggregate == "mixture" else model.aggregation_
    weights = weigh_anchors(rule, values, counted)
    confidence = np.where(counted, measure_confidence(values, unit), np.nan)
    said = take_decisions(values, counted, classes)
    decided = np.where(counted, weights * confidence, -1).argmax(axis=1)
    decisions = pd.DataFrame(said, index, anchors)
    combined = model.predict(table)
    rows = np.arange(len(decided))
    outcome = pd.DataFrame(
        {
            "anchor": np.array(anchors, dtype=object)[decided],
            "weight": weights[rows, decided],
            "confidence": confidence[rows, decided],
            "decision": said[rows, decided],
            "combined": combined,
            "agree": agree_on_side(said[rows, decided], combined, unit),
        },
        index=index,
    )
    return AnchorDecisions(
        weights=pd.DataFrame(weights, index, anchors),
        confidences=pd.DataFrame(confidence, index, anchors),
        decisions=decisions,
        table=outcome,
        agreement=measure_agreement(decisions, are_classes=classes is not None),
    )


def require_anchors(model: Any) -> None:
    """Refuse a model that has no anchors."""
    if not hasattr(model, "anchors_"):
        raise InputError(
            "deciding_anchor takes a fusion that has anchors",
            got=type(model).__name__,
            remedy="Pass a fitted AnchoredFusionClassifier or AnchoredFusionRegressor",
        )


def ask_anchors(model: Any, table: Any) -> np.ndarray:
    """Return every anchor's probabilities or number, (n_subjects, n_anchors, n_values)."""
    ask = model.predict_proba_by_anchor if is_classifier(model) else model.predict_by_anchor
    answers = ask(table)
    values = np.stack([answers[name] for name in model.anchors_], axis=1)
    return values.reshape(len(values), len(model.anchors_), -1)


def read_shares(model: Any) -> np.ndarray:
    """Return every anchor's share in the prediction, (n_anchors,), all alike where one joins them.

    An anchor that has no net has one too where nothing else is a member.
    """
    shares = model.shares_
    names = [name_anchored(name) for name in model.anchors_]
    found = np.array([shares.get(name, shares.get(ANCHORED, 0.0)) for name in names])
    if not found.any():
        raise InputError(
            "deciding_anchor takes a fusion of which an anchor has a share in the prediction",
            got=f"shares of {list(shares)} alone",
            remedy="No net gained on phase 1, or max_epochs is 0: modality_contributions tells "
            "what the modalities add",
        )
    return found


def find_judges(model: Any, table: Any, shares: np.ndarray) -> np.ndarray:
    """Return which anchors judge whom, (n_subjects, n_anchors); shares (n_anchors,)."""
    frame = check_fusion_table(model, table, reset=False)
    present = find_present(frame, known=model.modalities_)[model.anchors_].to_numpy()
    own = present & (shares > 0)
    return np.where(own.any(axis=1, keepdims=True), own, shares > 0)


def weigh_anchors(rule: Aggregation, values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return how much every anchor counts, rows summing to 1; alike where nothing tells."""
    raw = measure_say(rule, values, counted) * counted
    raw = np.where(raw.sum(axis=1, keepdims=True) > 0, raw, counted)
    return raw / raw.sum(axis=1, keepdims=True)


@singledispatch
def measure_say(rule: Aggregation, values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return what anchors count where a rule combines them, not yet shares of 1."""
    raise InputError(
        "The rule that combines the anchors must tell what each counts",
        got=type(rule).__name__,
    )


@measure_say.register
def _(rule: Mean, values, counted):
    return np.ones(counted.shape)


@measure_say.register
def _(rule: BySkill, values, counted):
    return np.broadcast_to(rule.skill, counted.shape)


@measure_say.register
def _(rule: ByConfidence, values, counted):
    return measure_certainty(values)


@measure_say.register
def _(rule: Stacked, values, counted):
    # What an anchor moves the log-odds by, whichever way.
    n_anchors, n_odds = values.shape[1], rule.coef.shape[1]
    features = stacking_features(values, counted).reshape(len(values), n_anchors, n_odds)
    parts = np.einsum("nak,akj->naj", features, rule.coef.reshape(n_anchors, n_odds, n_odds))
    return np.abs(parts).sum(axis=2)


def measure_certainty(probabilities: np.ndarray) -> np.ndarray:
    """Return one minus the entropy of the last axis, as a share of the largest possible one."""
    entropy = -xlogy(probabilities, probabilities).sum(axis=-1)
    return np.maximum(1 - entropy / np.log(probabilities.shape[-1]), 0)


def measure_confidence(values: np.ndarray, unit: tuple[float, float] | None) -> np.ndarray:
    """Return how sure every anchor is, (n_subjects, n_anchors); numbers have mean and scale."""
    if unit is None:
        return measure_certainty(values)
    mean, scale = unit
    return np.abs(values[:, :, 0] - mean) / scale


def take_decisions(
    values: np.ndarray, counted: np.ndarray, classes: np.ndarray | None
) -> np.ndarray:
    """Return every anchor's class or number, missing where it does not judge."""
    if classes is not None:
        return np.where(counted, classes.astype(object)[values.argmax(axis=2)], None)
    return np.where(counted, values[:, :, 0], np.nan)


def agree_on_side(
    one: np.ndarray, other: np.ndarray, unit: tuple[float, float] | None
) -> np.ndarray:
    """Return where two decisions are one, or two numbers on one side of the training mean."""
    if unit is None:
        return np.asarray(one == other, dtype=bool)
    return (one > unit[0]) == (other > unit[0])


def measure_agreement(decisions: pd.DataFrame, are_classes: bool) -> pd.DataFrame:
    """Return the share of equal decisions, or the correlation, of every pair of anchors."""
    if not are_classes:
        return decisions.corr(min_periods=FEWEST_FOR_CORRELATION)
    values, judged = decisions.to_numpy(), decisions.notna().to_numpy()
    both = judged[:, :, None] & judged[:, None, :]
    equal = (values[:, :, None] == values[:, None, :]) & both
    count = both.sum(axis=0)
    share = np.divide(equal.sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0)
    return pd.DataFrame(share, index=decisions.columns, columns=decisions.columns)
