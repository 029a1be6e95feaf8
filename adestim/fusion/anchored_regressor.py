"""The method as a regressor."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from adestim._support.docs import fill_docs
from adestim._support.numbers import require_finite_predictions
from adestim._support.ranges import Choice
from adestim._support.sklearn import StrOptions
from adestim.fusion._anchored import (
    ANCHORED_CONSTRAINTS,
    ANCHORED_NOT_SEARCHED,
    ANCHORED_SPACE,
    AnchoredBase,
)
from adestim.fusion._base import BaseFusion
from adestim.fusion._targets import check_numbers, sort_subjects
from adestim.training.aggregation import Mean, weigh_by_error
from adestim.training.task import Regression


@fill_docs
class AnchoredFusionRegressor(AnchoredBase, RegressorMixin, BaseFusion):
    """Predict a number from several modalities by modality-anchored fusion.

    The number may be an age, the score of a test as MMSE, the level of a biomarker. The method is
    that of :class:`adestim.AnchoredFusionClassifier`: members of phase 1, here ridge regressions
    and what joins them, and a net for every anchor are mixed by their out-of-fold errors.

    Parameters
    ----------
    %(anchor)s
    %(members_regressor)s
    %(queries)s
    %(interaction)s
    %(start)s
    %(n_trees)s
    %(reference)s
    %(anchor_model)s
    %(fold_trainer)s
    loss : {"huber", "squared"}, default="huber"
        What phase 2 minimises: squared errors, or Huber's loss, which grows only linearly
        beyond 1.345 times the robust standard deviation of what phase 1 errs by on training
        subjects that it was not fitted to. Phase 1 minimises squared errors either way.
    aggregate : {"mixture", "mean", "validation"}, default="mixture"
        How anchors count. ``"mixture"`` makes every anchor a member of its own, with a share of its
        own. The others make one member of the anchors that a subject has: ``"mean"`` averages
        their predictions, ``"validation"`` weighs each by how far its out-of-fold loss lies below
        that of the training mean.
    %(n_jobs)s
    %(device)s
    %(precision)s
    %(random_state)s
    %(verbose)s

    Attributes
    ----------
    target_mean_, target_scale_ : float
        Mean and standard deviation of the training subjects' numbers; losses are in units
        of the latter, or of ``phase_one_.residual_scale`` times it where ``loss="huber"``.
    %(anchors_attributes)s
    phase_one_ : adestim.training.phase_one.ridge.RidgePhaseOne
        The fitted phase-1 heads, of the standardised number, and the members that have a share.
    aggregation_ : object
        The rule that makes one member of the anchors, where ``aggregate`` asks for one.

    See Also
    --------
    adestim.AnchoredFusionClassifier : The same for classes.
    adestim.evaluation.score_predictions : Scores of predicted numbers.

    Notes
    -----
    %(fusion_tables)s

    References
    ----------
    Gu et al., "Joint Adaptation of Uni-modal Foundation Models for Multi-modal Alzheimer's
    Disease Diagnosis", ICLR 2026 (for classes). Hoerl and Kennard, "Ridge Regression: Biased
    Estimation for Nonorthogonal Problems", Technometrics 12, 1970.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(
    ...     rng.normal(size=(80, 4)), columns=["mri__a", "mri__b", "csf__a", "csf__b"]
    ... )
    >>> mmse = 26 + X["mri__a"] + X["csf__b"] + rng.normal(scale=0.2, size=80)
    >>> X.loc[::5, ["csf__a", "csf__b"]] = np.nan
    >>> model = AnchoredFusionRegressor(anchor="mri", max_epochs=5, random_state=0).fit(X, mmse)
    >>> model.predict(X).shape
    (80,)
    >>> bool(model.score(X, mmse) > 0.7)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ANCHORED_CONSTRAINTS,
        "loss": [StrOptions({"huber", "squared"})],
        "aggregate": [StrOptions({"mixture", "mean", "validation"})],
    }
    _search_space: ClassVar[dict] = {
        **ANCHORED_SPACE,
        "aggregate": Choice(("mixture", "mean", "validation")),
        "loss": Choice(("huber", "squared")),
    }
    _not_searched: ClassVar[dict] = ANCHORED_NOT_SEARCHED

    def __init__(  # noqa: PLR0913 - flat, so that searches and studies can name them
        self,
        *,
        anchor="all",
        members="all",
        n_queries=4,
        cross_modal=True,
        interaction_depth=0,
        gate="learned",
        start="auto",
        n_trees=200,
        width=16,
        depth=1,
        qformer_width=None,
        lora_rank=8,
        lora_params=None,
        gradient_checkpointing=False,
        dropout=0.1,
        modality_dropout=0.1,
        max_epochs=12,
        batch_size=64,
        learning_rate=2e-3,
        weight_decay=0.05,
        patience=4,
        n_folds=5,
        loss="huber",
        aggregate="mixture",
        n_jobs=None,
        device="auto",
        precision="float32",
        random_state=None,
        verbose=0,
    ):
        self.anchor = anchor
        self.members = members
        self.n_queries = n_queries
        self.cross_modal = cross_modal
        self.interaction_depth = interaction_depth
        self.gate = gate
        self.start = start
        self.n_trees = n_trees
        self.width = width
        self.depth = depth
        self.qformer_width = qformer_width
        self.lora_rank = lora_rank
        self.lora_params = lora_params
        self.gradient_checkpointing = gradient_checkpointing
        self.dropout = dropout
        self.modality_dropout = modality_dropout
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.n_folds = n_folds
        self.loss = loss
        self.aggregate = aggregate
        self.n_jobs = n_jobs
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X):
        """Return the predicted number of every subject.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects,)
            In the units of y.
        """
        check_is_fitted(self, "nets_")
        predicted = self._task().labels(self._mix(X)[:, 0])
        return require_finite_predictions(predicted, type(self).__name__)

    def predict_by_anchor(self, X):
        """Return every anchor's predictions.

        An anchor whose nets have no share says what they start from.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.

        Returns
        -------
        dict of str to ndarray of shape (n_subjects,)
        """
        outputs = self._outputs_by_anchor(X)
        return {name: self._task().labels(each[:, 0]) for name, each in outputs.items()}

    def _training_set(self, X, y, groups, sample_weight):
        data = sort_subjects(check_numbers(self, X, y, groups, sample_weight))
        self.target_mean_, self.target_scale_ = compute_weighted_moments(data.targets, data.weight)
        return data._replace(targets=(data.targets - self.target_mean_) / self.target_scale_)

    def _task(self):
        return Regression(self.target_mean_, self.target_scale_, self.loss)

    def _values_of(self, outputs):
        return outputs

    def _learn_aggregation(self, unseen):
        if self.aggregate != "validation" or not len(unseen.targets):
            return Mean()
        return weigh_by_error(unseen, self._task().losses(self.phase_one_))


def compute_weighted_moments(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return weighted mean and standard deviation, 1 where numbers do not vary."""
    mean = float(np.average(values, weights=weight))
    scale = float(np.sqrt(np.average((values - mean) ** 2, weights=weight)))
    return mean, scale if scale > 1e-9 * max(abs(mean), 1e-300) else 1.0
