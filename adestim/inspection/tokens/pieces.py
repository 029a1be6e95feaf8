"""What was attributed to the inputs of an output, put together by modality and token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adestim.encoding.tokens import TokenTable
from adestim.inspection.tokens.forest_path import ForestSteps, share_steps
from adestim.inspection.tokens.integrated import ExplainedOutput
from adestim.inspection.tokens.view import SubjectsView
from adestim.training.phase_one.penalised import LinearHead

ROWS_AT_ONCE = 32
# Models compute in float32 or bfloat16; what differs by more is no mean.
TOLERANCE = 1e-2
SMALLEST = 1e-6


def join_batches(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return batches as one array, those of fewer tokens padded by zeros.

    arrays (n_rows, n_tokens, ...).
    """
    most = max(array.shape[1] for array in arrays)
    return np.concatenate(
        [
            np.pad(array, [(0, 0), (0, most - array.shape[1]), *[(0, 0)] * (array.ndim - 2)])
            for array in arrays
        ]
    )


class Combined(NamedTuple):
    """What was attributed, put together by modality."""

    by_feature: dict[str, np.ndarray]  # (n_subjects, n_tokens, n_features); by feature of a token
    # (n_subjects, n_tokens); by token, with what phase 1 makes of the tokens' mean
    by_token: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]  # (n_subjects,); what stands with the phase-1 scores
    # (n_subjects, n_tokens, n_features); the forests' part of ``by_feature``, of modalities whose
    # features they read one by one
    steps: dict[str, np.ndarray]
    remainders: dict[str, np.ndarray]  # (n_subjects,); what stands with no modality's token


class Pieces(NamedTuple):
    """What was attributed, one array an input of the output."""

    tokens: dict[str, np.ndarray]  # (n_subjects, n_tokens, n_features); by modality that is read
    features: list[np.ndarray]  # (n_subjects, n_features, 2); by modality
    factor: np.ndarray  # (n_subjects, n_modalities)
    readers: dict[str, np.ndarray]  # (n_subjects, n_scores); by member that reads columns
    # (n_subjects, n_tokens, width); by anchor that is a foundation model, over its nets
    own: dict[str, np.ndarray]

    @classmethod
    def of(cls, output: ExplainedOutput, pieces: list[np.ndarray]) -> Pieces:
        """Return pieces by what they are of."""
        left = iter(pieces)
        tokens = {name: next(left) for name in output.read}
        features = [next(left) for _ in output.heads.modalities]
        factor, readers = next(left), {name: next(left) for name in output.readers}
        own: dict[str, np.ndarray] = {}
        for (name, _), piece in zip(output.embedders, left, strict=True):
            own[name] = own.get(name, 0) + piece
        return cls(tokens, features, factor, readers, own)


def combine_attributions(
    view: SubjectsView, output: ExplainedOutput, pieces: list[np.ndarray]
) -> Combined:
    """Put together what was attributed to tokens and to phase 1."""
    parts = Pieces.of(output, pieces)
    found = Combined({}, {}, {}, {}, share_others(output, parts))
    steps = share_forests(output, parts)
    for place, name in enumerate(view.tables):
        heads = parts.features[place].sum(axis=2)
        found.scores[name] = parts.factor[:, place]
        add_tokens(found, view.tables[name], name, parts)
        add_phase_one(
            found, view.tables[name], name, output.heads.separate[place], heads, steps[place]
        )
    return found


def add_tokens(found: Combined, table: TokenTable, name: str, parts: Pieces) -> None:
    """Put together what the nets make of one modality's tokens.

    Other anchors may read a foundation model by fewer tokens than it has itself.
    """
    nothing = np.zeros((len(table.mask), *table.tokens.shape[1:]), dtype=np.float32)
    own, read = parts.own.get(name), parts.tokens.get(name, nothing)
    found.by_feature[name], found.by_token[name] = read, read.sum(axis=2)
    if own is None:
        return
    found.by_feature[name], found.by_token[name] = own, own.sum(axis=2)
    if name not in parts.tokens:
        return
    if read.shape[1] == own.shape[1]:
        found.by_token[name] = found.by_token[name] + read.sum(axis=2)
    else:
        found.remainders[f"{name}, as others read it"] = read.sum(axis=(1, 2))


