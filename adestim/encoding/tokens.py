"""Tokens of one modality for many subjects: stacked, pooled, standardised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from adestim.encoding import BackboneSpec, Encoding
from adestim.encoding.numbers import PackedNumbers
from adestim.exceptions import InputError, NoModalityError

SEPARATOR = "__"
# Standard scores beyond this are cut, so that one outlier cannot steer the training.
LARGEST_SCORE = 6.0
LARGEST_BLOCK = 2**22


class TokenRows:
    """The tokens of many subjects, gathered from their encodings when they are asked for."""

    def __init__(self, cells: Sequence[Encoding | None], n_tokens: int, width: int):
        self.cells = cells
        self.shape = (len(cells), n_tokens, width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return the tokens of some subjects, shape (n_rows, n_tokens, width), dtype float32."""
        chosen = np.arange(len(self))[rows]
        tokens = np.zeros((len(chosen), *self.shape[1:]), dtype=np.float32)
        for place, row in enumerate(chosen):
            cell = self.cells[row]
            if cell is not None:
                own, mask = cell.tokens, cell.mask
                tokens[place, : len(own)] = own if mask is None else np.where(mask[:, None], own, 0)
        return tokens

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self[:].astype(dtype or np.float32, copy=False)


@dataclass(frozen=True, eq=False)
class TokenTable:
    """The tokens of one modality for many subjects, stacked and padded."""

    tokens: np.ndarray | TokenRows  # (n_subjects, n_tokens, width); zero where there is no token
    mask: np.ndarray  # (n_subjects, n_tokens); true where a token is real
    backbone: BackboneSpec  # the model that made the tokens
    # (n_subjects, width_pooled); the model's own summaries, NaN where the modality is missing; None
    # where it has none
    vectors: np.ndarray | None = None

    @property
    def present(self) -> np.ndarray:
        """True for the subjects who have the modality, shape (n_subjects,)."""
        return np.asarray(self.mask.any(axis=1))

    @property
    def fixed(self) -> bool:
        """Whether token number t means the same for every subject."""
        return self.backbone.option("token_names") is not None

    def feature_names(self, modality: str) -> list[str]:
        """Name every pooled feature ``modality__token__feature``."""
        if self.vectors is not None:
            return [f"{modality}{SEPARATOR}d{number}" for number in range(self.vectors.shape[1])]
        features = self.backbone.option("feature_names") or tuple(
            f"d{number}" for number in range(self.tokens.shape[2])
        )
        if not self.fixed:
            return [f"{modality}{SEPARATOR}{feature}" for feature in features]
        tokens = self.backbone.option("token_names")
        if len(features) == 1:
            return [f"{modality}{SEPARATOR}{token}" for token in tokens]
        return [
            f"{modality}{SEPARATOR}{token}{SEPARATOR}{feature}"
            for token in tokens
            for feature in features
        ]

    def pooled(self) -> np.ndarray:
        """Return one row of features a subject, NaN where nothing is known.

        The model's own summary, where it has one. Otherwise tokens with fixed places are laid
        side by side, and others are averaged.

        -> (n_subjects, n_features).
        """
        if self.vectors is not None:
            return self.vectors
        known = np.where(self.mask[:, :, None], self.tokens, np.float32(np.nan))
        if self.fixed:
            return known.reshape(len(known), -1)
        count = self.mask.sum(axis=1, keepdims=True)
        total = np.where(self.mask[:, :, None], self.tokens, 0).sum(axis=1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def stack_tokens(
    cells: Sequence[Encoding | None], modality: str, like: TokenTable | None = None
) -> TokenTable:
    """Stack the encodings of one modality."""
    if isinstance(cells, PackedNumbers) and lie_stacked(cells, like):
        spec = cells.backbone if like is None else like.backbone
        return TokenTable(cells.tokens, cells.mask, spec)
    known = [cell for cell in cells if cell is not None]
    if not known and like is None:
        raise NoModalityError(
            f"Modality {modality!r} is missing for every training subject",
            remedy="Drop its column, or train on a fold in which somebody has it",
        )
    spec = like.backbone if like is not None else known[0].backbone
    width = like.tokens.shape[2] if like is not None else known[0].width
    require_same_backbone(known, modality, spec, width)
    require_named_tokens(known, modality, spec)
    n_tokens = max([cell.n_tokens for cell in known], default=1)
    if like is not None and like.fixed:
        n_tokens = like.tokens.shape[1]
    mask = np.zeros((len(cells), n_tokens), dtype=bool)
    for row, cell in enumerate(cells):
        if cell is not None:
            own = cell.mask
            mask[row, : cell.n_tokens] = True if own is None else own
    tokens = TokenRows(cells, n_tokens, width)
    # Those of a foundation model may be many times what memory holds.
    kept = tokens if spec.is_foundation else tokens[:]
    return TokenTable(kept, mask, spec, stack_vectors(cells, like))


def lie_stacked(cells: PackedNumbers, like: TokenTable | None) -> bool:
    """Tell whether numbers may stay as they are, somebody having some or none being needed."""
    if like is None:
        return bool(cells.mask.any())
    return like.vectors is None and like.backbone == cells.backbone and like.tokens.shape[2] == 1


def stack_vectors(
    cells: Sequence[Encoding | None], like: TokenTable | None = None
) -> np.ndarray | None:
    """Return the models' own summaries, NaN where a modality is missing; None without any."""
    known = [cell.pooled for cell in cells if cell is not None and cell.pooled is not None]
    if like is not None and like.vectors is None:
        return None
    if like is None and not known:
        return None
    width = like.vectors.shape[1] if like is not None else len(known[0])
    vectors = np.full((len(cells), width), np.nan, dtype=np.float32)
    for row, cell in enumerate(cells):
        if cell is not None:
            vectors[row] = cell.pooled
    return vectors


def require_same_backbone(
    known: Sequence[Encoding], modality: str, spec: BackboneSpec, width: int
) -> None:
    """Refuse encodings that another backbone, or other options, made."""
    for cell in known:
        if (cell.backbone is not spec and cell.backbone != spec) or cell.width != width:
            raise InputError(
                f"All encodings of modality {modality!r} must come from one backbone "
                f"with the same options ({spec.name!r}, width {width})",
                got=f"{cell.backbone.name!r}, width {cell.width}",
                remedy="Encode training and test subjects with the same fitted extractor",
            )


def require_named_tokens(known: Sequence[Encoding], modality: str, spec: BackboneSpec) -> None:
    """Refuse encodings with more or fewer tokens than their backbone names."""
    names = spec.option("token_names")
    strange = [cell for cell in known if names is not None and cell.n_tokens != len(names)]
    if strange:
        raise InputError(
            f"Every encoding of modality {modality!r} must have the {len(names)} tokens that "
            f"its backbone {spec.name!r} names",
            got=f"one of {strange[0].n_tokens} tokens",
            remedy="Give BackboneSpec a name for every token, or no token_names",
        )


@dataclass(frozen=True, eq=False)
class TokenScaler:
    """Standardisation of one modality's tokens, learned on the training subjects."""

    # (n_tokens, width); by place and feature where places are fixed, by feature alone otherwise
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, table: TokenTable) -> TokenScaler:
        """Learn mean and standard deviation of the real tokens."""
        width = table.tokens.shape[2]
        if not table.fixed:
            return cls(*free_moments(table))
        known = np.where(table.mask[:, :, None], table.tokens, np.float32(np.nan))
        mean, scale = feature_moments(known.reshape(len(known), -1))
        return cls(mean.reshape(-1, width), scale.reshape(-1, width))

    def transform(self, table: TokenTable) -> np.ndarray:
        """Return standardised tokens, 0 where there is none, dtype float32."""
        standard = np.zeros(table.tokens.shape, dtype=np.float32)
        for part in row_blocks(table.tokens):
            scores = (table.tokens[part] - self.mean) / self.scale
            scores = np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE)
            standard[part] = np.where(table.mask[part, :, None], scores, 0)
        return standard


