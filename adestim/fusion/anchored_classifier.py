"""The method as a classifier."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import softmax

from adestim._support.docs import fill_docs
from adestim._support.ranges import OF_THE_QUESTION, Choice
from adestim._support.sklearn import StrOptions
from adestim.fusion._anchored import (
    ANCHORED_CONSTRAINTS,
    ANCHORED_NOT_SEARCHED,
    ANCHORED_SPACE,
    AnchoredBase,
)
from adestim.fusion._base import FusionClassifier
from adestim.training.aggregation import (
    ByConfidence,
    Mean,
    Stacked,
    to_probabilities,
    weigh_by_log_loss,
)


@fill_docs
class AnchoredFusionClassifier(AnchoredBase, FusionClassifier):
    """Classify from several modalities by modality-anchored fusion.

    Phase 1 fits a linear head on every modality alone and on all jointly, and members that join
    them. Phase 2 takes a modality as the anchor: a modality-aware Q-former turns the others' tokens
    into a few tokens of the anchor's width, which join the anchor's own at the input of its
    transformer, or later. Every anchor is trained in turn, once without each of several inner
    folds; the mean of these nets is a member beside those of phase 1.
    The prediction is one mixture of all members, whose shares have the least log-loss over the
    training subjects, each judged by what has not seen it, and are drawn to a prior.

    Parameters
    ----------
    %(anchor)s
    %(members)s
    %(queries)s
    %(interaction)s
    %(start)s
    %(n_trees)s
    %(reference)s
    %(anchor_model)s
    %(fold_trainer)s
    %(class_weight)s
    aggregate : {"mixture", "mean", "confidence", "validation", "stacked"}, default="mixture"
        How anchors count. ``"mixture"`` makes every anchor a member of its own, with a share of its
        own. All others make one member of the anchors that a subject has: ``"mean"`` averages their
        probabilities, as the paper does; ``"confidence"`` weighs each, for every subject, by one
        minus its normalised entropy; ``"validation"`` by how far its out-of-fold log-loss lies
        below that of the class frequencies; ``"stacked"`` is a logistic regression on the anchors'
        out-of-fold log-odds.
    calibrate : {"temperature"} or None, default=None
        Whether the mixture's temperature is chosen with its shares, by out-of-fold log-loss.
        :class:`adestim.PatternCalibratedClassifier` learns one for every pattern of missing
        modalities, from subjects that nothing was chosen on.
    %(n_jobs)s
    %(device)s
    %(precision)s
    %(random_state)s
    %(verbose)s

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    %(anchors_attributes)s
    phase_one_ : adestim.training.phase_one.logistic.PhaseOne
        The fitted phase-1 heads, and the members that have a share.
    aggregation_ : object
        The rule that makes one member of the anchors, where ``aggregate`` asks for one.
    temperature_ : float
        The temperature of the mixture; 1 leaves probabilities as they are.

    See Also
    --------
    adestim.ModalityUnion : Makes the encodings table.
    adestim.PoolTokens : Turns an encodings table into numbers for other models.

    Notes
    -----
    %(fusion_tables)s

    References
    ----------
    Gu et al., "Joint Adaptation of Uni-modal Foundation Models for Multi-modal Alzheimer's
    Disease Diagnosis", ICLR 2026.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(
    ...     rng.normal(size=(80, 4)), columns=["mri__a", "mri__b", "csf__a", "csf__b"]
    ... )
    >>> y = np.where(X["mri__a"] + X["csf__b"] > 0, "AD", "CN")
    >>> X.loc[::5, ["csf__a", "csf__b"]] = np.nan
    >>> model = AnchoredFusionClassifier(anchor="mri", max_epochs=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (80, 2)
    >>> bool(model.score(X, y) > 0.8)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ANCHORED_CONSTRAINTS,
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "aggregate": [StrOptions({"mixture", "mean", "confidence", "validation", "stacked"})],
        "calibrate": [StrOptions({"temperature"}), None],
    }
    _search_space: ClassVar[dict] = {
        **ANCHORED_SPACE,
        "aggregate": Choice(("mixture", "mean", "confidence", "validation", "stacked")),
        "calibrate": Choice((None, "temperature")),
    }
    _not_searched: ClassVar[dict] = {
        **ANCHORED_NOT_SEARCHED,
        "class_weight": OF_THE_QUESTION,
    }

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
        class_weight=None,
        aggregate="mixture",
        calibrate=None,
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
        self.class_weight = class_weight
        self.aggregate = aggregate
        self.calibrate = calibrate
        self.n_jobs = n_jobs
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def predict_proba_by_anchor(self, X):
        """Return every anchor's class probabilities.

        An anchor whose nets have no share says what they start from.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.

        Returns
        -------
        dict of str to ndarray of shape (n_subjects, n_classes)
        """
        outputs = self._outputs_by_anchor(X)
        return {anchor: softmax(each, axis=1) for anchor, each in outputs.items()}

    @property
    def temperature_(self) -> float:
        """Temperature of the mixture."""
        return 1 / self.mixture_.sharpness

    def _probabilities(self, X):
        return to_probabilities(self._mix(X))

    def _values_of(self, outputs):
        return softmax(outputs, axis=2)

    def _learn_aggregation(self, unseen):
        if self.aggregate == "confidence":
            return ByConfidence()
        if not len(unseen.targets) or self.aggregate in ("mixture", "mean"):
            return Mean()
        if self.aggregate == "validation":
            n_classes = len(self.classes_)
            frequencies = np.bincount(unseen.targets, unseen.weight, n_classes)
            return weigh_by_log_loss(unseen, frequencies / unseen.weight.sum())
        probabilities = self._values_of(unseen.outputs)
        return Stacked.learn(probabilities, unseen.present, unseen.targets, unseen.weight)

    def _is_calibrated(self):
        return self.calibrate is not None
