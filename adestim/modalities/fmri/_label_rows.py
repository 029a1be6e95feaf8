"""A first row of whole numbers: the labels of an atlas, or a volume."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np

from adestim._support.missing import NUMBER_WORDS
from adestim._support.remarks import remark

WHOLE = re.compile(r"\d+(\.0*)?")
WHOLE_OR_NEGATIVE = re.compile(r"[-+]?\d+(\.0*)?")
BARE = re.compile(r"[-+]?\d+")
# What is rarer among volumes than this is none of them.
RARE = 1e-3
UNLIKELY = 0.01
N_ROWS_LOOKED_AT = 200
# A first volume is brighter or darker than the others, but everywhere alike.
MIN_LIKENESS, LARGEST_FACTOR = 0.8, 3.0


def tell_labels(labels: Sequence[str], rows: Sequence[Sequence[str]]) -> bool | None:
    """Tell labels from a volume by what the volumes look like; None where they may be either."""
    rows = rows[:: 1 + len(rows) // N_ROWS_LOOKED_AT]
    first = FirstRow(
        np.array(labels, dtype=float),
        np.array([[to_float(cell) for cell in row] for row in rows]).reshape(len(rows), -1),
        share_of_form(labels, rows),
    )
    if len(np.unique(first.numbers)) < len(labels):
        return None if first.is_odd and not first.fits else False
    if first.is_odd:
        return True if first.rises or not first.fits else None
    if first.counts and first.chance() < RARE:
        return True
    return tell_by_order(first)


def tell_by_order(first: FirstRow) -> bool | None:
    """Tell labels from a volume where both are of whole numbers."""
    by_chance = 1 / factorial(min(len(first.numbers), 20))
    if not first.rises:
        return False if first.fits or first.follows else None
    if not first.fits:
        return True if by_chance < UNLIKELY else None
    if by_chance < UNLIKELY:
        return None
    remark(
        "the first row of a table over time, whole numbers in rising order as all its numbers are "
        "whole, is taken for a volume. If it is a header, write names in words."
    )
    return False


@dataclass(frozen=True, eq=False)
class FirstRow:
    """A row of whole numbers above others."""

    numbers: np.ndarray  # (n_columns,)
    table: np.ndarray  # (n_rows, n_columns); what is below; NaN where it is no number
    share: float  # share of the numbers below that are written as those of the row are

    @property
    def is_odd(self) -> bool:
        """Whether hardly a row below is of whole numbers alone."""
        return self.share ** len(self.numbers) < RARE

    @property
    def rises(self) -> bool:
        """Whether every number is greater than that to its left."""
        return bool((np.diff(self.numbers) > 0).all())

    @property
    def counts(self) -> bool:
        """Whether the numbers count the columns, from 0 or from 1."""
        return self.numbers[0] in (0, 1) and bool((np.diff(self.numbers) == 1).all())

    @cached_property
    def known(self) -> np.ndarray:
        """Which columns hold a number below, shape (n_columns,)."""
        return np.isfinite(self.table).any(axis=0)

    @cached_property
    def columns(self) -> np.ndarray:
        """What is below in those columns, NaN where it is no finite number."""
        return np.where(np.isfinite(self.table), self.table, np.nan)[:, self.known]

    @cached_property
    def fits(self) -> bool:
        """Whether most numbers are within reach of what their columns hold below."""
        if not self.known.any():
            return False
        low, high = np.nanmin(self.columns, axis=0), np.nanmax(self.columns, axis=0)
        reach, chosen = high - low, self.numbers[self.known]
        return bool(np.mean((chosen >= low - reach) & (chosen <= high + reach)) > 0.5)

    @cached_property
    def follows(self) -> bool:
        """Whether the numbers are not far from the columns', and greater where those are."""
        middle, chosen = np.nanmedian(self.columns, axis=0), self.numbers[self.known]
        if len(middle) < 3 or not np.ptp(middle) or not np.ptp(chosen):
            return False
        is_near = (chosen * LARGEST_FACTOR > middle) & (chosen < middle * LARGEST_FACTOR)
        return bool(is_near.all() and np.corrcoef(middle, chosen)[0, 1] > MIN_LIKENESS)

    def chance(self) -> float:
        """Return how likely a row of these very numbers is, by how often they are below."""
        often = (self.columns == self.numbers[self.known]).sum(axis=0)
        return float(np.prod((often + 1) / (len(self.columns) + 2)))


def share_of_form(labels: Sequence[str], rows: Sequence[Sequence[str]]) -> float:
    """Return the share of the rows' numbers that are written as the labels are: as whole ones."""
    form = BARE if all(map(BARE.fullmatch, labels)) else WHOLE_OR_NEGATIVE
    cells = [cell for row in rows for cell in row if cell not in NUMBER_WORDS]
    return (sum(form.fullmatch(cell) is not None for cell in cells) + 1) / (len(cells) + 2)


def to_float(text: str) -> float:
    """Return a number, also one with a decimal comma; NaN where a text is none."""
    try:
        return float(text.replace(",", ".", 1))
    except ValueError:
        return np.nan
