"""Attributions put together: what phase 1 makes of tokens, or of their mean, goes to the tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adestim.inspection.integrated import ExplainedOutput
from adestim.inspection.subjects import SubjectsView
from adestim.penalised import LinearHead
from adestim.tokens import TokenTable

__all__ = ["combined", "joined", "token_shares"]

ROWS_AT_ONCE = 32
# Models compute in float32 or bfloat16; what differs by more is no mean.
TOLERANCE = 1e-2
SMALLEST = 1e-6


def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return batches as one array, those of fewer tokens padded by zeros.

    Parameters
    ----------
    arrays : sequence of ndarray of shape (n_rows, n_tokens, ...)
        Batches.

    Returns
    -------
    ndarray
    """
    most = max(array.shape[1] for array in arrays)
    return np.concatenate(
        [
            np.pad(array, [(0, 0), (0, most - array.shape[1]), *[(0, 0)] * (array.ndim - 2)])
            for array in arrays
        ]
    )


def combined(
    view: SubjectsView, output: ExplainedOutput, pieces: list[np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Put together what was attributed to tokens and to phase 1.

    Parameters
    ----------
    view : SubjectsView
        The subjects.
    output : ExplainedOutput
        What is explained.
    pieces : list of ndarray
        Attributions of its inputs, in their order.

    Returns
    -------
    by_feature : dict of str to ndarray of shape (n_subjects, n_tokens, n_features)
        By modality.
    by_token : dict of str to ndarray of shape (n_subjects, n_tokens)
        With what phase 1 makes of the tokens' mean.
    scores : dict of str to ndarray of shape (n_subjects,)
        What stands with the phase-1 scores.
    """
    n_read, names = len(output.read), list(view.tables)
    by_feature = dict(zip(output.read, pieces[:n_read], strict=True))
    if output.reads_inputs:
        by_feature[view.anchor] = pieces[-1]
    factors = pieces[n_read + len(names)]
    by_token, scores = {}, {}
    for place, (name, heads) in enumerate(zip(names, of_phase_one(output, pieces), strict=True)):
        table = view.tables[name]
        scores[name] = factors[:, place]
        if table.fixed and table.vectors is None:
            by_feature[name] = by_feature[name] + heads.reshape(by_feature[name].shape)
        by_token[name] = by_feature[name].sum(axis=2)
        if table.fixed and table.vectors is None:
            continue
        shares = token_shares(table, output.heads.separate[place], heads)
        if shares is not None and shares.shape == by_token[name].shape:
            by_token[name] = by_token[name] + shares
        else:
            scores[name] = scores[name] + heads.sum(axis=1)
    return by_feature, by_token, scores


def of_phase_one(output: ExplainedOutput, pieces: list[np.ndarray]) -> list[np.ndarray]:
    """Return what heads and forest make of pooled features, (n_subjects, n_features) a modality."""
    first, n_modalities = len(output.read), len(output.heads.modalities)
    found = [piece.sum(axis=2) for piece in pieces[first : first + n_modalities]]
    if output.forest is not None:
        shares = output.forest.shared(pieces[first + n_modalities + 1])
        for values, columns, share in zip(found, output.forest.columns, shares, strict=True):
            values[:, columns] += share
    return found


def token_shares(table: TokenTable, head: LinearHead, attributed: np.ndarray) -> np.ndarray | None:
    """Share the attributions of a mean's features among the tokens that it is the mean of.

    A token's share of a feature is its part in the feature's distance from the training mean, so
    that shares sum to what is shared.

    Parameters
    ----------
    table : TokenTable
        One modality's tokens.
    head : LinearHead
        Its phase-1 head, for the standardisation of features.
    attributed : ndarray of shape (n_subjects, n_features)
        Attributions of the pooled features.

    Returns
    -------
    ndarray of shape (n_subjects, n_tokens) or None
        None where the pooled features are something else than the mean of the tokens, or its
        direction; a class token for instance.
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
        slope = slopes(attributed[rows], (pooled[rows] - head.mean) / head.scale)
        count = table.mask[rows].sum(axis=1)[:, None, None]
        moved = (parts - head.mean / count) / head.scale
        shares[rows] = np.where(table.mask[rows], np.einsum("ntf,nf->nt", moved, slope), 0)
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
