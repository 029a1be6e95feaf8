"""What all fusions that train nets have in common: the order of fitting, and reading tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import Any, NamedTuple, Protocol

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from adestim._support.numbers import require_finite_predictions
from adestim._support.progress import progress_bar
from adestim._support.ranges import HOW_IT_RUNS, LUCK, WHAT_IS_PRINTED, Choice, Range
from adestim._support.sklearn import (
    CallbackSupportMixin,
    Interval,
    StrOptions,
    draw_seeds,
    fit_context,
)
from adestim._support.torch import choose_device, seeded
from adestim._support.versioned import Versioned
from adestim.encoding.tables import (
    Subjects,
    check_fusion_table,
    read_later_table,
    read_training_table,
)
from adestim.encoding.tokens import TokenTable
from adestim.exceptions import InputError
from adestim.fusion._targets import TrainingSet, check_classes, sort_subjects
from adestim.training.anchored_nets import HEAD_WIDTH
from adestim.training.batches import FusionData
from adestim.training.fitting import TrainerSettings, inner_split, prepare_net
from adestim.training.inputs import NetInputs, Start
from adestim.training.net import FusionNet
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.penalised import Scores
from adestim.training.task import Classification, Folds, Task

TRAINER_CONSTRAINTS: dict = {
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "modality_dropout": [Interval(Real, 0, 1, closed="left")],
    "max_epochs": [Interval(Integral, 0, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "device": [str],
    "precision": [StrOptions({"float32", "bfloat16"})],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
# Of fusions whose single net keeps what is best on one inner split.
SPLIT_CONSTRAINTS: dict = {
    "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
}
TRAINER_SPACE: dict = {
    "learning_rate": Range(2e-4, 2e-2, log=True),
    "weight_decay": Range(1e-3, 0.5, log=True),
    "dropout": Range(0.0, 0.5),
    "modality_dropout": Range(0.0, 0.5),
    "batch_size": Choice((16, 32, 64)),
}
TRAINER_NOT_SEARCHED: dict = {
    "max_epochs": "early stopping chooses it; pruning compares trials at the same epoch",
    "patience": "buys quality by time alone",
    "device": "where it runs",
    "precision": HOW_IT_RUNS,
    "random_state": LUCK,
    "verbose": WHAT_IS_PRINTED,
}

SPLIT_NOT_SEARCHED: dict = {
    "validation_fraction": "decides what early stopping knows, not what the model can be",
}


class FitStart(NamedTuple):
    """What phase 2 starts from."""

    data: TrainingSet
    subjects: Subjects  # the same, as the nets read them
    folds: Folds  # inner folds, the same for phase 1 and phase 2
    scores: Scores  # their phase-1 scores by heads that did not see them
    split_seed: int
    net_seed: int


class Judged(NamedTuple):
    """What phase 1 and the nets say of some subjects."""

    scores: Scores
    present: np.ndarray  # (n_subjects, n_modalities); which modalities a subject has
    outputs: dict[str, np.ndarray]  # (n_subjects, n_outputs); by net


class Training(Protocol):
    """Nets that are ready to be trained."""

    def run(self) -> None:
        """Train them."""


@dataclass(frozen=True, eq=False)
class NetTraining:
    """A single net that is ready to be trained."""

    net: FusionNet
    train: FusionData

    def run(self) -> None:
        """Train it."""
        self.net.fit(self.train)


class BaseFusion(Versioned, CallbackSupportMixin, BaseEstimator, ABC):
    """Base of all fusions that train nets upon phase 1.

    A subclass says which nets there are, how one is built and what it starts from. Its parameters
    hold those of the trainer, see ``TRAINER_CONSTRAINTS``, and ``width``.
    """

    width: int
    dropout: float
    modality_dropout: float
    max_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    validation_fraction: float
    device: str
    precision: str
    random_state: Any
    verbose: int

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, groups=None, sample_weight=None):
        """Fit phase 1, then every net of phase 2.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Encodings table, numeric frame or numeric array.
        y : array-like of shape (n_subjects,)
            What is to be predicted.
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
            When a parameter names a modality that no training subject has.
        """
        with closing(self.fit_nets(X, y, groups, sample_weight)) as trainings:
            for training in trainings:
                training.run()
        return self

    def fit_nets(self, X, y, groups=None, sample_weight=None) -> Iterator[Training]:
        """Fit as ``fit`` does, given the same, but leave the training of the nets to the caller.

        For who trains nets of several estimators at the same time. Parameters of the estimator
        are not checked.

        Yields
        ------
        training : object
            Nets that are ready to be trained, of one anchor where there are anchors; ``run``
            trains them. The estimator is fitted when the last one has been trained and the
            iterator is at its end.
        """
        try:
            require_whole_heads(self.width, type(self).__name__)
            start = self._start_fit(X, y, groups, sample_weight)
            self.nets_, self.history_ = {}, []
            frame, labels = start.data.frame, self._task().labels(start.data.targets)
            context = self._init_callback_context(max_subtasks=None)
            context.call_on_fit_task_begin(estimator=self, X=frame, y=labels)
            yield from self._train_nets(start, context)
            self.__dict__.pop("net_", None)
            if len(self.nets_) == 1:
                [self.net_] = self.nets_.values()
            context.call_on_fit_task_end(estimator=self, X=frame, y=labels)
        except BaseException:
            # What was trained in part must not pass for a fitted estimator.
            self.__dict__.pop("nets_", None)
            raise

    def _start_fit(self, X, y, groups, sample_weight) -> FitStart:
        """Fit phase 1 and what reads later tables; return what phase 2 starts from."""
        data = self._training_set(X, y, groups, sample_weight)
        subjects = read_training_table(data.frame)
        fold_seed, split_seed, net_seed, forest_seed = draw_seeds(self.random_state, 4)
        task, tables = self._task(), subjects.tables
        starts = self._starts(subjects)
        folds = self._draw_folds(data, fold_seed)
        self.phase_one_, scores = self._fit_phase_one(data, tables, folds, forest_seed)
        self.modalities_ = list(subjects.names)
        self.inputs_ = NetInputs.learn(tables, self.phase_one_, scores, task.n_outputs, starts)
        return FitStart(data, subjects, folds, scores, split_seed, net_seed)

    def _draw_folds(self, data: TrainingSet, seed: int) -> Folds:
        """Return the inner folds."""
        return self._task().folds(data.targets, data.groups, seed)

    def _fit_phase_one(
        self, data: TrainingSet, tables: Mapping[str, TokenTable], folds: Folds, seed: int
    ) -> tuple[Any, Scores]:
        """Return the members of phase 1, and the training subjects' scores by unseen ones."""
        given = tables, data.targets, data.weight, folds, self._grower(seed)
        remembered = is_reproducible(self.random_state)
        return self._task().fit_phase_one(*given, remembered=remembered)

    def _train_nets(self, start: FitStart, context) -> Iterator[Training]:
        """Yield every net in turn, each of which keeps what is best on one inner split."""
        data, settings, split = start.data, self._trainer_settings(), None
        if self.max_epochs > 0:
            folds, share = self._task().folds, self.validation_fraction
            split = inner_split(data.targets, data.groups, start.split_seed, share, folds)
        for name, inputs in self._read_by_net(start):
            device = choose_device(self.device)
            with self._watch_epochs(name, start, context) as hook, seeded(start.net_seed, device):
                module = self._module(name)
                self.nets_[name], train = prepare_net(module, inputs, split, hook, settings)
                if train is not None:
                    yield NetTraining(self.nets_[name], train)

    @contextmanager
    def _watch_epochs(self, name: str, start: FitStart, context):
        """Show a bar of a net's epochs; yield what every epoch is to be handed to."""
        frame, y = start.data.frame, self._task().labels(start.data.targets)
        with progress_bar(self.max_epochs, name, "epoch", self.verbose) as bar:
            yield partial(self._after_epoch, name, bar, context, frame, y)

    def _read_by_net(self, start: FitStart) -> Iterator[tuple[str, FusionData]]:
        """Yield every net's name and the training subjects as it reads them."""
        targets, weight = start.data.targets, start.data.weight
        return self.inputs_.read_by_net(
            start.subjects, start.scores, self.device, self.precision, targets, weight
        )

    def _trainer_settings(self) -> TrainerSettings:
        """Return how nets are trained."""
        return TrainerSettings(
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            modality_dropout=self.modality_dropout,
            device=self.device,
            precision=self.precision,
            losses=self._task().losses(self.phase_one_),
        )

    def _after_epoch(self, name, bar, context, frame, y, epoch) -> bool:
        """Record an epoch, and offer it to scikit-learn's callbacks as a task."""
        record = {key: epoch[key] for key in ("epoch", "train_loss", "valid_loss")}
        record["anchor"] = name
        self.history_.append(record)
        bar.advance(train=record["train_loss"], valid=record["valid_loss"])
        task = context.subcontext(task_name=f"{name} epoch")
        task.call_on_fit_task_begin(estimator=self, X=frame, y=y)
        return task.call_on_fit_task_end(
            estimator=self, X=frame, y=y, reconstruction_attributes=self._fitted_attributes
        )

    def _fitted_attributes(self) -> dict:
        """Return what a copy needs to predict as if training had stopped now."""
        attributes = {name: value for name, value in vars(self).items() if name.endswith("_")}
        trained = {"nets_": dict(self.nets_), "inputs_": self.inputs_.keep_nets(self.nets_)}
        return attributes | trained

    def _judge(self, X) -> Judged:
        """Return what phase 1 and every net say."""
        frame = check_fusion_table(self, X, reset=False)
        subjects = read_later_table(frame, self.inputs_.likes)
        scores = self.phase_one_.scores(subjects.pool_tokens())
        read = self.inputs_.keep_nets(self.nets_).read_by_net(
            subjects, scores, self.device, self.precision
        )
        order = order_by_scores(scores.values)
        outputs = {name: ask_in_order(self.nets_[name], data, order) for name, data in read}
        return Judged(scores, subjects.present, outputs)

    @abstractmethod
    def _starts(self, subjects: Subjects) -> dict[str, Start]:
        """Return the names of the nets, and what each starts from."""

    @abstractmethod
    def _module(self, name: str) -> nn.Module:
        """Return a net's module with fresh weights."""

    def _grower(self, seed: int) -> Grower | None:
        """Return how phase 1 grows its forest, None where it has none."""
        return None

    @abstractmethod
    def _task(self) -> Task:
        """Return what is predicted."""

    @abstractmethod
    def _training_set(self, X, y, groups, sample_weight) -> TrainingSet:
        """Return the checked training set, its subjects sorted by their content."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class FusionClassifier(ClassifierMixin, BaseFusion):
    """Base of the fusions that classify."""

    class_weight: Any
    start: str
    n_trees: int

    def predict_proba(self, X):
        """Return class probabilities.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects, n_classes)
        """
        check_is_fitted(self, "nets_")
        return require_finite_predictions(self._probabilities(X), type(self).__name__)

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

    @abstractmethod
    def _probabilities(self, X) -> np.ndarray:
        """Return probabilities (n_subjects, n_classes)."""

    def _training_set(self, X, y, groups, sample_weight):
        data, self.classes_ = check_classes(self, X, y, groups, sample_weight, self.class_weight)
        return sort_subjects(data)

    def _task(self):
        return Classification(self.classes_)

    def _grower(self, seed):
        grows = self.start == "stacked" and self.n_trees > 0
        return Grower(self.n_trees, seed) if grows else None


def is_reproducible(random_state: Any) -> bool:
    """Tell whether the next fit draws the same seeds."""
    return isinstance(random_state, Integral)


def order_by_scores(values: np.ndarray) -> np.ndarray:
    """Return an order of subjects that their scores decide, and not the table.

    values (n_subjects, ...) -> (n_subjects,).
    """
    return np.lexsort(np.round(values.reshape(len(values), -1), 6).T)


def ask_in_order(net: FusionNet, data: FusionData, order: np.ndarray) -> np.ndarray:
    """Return a net's outputs (n_subjects, n_outputs), which it computes in an order of its own.

    Sums in single precision depend on the place of a subject in a batch, in the last digit.
    """
    if data.inputs is not None:
        # What a foundation model reads lies in files in the order of the table.
        return net.predict_logits(data)
    outputs = net.predict_logits(data.view(order))
    found = np.empty_like(outputs)
    found[order] = outputs
    return found


def require_whole_heads(width: int, estimator: str) -> None:
    """Refuse a width that does not split into heads."""
    if width % HEAD_WIDTH:
        raise InputError(
            f"The 'width' parameter of {estimator} must be a multiple of {HEAD_WIDTH}",
            got=str(width),
        )
