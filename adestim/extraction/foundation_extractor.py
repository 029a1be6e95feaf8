"""Extractors whose tokens a built-in backbone makes, or a foundation model.

A modality's extractor says, in this order: what it learns from the training rows
(:meth:`FoundationExtractor._learn_rows`), what its built-in backbone is (``_built_in_model``), what
of the training rows a foundation model may learn from (``_training_raws``), and how one subject's
cells become a model's input (``_preparation``). Opening models, running them, keeping what they
made and adapting them are the same for all, and live here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from adestim._support.frames import write_as_asked
from adestim._support.groups import group_own_rows
from adestim._support.ranges import HOW_IT_RUNS, LUCK
from adestim._support.sklearn import Interval, StrOptions, fit_context
from adestim.encoding import BackboneSpec, Encoding, encodings_frame, is_missing
from adestim.exceptions import InputError
from adestim.extraction.base import BaseExtractor
from adestim.extraction.foundation import (
    ModelPreparation,
    ModelRequest,
    OpenedModel,
    follow_weights,
    names_folder,
    open_foundation,
    require_own_weights,
)
from adestim.extraction.prepared import Prepared
from adestim.extraction.stored import KeptReading, RecalledReading, TokenShelf, recall_encodings
from adestim.extraction.subjects import settle_failures
from adestim.store.feature_store import as_store

N_BATCHES_AT_A_TIME = 8
OF_FOUNDATION_MODELS = {"weights": None, "backbone_params": None}
# Parameters that may say, after ``fit`` too, where a model's files are.
WHERE_FILES_ARE = frozenset({"backbone", "weights", "backbone_params"})


class FoundationExtractor(BaseExtractor):
    """Base of the extractors that a built-in backbone or a foundation model serves.

    Subclasses name their modality in ``_modality``, the built-in backbone in ``_built_in``, and in
    ``_of_built_in`` the parameters, with their defaults, that foundation models must not be given.
    They have every parameter that is declared here, and implement ``_learn_rows``,
    ``_built_in_model``, ``_training_raws`` and ``_preparation``.

    See Also
    --------
    BaseExtractor : For a modality that no foundation model reads.
    """

    _built_in: ClassVar[str]
    _of_built_in: ClassVar[Mapping[str, Any]] = {}
    # parameters that name files of the subjects, which a fitted union follows to later ones
    files_of_subjects: ClassVar[frozenset[str]] = frozenset()
    _parameter_constraints: ClassVar[dict] = {
        **BaseExtractor._parameter_constraints,
        "backbone": [str],
        "weights": [None, str, os.PathLike],
        "backbone_params": [None, dict],
        "trust_checkpoint": ["boolean"],
        "device": [str],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "adapt": [None, StrOptions({"head", "lora", "full"})],
        "adapt_params": [None, dict],
        "cross_fit": ["boolean"],
        "random_state": ["random_state"],
    }
    _not_searched: ClassVar[dict] = {
        **BaseExtractor._not_searched,
        "backbone": "another model, whose options differ: a question of its own",
        "weights": "files",
        "backbone_params": "a dict, of other keys for every model",
        "trust_checkpoint": "a matter of trust",
        "device": "where it runs",
        "precision": HOW_IT_RUNS,
        "batch_size": HOW_IT_RUNS,
        "random_state": LUCK,
        "adapt": "trains a foundation model in every fold of every trial: a question of its own",
        "adapt_params": "as adapt",
        "cross_fit": "as adapt",
    }

    backbone: str
    weights: str | os.PathLike | None
    backbone_params: dict | None
    trust_checkpoint: bool
    device: str
    precision: str
    batch_size: int
    adapt: str | None
    adapt_params: dict | None
    cross_fit: bool
    random_state: Any

    # What makes the tokens, settled by ``fit``.
    _model: OpenedModel

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn from the training rows what must be learned.

        Parameters
        ----------
        X : {DataFrame, Series, array-like} of shape (n_subjects, n_columns)
            Raw cells. None, NaN and blank strings mean: modality missing.
        y : array-like of shape (n_subjects,), default=None
            Class labels, which phase 1 needs where ``adapt=`` asks for it.

        Returns
        -------
        self : object
            Fitted extractor.
        """
        frame = self._start_fit(X)
        if self.adapt is not None:
            self._require_adaptable()
            self._adapt(self._prepared(frame), y, group_own_rows(frame))
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Learn from the training rows and encode them.

        Parameters
        ----------
        X : {DataFrame, Series, array-like} of shape (n_subjects, n_columns)
            Raw cells.
        y : array-like of shape (n_subjects,), default=None
            Class labels, which phase 1 needs where ``adapt=`` asks for it.

        Returns
        -------
        DataFrame of shape (n_subjects, 1)
            As from ``fit`` and ``transform``, though each subject is read only once; with
            ``cross_fit=True``, encoded by a model that was adapted without the subject.
        """
        if self.adapt is None:
            return self.fit(X, y).transform(X)
        frame = self._start_fit(X)
        self._require_adaptable()
        prepared, groups = self._prepared(frame), group_own_rows(frame)
        unseen = self._cross_fitted(prepared, y, groups) if self.cross_fit else None
        self._adapt(prepared, y, groups)
        spec = self.backbone_
        encodings = self._encode(prepared, spec) if unseen is None else replace_spec(unseen, spec)
        return write_as_asked(self, encodings_frame(encodings, self._modality, frame.index))

    # What is learned, and the model

    def _learn(self, frame: pd.DataFrame) -> None:
        """Learn from the training rows; then make the built-in model, or open the one named."""
        built_in = self._is_built_in()
        self._refuse_idle_parameters(built_in)
        at_once = not built_in and not is_in_memory(frame)
        if at_once:
            self._require_own_weights()
        self._learn_rows(frame)
        self._model = self._built_in_model(frame) if built_in else self._open_model(frame)
        if not built_in and not at_once:
            self._require_own_weights()

    def _require_own_weights(self) -> None:
        """Refuse another model's weights before any subject is read."""
        require_own_weights(self._request())

    def _learn_rows(self, frame: pd.DataFrame) -> None:
        """Set fitted attributes, whichever model it will be."""

    def _built_in_model(self, frame: pd.DataFrame) -> OpenedModel:
        """Return the built-in model, fitted to the training rows."""
        raise NotImplementedError

    def _open_model(self, frame: pd.DataFrame) -> OpenedModel:
        """Return the foundation model that the parameters name."""
        return open_foundation(self._request(), self._training_raws(frame))

    def _training_raws(self, frame: pd.DataFrame) -> Iterable[Any]:
        """Return the training subjects' data as foundation models read them."""
        raise NotImplementedError

    def _request(self) -> ModelRequest:
        """Return what is asked for."""
        return ModelRequest(
            owner=type(self).__name__,
            modality=self._modality,
            backbone=self.backbone,
            weights=self.weights,
            params=self.backbone_params,
            trust=self.trust_checkpoint,
        )

    def _spec(self) -> BackboneSpec:
        """Return the name tag of the model."""
        return self._model.spec

    def _is_built_in(self) -> bool:
        """Tell whether the parameters name the built-in backbone."""
        return self.backbone == self._built_in

    def _refuse_idle_parameters(self, built_in: bool) -> None:
        """Refuse parameters that the chosen backbone does not have."""
        defaults = OF_FOUNDATION_MODELS if built_in else self._of_built_in
        given = given_parameters({name: getattr(self, name) for name in defaults}, defaults)
        if given and built_in:
            raise InputError(
                f"{' and '.join(given)} of {type(self).__name__} must be left out: the built-in "
                f"backbone {self.backbone!r} has no such thing",
                got=", ".join(f"{name}={value!r}" for name, value in given.items()),
                remedy="Name a foundation model with backbone=",
            )
        if given:
            raise InputError(
                f"{' and '.join(given)} of {type(self).__name__} must be left out: backbone "
                f"{self.backbone!r} has no such thing",
                remedy="Foundation models are told by backbone, weights and backbone_params, the "
                f"built-in {self._built_in!r} by {', '.join(defaults)}",
            )

    # Phase 1

    def _require_adaptable(self) -> None:
        """Refuse phase 1 of a backbone without weights."""
        if not self.backbone_.is_foundation:
            raise InputError(
                f"The 'adapt' parameter of {type(self).__name__} adapts foundation models",
                got=f"adapt={self.adapt!r} with the built-in backbone {self.backbone!r}",
                remedy="Pass adapt=None; the fusion trains built-in backbones itself",
            )

    def _adapt(self, prepared: Sequence[Prepared | None], y, groups: np.ndarray) -> None:
        """Phase 1: fit the model, or its head, to the rows that have the modality."""
        from adestim.training.adaptation_rows import adapt_to_rows

        request = self._adaptation_request()
        self.adaptation_ = adapt_to_rows(request, self.backbone_, list_inputs(prepared), y, groups)
        self.backbone_ = self.adaptation_.spec

    def _cross_fitted(
        self, prepared: Sequence[Prepared | None], y, groups: np.ndarray
    ) -> list[Encoding | None]:
        """Encode every row by a model that was adapted without it and its group."""
        from adestim.training.adaptation_rows import adapt_to_rows, adaptation_folds

        request, inputs = self._adaptation_request(), list_inputs(prepared)
        encodings: list[Encoding | None] = [None] * len(prepared)
        for train, test in adaptation_folds(request, inputs, y, groups):
            shown = [inputs[row] for row in train]
            labels = np.asarray(y)[train]
            fold = adapt_to_rows(request, self.backbone_, shown, labels, groups[train])
            held_out = self._encode([prepared[row] for row in test], fold.spec)
            for row, encoding in zip(test, held_out, strict=True):
                encodings[row] = encoding
        return encodings

    def _adaptation_request(self):
        """Return what phase 1 is asked to do."""
        from adestim.training.adaptation_rows import AdaptationRequest

        return AdaptationRequest(
            owner=type(self).__name__,
            kind=self.adapt,
            params=self.adapt_params,
            device=self.device,
            precision=self.precision,
            random_state=self.random_state,
        )

    # Running the model

    def _prepare_now(self) -> Callable[..., Any]:
        """Return the model's preparation; its files are where the parameters say they are now."""
        prepare = self._model.prepare
        if not isinstance(prepare, ModelPreparation):
            return prepare
        return replace(prepare, spec=self._follow(self._model.spec))

    def _follow(self, spec: BackboneSpec) -> BackboneSpec:
        """Return a name tag whose files are where the parameters say that they are now."""
        said = self.get_params(deep=False)
        weights, backbone = said.get("weights"), said.get("backbone")
        if weights is None and names_folder(backbone, self._modality):
            weights = backbone
        return follow_weights(spec, weights, said.get("backbone_params"))

    def _prepared(self, frame: pd.DataFrame) -> list[Prepared | None]:
        """Prepare every subject; raise, or warn of, those that fail."""
        return settle_failures(list(self._prepare_all(frame)), self.errors)

    def _window(self) -> int:
        """Return how many subjects are encoded at a time, while as many are prepared."""
        return max(N_BATCHES_AT_A_TIME * self.batch_size, super()._window())

    def _kept(self, read: KeptReading, stage: str) -> KeptReading | RecalledReading:
        """Return reading whose results are kept, where there is a store."""
        store = as_store(self.memory)
        if store is None:
            return read
        return RecalledReading.of(read, store, stage, self._modality, self.backbone)

    def _encode(
        self, prepared: Sequence[Prepared | None], spec: BackboneSpec
    ) -> list[Encoding | None]:
        """Return encodings by a model; those that the store has are not made again."""
        if not spec.is_foundation:
            return super()._encode(prepared, spec)
        spec = self._follow(spec)
        store = as_store(self.memory)
        shelf = None if store is None else TokenShelf(store, spec, self._modality, self.precision)

        def encode(inputs: list, keep: Callable) -> list[Encoding | None]:
            # Torch is imported by who needs it.
            from adestim.backbone.forward import encode_frozen

            return encode_frozen(
                inputs,
                spec,
                device=self.device,
                precision=self.precision,
                batch_size=self.batch_size,
                keep=keep,
            )

        return recall_encodings(shelf, list(prepared), encode, self.batch_size)


def is_in_memory(frame: pd.DataFrame) -> bool:
    """Tell whether all cells are arrays: to look at them costs nothing, and no file is read."""
    cells = frame.to_numpy(dtype=object).ravel()
    return all(is_missing(cell) or isinstance(cell, np.ndarray) for cell in cells)


def list_inputs(prepared: Sequence[Prepared | None]) -> list[Any]:
    """Return the subjects' inputs, None where missing."""
    return [None if item is None else item.inputs for item in prepared]


def replace_spec(encodings: Sequence[Encoding | None], spec: BackboneSpec) -> list[Encoding | None]:
    """Put the name tag of the model fitted on all rows on the encodings of its folds."""
    return [None if item is None else replace(item, backbone=spec) for item in encodings]


def given_parameters(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are not left at their defaults."""
    return {name: value for name, value in values.items() if differs(value, defaults[name])}


def differs(value: Any, default: Any) -> bool:
    """Tell whether a parameter was given; images and arrays are never compared by value."""
    return value is not default and not (isinstance(value, Real) and value == default)
