"""The reference backbone of clinical tables: one token a column, no download."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from adestim.encoding import BackboneSpec
from adestim.exceptions import TableError
from adestim.modalities.clinical.coding import (
    CodedCells,
    TextEmbedding,
    code_levels,
    code_nothing,
    code_numbers,
    code_text,
)
from adestim.modalities.clinical.table import Column


@dataclass(frozen=True, eq=False)
class CodedTable:
    """The tokens of a whole table."""

    tokens: np.ndarray  # (n_subjects, n_columns, width); zero where unknown
    mask: np.ndarray  # (n_subjects, n_columns); true where a token is real
    problems: Mapping[int, TableError]  # the first thing wrong with a subject, by row
    remarks: tuple[str, ...]  # what deserves a warning


@dataclass(frozen=True, eq=False)
class TabularBackbone:
    """Codes the columns of a table as tokens.

    A token's first feature is the value of a numeric column, as it is, or the rank of an
    ordinal one in [0, 1]; then come one-hot slots for categories, then the coordinates of a
    text. Features that a column does not use are 0; a table of numbers has one feature.
    """

    columns: tuple[Column, ...]  # what the columns hold, one token each
    # embeddings of the text columns, by name
    semantics: Mapping[str, TextEmbedding] = field(default_factory=dict)

    @property
    def n_levels(self) -> int:
        """Number of one-hot features: the most that any column needs."""
        return max((column.n_slots for column in self.columns), default=0)

    @property
    def text_width(self) -> int:
        """Number of features of a text; 0 where no column holds text."""
        return max((item.width for item in self.semantics.values()), default=0)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of a token's features."""
        levels = (f"level_{number}" for number in range(self.n_levels))
        texts = (f"text_{number}" for number in range(self.text_width))
        return ("value", *levels, *texts)

    def spec(self) -> BackboneSpec:
        """Return the name tag, which holds what each token and feature mean."""
        meanings = tuple(
            (column.name, column.kind, column.levels, column.has_other) for column in self.columns
        )
        return BackboneSpec(
            "tabular",
            digest=self.digest(),
            options=(
                ("token_names", tuple(column.name for column in self.columns)),
                ("feature_names", self.feature_names),
                ("columns", meanings),
            ),
            rare=tuple(
                (token, place) for token, column in enumerate(self.columns) for place in column.rare
            ),
        )

    def digest(self) -> str:
        """Return the SHA-256 of the text embeddings; empty where there are none."""
        if not self.semantics:
            return ""
        parts = "".join(item.digest() for item in self.semantics.values())
        return hashlib.sha256(parts.encode()).hexdigest()

    def code(self, frame: pd.DataFrame) -> CodedTable:
        """Code a table.

        frame (n_subjects, n_columns).
        """
        shape = (len(frame), len(self.columns))
        tokens = np.zeros((*shape, len(self.feature_names)), dtype=np.float32)
        mask = np.zeros(shape, dtype=bool)
        problems: dict[int, TableError] = {}
        remarks: list[str] = []
        for place, coded in enumerate(self.coded_columns(frame)):
            start = self.first_feature(self.columns[place].kind)
            tokens[:, place, start : start + coded.values.shape[1]] = coded.values
            mask[:, place] = coded.known
            problems = dict(coded.problems) | problems
            remarks.extend(coded.remarks)
        return CodedTable(tokens, mask, problems, tuple(remarks))

    def coded_columns(self, frame: pd.DataFrame) -> Iterator[CodedCells]:
        """Yield the columns, coded each by its kind."""
        for column in self.columns:
            cells = frame.iloc[:, column.position]
            if column.kind == "numeric":
                yield code_numbers(cells, column.name, column.spelling)
            elif column.kind == "text":
                yield code_text(cells, column, self.semantics[column.name])
            elif column.kind == "empty":
                yield code_nothing(len(cells))
            else:
                yield code_levels(cells, column)

    def first_feature(self, kind: str) -> int:
        """Return where the features of a kind of column begin."""
        return {"categorical": 1, "text": 1 + self.n_levels}.get(kind, 0)
