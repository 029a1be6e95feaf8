"""Whether a score differs between levels of an attribute by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.sklearn import draw_seeds
from adestim.evaluation.scores.intervals import split_into_pools
from adestim.evaluation.scores.out_of_fold import (
    Pool,
    Repeat,
    find_drawn,
    score_draws_of_repeat,
)
from adestim.evaluation.scores.proportions import PROPORTIONS, count_members, turn_to_f1
from adestim.evaluation.scores.resampled import divide_known, split_draws
from adestim.evaluation.subgroups.levels import Level

# Gaps that differ by rounding alone are the same.
ROUNDING = 1e-12


def measure_gaps(
    pool: Pool,
    levels: Sequence[Level],
    names: Sequence[str],
    y: np.ndarray | None,
    *,
    n_permutations: int,
    random_state: Any,
) -> pd.DataFrame:
    """Return the largest gap of every score between levels, between which, and its p-value.

    y (n_rows,) labels, or None for numbers; levels are those that can be scored.
    """
    if len(levels) < 2:
        nothing = {"n_levels": len(levels), "lowest": "", "highest": ""}
        return pd.DataFrame(
            [{"score": name, **nothing, "gap": np.nan, "p": np.nan} for name in names]
        )
    values = np.stack([pool.score(names, level.rows) for level in levels])
    gaps = spread_of(values)
    p = np.full(len(names), np.nan)
    if n_permutations:
        drawn = permute_gaps(pool, levels, names, y, n_permutations, random_state)
        p = count_larger(gaps, drawn)
    rows = []
    for place, name in enumerate(names):
        column = values[:, place]
        known = np.isfinite(column).any()
        lowest = levels[int(np.nanargmin(column))].name if known else ""
        highest = levels[int(np.nanargmax(column))].name if known else ""
        rows.append(
            {
                "score": name,
                "n_levels": int(np.isfinite(column).sum()),
                "lowest": lowest,
                "highest": highest,
                "gap": gaps[place],
                "p": p[place],
            }
        )
    return pd.DataFrame(rows)


def spread_of(values: np.ndarray) -> np.ndarray:
    """Return largest minus smallest along the first axis, NaN where fewer than two are known."""
    known = np.isfinite(values).sum(axis=0)
    highest = np.where(np.isfinite(values), values, -np.inf).max(axis=0)
    lowest = np.where(np.isfinite(values), values, np.inf).min(axis=0)
    return np.subtract(highest, lowest, out=np.full(known.shape, np.nan), where=known > 1)


def count_larger(gaps: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return p-values: gaps (n_scores,), those of permutations (n_permutations, n_scores)."""
    n_known = np.isfinite(drawn).sum(axis=0)
    n_larger = (drawn >= gaps - ROUNDING).sum(axis=0)
    p = (1 + n_larger) / (1 + n_known)
    return np.where(np.isfinite(gaps) & (n_known > 0), p, np.nan)


def permute_gaps(
    pool: Pool,
    levels: Sequence[Level],
    names: Sequence[str],
    y: np.ndarray | None,
    n_permutations: int,
    random_state: Any,
) -> np.ndarray:
    """Return gaps after people of a class exchanged their levels, (n_permutations, n_scores).

    All are NaN where a person is of several levels, such as a band of age at several visits.
    """
    rows = np.concatenate([level.rows for level in levels])
    code = np.repeat(np.arange(len(levels)), [len(level.rows) for level in levels])
    people = pd.factorize(pool.groups[rows])[0]
    own = pd.Series(code).groupby(people)
    if own.nunique().max() > 1:
        return np.full((n_permutations, len(names)), np.nan)
    strata = [np.arange(people.max() + 1)] if y is None else split_into_pools(people, y[rows])
    shuffled = exchange_levels(own.first().to_numpy(), strata, n_permutations, random_state)
    parts = []
    for part in split_draws(n_permutations, len(rows)):
        weights = [
            (shuffled[part] == place)[:, people].astype(float) for place in range(len(levels))
        ]
        parts.append(
            spread_of(np.stack([weigh_scores(pool, names, rows, each) for each in weights]))
        )
    return np.concatenate(parts)


def exchange_levels(
    code: np.ndarray, strata: Sequence[np.ndarray], n_permutations: int, random_state: Any
) -> np.ndarray:
    """Return levels permuted within strata: (n_people,) -> (n_permutations, n_people)."""
    rng = np.random.default_rng(draw_seeds(random_state, 1)[0])
    shuffled = np.tile(code, (n_permutations, 1))
    for people in strata:
        shuffled[:, people] = rng.permuted(shuffled[:, people], axis=1)
    return shuffled


def weigh_scores(
    pool: Pool, names: Sequence[str], rows: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Return scores of weighted rows: (n_draws, n_rows) -> (n_draws, n_scores)."""
    drawn = [name for name in names if name not in PROPORTIONS]
    repeats = []
    for repeat in pool.repeats:
        found = {
            name: weigh_shares(repeat, name, rows, weight) for name in names if name in PROPORTIONS
        }
        if drawn:
            scored = score_draws_of_repeat(repeat, drawn, rows, weight)
            found |= dict(zip(drawn, scored.T, strict=True))
        repeats.append(np.stack([found[name] for name in names], axis=1))
    return np.mean(repeats, axis=0)


def weigh_shares(repeat: Repeat, name: str, rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return a share of subjects, or an average of shares: (n_draws, n_rows) -> (n_draws,)."""
    places, present = find_drawn(repeat, rows)
    outcome, weight = repeat.predictions.outcome, weight[:, present]
    n_classes = outcome.probabilities.shape[1]
    members = count_members(name, outcome.codes[places], outcome.predicted[places], n_classes)
    shares = [divide_known(weight @ who, weight @ among) for who, among in members]
    return np.mean([turn_to_f1(share) if name == "f1" else share for share in shares], axis=0)
