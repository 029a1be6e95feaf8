"""The scikit-learn side of a frozen model: cells in, encodings out.

A modality's extractor says three things: what it learns from the training rows
(:meth:`BaseExtractor._learn`), how one subject's cells become a token table
(:meth:`BaseExtractor._preparation`) and which backbone that is (:meth:`BaseExtractor._spec`).
Reading, running in parallel, reporting and packing are the same for all, and live here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from numbers import Integral
from typing import ClassVar

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from adestim._support.groups import group_own_rows
from adestim._support.ranges import HOW_IT_RUNS, WHAT_IS_PRINTED, WHERE_IT_IS_KEPT
from adestim._support.sklearn import StrOptions, check_feature_names_in, fit_context
from adestim.backbone.registry import find_class
from adestim.encoding import BackboneSpec, Encoding, encodings_frame
from adestim.encoding.places import TokenPlaces, name_tokens
from adestim.exceptions import AdestimError, InputError, TableError
from adestim.extraction.parallel import windows
from adestim.extraction.prepared import Prepared
from adestim.extraction.stored import RecalledPreparation, TokenShelf, recalled
from adestim.extraction.subjects import (
    Preparation,
    for_each_subject,
    settle_failures,
    without_failures,
)
from adestim.store.feature_store import FeatureStore, as_store

N_BATCHES_AT_A_TIME = 8
# At the end of a portion workers wait for the slowest; with more turns they do so less often.
N_TURNS_OF_WORKERS = 8


class BaseExtractor(TransformerMixin, BaseEstimator):
    """Base of the extractors: columns of raw cells in, one column of encodings out.

    Subclasses implement ``_learn``, ``_preparation`` and ``_spec``, and name their
    modality in ``_modality``; ``place_tokens`` and ``token_texts`` say what tokens stand for.
    """

    _modality: ClassVar[str]
    _parameter_constraints: ClassVar[dict] = {
        "errors": [StrOptions({"raise", "missing"})],
        "memory": [None, str, os.PathLike, FeatureStore],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }
    _search_space: ClassVar[dict] = {}
    _not_searched: ClassVar[dict] = {
        "memory": WHERE_IT_IS_KEPT,
        "errors": "what becomes of unusable data",
        "n_jobs": HOW_IT_RUNS,
        "verbose": WHAT_IS_PRINTED,
    }

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn from the training rows what must be learned.

        Parameters
        ----------
        X : {DataFrame, Series, array-like} of shape (n_subjects, n_columns)
            Raw cells. None, NaN and blank strings mean: modality missing.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : object
            Fitted extractor.
        """
        frame = check_cells(self, X, reset=True)
        self._learn(frame)
        self.backbone_ = self._spec()
        if self._adapts():
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
        if not getattr(self, "adapt", None):
            return self.fit(X, y).transform(X)
        frame = check_cells(self, X, reset=True)
        self._learn(frame)
        self.backbone_ = self._spec()
        if not self._adapts():
            return self.transform(X)
        prepared, groups = self._prepared(frame), group_own_rows(frame)
        unseen = self._cross_fitted(prepared, y, groups) if self.cross_fit else None
        self._adapt(prepared, y, groups)
        encodings = self._encode(prepared) if unseen is None else self._named(unseen)
        return encodings_frame(encodings, self._modality, frame.index)

    def transform(self, X):
        """Encode every subject.

        Parameters
        ----------
        X : {DataFrame, Series, array-like} of shape (n_subjects, n_columns)
            Raw cells, columns as in ``fit``.

        Returns
        -------
        DataFrame of shape (n_subjects, 1)
            An :class:`~adestim.encoding.Encoding` a subject, None where all cells are missing.

        Raises
        ------
        InputError
            When a subject's data cannot be used and ``errors="raise"``. All subjects are
            tried before the error is raised, and every failing one is counted in it.
        """
        check_is_fitted(self, "backbone_")
        frame = check_cells(self, X, reset=False)
        return encodings_frame(self._encoded(frame), self._modality, frame.index)

    def get_feature_names_out(self, input_features=None):
        """Return the name of the single output column.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the raw columns; checked against those seen in ``fit``, not used.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "backbone_")
        check_feature_names_in(self, input_features, generate_names=False)
        return np.array([self._modality], dtype=object)

    def _learn(self, frame: pd.DataFrame) -> None:
        """Set fitted attributes from the training rows; frozen extractors have none."""

    def _adapts(self) -> bool:
        """Tell whether phase 1 is asked for; refuse it for a backbone without weights."""
        if getattr(self, "adapt", None) is None:
            return False
        if not self.backbone_.is_foundation:
            raise InputError(
                f"The 'adapt' parameter of {type(self).__name__} adapts foundation models",
                got=f"adapt={self.adapt!r} with the built-in backbone {self.backbone!r}",
                remedy="Pass adapt=None; the fusion trains built-in backbones itself",
            )
        return True

    def _adapt(self, prepared: Sequence[Prepared | None], y, groups: np.ndarray) -> None:
        """Phase 1: fit the model, or its head, to the rows that have the modality."""
        from adestim.training.adaptation_rows import adapt_to_rows

        inputs = [None if item is None else item.inputs for item in prepared]
        self.adaptation_ = adapt_to_rows(self, self.backbone_, inputs, y, groups)
        self.backbone_ = self.adaptation_.spec

    def _cross_fitted(
        self, prepared: Sequence[Prepared | None], y, groups: np.ndarray
    ) -> list[Encoding | None]:
        """Encode every row by a model that was adapted without it and its group."""
        from adestim.training.adaptation_rows import adapt_to_rows, adaptation_folds

        frozen = self.backbone_
        encodings: list[Encoding | None] = [None] * len(prepared)
        inputs = [None if item is None else item.inputs for item in prepared]
        for train, test in adaptation_folds(self, inputs, y, groups):
            shown = [inputs[row] for row in train]
            fold = adapt_to_rows(self, frozen, shown, np.asarray(y)[train], groups[train])
            self.backbone_ = fold.spec
            for row, encoding in zip(test, self._encode([prepared[r] for r in test]), strict=True):
                encodings[row] = encoding
        self.backbone_ = frozen
        return encodings

    def _named(self, encodings: Sequence[Encoding | None]) -> list[Encoding | None]:
        """Put the name tag of the model fitted on all rows on the encodings of its folds."""
        return [
            None if item is None else replace(item, backbone=self.backbone_) for item in encodings
        ]

    def _encoded(self, frame: pd.DataFrame) -> list[Encoding | None]:
        """Prepare and encode, the next subjects being prepared while some are encoded."""
        failures: list[AdestimError] = []
        encodings: list[Encoding | None] = []
        for window in windows(self._prepare_all(frame), self._window()):
            failures += [item for item in window if isinstance(item, AdestimError)]
            if not failures or self.errors == "missing":
                encodings += self._encode(without_failures(window))
        settle_failures(failures, self.errors)
        return encodings

    def _window(self) -> int:
        """Return how many subjects are encoded at a time, while as many are prepared."""
        by_workers = N_TURNS_OF_WORKERS * effective_n_jobs(self.n_jobs)
        return max(N_BATCHES_AT_A_TIME * getattr(self, "batch_size", 1), by_workers)

    def _prepared(self, frame: pd.DataFrame) -> list[Prepared | None]:
        """Prepare every subject; raise, or warn of, those that fail."""
        return settle_failures(list(self._prepare_all(frame)), self.errors)

    def _prepare_all(self, frame: pd.DataFrame) -> Iterable[Prepared | AdestimError | None]:
        """Prepare every subject, in parallel unless a subclass codes whole columns at once."""
        preparation, store = self._preparation(), as_store(getattr(self, "memory", None))
        if store is not None:
            backbone = self.backbone_.name
            preparation = RecalledPreparation.of(preparation, store, self._modality, backbone)
        # Where there is no model to run, nothing can be done in the meantime.
        pause = self._window() if self.backbone_.is_foundation else None
        return for_each_subject(
            preparation, frame, self.n_jobs, self.verbose, self._modality, pause
        )

    def _preparation(self) -> Preparation:
        """Return a picklable callable: one subject's cells -> Prepared."""
        raise NotImplementedError

    def _spec(self) -> BackboneSpec:
        """Return the name tag of the backbone."""
        raise NotImplementedError

    def _encode(self, prepared: Sequence[Prepared | None]) -> list[Encoding | None]:
        """Run the frozen model. A reference backbone's tokens are its inputs."""
        if self.backbone_.is_foundation:
            return recalled(self._shelf(), list(prepared), self._encode_frozen)
        return [
            None if item is None else Encoding(item.inputs, item.inputs, item.mask, self.backbone_)
            for item in prepared
        ]

    def _shelf(self) -> TokenShelf | None:
        """Return where this model's tokens are kept, None for nowhere."""
        store = as_store(getattr(self, "memory", None))
        if store is None:
            return None
        return TokenShelf(store, self.backbone_, self._modality, self.precision)

    def _encode_frozen(self, inputs: Sequence, keep: Callable) -> list[Encoding | None]:
        """Run a foundation model; torch is imported by who needs it."""
        from adestim.backbone.forward import encode_frozen

        return encode_frozen(
            inputs,
            self.backbone_,
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size,
            keep=keep,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def token_places(self, *, n_tokens=None, parcellation=None, coordinates=None):
        """Return where the tokens are: in the brain, in the genome, or in a table.

        Parameters
        ----------
        n_tokens : int, default=None
            Number of tokens, for models that have more of them at their input; None for those of
            the encodings.
        parcellation : str, path-like or nibabel image, default=None
            Label image of the regions, where the extractor does not have it: of ready series, for
            instance.
        coordinates : array-like of shape (n_places, 3), default=None
            Centres of the places in mm, MNI152 space.

        Returns
        -------
        TokenPlaces or None
            None where not even the number of tokens is known, since every subject has its own.

        Raises
        ------
        InputError
            When regions or coordinates do not fit the tokens.

        See Also
        --------
        adestim.inspection.token_places : The same of a fitted fusion.

        Examples
        --------
        >>> import pandas as pd
        >>> from adestim import ClinicalExtractor
        >>> table = pd.DataFrame({"age": [70.0, 71.0], "sex": ["F", "M"]})
        >>> ClinicalExtractor().fit(table).token_places().names
        ('age', 'sex')
        """
        check_is_fitted(self, "backbone_")
        named = TokenPlaces(self._modality, "columns", name_tokens(self.backbone_, n_tokens))
        places = self.place_tokens(
            named,
            self.backbone_,
            fitted=self,
            parcellation=parcellation,
            coordinates=coordinates,
        )
        return places if places.names else None

    @classmethod
    def place_tokens(cls, tokens, spec, *, fitted=None, parcellation=None, coordinates=None):
        """Return where the tokens of one of the modality's models are.

        Parameters
        ----------
        tokens : TokenPlaces
            Their names alone.
        spec : BackboneSpec
            Name tag of the model.
        fitted : BaseExtractor or None, default=None
            The fitted extractor that made them, where it is at hand.
        parcellation, coordinates : object, default=None
            As for ``token_places``.

        Returns
        -------
        TokenPlaces
            As given where nothing is known but the names.
        """
        model = find_class(spec)
        return tokens if model is None else model.place_tokens(tokens, spec)

    def token_texts(self, X):
        """Return the free text that tokens were made of, column by column.

        Parameters
        ----------
        X : {DataFrame, Series, array-like} of shape (n_subjects, n_columns)
            Raw cells, columns as in ``fit``.

        Returns
        -------
        list of FreeText
            Empty where tokens were made of other things.
        """
        check_is_fitted(self, "backbone_")
        return []


def check_cells(estimator, X, *, reset: bool) -> pd.DataFrame:
    """Return the raw cells as a frame whose index labels the subjects.

    A Series is one column. Names and number of columns are checked against ``fit``.
    """
    if isinstance(X, pd.Series):
        X = X.to_frame()
    refuse_sparse_or_complex(estimator, X)
    if not isinstance(X, pd.DataFrame):
        X = np.asarray(X) if hasattr(X, "__array__") else object_array(X)
    require_one_row_a_subject(estimator, X)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)


