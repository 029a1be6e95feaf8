"""The fusion as scikit-learn estimators."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from adestim._docs import fill_docs
from adestim._sklearn import CallbackSupportMixin, Interval, StrOptions, draw_seeds, fit_context
from adestim._torch import choose_device, seeded
from adestim.anchors import AnchorInputs, choose_anchors, require_whole_heads, score_scale
from adestim.fitting import inner_split, prepare_net
from adestim.heads import fit_phase_one, inner_folds
from adestim.modalities import check_fusion_table, read_modalities, training_tables
from adestim.targets import check_training_set
from adestim.tokens import TokenScaler, require_a_modality, stack_tokens, without_rows

__all__ = ["AnchoredFusionClassifier"]


@fill_docs
class AnchoredFusionClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Classify from several modalities by modality-anchored fusion.

    Phase 1 fits a linear head on every modality alone and on all jointly. Phase 2 takes a modality
    as the anchor: a modality-aware Q-former turns the others' tokens into a few tokens of the
    anchor's width, which join the anchor's own at the input of its transformer. Training
    starts from the phase-1 prediction and keeps what improves on an inner validation split.
    Where several anchors are asked for, each is trained in turn, and probabilities are averaged
    over the anchors that a subject has.

    Parameters
    ----------
    anchor : str or list of str, default="all"
        Modality or modalities that become anchor; ``"all"`` for every one in turn.
    n_queries : int, default=8
        Queries of the Q-former for each auxiliary modality and for the cross-modal path; 0 gives no
        auxiliary tokens.
    cross_modal : bool, default=True
        Whether the Q-former has a cross-modal path.
    start : {"stacked", "average", "anchor"}, default="stacked"
        How phase-1 heads combine into the prediction that training starts from.
        ``"stacked"`` averages the joint head and a discriminant of the separate heads for every
        pattern of missing modalities. ``"average"`` takes the joint head for complete subjects,
        and for others one head per observed modality, probabilities averaged. ``"anchor"``
        takes the anchor's head alone, as the paper does.
    width : int, default=32
        Width of the transformer of a reference backbone; a multiple of 8.
    depth : int, default=2
        Number of its blocks.
    %(anchor_model)s
    dropout : float, default=0.1
        Dropout in a reference transformer and before the last layer.
    modality_dropout : float, default=0.1
        Probability with which a modality of a training subject is hidden in a batch.
    max_epochs : int, default=40
        Largest number of epochs for each anchor; 0 leaves the phase-1 prediction.
    batch_size : int, default=64
        Subjects a batch.
    learning_rate : float, default=0.002
        Largest learning rate of AdamW, reached after a warm-up, followed by cosine decay.
    weight_decay : float, default=0.05
        Weight decay of AdamW.
    patience : int, default=8
        Epochs without improvement on the inner validation split before training stops.
    validation_fraction : float, default=0.2
        Share of the training groups in the inner validation split.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes.
    %(device)s
    %(precision)s
    %(random_state)s
    %(verbose)s

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    modalities_ : list of str
        Modalities that at least one training subject has.
    anchors_ : list of str
        Modalities that were anchor.
    phase_one_ : adestim.heads.PhaseOne
        The fitted phase-1 heads.
    nets_ : dict of str to skorch net
        The trained net of every anchor.
    net_ : skorch net
        The trained net, where there is one anchor.
    history_ : list of dict
        One record an epoch: anchor, epoch, train_loss, valid_loss.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    See Also
    --------
    adestim.ModalityUnion : Makes the encodings table.
    adestim.PoolTokens : Turns an encodings table into numbers for other models.

    Notes
    -----
    X may be an encodings table, a numeric frame whose columns are named ``modality__feature``, or
    a plain numeric array, which is one anonymous modality. NaN and None mean: not known.

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
        "anchor": [str, list],
        "n_queries": [Interval(Integral, 0, None, closed="left")],
        "cross_modal": ["boolean"],
        "start": [StrOptions({"stacked", "average", "anchor"})],
        "width": [Interval(Integral, 8, None, closed="left")],
        "depth": [Interval(Integral, 1, None, closed="left")],
        "qformer_width": [Interval(Integral, 8, None, closed="left"), None],
        "lora_rank": [Interval(Integral, 0, None, closed="left")],
        "lora_params": [dict, None],
        "gradient_checkpointing": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "modality_dropout": [Interval(Real, 0, 1, closed="left")],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "device": [str],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(  # noqa: PLR0913 - flat, so that searches and studies can name them
        self,
        *,
        anchor="all",
        n_queries=8,
        cross_modal=True,
        start="stacked",
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
        patience=8,
        validation_fraction=0.2,
        class_weight=None,
        device="auto",
        precision="float32",
        random_state=None,
        verbose=0,
    ):
        self.anchor = anchor
        self.n_queries = n_queries
        self.cross_modal = cross_modal
        self.start = start
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
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, groups=None, sample_weight=None):
        """Fit phase 1, then every anchor's phase 2.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Encodings table, numeric frame or numeric array.
        y : array-like of shape (n_subjects,)
            Class labels.
        groups : array-like of shape (n_subjects,), default=None
            Rows of one group stay on one side of the inner splits. By default rows of the
            same index label, and rows that hold the very same data, are one group.
        sample_weight : array-like of shape (n_subjects,), default=None
            Weights of the subjects; a subject of weight 0 is left out.

        Returns
        -------
        self : object

        Raises
        ------
        NoModalityError
            When a subject has no modality at all.
        InputError
            When an anchor is not among the modalities.
        """
        try:
            with closing(self._nets_to_train(X, y, groups, sample_weight)) as nets:
                for net, train in nets:
                    net.fit(train)
        except BaseException:
            # What was trained in part must not pass for a fitted estimator.
            vars(self).pop("nets_", None)
            raise
        return self

    def predict_proba(self, X):
        """Return class probabilities, averaged over the anchors that a subject has.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects, n_classes)
        """
        check_is_fitted(self, "nets_")
        by_anchor, present = self._predict_by_anchor(X)
        places = [self.modalities_.index(anchor) for anchor in self.anchors_]
        weight = present[:, places].astype(float)
        # Who has none of the anchors is judged by all of them, through their stand-ins.
        weight[weight.sum(axis=1) == 0] = 1.0
        weight /= weight.sum(axis=1, keepdims=True)
        return np.einsum("nak,na->nk", by_anchor, weight)

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
        check_is_fitted(self, "nets_")
        by_anchor, _ = self._predict_by_anchor(X)
        return {anchor: by_anchor[:, place] for place, anchor in enumerate(self.anchors_)}

    def predict(self, X):
        """Return the most probable class of every subject.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects,)
        """
        check_is_fitted(self, "nets_")
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _nets_to_train(self, X, y, groups, sample_weight):
        """Fit phase 1; yield every anchor's net and what to train it on, torch seeded for it."""
        require_whole_heads(self.width)
        data = check_training_set(self, X, y, groups, sample_weight, self.class_weight)
        self.classes_ = data.classes
        tables = training_tables(data.frame)
        anchors = choose_anchors(self.anchor, list(tables))
        seeds = draw_seeds(self.random_state, 3)
        folds = inner_folds(data.codes, data.groups, seeds[0])
        self.phase_one_, scores = fit_phase_one(
            tables, data.codes, data.weight, folds, len(self.classes_)
        )
        self._remember(tables, scores)
        split = None
        if self.max_epochs > 0:
            split = inner_split(data.codes, data.groups, seeds[1], self.validation_fraction)
        yield from self._anchor_nets(anchors, data, tables, scores, split, seeds[2])

    def _remember(self, tables, scores) -> None:
        """Keep what reading later tables needs."""
        self.modalities_ = list(tables)
        self._inputs = AnchorInputs(
            phase_one=self.phase_one_,
            likes={name: without_rows(table) for name, table in tables.items()},
            scalers={name: TokenScaler.fit(table) for name, table in tables.items()},
            score_scale=score_scale(scores),
            start=self.start,
        )

    def _anchor_nets(self, anchors, data, tables, scores, split, seed):
        """Yield every anchor's net in turn, each an outer task for scikit-learn's callbacks."""
        self.anchors_, self.nets_, self.history_ = anchors, {}, []
        frame, y = data.frame, self.classes_[data.codes]
        context = self._init_callback_context(max_subtasks=None)
        context.call_on_fit_task_begin(estimator=self, X=frame, y=y)
        cells, params = read_modalities(frame), self.get_params(deep=False)
        for anchor, inputs in self._anchor_data(cells, tables, scores, data.codes, data.weight):
            hook = partial(self._after_epoch, anchor, context, frame, y)
            with seeded(seed, choose_device(self.device)):
                module = self._inputs.module(anchor, len(self.classes_), params)
                self.nets_[anchor], train = prepare_net(module, inputs, split, hook, params)
                if train is not None:
                    yield self.nets_[anchor], train
        self.__dict__.pop("net_", None)
        if len(anchors) == 1:
            self.net_ = self.nets_[anchors[0]]
        context.call_on_fit_task_end(estimator=self, X=frame, y=y)

    def _anchor_data(self, cells, tables, scores, codes=None, weight=None):
        """Yield every anchor and the subjects as its net reads them; tokens are shared."""
        params = self.get_params(deep=False)
        shared = self._inputs.data(self.anchors_[0], tables, scores, codes, weight)
        for anchor in self.anchors_:
            inputs = self._inputs.anchor_inputs(anchor, cells, params)
            yield anchor, shared.rebased(self._inputs.base(anchor, scores), inputs)

    def _after_epoch(self, anchor, context, frame, y, epoch) -> bool:
        """Record an epoch, and offer it to scikit-learn's callbacks as a task."""
        record = {key: epoch[key] for key in ("epoch", "train_loss", "valid_loss")}
        record["anchor"] = anchor
        self.history_.append(record)
        if self.verbose:
            print(  # noqa: T201
                f"[{type(self).__name__}] {anchor} epoch {record['epoch']}: "
                f"train {record['train_loss']:.4f}, valid {record['valid_loss']:.4f}"
            )
        task = context.subcontext(task_name=f"{anchor} epoch")
        task.call_on_fit_task_begin(estimator=self, X=frame, y=y)
        return task.call_on_fit_task_end(
            estimator=self, X=frame, y=y, reconstruction_attributes=self._fitted_attributes
        )

    def _fitted_attributes(self) -> dict:
        """Return what a copy needs to predict as if training had stopped now."""
        attributes = {name: value for name, value in vars(self).items() if name.endswith("_")}
        fitted = {"nets_": dict(self.nets_), "anchors_": list(self.nets_), "_inputs": self._inputs}
        return attributes | fitted

    def _predict_by_anchor(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities (n_subjects, n_anchors, n_classes) and who has what."""
        frame = check_fusion_table(self, X, reset=False)
        cells = read_modalities(frame, known=self._inputs.likes)
        likes = self._inputs.likes
        tables = {name: stack_tokens(cells[name], name, like) for name, like in likes.items()}
        require_a_modality(tables, frame.index)
        scores = self.phase_one_.scores([table.pooled() for table in tables.values()])
        logits = [
            self.nets_[anchor].predict_logits(data)
            for anchor, data in self._anchor_data(cells, tables, scores)
        ]
        present = np.stack([table.present for table in tables.values()], axis=1)
        return softmax(np.stack(logits, axis=1).astype(np.float64), axis=2), present

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
