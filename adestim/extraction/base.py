"""The scikit-learn side of a frozen model: cells in, encodings out.

An extractor says three things: what it learns from the training rows
(:meth:`BaseExtractor._learn`), how one subject's cells become a token table
(:meth:`BaseExtractor._preparation`) and which backbone that is (:meth:`BaseExtractor._spec`).
Reading, running in parallel, reporting and packing are the same for all, and live here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import ClassVar

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from adestim._support.frames import (
    match_columns,
    read_frame,
    refuse_complex,
    require_distinct_columns,
    write_as_asked,
)
from adestim._support.ranges import HOW_IT_RUNS, WHAT_IS_PRINTED, WHERE_IT_IS_KEPT
from adestim._support.sklearn import StrOptions, check_feature_names_in, fit_context
from adestim._support.versioned import Versioned
from adestim.backbone.registry import find_class
from adestim.encoding import BackboneSpec, Encoding, encodings_frame
from adestim.encoding.places import TokenPlaces, name_tokens
from adestim.exceptions import AdestimError, InputError
from adestim.extraction.failures import naming_subjects
from adestim.extraction.parallel import windows
from adestim.extraction.prepared import Prepared
from adestim.extraction.stored import RecalledPreparation
from adestim.extraction.subjects import (
    Preparation,
    drop_failures,
    for_each_subject,
    settle_failures,
)
from adestim.store.feature_store import FeatureStore, as_store

# At the end of a portion workers wait for the slowest; with more turns they do so less often.
N_TURNS_OF_WORKERS = 8


class BaseExtractor(Versioned, TransformerMixin, BaseEstimator):
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
        self._start_fit(X)
        return self

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
        encoded = encodings_frame(self._encoded(frame), self._modality, frame.index)
        return write_as_asked(self, encoded)

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

    def _start_fit(self, X) -> pd.DataFrame:
        """Learn from the training rows, and return them."""
        frame = check_cells(self, X, reset=True)
        self._learn(frame)
        self.backbone_ = self._spec()
        return frame

    def _learn(self, frame: pd.DataFrame) -> None:
        """Set fitted attributes from the training rows; frozen extractors have none."""

    def _encoded(self, frame: pd.DataFrame) -> list[Encoding | None]:
        """Prepare and encode, the next subjects being prepared while some are encoded."""
        failures: list[AdestimError] = []
        encodings: list[Encoding | None] = []
        for window in windows(self._prepare_all(frame), self._window()):
            failures += [item for item in window if isinstance(item, AdestimError)]
            if not failures or self.errors == "missing":
                subjects = frame.index[len(encodings) : len(encodings) + len(window)]
                with naming_subjects(subjects, self.backbone_.name):
                    encodings += self._encode(drop_failures(window), self.backbone_)
        settle_failures(failures, self.errors)
        return encodings

    def _window(self) -> int:
        """Return how many subjects are encoded at a time, while as many are prepared."""
        return N_TURNS_OF_WORKERS * effective_n_jobs(self.n_jobs)

    def _prepare_all(self, frame: pd.DataFrame) -> Iterable[Prepared | AdestimError | None]:
        """Prepare every subject, in parallel unless a subclass codes whole columns at once."""
        preparation: Preparation = self._preparation()
        store = as_store(self.memory)
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

    def _encode(
        self, prepared: Sequence[Prepared | None], spec: BackboneSpec
    ) -> list[Encoding | None]:
        """Return encodings by a model; a built-in backbone's tokens are its inputs."""
        return [
            None if item is None else Encoding(item.inputs, item.inputs, item.mask, spec)
            for item in prepared
        ]

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


def check_cells(estimator, X, *, reset: bool, needed=None) -> pd.DataFrame:
    """Return the raw cells as a frame whose index labels the subjects.

    A Series is one column. Names and number of columns are checked against ``fit``: later ones are
    found by name, and of those that are not ``needed`` some may be absent.
    """
    owner = type(estimator).__name__
    X = read_raw_table(X, owner)
    if isinstance(estimator, BaseExtractor):
        X = name_by_last_level(X)
    require_one_row_a_subject(X, owner)
    if not reset and isinstance(X, pd.DataFrame):
        X = match_columns(estimator, X, needed)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)


def name_by_last_level(X):
    """Return a table whose columns of several levels bear their last, or all where it repeats."""
    columns = getattr(X, "columns", None)
    if not isinstance(columns, pd.MultiIndex):
        return X
    last = columns.get_level_values(-1)
    joined = ["__".join(str(part) for part in label if str(part)) for label in columns]
    names = [str(name) for name in last] if last.is_unique and all(map(str, last)) else joined
    return X.set_axis(pd.Index(names, dtype=object), axis=1)


def read_raw_table(X, owner: str) -> pd.DataFrame | np.ndarray:
    """Return a table of any library as one of pandas, and other containers as an array."""
    X = read_frame(X)
    X = X.to_frame() if isinstance(X, pd.Series) else X
    refuse_sparse_or_complex(X, owner)
    if isinstance(X, pd.DataFrame):
        return X
    return np.asarray(X) if hasattr(X, "__array__") else object_array(X)


def refuse_sparse_or_complex(X, owner: str) -> None:
    """Refuse containers that no extractor reads, in scikit-learn's words."""
    if issparse(X):
        raise InputError(f"Sparse input is not supported by {owner}", remedy="Pass a dense table")
    refuse_complex(X, owner)


def require_one_row_a_subject(X, owner: str) -> None:
    """Refuse anything but a table with subjects, columns and unambiguous names."""
    if X.ndim != 2:
        raise InputError(
            f"{owner} expects 2D input: one row a subject. Reshape your data",
            got=f"{X.ndim}D array",
            remedy="Pass a DataFrame, a Series, or a list of one-cell rows",
        )
    for size, counted in zip(X.shape, ("sample", "feature"), strict=True):
        if size == 0:
            raise InputError(
                f"0 {counted}(s) (shape={X.shape}) while a minimum of 1 is required by {owner}",
                remedy="Pass at least one subject and one column",
            )
    require_distinct_columns(X, owner)


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
