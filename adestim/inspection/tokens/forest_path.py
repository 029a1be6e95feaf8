"""Integrated gradients of a forest: along a line it changes in steps, each at one column's split.

Between two splits a tree says the same, so its gradient is zero nearly everywhere and all that it
adds is in the steps. A step belongs to the column whose value crosses a threshold there, which is
what integrated gradients tend to where a step is approached by a steep slope.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from adestim.training.phase_one.forest import ForestHead, Grove

ROWS_AT_ONCE = 256
AT_START = -1
SMALLEST = 1e-9
# A value that begins or ends on a threshold crosses it just after, or just before.
NEAR_END = 1e-12


@dataclass(frozen=True, eq=False)
class ForestSteps:
    """What a forest says at both ends of lines, and which columns change it on the way."""

    start: np.ndarray  # (n_subjects, n_classes - 1); log-odds against class 0 at both ends
    end: np.ndarray
    # (n_subjects, n_columns, n_classes - 1); what every column of the forest adds, which sums to
    # the difference of the ends
    steps: np.ndarray
    # the features that the forest reads as columns, one array a modality
    columns: tuple[np.ndarray, ...]

    def share(self, attributed: np.ndarray) -> list[np.ndarray]:
        """Share what is attributed to the log-odds among the columns that make them.

        attributed (n_subjects, n_classes - 1) -> (n_subjects, n_columns).
        """
        moved = self.end - self.start
        still = np.abs(moved) < SMALLEST
        slope = np.where(still, 0, attributed / np.where(still, 1, moved))
        by_column = np.einsum("nco,no->nc", self.steps, slope)
        return np.split(by_column, np.cumsum([len(own) for own in self.columns])[:-1], axis=1)

    def shuffle_columns(self, rng: np.random.Generator) -> ForestSteps:
        """Return the same of a forest that reads other columns of each modality in their place."""
        return replace(self, columns=tuple(map(rng.permutation, self.columns)))


def follow_lines(forest: Any, start: np.ndarray, end: np.ndarray) -> ForestSteps:
    """Return which columns change what a forest says, along straight lines.

    start, end (n_subjects, n_columns).

    M. Sundararajan, A. Taly and Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.
    """
    start, end = start.astype(float), end.astype(float)
    parts = [
        follow_rows(forest, start[low : low + ROWS_AT_ONCE], end[low : low + ROWS_AT_ONCE])
        for low in range(0, len(end), ROWS_AT_ONCE)
    ]
    first, last, steps = map(np.concatenate, zip(*parts, strict=True))
    return ForestSteps(first, last, steps, forest.columns)


def share_steps(steps: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Share what a forest makes of sums among the parts of these sums.

    A step has no slope by which parts could count: it is shared among the parts that pull the sum
    where it went, by how strongly they do. Those that hold it back get nothing, so that large parts
    which cancel each other are not made much of.

    steps (..., n_sums), parts (..., n_parts, n_sums) -> (..., n_parts).
    """
    pull = np.maximum(parts * np.sign(parts.sum(axis=-2, keepdims=True)), 0)
    share = pull / np.maximum(pull.sum(axis=-2, keepdims=True), SMALLEST)
    return (share * steps[..., None, :]).sum(axis=-1)


def follow_rows(
    forest: ForestHead, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log-odds at both ends of some lines, and the steps between."""
    events = [
        find_grove_events(forest, grove, tree.tree_, start, end)
        for grove in forest.groves
        for tree in grove.model.estimators_
    ]
    rows, place, column, change = map(np.concatenate, zip(*events, strict=True))
    # By line: first what all trees say at its start, then what changes on the way.
    order = np.lexsort((place, column != AT_START, rows))
    rows, column = rows[order], column[order]
    odds = forest.judge(sum_by_row(change[order], rows))
    steps = np.zeros((*end.shape, odds.shape[1]))
    later = np.flatnonzero(column != AT_START)
    np.add.at(steps, (rows[later], column[later]), odds[later] - odds[later - 1])
    last = np.searchsorted(rows, np.arange(len(end)), side="right") - 1
    total = steps.sum(axis=1)
    return odds[last] - total, odds[last], steps


def find_grove_events(
    forest: ForestHead, grove: Grove, tree: Any, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a tree's events, its columns as numbers of all that the forest reads.

    -> rows, place, column (n_events,), change (n_events, n_values).
    """
    rows, place, column, change = find_events(tree, start[:, grove.own], end[:, grove.own])
    column = np.where(column == AT_START, AT_START, grove.own[column])
    return rows, place, column, forest.leaf_values(grove, change)


def sum_by_row(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return cumulative sums (n, ...) that begin anew at every new row number."""
    sums = np.cumsum(values, axis=0)
    first = np.searchsorted(rows, rows)
    return sums - (sums - values)[first]


class Stretches(NamedTuple):
    """Stretches of lines, on each of which a tree sends its subject the same way."""

    rows: np.ndarray
    low: np.ndarray  # from where to where, of 0 to 1
    high: np.ndarray
    column: np.ndarray  # the column whose split the stretch begins at, -1 at the start of the line

    def part(self, low: np.ndarray, high: np.ndarray, column: int) -> Stretches:
        """Return what lies within other bounds; where it begins later, at a column's split."""
        kept = low < high
        begun = np.where(low > self.low, column, self.column)
        return Stretches(self.rows[kept], low[kept], high[kept], begun[kept])


def find_events(
    tree: Any, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return where a tree's class shares change along lines.

    -> rows, place, column (n_events,), change (n_events, n_classes).
    """
    n_lines = len(end)
    whole = Stretches(
        np.arange(n_lines), np.zeros(n_lines), np.ones(n_lines), np.full(n_lines, AT_START)
    )
    todo, leaves, shares = [(0, whole)], [], []
    while todo:
        node, stretches = todo.pop()
        if tree.children_left[node] < 0:
            leaves.append(stretches)
            shares.append(np.repeat(tree.value[node], len(stretches.rows), axis=0))
        else:
            sides = divide_stretches(tree, node, stretches, start, end)
            todo += [(child, side) for child, side in sides if len(side.rows)]
    rows, low, _, column = map(np.concatenate, zip(*leaves, strict=True))
    share = np.concatenate(shares)
    order = np.lexsort((low, rows))
    rows, low, column, share = rows[order], low[order], column[order], share[order]
    change = np.diff(share, axis=0, prepend=0)
    change[column == AT_START] = share[column == AT_START]
    return rows, low, column, change


def divide_stretches(
    tree: Any, node: int, stretches: Stretches, start: np.ndarray, end: np.ndarray
) -> list[tuple[int, Stretches]]:
    """Return a node's children and the stretches that each is sent."""
    rows, low, high, _ = stretches
    column, threshold = tree.feature[node], tree.threshold[node]
    first, last = start[rows, column], end[rows, column]
    unknown = np.isnan(last)
    begins_left = np.where(unknown, tree.missing_go_to_left[node] == 1, first <= threshold)
    crosses = ~unknown & (begins_left != (last <= threshold))
    share = np.divide(threshold - first, last - first, out=np.ones(len(rows)), where=crosses)
    crossing = np.where(crosses, share.clip(NEAR_END, 1 - NEAR_END), 1).clip(low, high)
    begun, crossed = (low, crossing), (crossing, high)
    left_low, left_high = np.where(begins_left, begun, crossed)
    right_low, right_high = np.where(begins_left, crossed, begun)
    return [
        (tree.children_left[node], stretches.part(left_low, left_high, column)),
        (tree.children_right[node], stretches.part(right_low, right_high, column)),
    ]
