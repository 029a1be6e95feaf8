"""The range of numbers that is computed with: that of float32, in which tokens are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from adestim.exceptions import InputError

LARGEST = float(np.finfo(np.float32).max)
# Of larger numbers float32 may not hold the standardised ones.
FAR = 1e18


def require_finite(block: np.ndarray, columns: pd.Index | Sequence) -> None:
    """Refuse numbers that float32 cannot hold, naming their column; NaN are none.

    block (n_rows, n_columns).
    """
    # Both pass over NaN, and make no copy of the block.
    beyond = (np.fmax.reduce(block, axis=0, initial=0) > LARGEST) | (
        np.fmin.reduce(block, axis=0, initial=0) < -LARGEST
    )
    if beyond.any():
        raise InputError(
            f"Column {columns[int(np.flatnonzero(beyond)[0])]!r} must hold finite numbers within "
            "the range of float32, or NaN",
            got="infinity or a larger number",
            remedy="Replace it by NaN, or rescale the column",
        )


def narrow_to_float32(values: np.ndarray) -> np.ndarray:
    """Return numbers as float32; what it cannot hold, far from training, becomes its largest."""
    return np.clip(values, -LARGEST, LARGEST).astype(np.float32)


def widen_far_numbers(values: np.ndarray) -> np.ndarray:
    """Return numbers as float64 where some are so far that float32 would lose them in a sum."""
    return values.astype(np.float64) if np.nanmax(np.abs(values), initial=0) > FAR else values


def require_finite_predictions(predictions: np.ndarray, owner: str, index: Any = None) -> Any:
    """Return predictions, or refuse them where some are no numbers, naming the first subject.

    predictions (n_rows, ...) -> (n_rows, ...).
    """
    finite = np.isfinite(predictions)
    if finite.all():
        return predictions
    rows = np.flatnonzero(~finite.reshape(len(predictions), -1).all(axis=1))
    first = rows[0] if index is None else index[rows[0]]
    raise InputError(
        f"Predictions of {owner} must be finite",
        got=f"NaN or infinity for {len(rows)} row(s), the first {str(first)!r}",
        remedy="Impute missing values within the estimator, and replace values far from those of "
        "training, such as fill values, by NaN",
    )