def refuse_sparse_or_complex(estimator, X) -> None:
    """Refuse containers that no extractor reads, in scikit-learn's words."""
    name = type(estimator).__name__
    if issparse(X):
        raise InputError(f"Sparse input is not supported by {name}", remedy="Pass a dense table")
    kinds = X.dtypes if isinstance(X, pd.DataFrame) else [getattr(X, "dtype", None)]
    if any(getattr(kind, "kind", None) == "c" for kind in kinds):
        raise InputError(
            f"Complex data not supported by {name}", remedy="Pass real numbers, text or paths"
        )


def require_one_row_a_subject(estimator, X) -> None:
    """Refuse anything but a table with subjects, columns and unambiguous names."""
    name = type(estimator).__name__
    if X.ndim != 2:
        raise InputError(
            f"{name} expects 2D input: one row a subject. Reshape your data",
            got=f"{X.ndim}D array",
            remedy="Pass a DataFrame, a Series, or a list of one-cell rows",
        )
    for size, counted in zip(X.shape, ("sample", "feature"), strict=True):
        if size == 0:
            raise InputError(
                f"0 {counted}(s) (shape={X.shape}) while a minimum of 1 is required by {name}",
                remedy="Pass at least one subject and one column",
            )
    columns = getattr(X, "columns", pd.RangeIndex(X.shape[1]))
    if columns.has_duplicates:
        raise TableError(
            f"{name} needs columns that bear a name of their own each",
            got=f"{', '.join(map(repr, columns[columns.duplicated()].unique()))} more than once",
            remedy="Rename or drop columns",
        )


def object_array(rows: Iterable) -> np.ndarray:
    """Return nested lists as a 2-D object array, cells left as they are."""
    rows = [list(row) if isinstance(row, (list, tuple)) else row for row in rows]
    if not all(isinstance(row, list) for row in rows):
        return np.empty(len(rows), dtype=object)
    n_columns = len(rows[0]) if rows else 0
    frame = np.empty((len(rows), n_columns), dtype=object)
    for position, row in enumerate(rows):
        require_cells(row, n_columns, position)
        for column, cell in enumerate(row):
            frame[position, column] = cell
    return frame


def require_cells(row: list, n_columns: int, position: int) -> None:
    """Refuse a row that is shorter or longer than the first."""
    if len(row) != n_columns:
        raise InputError(
            f"Row {position} must have as many cells as row 0, which has {n_columns}",
            got=str(len(row)),
            remedy="Write None where a cell is missing",
        )
