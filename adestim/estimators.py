"""The fusion as scikit-learn estimators."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_consistent_length, column_or_1d, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from adestim._docs import fill_docs
from adestim._sklearn import CallbackSupportMixin, Interval, StrOptions, draw_seeds, fit_context
from adestim._torch import choose_device, seeded
from adestim.backbone import ReferenceBackbone
from adestim.exceptions import DataWarning, InputError, NoModalityError
from adestim.fusion import AnchoredFusion, ModalityShape
from adestim.heads import PhaseOne, fit_phase_one, inner_folds
from adestim.modalities import TokenScaler, TokenTable, read_modalities, stack_tokens
from adestim.training import (
    BatchIterator,
    EarlyStop,
    EpochHook,
    FusionData,
    FusionNet,
    warmup_cosine,
)
from adestim.union import check_fusion_table, without_rows

__all__ = ["AnchoredFusionClassifier"]

HEAD_WIDTH = 8
# The gate is one number a modality and must travel far in few steps.
GATE_SPEED = 10


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
    depth : int, default=1
        Number of its blocks.
    dropout : float, default=0.1
        Dropout in the transformer and before the last layer.
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
    X may be an encodings table (object columns of :class:`~adestim.encoding.Encoding` or None), a
    numeric frame whose columns are named ``modality__feature``, or a plain numeric array, which
    is one anonymous modality. NaN and None mean: not known.

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

    def __init__(
        self,
        *,
        anchor="all",
        n_queries=8,
        cross_modal=True,
        start="stacked",
        width=32,
        depth=1,
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
        frame, codes, weight, groups = self._check_training_data(X, y, groups, sample_weight)
        tables = training_tables(frame)
        self._remember_tables(tables)
        folds, split = self._split(codes, groups)
        self.phase_one_, scores = fit_phase_one(
            tables, codes, weight, folds, len(self.classes_)
        )
        self._fit_anchors(frame, tables, scores, codes, weight, split)
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

    def _check_training_data(self, X, y, groups, sample_weight):
        """Check and encode the training data; rows of weight 0 are left out."""
        if self.width % HEAD_WIDTH:
            raise InputError(
                f"The 'width' parameter of {type(self).__name__} must be a multiple of "
                f"{HEAD_WIDTH}",
                got=str(self.width),
            )
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        frame = check_fusion_table(self, X, reset=True)
        y = column_or_1d(y, warn=True)
        check_consistent_length(frame, y)
        check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, frame, dtype=np.float64)
        groups = own_groups(frame) if groups is None else column_or_1d(groups)
        check_consistent_length(frame, groups)
        kept = weight > 0
        encoder = LabelEncoder().fit(y[kept])
        self.classes_ = encoder.classes_
        if len(self.classes_) < 2:
            raise InputError(
                f"{type(self).__name__} needs at least 2 classes in y",
                got=f"{len(self.classes_)} class",
                remedy="Check the labels, or the split that left one class out",
            )
        codes = encoder.transform(y[kept])
        weight = weight[kept] * compute_sample_weight(self.class_weight, y[kept])
        return frame[kept], codes, weight, np.unique(groups[kept], return_inverse=True)[1]

    def _remember_tables(self, tables: Mapping[str, TokenTable]) -> None:
        """Keep what later tables must look like, and the anchors among them."""
        self.modalities_ = list(tables)
        self.anchors_ = choose_anchors(self.anchor, self.modalities_)
        self._likes = {name: without_rows(table) for name, table in tables.items()}
        self._scalers = {name: TokenScaler.fit(table) for name, table in tables.items()}

    def _split(self, codes, groups):
        """Return the folds of phase 1 and the inner split of phase 2."""
        self._seeds = draw_seeds(self.random_state, 3)
        folds = inner_folds(codes, groups, self._seeds[0])
        splits = inner_folds(
            codes, groups, self._seeds[1], n_folds=round(1 / self.validation_fraction)
        )
        return folds, splits[0] if splits else None

    def _fit_anchors(self, frame, tables, scores, codes, weight, split) -> None:
        """Train every anchor's net in turn."""
        self._score_scale = score_scale(scores)
        self.nets_, self.history_ = {}, []
        context = self._init_callback_context(max_subtasks=None)
        context.call_on_fit_task_begin(estimator=self, X=frame, y=self.classes_[codes])
        if split is None and self.max_epochs:
            warnings.warn(
                "A class has a single group, so there is no inner validation split: phase 2 is "
                "not trained and the phase-1 prediction stands.",
                DataWarning,
                stacklevel=4,
            )
        for anchor in self.anchors_:
            data = self._data(anchor, tables, scores, codes, weight)
            hook = partial(self._after_epoch, anchor, context, frame, self.classes_[codes])
            with seeded(self._seeds[2], choose_device(self.device)):
                self.nets_[anchor] = self._net(anchor, data, split, hook)
                if split is not None and self.max_epochs:
                    self.nets_[anchor].fit(data.view(split[0]))
                else:
                    self.nets_[anchor].initialize()
        if len(self.anchors_) == 1:
            self.net_ = self.nets_[self.anchors_[0]]
        context.call_on_fit_task_end(estimator=self, X=frame, y=self.classes_[codes])

    def _data(self, anchor, tables, scores, codes, weight) -> FusionData:
        """Return subjects as one anchor's net reads them."""
        present = np.stack([table.present for table in tables.values()], axis=1)
        return FusionData(
            tokens={
                name: torch.from_numpy(self._scalers[name].transform(table))
                for name, table in tables.items()
            },
            masks={name: torch.from_numpy(table.mask) for name, table in tables.items()},
            scores=torch.from_numpy(net_scores(scores, self._score_scale)),
            present=torch.from_numpy(present),
            base=BaseLogits(self.phase_one_, scores, self.start, anchor),
            y=torch.from_numpy(codes.astype(np.int64)),
            weight=torch.from_numpy(weight.astype(np.float32)),
        )

    def _net(self, anchor, data, split, hook) -> FusionNet:
        """Build one anchor's net, untrained."""
        n_train = len(split[0]) if split is not None else len(data)
        n_steps = max(1, self.max_epochs) * -(-n_train // self.batch_size)
        validation = data.view(split[1]) if split is not None else None
        return FusionNet(
            self._module(anchor),
            criterion=torch.nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=self.weight_decay,
            optimizer__param_groups=[("log_gate", {"lr": GATE_SPEED * self.learning_rate})],
            lr=self.learning_rate,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            iterator_train=BatchIterator,
            iterator_train__shuffle=True,
            iterator_train__modality_dropout=self.modality_dropout,
            iterator_valid=BatchIterator,
            train_split=None,
            precision=self.precision,
            device=str(choose_device(self.device)),
            callbacks=[
                ("schedule", warmup_cosine(n_steps)),
                ("early_stop", EarlyStop(validation, self.patience)),
                ("epoch_hook", EpochHook(hook)),
            ],
            callbacks__print_log=None,
            callbacks__valid_loss=None,
            verbose=0,
        )

    def _module(self, anchor) -> AnchoredFusion:
        """Build one anchor's module."""
        n_scores = 2 * (len(self.classes_) - 1)
        shapes = {
            name: ModalityShape(
                n_tokens=like.tokens.shape[1] if like.fixed else 0,
                width=like.tokens.shape[2],
                n_scores=n_scores,
            )
            for name, like in self._likes.items()
        }
        own, n_heads = shapes[anchor], self.width // HEAD_WIDTH
        backbone = ReferenceBackbone(
            own.n_tokens, own.width, self.width, self.depth, n_heads, self.dropout
        )
        return AnchoredFusion(
            anchor,
            backbone,
            shapes,
            n_classes=len(self.classes_),
            n_queries=self.n_queries,
            n_heads=n_heads,
            cross_modal=self.cross_modal,
            dropout=self.dropout,
        )

    def _after_epoch(self, anchor, context, frame, y, epoch) -> bool:
        """Record an epoch, and offer it to scikit-learn's callbacks as a task."""
        record = {
            "anchor": anchor,
            "epoch": epoch["epoch"],
            "train_loss": epoch["train_loss"],
            "valid_loss": epoch["valid_loss"],
        }
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
        private = ("_likes", "_scalers", "_score_scale", "_seeds")
        attributes |= {name: getattr(self, name) for name in private}
        return attributes | {"nets_": dict(self.nets_), "anchors_": list(self.nets_)}

    def _predict_by_anchor(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities (n_subjects, n_anchors, n_classes) and who has what."""
        frame = check_fusion_table(self, X, reset=False)
        cells = read_modalities(frame)
        tables = {name: stack_tokens(cells[name], name, like) for name, like in self._likes.items()}
        require_a_modality(tables, frame.index)
        scores = self.phase_one_.scores([table.pooled() for table in tables.values()])
        nothing = np.zeros(len(frame))
        probabilities = []
        for anchor in self.anchors_:
            data = self._data(anchor, tables, scores, nothing, nothing)
            probabilities.append(softmax(self.nets_[anchor].predict_logits(data), axis=1))
        present = np.stack([table.present for table in tables.values()], axis=1)
        return np.stack(probabilities, axis=1).astype(np.float64), present

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class BaseLogits:
    """Phase-1 logits of some rows when only some of their modalities are shown."""

    def __init__(self, phase_one: PhaseOne, scores: np.ndarray, start: str, anchor: str):
        self.phase_one = phase_one
        self.scores = scores
        self.start = start
        self.anchor = anchor

    def __call__(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return logits (n_rows, n_classes)."""
        return self.phase_one.logits(self.scores[rows], present, self.start, self.anchor)


def training_tables(frame: pd.DataFrame) -> dict[str, TokenTable]:
    """Return the training subjects' tokens; modalities that nobody has are left out, with a word."""
    cells = read_modalities(frame)
    absent = [name for name, column in cells.items() if all(cell is None for cell in column)]
    if absent and len(absent) < len(cells):
        warnings.warn(
            f"No training subject has {', '.join(map(repr, absent))}; the fit does without.",
            DataWarning,
            stacklevel=4,
        )
    tables = {
        name: stack_tokens(column, name) for name, column in cells.items() if name not in absent
    }
    require_a_modality(tables, frame.index)
    return tables


def require_a_modality(tables: Mapping[str, TokenTable], index: pd.Index) -> None:
    """Refuse subjects about whom nothing is known, by name."""
    anything = np.zeros(len(index), dtype=bool)
    for table in tables.values():
        anything |= table.present
    if not anything.all():
        nobody = index[~anything]
        raise NoModalityError(
            "Every subject needs at least one modality",
            got=f"none for {len(nobody)} subject(s), the first {str(nobody[0])!r}",
            remedy="Leave these subjects out of the table",
        )


def choose_anchors(anchor: str | Sequence[str], modalities: Sequence[str]) -> list[str]:
    """Return the anchors' names, or say which modality is not there."""
    if anchor == "all":
        return list(modalities)
    anchors = [anchor] if isinstance(anchor, str) else list(anchor)
    unknown = [name for name in anchors if name not in modalities]
    if unknown or not anchors:
        raise InputError(
            "The 'anchor' parameter of AnchoredFusionClassifier must name modalities that some "
            "training subject has",
            got=repr(anchor),
            remedy=f"Choose from {list(modalities)}, or write anchor='all'",
        )
    return anchors


def own_groups(frame: pd.DataFrame) -> np.ndarray:
    """Group rows of one index label, and rows that hold the very same data.

    Oversampling repeats rows under new labels; a repeated row on both sides of the inner split would
    tell training what validation asks.
    """
    objects = frame.select_dtypes("object").map(id)
    values = frame.select_dtypes(exclude="object")
    content = pd.util.hash_pandas_object(
        pd.concat([objects, values], axis=1), index=False
    ).to_numpy()
    by_content = pd.factorize(content)[0]
    labels = pd.factorize(frame.index)[0]
    return connected(by_content, labels)


def connected(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return groups of rows linked, through any chain, by equal values in either array."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_first, n_second = first.max() + 1, second.max() + 1
    links = coo_array(
        (np.ones(len(first)), (first, n_first + second)), shape=[n_first + n_second] * 2
    )
    return connected_components(links, directed=False)[1][first]


def score_scale(scores: np.ndarray) -> np.ndarray:
    """Return the root mean square of every phase-1 score, over subjects who have it."""
    flat = scores.reshape(len(scores), scores.shape[1], -1)
    known = np.maximum((flat != 0).sum(axis=0), 1)
    return np.maximum(np.sqrt((flat**2).sum(axis=0) / known), 1e-3)


def net_scores(scores: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return phase-1 scores as the nets read them, shape (n, n_modalities, n_scores)."""
    flat = scores.reshape(len(scores), scores.shape[1], -1) / scale
    return np.clip(flat, -6, 6).astype(np.float32)
