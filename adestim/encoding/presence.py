"""Who has which modality: the one place that tells it of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.frames import read_frame
from adestim.encoding import Encoding, is_missing
from adestim.encoding.blocks import name_blocks, numeric_modalities
from adestim.encoding.tables import find_encoded


def find_present(
    X: Any,
    columns: Mapping[str, Sequence[int]] | None = None,
    known: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return which subject has a value of which modality, the table's own modalities by default.

    X (n_subjects, n_columns) -> (n_subjects, n_modalities).
    """
    frame = name_blocks(pd.DataFrame(read_frame(X)))
    columns = modality_columns(frame, known) if columns is None else columns
    filled = find_filled_cells(frame)
    present = {name: filled[:, list(places)].any(axis=1) for name, places in columns.items()}
    return pd.DataFrame(present, index=frame.index, dtype=bool)


def find_filled_cells(frame: pd.DataFrame) -> np.ndarray:
    """Return which cells of a table hold something, shape (n_subjects, n_columns)."""
    filled = np.empty(frame.shape, dtype=bool)
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if pd.api.types.is_numeric_dtype(column):
            filled[:, place] = column.notna()
        else:
            filled[:, place] = [not is_missing(cell) for cell in column.array]
    return filled


def modality_columns(X: Any, known: Sequence[str] | None = None) -> dict[str, list[int]]:
    """Return the positions of every modality's columns.

    Parameters
    ----------
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        An encodings table, numbers, or a table of raw cells such as paths, of which every column
        is a modality.
    known : sequence of str, default=None
        Names of modalities seen before, which tell what a column without a value stands for.

    Returns
    -------
    dict of str to list of int

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import modality_columns
    >>> modality_columns(pd.DataFrame(columns=["mri__a", "mri__b", "csf__tau"], dtype=float))
    {'mri': [0, 1], 'csf': [2]}
    """
    frame = name_blocks(pd.DataFrame(read_frame(X)))
    if any(holds_raw_cells(frame.iloc[:, place]) for place in range(frame.shape[1])):
        return {str(name): [place] for place, name in enumerate(frame.columns)}
    encoded = find_encoded(frame, known)
    numeric = [place for place in range(frame.shape[1]) if place not in set(encoded)]
    columns = {str(frame.columns[place]): [place] for place in encoded}
    return columns | numeric_modalities(frame.columns, numeric)


def holds_raw_cells(column: pd.Series) -> bool:
    """Tell whether a column holds neither numbers nor encodings, paths or words for instance."""
    if pd.api.types.is_numeric_dtype(column):
        return False
    cells = [cell for cell in column.array if not is_missing(cell)]
    return bool(cells) and not any(isinstance(cell, Encoding | Real) for cell in cells)