def free_moments(table: TokenTable) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of every feature over all real tokens."""
    count = max(1, int(table.mask.sum()))
    parts = list(row_blocks(table.tokens))
    total = sum(table.tokens[part].sum(axis=(0, 1), dtype=np.float64) for part in parts)
    mean = total / count
    squares = sum(sum_centred_squares(table, part, mean) for part in parts)
    return mean, usable_scale(mean, np.sqrt(squares / count))


def sum_centred_squares(table: TokenTable, part: slice, mean: np.ndarray) -> np.ndarray:
    """Return the sum over real tokens of the squared distance to a mean, by feature."""
    real = table.tokens[part][table.mask[part]]
    return ((real - mean) ** 2).sum(axis=0)


def row_blocks(array: np.ndarray | TokenRows) -> Iterator[slice]:
    """Yield slices of rows whose copies in double precision stay small."""
    n_rows = max(1, LARGEST_BLOCK // max(1, int(np.prod(array.shape[1:]))))
    for start in range(0, max(1, len(array)), n_rows):
        yield slice(start, start + n_rows)


def feature_moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the known values of every column.

    A column that is never known, or does not vary, gets an infinite deviation: its standard
    scores are zero.

    features (n_rows, n_features) -> mean, scale (n_features,).
    """
    blocks = [features[part] for part in row_blocks(features)]
    count = np.maximum(sum((~np.isnan(block)).sum(axis=0) for block in blocks), 1)
    mean = sum(np.nansum(block, axis=0, dtype=np.float64) for block in blocks) / count
    variance = sum(np.nansum((block - mean) ** 2, axis=0) for block in blocks) / count
    return mean, usable_scale(mean, np.sqrt(variance))


def usable_scale(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return deviations, infinite where a feature does not vary beyond rounding."""
    varies = deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6)
    return np.where(varies, deviation, np.inf)


def drop_rows(table: TokenTable) -> TokenTable:
    """Return the table's shape and backbone, no subject's data."""
    vectors = None if table.vectors is None else table.vectors[:0]
    return TokenTable(table.tokens[:0], table.mask[:0], table.backbone, vectors)


def require_a_modality(tables: Mapping[str, TokenTable], index: pd.Index) -> None:
    """Refuse subjects about whom nothing is known, by name."""
    anything = np.zeros(len(index), dtype=bool)
    for table in tables.values():
        anything |= table.present
    if not anything.all():
        nobody = index[~anything]
        raise NoModalityError(
            "Every subject needs at least one modality",
            got=f"none for {len(nobody)} subject(s), the first {str(nobody[0])!r}",
            remedy="Leave these subjects out of the table",
        )
