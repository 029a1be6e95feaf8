"""Attributions put together: what phase 1 makes of tokens, or of their mean, goes to the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adestim.encoding.tokens import TokenTable
from adestim.inspection.tokens.forest_path import share_steps
from adestim.inspection.tokens.integrated import ExplainedOutput
from adestim.inspection.tokens.view import SubjectsView
from adestim.training.phase_one.penalised import LinearHead

ROWS_AT_ONCE = 32
# Models compute in float32 or bfloat16; what differs by more is no mean.
TOLERANCE = 1e-2
SMALLEST = 1e-6


def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
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
    # (n_subjects, n_tokens, n_features); the forest's part of ``by_feature``, of modalities whose
    # features it reads one by one
    steps: dict[str, np.ndarray]


def combined(view: SubjectsView, output: ExplainedOutput, pieces: list[np.ndarray]) -> Combined:
    """Put together what was attributed to tokens and to phase 1."""
    n_read, names = len(output.read), list(view.tables)
    found = Combined(dict(zip(output.read, pieces[:n_read], strict=True)), {}, {}, {})
    if output.reads_inputs:
        found.by_feature[view.anchor] = pieces[-1]
    factors, forest = pieces[n_read + len(names)], of_forest(output, pieces)
    for place, name in enumerate(names):
        table, own = view.tables[name], found.by_feature[name]
        heads, steps = pieces[n_read + place].sum(axis=2), forest[place]
        found.scores[name] = factors[:, place]
        if table.fixed and table.vectors is None:
            found.steps[name] = steps.reshape(own.shape)
            found.by_feature[name] = own + heads.reshape(own.shape) + found.steps[name]
            found.by_token[name] = found.by_feature[name].sum(axis=2)
            continue
        found.by_token[name] = own.sum(axis=2)
        shares = token_shares(table, output.heads.separate[place], heads, steps)
        if shares is not None and shares.shape == found.by_token[name].shape:
            found.by_token[name] += shares
        else:
            found.scores[name] = found.scores[name] + heads.sum(axis=1) + steps.sum(axis=1)
    return found


def of_forest(output: ExplainedOutput, pieces: list[np.ndarray]) -> list[np.ndarray]:
    """Return what the forest makes of pooled features, (n_subjects, n_features) a modality."""
    first, n_modalities = len(output.read), len(output.heads.modalities)
    found = [np.zeros(piece.shape[:2]) for piece in pieces[first : first + n_modalities]]
    if output.forest is not None:
        shares = output.forest.shared(pieces[first + n_modalities + 1])
        for values, columns, share in zip(found, output.forest.columns, shares, strict=True):
            values[:, columns] = share
    return found


def token_shares(
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
        parts = parts_of_mean(table, rows, pooled[rows])
        if parts is None:
            return None
        mask = table.mask[rows]
        slope = slopes(attributed[rows], (pooled[rows] - head.mean) / head.scale)
        moved = (parts - head.mean / mask.sum(axis=1)[:, None, None]) / head.scale
        moved = np.where(mask[:, :, None], moved, 0)
        shares[rows] = np.einsum("ntf,nf->nt", moved, slope) + share_steps(steps[rows], moved)
    return shares


def parts_of_mean(table: TokenTable, rows: np.ndarray, pooled: np.ndarray) -> np.ndarray | None:
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


def slopes(attributed: np.ndarray, standard: np.ndarray) -> np.ndarray:
    """Return attributions by unit of a feature, 0 of features at the training mean."""
    moved = np.abs(standard) > SMALLEST
    return np.where(moved, attributed / np.where(moved, standard, 1), 0)
