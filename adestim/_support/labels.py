"""What a fit is given beside its table: labels or numbers, weights, groups, folds; all checked."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import column_or_1d

from adestim._support.frames import fill_objects, read_frame
from adestim._support.missing import NUMBER_WORDS
from adestim.exceptions import DataWarning, InputError

# What numpy and pandas make of a missing label among strings. "None" may be a class.
WORDS_OF_NO_LABEL = (NUMBER_WORDS - {"null", "None"}) | {"<NA>", "NaT"}


def read_column(values: Any) -> np.ndarray:
    """Return labels, numbers or groups from any container as an array, (n_rows,)."""
    if getattr(getattr(values, "dtype", None), "names", None):
        raise InputError(
            "y holds one label or number a row",
            got=f"a structured array of {' and '.join(map(repr, values.dtype.names))}",
            remedy="For times to an event, use AnchoredFusionSurvival and score_survival; for "
            "anything else, pass one of the fields",
        )
    found = read_frame(values)
    if isinstance(found, pd.Series | pd.Index):
        has_own_gap = pd.api.types.is_extension_array_dtype(found.dtype)
        found = found.to_numpy(dtype=object) if has_own_gap else found.to_numpy()
    elif isinstance(found, list | tuple) and all(map(pd.api.types.is_scalar, found)):
        # numpy would make one text of numbers, words and gaps.
        found = fill_objects(found)
    if isinstance(found, np.ndarray) and found.dtype.kind == "c":
        raise InputError("Complex data not supported", got=f"dtype {found.dtype}")
    return narrow_objects(column_or_1d(found, warn=True))


def narrow_objects(values: np.ndarray) -> np.ndarray:
    """Return objects in a dtype of their own where all are of one kind.

    values (n_rows,) -> (n_rows,).
    """
    if values.dtype != object or not len(values):
        return values
    for kind in (bool | np.bool_, str, Real):
        if all(isinstance(value, kind) for value in values):
            return np.array(values.tolist())
    return values


def find_missing_labels(y: np.ndarray) -> np.ndarray:
    """Return which rows have no label: NaN, None, or the word that an array made of it.

    y (n_rows,) -> (n_rows,).
    """
    missing = np.asarray(pd.isna(y))
    if y.dtype.kind in "UO":
        words = [isinstance(label, str) and label.strip() in WORDS_OF_NO_LABEL for label in y]
        missing = missing | np.array(words, dtype=bool)
    return missing


def read_target(y: Any, owner: str) -> np.ndarray:
    """Return labels or numbers, none of them missing.

    y (n_rows,) -> (n_rows,).
    """
    if y is None:
        raise ValueError(f"{owner} requires y to be passed, but the target y is None.")
    y = read_column(y)
    missing = np.flatnonzero(find_missing_labels(y))
    if len(missing):
        raise InputError(
            f"{owner} needs a label or number for every row. Input y contains NaN, None or a word "
            "for what is missing",
            got=f"{len(missing)} missing of {len(y)}, the first in row {missing[0]}",
            remedy="Leave these rows out of X and y: known = y.notna()",
        )
    return y


def require_one_kind(values: np.ndarray, owner: str, name: str) -> None:
    """Refuse labels or groups some of which are numbers and others text: 1 is not "1"."""
    if values.dtype != object:
        return
    kinds = sorted({name_label_kind(value) for value in values})
    if len(kinds) > 1:
        raise InputError(
            f"'{name}' of {owner} are all of one type, as 1 and '1' are not the same",
            got=" and ".join(kinds),
            remedy=f"Pass pandas.Series({name}).astype(str)",
        )


def name_label_kind(value: Any) -> str:
    """Return what kind of label or group a value is, as an error tells it."""
    return "a number" if isinstance(value, Real) else type(value).__name__


def check_row_groups(groups: Any, n_rows: int, owner: str) -> np.ndarray | None:
    """Return the group of every row, None where none were given.

    groups (n_rows,) -> (n_rows,).
    """
    if groups is None:
        return None
    groups = read_column(groups)
    if len(groups) != n_rows:
        raise InputError(
            f"'groups' of {owner} has one group a row. Found input variables with inconsistent "
            "numbers of samples",
            got=f"{len(groups)} groups for {n_rows} rows",
            remedy="Pass groups of the same rows, in the same order",
        )
    n_missing = int(pd.isna(groups).sum())
    if n_missing:
        raise InputError(
            f"'groups' of {owner}: every row needs a group",
            got=f"{n_missing} missing",
            remedy="Give such a row a group of its own",
        )
    require_one_kind(groups, owner, "groups")
    return groups


def read_sample_weight(sample_weight: Any, n_rows: int, owner: str) -> np.ndarray:
    """Return the weight of every row, ones where none are given.

    sample_weight (n_rows,) -> (n_rows,).
    """
    if sample_weight is None:
        return np.ones(n_rows)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_rows, float(sample_weight))
    weight = np.asarray(read_frame(sample_weight), dtype=np.float64)
    if weight.ndim != 1:
        raise InputError("Sample weights must be 1D array or scalar", got=f"{weight.ndim}D")
    if len(weight) != n_rows:
        raise InputError(f"sample_weight.shape == {weight.shape}, expected {(n_rows,)}")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any()):
        raise InputError(
            f"'sample_weight' of {owner} holds finite numbers from 0, some of them above 0",
            got=describe_weights(weight),
            remedy="A row of weight 0 is left out",
        )
    return weight


def describe_weights(weight: np.ndarray) -> str:
    """Say what is wrong with weights, (n_rows,)."""
    counts = {
        "NaN or infinite": int((~np.isfinite(weight)).sum()),
        "below 0": int((weight < 0).sum()),
    }
    return " and ".join(f"{n} {what}" for what, n in counts.items() if n) or "zeros alone"


def require_class_weight(class_weight: Any, classes: Iterable[Any], owner: str) -> None:
    """Refuse weights of classes that are no numbers above 0; warn of those of absent classes."""
    if not isinstance(class_weight, Mapping):
        return
    wrong = {
        label: weight
        for label, weight in class_weight.items()
        if not (isinstance(weight, Real) and 0 < float(weight) < np.inf)
    }
    if wrong:
        label, weight = next(iter(wrong.items()))
        raise InputError(
            f"'class_weight' of {owner} holds finite numbers above 0",
            got=f"{weight!r} for class {label!r}",
            remedy="Leave the rows of a class out that is not to count",
        )
    known = list(classes)
    absent = [label for label in class_weight if label not in known]
    if absent:
        warnings.warn(
            f"'class_weight' of {owner} names {', '.join(map(repr, absent))}, of which class no "
            f"row is: it changes nothing. The classes are {', '.join(map(str, known))}.",
            DataWarning,
            stacklevel=5,
        )


def place_rows(rows: Any) -> np.ndarray:
    """Return one side of a split as positions of rows, whether it is these or a mask."""
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows.astype(int)


def require_splits(splits: Sequence[tuple], n_rows: int, owner: str) -> None:
    """Refuse a cross-validation without a split, an empty side, or rows that are not there."""
    if not len(splits):
        raise InputError(
            f"'cv' of {owner} has one split or more",
            got="none",
            remedy="Pass a number of folds, a splitter, or a list of (train, test)",
        )
    for number, (train, test) in enumerate(splits):
        for side, rows in (("training", train), ("test", test)):
            if not len(rows) or np.max(rows) >= n_rows or np.min(rows) < -n_rows:
                raise InputError(
                    f"Both sides of split {number} of 'cv' of {owner} have rows of the table",
                    got=f"no {side} rows"
                    if not len(rows)
                    else f"{side} row {np.max(rows)} of {n_rows} rows",
                    remedy="Ask for fewer folds, or pass positions of rows",
                )
