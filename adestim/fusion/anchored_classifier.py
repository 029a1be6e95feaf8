"""The method as a classifier."""

from __future__ import annotations

import warnings
from functools import partial
from numbers import Integral
from typing import ClassVar

import numpy as np
from scipy.special import softmax
from sklearn.base import clone

from adestim._support.docs import fill_docs
from adestim._support.ranges import OF_THE_QUESTION, Choice
from adestim._support.sklearn import Interval, StrOptions, draw_seeds
from adestim.exceptions import DataWarning
from adestim.fusion._anchored import (
    ANCHORED_CONSTRAINTS,
    ANCHORED_NOT_SEARCHED,
    ANCHORED_SPACE,
    AnchoredBase,
)
from adestim.fusion._base import FusionClassifier
from adestim.training.aggregation import ByConfidence, Mean, stack_on_folds, weigh_by_log_loss
from adestim.training.scaling import apply_temperature, fit_temperature


@fill_docs
class AnchoredFusionClassifier(AnchoredBase, FusionClassifier):
    """Classify from several modalities by modality-anchored fusion.

    Phase 1 fits a linear head on every modality alone and on all jointly. Phase 2 takes a modality
    as the anchor: a modality-aware Q-former turns the others' tokens into a few tokens of the
    anchor's width, which join the anchor's own at the input of its transformer, or later. Training
    starts from the phase-1 prediction and keeps what improves on an inner validation split.
    Where several anchors are asked for, each is trained in turn, and probabilities are averaged
    over the anchors that a subject has, or combined as ``aggregate`` says.

    Parameters
    ----------
    %(anchor)s
    %(interaction)s
    start : {"stacked", "average", "anchor"}, default="stacked"
        How phase-1 heads combine into the prediction that training starts from.
        ``"stacked"`` averages the joint head, a discriminant of the separate heads for every
        pattern of missing modalities, and a forest. ``"average"`` takes the joint head for
        complete subjects, and for others one head per observed modality, probabilities averaged.
        ``"anchor"`` takes the anchor's head alone, as the paper does.
    %(n_trees)s
    %(reference)s
    %(anchor_model)s
    %(trainer)s
    %(class_weight)s
    aggregate : {"mean", "confidence", "validation", "stacked"}, default="mean"
        How the probabilities of the anchors that a subject has are combined. ``"mean"`` averages
        them; ``"confidence"`` weighs each, for every subject, by one minus its normalised entropy;
        ``"validation"`` weighs each by how far its log-loss on the inner validation split lies
        below that of the class frequencies. ``"stacked"`` is a logistic regression on the anchors'
        log-odds, learned from copies that are fitted on inner folds and judge the subjects held
        out, so that fitting takes six times as long.
    calibrate : {"temperature"} or None, default=None
        Whether combined probabilities are brought to the temperature of least log-loss on the
        inner validation split. :class:`adestim.PatternCalibratedClassifier` learns one for every
        pattern of missing modalities, from subjects that nothing was chosen on.
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
        The fitted phase-1 heads.
    aggregation_ : object
        The rule that combines the anchors' probabilities.
    temperature_ : float
        The temperature of the combined probabilities; 1 leaves them as they are.

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
        "n_trees": [Interval(Integral, 0, None, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "aggregate": [StrOptions({"mean", "confidence", "validation", "stacked"})],
        "calibrate": [StrOptions({"temperature"}), None],
    }
    _search_space: ClassVar[dict] = {
        **ANCHORED_SPACE,
        "n_trees": Choice((0, 200)),
        # Not "stacked", which takes six times as long.
        "aggregate": Choice(("mean", "confidence", "validation")),
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
        n_queries=8,
        cross_modal=True,
        interaction_depth=0,
        gate="learned",
        start="stacked",
        n_trees=200,
        width=32,
        depth=2,
        qformer_width=None,
        lora_rank=8,
        lora_params=None,
        gradient_checkpointing=False,
        dropout=0.1,
        modality_dropout=0.1,
        max_epochs=40,
        batch_size=64,
        learning_rate=2e-3,
        weight_decay=0.05,
        patience=15,
        validation_fraction=0.2,
        class_weight=None,
        aggregate="mean",
        calibrate=None,
        device="auto",
        precision="float32",
        random_state=None,
        verbose=0,
    ):
        self.anchor = anchor
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
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.aggregate = aggregate
        self.calibrate = calibrate
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def predict_proba_by_anchor(self, X):
        """Return every anchor's class probabilities.

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

    def _combine(self, outputs, present):
        probabilities = softmax(outputs, axis=2)
        combined = self.aggregation_.combine(probabilities, self._of_anchors(present))
        return apply_temperature(combined, self.temperature_)

    def _fit_phase_one(self, *args):
        self.temperature_ = 1.0
        return super()._fit_phase_one(*args)

    def _learn_combination(self, start):
        asked = self.aggregate == "validation" or self.calibrate is not None
        unseen = self._judge_validation(start) if asked else None
        self.aggregation_ = self._learn_aggregation(start, unseen)
        if self.calibrate is not None and unseen is not None:
            probabilities = softmax(unseen.outputs, axis=2)
            combined = self.aggregation_.combine(probabilities, unseen.present)
            self.temperature_ = fit_temperature(combined, unseen.targets, unseen.weight)

    def _learn_aggregation(self, start, unseen):
        """Return the rule that combines the anchors' probabilities."""
        data = start.data
        if self.aggregate == "confidence":
            return ByConfidence()
        if self.aggregate == "validation" and unseen is not None:
            frequencies = np.bincount(data.targets, data.weight) / data.weight.sum()
            return weigh_by_log_loss(unseen, frequencies)
        if self.aggregate == "stacked":
            return self._learn_stacking(data, self._of_anchors(start.subjects.present))
        return Mean()

    def _learn_stacking(self, data, present):
        """Learn from copies of this classifier that are fitted without the fold they judge."""
        # The first four seeds are those of the fit itself.
        fold_seed, seed = draw_seeds(self.random_state, 6)[4:]
        folds = self._task().folds(data.targets, data.groups, fold_seed)
        if not folds:
            warnings.warn(
                "A class has a single group, so there are no inner folds for aggregate='stacked': "
                "the anchors' probabilities are averaged.",
                DataWarning,
                stacklevel=7,
            )
            return Mean()
        judge = partial(judge_held_out, self._plain_copy(seed), self.anchors_, self.classes_, data)
        n_classes = len(self.classes_)
        return stack_on_folds(judge, present, data.targets, data.weight, folds, n_classes)

    def _plain_copy(self, seed):
        """Return a copy, not fitted, that averages its anchors and calls nobody."""
        # The weights of the subjects hold those of the classes already.
        return (
            clone(self)
            .set_callbacks()
            .set_params(
                aggregate="mean", calibrate=None, class_weight=None, verbose=0, random_state=seed
            )
        )


def judge_held_out(copy, anchors, classes, data, train, test, trained) -> np.ndarray:
    """Fit a copy to some rows; return probabilities of others by the anchors at some places.

    train (n_train,), test (n_test,) -> (n_test, n_trained, n_classes).
    """
    copy.set_params(anchor=[anchors[place] for place in trained])
    with warnings.catch_warnings():
        # What is wrong with the training subjects has been said of all of them.
        warnings.simplefilter("ignore", DataWarning)
        copy.fit(
            data.frame.iloc[train],
            classes[data.targets[train]],
            groups=data.groups[train],
            sample_weight=data.weight[train],
        )
    return np.stack(list(copy.predict_proba_by_anchor(data.frame.iloc[test]).values()), axis=1)
