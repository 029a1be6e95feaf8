"""Attributions by word of the free text that extractors read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from adestim.encoding.texts import FreeText
from adestim.extraction import BaseExtractor, check_cells
from adestim.extraction.union import ModalityUnion, select_columns
from adestim.inspection.tokens.forest_path import share_steps
from adestim.inspection.tokens.words import WordValue

SMALLEST = 1e-6


def read_free_texts(estimator: Any, X: Any) -> dict[str, list[FreeText]]:
    """Return the free text that a pipeline's extractors read, by modality.

    X (n_subjects, n_columns).
    """
    found = {}
    for union, table in find_unions(estimator, X):
        frame = check_cells(union, table, reset=False)
        for name, extractor, columns in union.transformers_:
            if isinstance(extractor, BaseExtractor):
                found[name] = extractor.token_texts(select_columns(frame, columns, name))
    return {name: columns for name, columns in found.items() if columns}


def find_unions(estimator: Any, X: Any) -> Iterator[tuple[ModalityUnion, Any]]:
    """Yield the unions of a pipeline, each with the table that it reads."""
    steps = estimator.steps[:-1] if isinstance(estimator, Pipeline) else []
    for place, (_, step) in enumerate(steps):
        if isinstance(step, ModalityUnion):
            yield step, estimator[:place].transform(X) if place else X


def share_among_words(
    modality: str,
    columns: Sequence[FreeText],
    attributed: np.ndarray,
    steps: np.ndarray,
    mean: np.ndarray,
) -> list[WordValue]:
    """Share attributions of a text's coordinates among its words.

    Coordinates are sums over words, so that a word's share of one is its part in the distance from
    the training mean; of a forest's steps, only where it pulls the same way.

    attributed (n_subjects, n_tokens, n_features), steps (n_subjects, n_tokens, n_features), mean
    (n_tokens, n_features).
    """
    rows = []
    for column in columns:
        middle = mean[column.token, column.features]
        for row, words, parts in column.parts:
            own, stepped = (
                each[row, column.token, column.features] for each in (attributed, steps)
            )
            moved = parts - middle / len(words)
            values = share_by_part(own - stepped, moved) + share_steps(stepped, moved)
            named = zip(words, values, strict=True)
            rows += [
                (row, modality, place, column.column, word, value)
                for place, (word, value) in enumerate(named, start=1)
            ]
    return rows


def share_by_part(attributed: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Return every word's share; coordinates at the training mean have nothing to share."""
    total = parts.sum(axis=0)
    moved = np.abs(total) > SMALLEST
    return parts @ np.where(moved, attributed / np.where(moved, total, 1), 0)
