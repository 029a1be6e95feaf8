"""From a table of patients to a table of encodings."""

from __future__ import annotations

import os
import warnings
from copy import copy
from numbers import Integral
from typing import ClassVar

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from adestim._support.frames import read_frame, write_as_asked
from adestim._support.ranges import HOW_IT_RUNS, WHAT_IS_PRINTED, WHERE_IT_IS_KEPT
from adestim._support.sklearn import (
    BaseComposition,
    VisualBlock,
    check_feature_names_in,
    fit_context,
)
from adestim._support.versioned import Versioned
from adestim.encoding import Encoding, encodings_frame, is_missing
from adestim.encoding.tables import numeric_block, pack_features
from adestim.exceptions import DataWarning, InputError
from adestim.extraction.base import BaseExtractor, check_cells
from adestim.extraction.foundation_extractor import WHERE_FILES_ARE, FoundationExtractor
from adestim.extraction.parallel import side_by_side
from adestim.store import FeatureStore


class ModalityUnion(Versioned, TransformerMixin, BaseComposition):
    """Encode several modalities side by side.

    Parameters
    ----------
    transformers : list of (str, transformer, columns) tuples
        Name of the modality, its extractor, and the column or columns it reads: a label, a list
        of labels, a position, a list of positions, a slice, or a callable that takes the
        table and returns one of these. Any scikit-learn transformer may stand in for an
        extractor; its numeric output is read as one token a feature. ``"passthrough"`` hands on
        encodings that were made before, or numbers as they are.
    memory : str, path-like, FeatureStore or None, default=None
        Folder in which extractors that have none of their own keep what they made, so that no
        subject is read, and no model run, twice: :class:`adestim.store.FeatureStore`.
    n_jobs : int, default=None
        Number of modalities encoded at the same time. The extractors have an ``n_jobs`` of
        their own, over subjects, which is usually the better one to raise.
    verbose : bool, default=False
        Whether to say which modality is being encoded.

    Attributes
    ----------
    transformers_ : list of (str, transformer, columns) tuples
        The fitted extractors.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    See Also
    --------
    PoolTokens : Turns the encodings table into numbers for any scikit-learn model.
    adestim.AnchoredFusionClassifier : Reads the encodings table.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.preprocessing import StandardScaler
    >>> from adestim import ClinicalExtractor, ModalityUnion
    >>> frame = pd.DataFrame(
    ...     {"age": [71.0, 68.0], "sex": ["F", "M"], "tau": [300.0, None]}, index=["s1", "s2"]
    ... )
    >>> union = ModalityUnion([
    ...     ("clinical", ClinicalExtractor(), ["age", "sex"]),
    ...     ("csf", StandardScaler(), ["tau"]),
    ... ])
    >>> union.fit_transform(frame).isna()
        clinical    csf
    s1     False  False
    s2     False   True
    """

    _parameter_constraints: ClassVar[dict] = {
        "transformers": [list],
        "memory": [None, str, os.PathLike, FeatureStore],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }
    _search_space: ClassVar[dict] = {}
    _not_searched: ClassVar[dict] = {
        "transformers": "given by the user; their own parameters can be searched on request",
        "memory": WHERE_IT_IS_KEPT,
        "n_jobs": HOW_IT_RUNS,
        "verbose": WHAT_IS_PRINTED,
    }

    def __init__(self, transformers, *, memory=None, n_jobs=None, verbose=False):
        self.transformers = transformers
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

    def get_params(self, deep=True):
        """Return the parameters, those of the extractors as ``name__parameter``.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the extractors and their parameters.

        Returns
        -------
        dict
        """
        params = BaseEstimator.get_params(self, deep=False)
        if not deep or not well_formed(self.transformers):
            return params
        for name, transformer, _ in self.transformers:
            params[name] = transformer
            if hasattr(transformer, "get_params"):
                nested = transformer.get_params(deep=True)
                params.update({f"{name}__{key}": value for key, value in nested.items()})
        return params

    def set_params(self, **params):
        """Set parameters, those of the extractors as ``name__parameter``.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : object
        """
        if "transformers" in params:
            self.transformers = params.pop("transformers")
        triples = self.transformers if well_formed(self.transformers) else []
        for name in {name for name, _, _ in triples} & set(params):
            self.transformers = replace_transformer(self.transformers, name, params.pop(name))
        BaseEstimator.set_params(self, **params)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit every extractor on its columns.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Raw cells.
        y : array-like of shape (n_subjects,), default=None
            Target, handed to the extractors.

        Returns
        -------
        self : object
        """
        frame = self._checked(X)
        self.transformers_ = side_by_side(self.n_jobs)(
            delayed(fit_one)(item, frame, y) for item in self._items()
        )
        self._columns_read = list_columns_read(self.transformers_, frame)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X, y=None):
        """Fit every extractor, then encode the same subjects.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Raw cells.
        y : array-like of shape (n_subjects,), default=None
            Target, handed to the extractors.

        Returns
        -------
        DataFrame of shape (n_subjects, n_modalities)
        """
        frame = self._checked(X)
        fitted = side_by_side(self.n_jobs)(
            delayed(fit_transform_one)(item, frame, y, self.verbose) for item in self._items()
        )
        self.transformers_ = [item for item, _ in fitted]
        self._columns_read = list_columns_read(self.transformers_, frame)
        return write_as_asked(self, pd.concat([column for _, column in fitted], axis=1))

    def transform(self, X):
        """Encode every subject.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Raw cells. Columns of a frame are found by the names seen in ``fit``, in any order;
            further ones, and the lack of one that no modality reads, do not matter.

        Returns
        -------
        DataFrame of shape (n_subjects, n_modalities)
            One column a modality, its cells :class:`~adestim.encoding.Encoding` or None. With
            ``set_output(transform="polars")`` a polars frame with columns of objects, which polars
            cannot pickle.

        Raises
        ------
        TableError
            When a column that a modality reads is absent.
        """
        check_is_fitted(self, "transformers_")
        frame = check_cells(self, X, reset=False, needed=self._columns_read)
        return write_as_asked(self, self._transform(frame))

    def get_feature_names_out(self, input_features=None):
        """Return the names of the modalities.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the raw columns; checked against those seen in ``fit``, not used.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "transformers_")
        check_feature_names_in(self, input_features, generate_names=False)
        return np.array([name for name, _, _ in self.transformers_], dtype=object)

    def _checked(self, X):
        """Check extractors, their names and the table; return the table."""
        require_well_formed(self.transformers)
        self._validate_names([name for name, _, _ in self.transformers])
        frame = check_cells(self, X, reset=True)
        warn_of_duplicate_subjects(frame.index)
        return frame

    def _items(self):
        """Yield clones of the extractors, with their names and columns."""
        for name, transformer, columns in self.transformers:
            own = transformer if transformer == "passthrough" else clone(transformer)
            yield name, share_memory(own, self.memory), columns

    def _fitted(self):
        """Yield the fitted extractors; files of models are where the parameters say they are."""
        given = {name: transformer for name, transformer, _ in self.transformers}
        for name, transformer, columns in self.transformers_:
            yield name, follow_parameters(transformer, given.get(name)), columns

    def _transform(self, frame):
        """Encode a checked table."""
        columns = side_by_side(self.n_jobs)(
            delayed(transform_one)(name, transformer, columns, frame, self.verbose)
            for name, transformer, columns in self._fitted()
        )
        return pd.concat(columns, axis=1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _sk_visual_block_(self):
        names, transformers, columns = zip(*self.transformers, strict=True)
        return VisualBlock(
            "parallel", transformers, names=names, name_details=[str(item) for item in columns]
        )


def well_formed(transformers) -> bool:
    """Tell whether the parameter is a list of triples."""
    return isinstance(transformers, list) and all(
        isinstance(item, tuple) and len(item) == 3 for item in transformers
    )


def require_well_formed(transformers) -> None:
    """Refuse anything but a list of (name, transformer, columns)."""
    if not transformers or not well_formed(transformers):
        raise InputError(
            "The 'transformers' parameter of ModalityUnion must be a list of "
            "(name, transformer, columns) tuples with at least one item",
            remedy='Write ModalityUnion([("smri", SMRIExtractor(), "t1w"), ...])',
        )
    for name, transformer, _ in transformers:
        if not (
            transformer == "passthrough"
            or (hasattr(transformer, "fit") and hasattr(transformer, "transform"))
        ):
            raise TypeError(
                f"Modality {name!r} of ModalityUnion needs a transformer with fit and "
                f"transform, or 'passthrough'. Got {type(transformer).__name__}."
            )


def replace_transformer(transformers, name, new):
    """Return the triples with one transformer exchanged."""
    return [
        (label, new if label == name else transformer, columns)
        for label, transformer, columns in transformers
    ]


def warn_of_duplicate_subjects(index: pd.Index) -> None:
    """Warn when a subject's label stands in several rows of the table."""
    if index.has_duplicates:
        repeated = index[index.duplicated()].unique()
        warnings.warn(
            f"{len(repeated)} subject label(s) stand in several rows, {str(repeated[0])!r} for "
            "instance. Rows are kept in their order; pass groups= to the splitter and to fit, so "
            "that no subject is on both sides of a split.",
            DataWarning,
            stacklevel=5,
        )


def select_columns(frame: pd.DataFrame, columns, name: str) -> pd.DataFrame:
    """Return the columns a modality reads."""
    if callable(columns):
        columns = columns(frame)
    if isinstance(columns, slice):
        columns = list(frame.columns[convert_positions(columns, frame.columns)])
    columns = [columns] if isinstance(columns, (str, int, np.integer)) else list(columns)
    absent = [item for item in columns if item not in frame.columns]
    if absent and all(is_position(item, frame.shape[1]) for item in columns):
        return frame.iloc[:, columns]
    if absent or not columns:
        raise InputError(
            f"Modality {name!r} reads column(s) {absent} that the table does not have"
            if absent
            else f"Modality {name!r} must read at least one column",
            remedy=f"The table's columns are {list(frame.columns)[:12]}",
        )
    return frame.loc[:, columns]


def convert_positions(columns: slice, labels: pd.Index) -> slice:
    """Return a slice of positions; one of labels includes its end, as pandas has it."""
    by_label = isinstance(columns.start, str) or isinstance(columns.stop, str)
    return labels.slice_indexer(columns.start, columns.stop, columns.step) if by_label else columns


def is_position(item, n_columns: int) -> bool:
    """Tell whether an item is the position of a column."""
    return isinstance(item, (int, np.integer)) and item in range(-n_columns, n_columns)


def as_read_by(transformer, block: pd.DataFrame) -> pd.DataFrame | pd.Series:
    """Return the column itself for transformers of texts, which read no table."""
    reads_tables = get_tags(transformer).input_tags.two_d_array
    return block if reads_tables or block.shape[1] > 1 else block.iloc[:, 0]


def share_memory(transformer, memory):
    """Give an extractor the union's store where it has none of its own."""
    if memory is not None and isinstance(transformer, BaseExtractor) and transformer.memory is None:
        return transformer.set_params(memory=memory)
    return transformer


def follow_parameters(fitted, given):
    """Return a fitted extractor that looks for files where another says that they are now."""
    if not isinstance(fitted, FoundationExtractor) or type(given) is not type(fitted):
        return fitted
    names = WHERE_FILES_ARE if fitted.backbone_.is_foundation else frozenset()
    now, before = given.get_params(deep=False), fitted.get_params(deep=False)
    of_subjects = {
        name for name in fitted.files_of_subjects if None not in (now[name], before[name])
    }
    return copy(fitted).set_params(
        **{name: now[name] for name in (names & now.keys()) | of_subjects}
    )


def fit_one(item, frame, y):
    """Fit one extractor on its columns; return it with its name and columns."""
    name, transformer, columns = item
    block = select_columns(frame, columns, name)
    if transformer != "passthrough":
        transformer = transformer.fit(as_read_by(transformer, block), y)
    return name, transformer, settle_columns(columns, block)


def fit_transform_one(item, frame, y, verbose):
    """Fit one extractor and encode the same subjects, as the extractor itself does both at once."""
    name, transformer, columns = item
    say(verbose, name, frame)
    block = select_columns(frame, columns, name)
    output = block
    if transformer != "passthrough":
        output = fit_transformed(transformer, as_read_by(transformer, block), y)
    column = encodings_frame(as_encodings(output, transformer, name), name, frame.index)
    return (name, transformer, settle_columns(columns, block)), column


def fit_transformed(transformer, block, y):
    """Return what ``fit_transform`` gives, which may differ from ``fit`` and ``transform``."""
    if hasattr(transformer, "fit_transform"):
        return transformer.fit_transform(block, y)
    return transformer.fit(block, y).transform(block)


def settle_columns(columns, block):
    """Return the columns; a choice by data types must not change with the subjects."""
    return list(block.columns) if callable(columns) else columns


def list_columns_read(transformers, frame: pd.DataFrame) -> list:
    """Return the labels of the columns that the modalities read."""
    blocks = (select_columns(frame.iloc[:0], columns, name) for name, _, columns in transformers)
    return list(dict.fromkeys(label for block in blocks for label in block.columns))


def say(verbose, name, frame):
    """Tell which modality is being encoded."""
    if verbose:
        print(f"[ModalityUnion] {name}: {len(frame)} subjects")  # noqa: T201


def transform_one(name, transformer, columns, frame, verbose):
    """Encode one modality, its column named after it."""
    say(verbose, name, frame)
    block = select_columns(frame, columns, name)
    output = block
    if transformer != "passthrough":
        output = transformer.transform(as_read_by(transformer, block))
    return encodings_frame(as_encodings(output, transformer, name), name, frame.index)


def as_encodings(output, transformer, name) -> list[Encoding | None]:
    """Return a transformer's output as encodings; numbers are packed, one token a feature."""
    output = read_frame(output.toarray() if hasattr(output, "toarray") else output)
    frame = output if isinstance(output, pd.DataFrame) else pd.DataFrame(np.asarray(output))
    cells = list(frame.iloc[:, 0].array) if frame.shape[1] == 1 else []
    if any(isinstance(cell, Encoding) for cell in cells) or (
        cells and frame.iloc[:, 0].dtype == object and all(is_missing(cell) for cell in cells)
    ):
        return [None if is_missing(cell) else cell for cell in cells]
    names = [str(column) for column in frame.columns]
    if hasattr(transformer, "get_feature_names_out"):
        names = [str(label) for label in transformer.get_feature_names_out()]
    return pack_features(numeric_block(frame), names)
