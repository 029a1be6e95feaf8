"""What of a fitted model is nobody's business but of those who fitted it, and so is not saved.

Names of rare categories, places on a disk, where results are kept, and tables of subjects.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator

from adestim.backbone.weights.moved import BEFORE, HUB_FOLDER, WHOLE
from adestim.encoding import BackboneSpec, Encoding
from adestim.exceptions import SavedModelError
from adestim.modalities.clinical.table import Column
from adestim.store import FeatureStore
from adestim.tuning.tuned import Tuned

LOCAL = re.compile(r"(~[\w.-]*[/\\]|/[^/\s]|[A-Za-z]:[\\/]|\\\\|file:)")
# Where things are kept, by which function of the user's a search went, what was said of each
# training row.
EMPTIED = ("memory", "space", "oob_decision_function_", "oob_prediction_")
# Estimators that keep the rows they were fitted to; a part of the importable name.
KEEPS_ROWS = (
    "sklearn.cluster.", "sklearn.cross_decomposition.", "sklearn.decomposition._kernel_pca.",
    "sklearn.gaussian_process.", "sklearn.impute._knn.", "sklearn.kernel_approximation.Nystroem",
    "sklearn.kernel_ridge.", "sklearn.neighbors.", "sklearn.semi_supervised.", "sklearn.svm.",
    "tabicl.", "tabpfn.",
)  # fmt: skip
# The training rows that a model of tables reads beside every new one, among its options.
ROWS = "context"
# Estimators that learn words of cells without counting who has them.
KEEPS_WORDS = (
    "sklearn.preprocessing._encoders.", "sklearn.preprocessing._target_encoder.",
    "sklearn.feature_extraction._dict_vectorizer.", "sklearn.feature_extraction.text.Count",
    "sklearn.feature_extraction.text.Tfidf",
    "adestim.datasets.harmonisation.side_columns.Coding",
)  # fmt: skip


def clean_text(text: str) -> str:
    """Return a text; of a place on a disk its last part alone."""
    return shorten_place(text) if is_place(text) else text


def is_place(text: str) -> bool:
    """Tell whether a text is a path of this machine."""
    if LOCAL.match(text):
        return True
    return "/" in text and len(text) < 4096 and "\0" not in text and Path(text).exists()


def shorten_place(path: str | os.PathLike) -> str:
    """Return the name of a file or folder; below the hub's cache, where it is in there."""
    text = str(path)
    parts = (PureWindowsPath(text) if "\\" in text else PurePath(text)).parts
    start = next((at for at, part in enumerate(parts) if part.startswith(HUB_FOLDER)), -1)
    return "/".join(parts[start:])


@dataclass(frozen=True)
class LeavingOut:
    """What is left out of what is saved."""

    keep_words: bool = False  # whether rare categories keep their names
    subjects: bool = False  # whether the data of subjects are what is to be saved

    def clean_object(self, value: Any) -> Any:
        """Return what is saved in the place of an object; refuse what must not be saved."""
        if self.subjects and isinstance(value, Encoding):
            return read_encoding(value)
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        if kind.startswith(KEEPS_ROWS):
            raise refuse_rows(kind)
        if kind.startswith(KEEPS_WORDS) and not self.keep_words:
            require_no_words(value, kind)
        for own, clean in CLEANED.items():
            if isinstance(value, own):
                return clean(value, self.keep_words)
        return value


def read_encoding(value: Encoding) -> Encoding:
    """Return an encoding whose arrays lie in no file."""
    return Encoding(value.inputs, value.tokens, value.mask, value.backbone, value.pooled)


def refuse_rows(kind: str) -> SavedModelError:
    """Return the error about an estimator that keeps its training rows."""
    return SavedModelError(
        "A saved model holds no row of a training subject",
        got=f"{kind}, which keeps the rows that it was fitted to",
        remedy="Choose another; or pickle the model, for those alone who may see the data",
    )


def require_no_words(value: Any, kind: str) -> None:
    """Refuse an encoder of words, which does not count who has them."""
    held = getattr(value, "categories_", None) or getattr(value, "vocabulary_", None)
    held = value.levels.values() if held is None and hasattr(value, "levels") else held
    words = any(
        isinstance(word, str)
        for group in held or ()
        for word in ([group] if isinstance(group, str) else () if group is None else group)
    )
    if words:
        raise SavedModelError(
            "A saved model names no category that a single subject may have",
            got=f"{kind}, which keeps every word that it has seen and does not count the people",
            remedy="Use ClinicalExtractor, which counts them; or look at the words, and pass "
            "keep_rare=True to save them all",
        )


def clean_column(column: Column, keep_words: bool) -> Column:
    """Return a column whose rare levels have no name; nobody has them again, so they are masked."""
    if keep_words or not column.rare:
        return column
    return replace(column, levels=drop_names(column.levels, set(column.rare)), rare=())


def drop_names(levels: tuple, rare: set[int]) -> tuple:
    """Return levels, None in the place of rare ones."""
    return tuple(None if place in rare else level for place, level in enumerate(levels))


def clean_spec(spec: BackboneSpec, keep_words: bool) -> BackboneSpec:
    """Return a name tag without rare levels, and without places on a disk."""
    if ROWS in dict(spec.option("preparation", ())):
        raise refuse_rows(f"backbone {spec.name!r}")
    options = spec.options
    if spec.rare and not keep_words:
        meanings = [list(meaning) for meaning in spec.option("columns")]
        for token, meaning in enumerate(meanings):
            meaning[2] = drop_names(meaning[2], {p for own, p in spec.rare if own == token})
        columns = ("columns", tuple(map(tuple, meanings)))
        options = tuple(columns if pair[0] == "columns" else pair for pair in options)
    sources = tuple(
        (name, shorten_place(place) if is_place(place) else place)
        for name, place in spec.sources
        if not name.endswith((WHOLE, BEFORE))
    )
    return replace(spec, options=options, sources=sources, rare=spec.rare if keep_words else ())


def clean_search(tuned: Tuned, keep_words: bool) -> Tuned:
    """Return what a search found without the study, and without what its errors said."""
    return replace(tuned, study=None, trials=tuned.trials.drop(columns="error", errors="ignore"))


def refuse_encoding(encoding: Encoding, keep_words: bool) -> Encoding:
    """Refuse a subject's data within a model."""
    raise SavedModelError(
        "A saved model holds no subject's data",
        got="an Encoding inside it",
        remedy="Save tables of encodings by themselves",
    )


CLEANED: Mapping[type, Callable[[Any, bool], Any]] = {
    Column: clean_column,
    BackboneSpec: clean_spec,
    Tuned: clean_search,
    Encoding: refuse_encoding,
    FeatureStore: lambda store, keep_words: None,
}


def clean_state(value: Any, state: Any) -> Any:
    """Return an estimator's state; where it keeps things and who its subjects were is emptied."""
    if not (isinstance(value, BaseEstimator) and isinstance(state, dict)):
        return state
    parameters = value.get_params(deep=False)
    changed = {name: None for name in EMPTIED if name in state}
    for name in parameters.keys() & state.keys():
        if isinstance(state[name], (pd.DataFrame, pd.Series)):
            changed[name] = state[name].iloc[:0]
        elif hasattr(state[name], "get_fdata"):
            changed[name] = None
    return {**state, **changed}
