"""Attributions by word of the free text that the built-in model of clinical tables reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from adestim.extraction.base import check_cells
from adestim.extraction.union import ModalityUnion, select_columns
from adestim.inspection.tokens.forest_path import share_steps
from adestim.inspection.tokens.words import Spelled
from adestim.modalities.clinical import ClinicalExtractor
from adestim.modalities.clinical.cells import known_cells, plain_cells
from adestim.modalities.clinical.latent_semantics import LatentSemantics

SMALLEST = 1e-6


@dataclass(frozen=True, eq=False)
class FreeText:
    """One column of free text."""

    column: str
    token: int  # place of its token
    features: slice  # the token's features that are coordinates of the text
    semantics: LatentSemantics
    texts: tuple[str | None, ...]

    @cached_property
    def parts(self) -> list[tuple[int, list[str], np.ndarray]]:
        """Row, words and their parts of the coordinates, of those whose text has words."""
        known = ((row, text) for row, text in enumerate(self.texts) if text is not None)
        read = ((row, *self.semantics.parts(text)) for row, text in known)
        return [(row, words, parts) for row, words, parts in read if words]


def free_texts(estimator: Any, X: Any) -> dict[str, list[FreeText]]:
    """Return the free text that a pipeline's built-in clinical models read, by modality.

    X (n_subjects, n_columns).
    """
    found = {}
    for union, table in unions(estimator, X):
        frame = check_cells(union, table, reset=False)
        for name, extractor, columns in union.transformers_:
            if isinstance(extractor, ClinicalExtractor) and hasattr(extractor, "tabular_"):
                block = select_columns(frame, columns, name)
                found[name] = list(texts_in(extractor.tabular_, block))
    return {name: columns for name, columns in found.items() if columns}


def unions(estimator: Any, X: Any) -> Iterator[tuple[ModalityUnion, Any]]:
    """Yield the unions of a pipeline, each with the table that it reads."""
    steps = estimator.steps[:-1] if isinstance(estimator, Pipeline) else []
    for place, (_, step) in enumerate(steps):
        if isinstance(step, ModalityUnion):
            yield step, estimator[:place].transform(X) if place else X


def texts_in(tabular: Any, block: pd.DataFrame) -> Iterator[FreeText]:
    """Yield the columns of free text of one modality."""
    first = tabular.first_feature("text")
    for place, column in enumerate(tabular.columns):
        if column.kind == "text":
            semantics = tabular.semantics[column.name]
            cells = plain_cells(block.iloc[:, column.position])
            texts = zip(cells, known_cells(cells), strict=True)
            yield FreeText(
                column.name,
                place,
                slice(first, first + semantics.width),
                semantics,
                tuple(str(cell) if known else None for cell, known in texts),
            )


def spelled(
    modality: str,
    columns: Sequence[FreeText],
    attributed: np.ndarray,
    steps: np.ndarray,
    mean: np.ndarray,
) -> list[Spelled]:
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
            values = shares(own - stepped, moved) + share_steps(stepped, moved)
            named = zip(words, values, strict=True)
            rows += [
                (row, modality, place, column.column, word, value)
                for place, (word, value) in enumerate(named, start=1)
            ]
    return rows


def shares(attributed: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Return every word's share; coordinates at the training mean have nothing to share."""
    total = parts.sum(axis=0)
    moved = np.abs(total) > SMALLEST
    return parts @ np.where(moved, attributed / np.where(moved, total, 1), 0)