def add_phase_one(
    found: Combined,
    table: TokenTable,
    name: str,
    head: LinearHead,
    heads: np.ndarray,
    steps: np.ndarray,
) -> None:
    """Add what phase 1 makes of one modality's features to their tokens, or beside these.

    heads (n_subjects, n_features), steps (n_subjects, n_features).
    """
    own = found.by_feature[name]
    if table.fixed and table.vectors is None:
        found.steps[name] = steps.reshape(own.shape)
        found.by_feature[name] = own + heads.reshape(own.shape) + found.steps[name]
        found.by_token[name] = found.by_feature[name].sum(axis=2)
        return
    shares = share_among_tokens(table, head, heads, steps)
    if shares is not None and shares.shape == found.by_token[name].shape:
        found.by_token[name] = found.by_token[name] + shares
    else:
        found.scores[name] = found.scores[name] + heads.sum(axis=1) + steps.sum(axis=1)


def share_forests(output: ExplainedOutput, parts: Pieces) -> list[np.ndarray]:
    """Return what forests make of pooled features, (n_subjects, n_features) a modality."""
    found = [np.zeros(piece.shape[:2]) for piece in parts.features]
    for name, reader in output.readers.items():
        if isinstance(reader, ForestSteps):
            shares = reader.share(parts.readers[name])
            for values, columns, share in zip(found, reader.columns, shares, strict=True):
                values[:, columns] += share
    return found


def share_others(output: ExplainedOutput, parts: Pieces) -> dict[str, np.ndarray]:
    """Return the parts of members of which nobody knows what moved them, (n_subjects,) each."""
    return {
        f"member {name}": parts.readers[name].sum(axis=1)
        for name, reader in output.readers.items()
        if not isinstance(reader, ForestSteps)
    }


def share_among_tokens(
    table: TokenTable, head: LinearHead, attributed: np.ndarray, steps: np.ndarray
) -> np.ndarray | None:
    """Share the attributions of a mean's features among the tokens that it is the mean of.

    A token's share of a feature is its part in the feature's distance from the training mean, so
    that shares sum to what is shared.

    attributed (n_subjects, n_features), steps (n_subjects, n_features) -> (n_subjects, n_tokens).
    """
    pooled = table.pooled()
    if table.fixed or pooled.shape[1] != table.tokens.shape[2]:
        return None
    shares = np.zeros(table.mask.shape)
    known = np.flatnonzero(table.present)
    for start in range(0, len(known), ROWS_AT_ONCE):
        rows = known[start : start + ROWS_AT_ONCE]
        parts = split_mean(table, rows, pooled[rows])
        if parts is None:
            return None
        mask = table.mask[rows]
        slope = compute_slopes(attributed[rows], (pooled[rows] - head.mean) / head.scale)
        moved = (parts - head.mean / mask.sum(axis=1)[:, None, None]) / head.scale
        moved = np.where(mask[:, :, None], moved, 0)
        shares[rows] = np.einsum("ntf,nf->nt", moved, slope) + share_steps(steps[rows], moved)
    return shares


def split_mean(table: TokenTable, rows: np.ndarray, pooled: np.ndarray) -> np.ndarray | None:
    """Return tokens (n_rows, n_tokens, n_features) that sum to the pooled features."""
    mask = table.mask[rows][:, :, None]
    parts = np.where(mask, table.tokens[rows], 0) / mask.sum(axis=1, keepdims=True)
    mean = parts.sum(axis=1)
    # Some models scale the mean to length 1.
    size = (pooled * mean).sum(axis=1) / np.maximum((mean**2).sum(axis=1), SMALLEST**2)
    error = np.linalg.norm(pooled - size[:, None] * mean, axis=1)
    if (error > TOLERANCE * np.linalg.norm(pooled, axis=1) + SMALLEST).any():
        return None
    return parts * size[:, None, None]


def compute_slopes(attributed: np.ndarray, standard: np.ndarray) -> np.ndarray:
    """Return attributions by unit of a feature, 0 of features at the training mean."""
    moved = np.abs(standard) > SMALLEST
    return np.where(moved, attributed / np.where(moved, standard, 1), 0)
