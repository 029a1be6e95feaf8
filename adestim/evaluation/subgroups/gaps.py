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
# What the null hypothesis holds fixed.
NOTHING, OUTCOME, PREDICTION = "nothing", "outcome", "prediction"
GIVENS = (NOTHING, OUTCOME, PREDICTION)
GIVEN_OF = dict.fromkeys(("roc_auc", "balanced_accuracy", "sensitivity", "specificity"), OUTCOME)
GIVEN_OF |= dict.fromkeys(("ppv", "npv", "calibration_slope", "calibration_intercept"), PREDICTION)
# Few, so that people who exchange levels have nearly the same prediction.
PEOPLE_A_BIN = 5


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
    for given in GIVENS if n_permutations else ():
        own = [place for place, name in enumerate(names) if GIVEN_OF.get(name, NOTHING) == given]
        if own:
            strata = find_strata(pool, join_rows(levels), y, given)
            tested = [names[place] for place in own]
            drawn = permute_gaps(pool, levels, tested, strata, n_permutations, random_state)
            p[own] = count_larger(gaps[own], drawn)
    return tabulate_gaps(levels, names, values, gaps, p)


def tabulate_gaps(
    levels: Sequence[Level],
    names: Sequence[str],
    values: np.ndarray,
    gaps: np.ndarray,
    p: np.ndarray,
) -> pd.DataFrame:
    """Return a row for every score: values (n_levels, n_scores), gaps and p (n_scores,)."""
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
    strata: np.ndarray,
    n_permutations: int,
    random_state: Any,
) -> np.ndarray:
    """Return gaps after people of a stratum exchanged their levels, (n_permutations, n_scores).

    strata (n_rows,) of all rows of the levels, in their order. All are NaN where a person is of
    several levels, such as a band of age at several visits.
    """
    rows = join_rows(levels)
    code = np.repeat(np.arange(len(levels)), [len(level.rows) for level in levels])
    people = pd.factorize(pool.groups[rows])[0]
    own = pd.Series(code).groupby(people)
    if own.nunique().max() > 1:
        return np.full((n_permutations, len(names)), np.nan)
    pools = split_into_pools(people, strata)
    shuffled = exchange_levels(own.first().to_numpy(), pools, n_permutations, random_state)
    parts = []
    for part in split_draws(n_permutations, len(rows)):
        weights = [
            (shuffled[part] == place)[:, people].astype(float) for place in range(len(levels))
        ]
        scored = [weigh_scores(pool, names, rows, weight) for weight in weights]
        parts.append(spread_of(np.stack(scored)))
    return np.concatenate(parts)


def join_rows(levels: Sequence[Level]) -> np.ndarray:
    """Return the rows of all levels, one after the other."""
    return np.concatenate([level.rows for level in levels])


def find_strata(pool: Pool, rows: np.ndarray, y: np.ndarray | None, given: str) -> np.ndarray:
    """Return who may exchange levels with whom, (n_rows,), by what the null hypothesis holds fixed.

    y (n_all_rows,) labels, or None for numbers.
    """
    if y is None or given == NOTHING:
        return np.zeros(len(rows), dtype=int)
    if given == OUTCOME:
        return pd.factorize(y[rows])[0]
    people = pd.factorize(pool.groups[rows])[0]
    mean = pd.DataFrame(average_predictions(pool, rows)).groupby(people).mean().to_numpy()
    if mean.shape[1] > 2:
        return mean.argmax(axis=1)[people]
    ranks = np.argsort(np.argsort(mean[:, 1], kind="stable"), kind="stable")
    return (ranks // PEOPLE_A_BIN)[people]


def average_predictions(pool: Pool, rows: np.ndarray) -> np.ndarray:
    """Return probabilities of rows, averaged over repeats, (n_rows, n_classes)."""
    total: Any = 0.0
    times = np.zeros((len(rows), 1))
    for repeat in pool.repeats:
        places = repeat.places[rows]
        tested = (places >= 0)[:, None]
        total = total + repeat.predictions.values[places] * tested
        times += tested
    return total / times


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
