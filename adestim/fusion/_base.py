"""What all fusions that train nets have in common: the order of fitting, and reading tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

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
from adestim.encoding.tables import check_fusion_table, read_modalities, training_tables
from adestim.encoding.tokens import (
    TokenScaler,
    TokenTable,
    require_a_modality,
    stack_tokens,
    without_rows,
)
from adestim.fusion._anchor_inputs import AnchorInputs, require_whole_heads, score_scale
from adestim.fusion._targets import TrainingSet, check_classes
from adestim.fusion._task import Classification, Task
from adestim.training.batches import AnchorBatches, FusionData
from adestim.training.fitting import inner_split, prepare_net
from adestim.training.net import FusionNet
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.penalised import Scores

TRAINER_CONSTRAINTS: dict = {
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "modality_dropout": [Interval(Real, 0, 1, closed="left")],
    "max_epochs": [Interval(Integral, 0, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
    "device": [str],
    "precision": [StrOptions({"float32", "bfloat16"})],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
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
    "validation_fraction": "decides what early stopping knows, not what the model can be",
    "device": "where it runs",
    "precision": HOW_IT_RUNS,
    "random_state": LUCK,
    "verbose": WHAT_IS_PRINTED,
}


class BaseFusion(CallbackSupportMixin, BaseEstimator, ABC):
    """Base of all fusions that train nets upon phase 1.

    A subclass says which nets there are, how one is built and what it starts from. Its parameters
    hold those of the trainer, see ``TRAINER_CONSTRAINTS``, and ``width``.
    """

    width: int
    max_epochs: int
    validation_fraction: float
    device: str
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
        try:
            with closing(self._nets_to_train(X, y, groups, sample_weight)) as nets:
                for net, train in nets:
                    net.fit(train)
        except BaseException:
            # What was trained in part must not pass for a fitted estimator.
            vars(self).pop("nets_", None)
            raise
        return self

    def _nets_to_train(self, X, y, groups, sample_weight) -> Iterator[tuple[FusionNet, FusionData]]:
        """Fit phase 1; yield every net and what to train it on, torch seeded for it."""
        require_whole_heads(self.width, type(self).__name__)
        data = self._training_set(X, y, groups, sample_weight)
        task = self._task()
        tables = training_tables(data.frame)
        names = self._net_names(list(tables))
        seeds = draw_seeds(self.random_state, 4)
        folds = task.folds(data.targets, data.groups, seeds[0])
        self.phase_one_, scores = task.fit_phase_one(
            tables, data.targets, data.weight, folds, self._grower(seeds[3])
        )
        self._remember(tables, scores)
        split = None
        if self.max_epochs > 0:
            split = inner_split(
                data.targets, data.groups, seeds[1], self.validation_fraction, task.folds
            )
        yield from self._prepared_nets(names, data, tables, scores, split, seeds[2])
        self._after_training(data, tables, scores, split)

    def _remember(self, tables: Mapping[str, TokenTable], scores: Scores) -> None:
        """Keep what reading later tables needs."""
        self.modalities_ = list(tables)
        self._inputs = AnchorInputs(
            phase_one=self.phase_one_,
            likes={name: without_rows(table) for name, table in tables.items()},
            scalers={name: TokenScaler.fit(table) for name, table in tables.items()},
            score_scale=score_scale(scores.values),
            n_outputs=self._task().n_outputs,
        )

    def _prepared_nets(self, names, data: TrainingSet, tables, scores, split, seed):
        """Yield every net in turn, each an outer task for scikit-learn's callbacks."""
        self.nets_, self.history_ = {}, []
        self._names = names
        frame, y = data.frame, self._task().labels(data.targets)
        context = self._init_callback_context(max_subtasks=None)
        context.call_on_fit_task_begin(estimator=self, X=frame, y=y)
        cells, params = read_modalities(frame), self._net_params()
        for name, inputs in self._data_by_net(cells, tables, scores, data.targets, data.weight):
            bar = progress_bar(self.max_epochs, name, "epoch", self.verbose)
            hook = partial(self._after_epoch, name, bar, context, frame, y)
            with bar, seeded(seed, choose_device(self.device)):
                module = self._module(name)
                self.nets_[name], train = prepare_net(module, inputs, split, hook, params)
                if train is not None:
                    yield self.nets_[name], train
        self.__dict__.pop("net_", None)
        if len(names) == 1:
            self.net_ = self.nets_[names[0]]
        context.call_on_fit_task_end(estimator=self, X=frame, y=y)

    def _data_by_net(self, cells, tables, scores, targets=None, weight=None):
        """Yield every net's name and the subjects as it reads them; tokens are shared."""
        shared = self._inputs.data(self._base(self._names[0], scores), tables, targets, weight)
        for name in self._names:
            yield name, shared.rebased(self._base(name, scores), self._anchor_batches(name, cells))

    def _base(self, name: str, scores: Scores):
        """Return the phase-1 outputs from which a net starts."""
        start, anchor = self._start_of(name)
        return self._inputs.base(scores, start, anchor)

    def _net_params(self) -> dict:
        """Return what training must know."""
        return self.get_params(deep=False) | {"losses": self._task().losses(self.phase_one_)}

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
        trained = {"nets_": dict(self.nets_), "_names": list(self.nets_), "_inputs": self._inputs}
        return attributes | trained

    def _outputs_by_net(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Return every net's outputs (n_subjects, n_nets, n_outputs), and who has what."""
        frame = check_fusion_table(self, X, reset=False)
        cells = read_modalities(frame, known=self._inputs.likes)
        likes = self._inputs.likes
        tables = {name: stack_tokens(cells[name], name, like) for name, like in likes.items()}
        require_a_modality(tables, frame.index)
        scores = self.phase_one_.scores([table.pooled() for table in tables.values()])
        outputs = self._outputs_of(self._data_by_net(cells, tables, scores))
        return outputs, presence(tables)

    def _outputs_of(self, data_by_net) -> np.ndarray:
        """Return outputs (n_subjects, n_nets, n_outputs) of subjects as the nets read them."""
        outputs = [self.nets_[name].predict_logits(data) for name, data in data_by_net]
        return np.stack(outputs, axis=1).astype(np.float64)

    @abstractmethod
    def _net_names(self, modalities: Sequence[str]) -> list[str]:
        """Return the names of the nets."""

    @abstractmethod
    def _module(self, name: str) -> nn.Module:
        """Return a net's module with fresh weights."""

    @abstractmethod
    def _start_of(self, name: str) -> tuple[str, str | None]:
        """Return how phase 1 combines for a net, and the modality whose head alone may count."""

    def _grower(self, seed: int) -> Grower | None:
        """Return how phase 1 grows its forest, None where it has none."""
        return None

    def _anchor_batches(self, name: str, cells) -> AnchorBatches | None:
        """Return what a net's foundation model reads, None where it reads tokens."""
        return None

    def _after_training(self, data: TrainingSet, tables, scores, split) -> None:
        """Learn what is learned from trained nets; most fusions learn nothing."""

    @abstractmethod
    def _task(self) -> Task:
        """Return what is predicted."""

    @abstractmethod
    def _training_set(self, X, y, groups, sample_weight) -> TrainingSet:
        """Return the checked training set."""

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
        return self._combined(*self._outputs_by_net(X))

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
    def _combined(self, outputs: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return probabilities (n_subjects, n_classes) from the nets' outputs."""

    def _training_set(self, X, y, groups, sample_weight):
        data, self.classes_ = check_classes(self, X, y, groups, sample_weight, self.class_weight)
        return data

    def _task(self):
        return Classification(self.classes_)

    def _grower(self, seed):
        grows = self.start == "stacked" and self.n_trees > 0
        return Grower(self.n_trees, seed) if grows else None


def presence(tables: Mapping[str, TokenTable]) -> np.ndarray:
    """Return which modalities every subject has, (n_subjects, n_modalities)."""
    return np.stack([table.present for table in tables.values()], axis=1)
