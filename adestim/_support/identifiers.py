"""Columns of numbers that name or count rows and measure nothing, and codes for missing numbers."""

from __future__ import annotations

import re

import numpy as np

# Names of identifiers and row numbers, without case and marks.
NAMES = re.compile(
    r"unnamed\d*|index|level0|rowindex|row(number|num|nr|no|id)?|x?rownames?|recordid|"
    r"id|i?pid|rid|ptid|eid|mrn|patno|gupi|naccid|oasisid|adniid|ppmiid|uuid|guid|"
    r"(subject|subj|sub|participant|patient|pat|person|case|roster|scan|session|image|visit|sample)"
    r"(id|no|nr|num|number|code|key)|subject|participant|patient|subjectkey|imagedataid|loniuid"
)
# What a number measures, though it may rise without a gap.
MEASURES = re.compile(
    r"age|alter|years?|birth|born|yob|dob|months?|weeks?|days?|time|duration|since|score|total|sum|"
    r"mmse|moca|adas|faq|gds|updrs|bdi|ravlt|education|dose|count|volume|thickness|weight|height|bmi"
)
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
FEWEST_IN_ORDER = 10
FEWEST_WITHOUT_GAPS = 20
# Of the numbers between the least and the largest; training folds lack some.
DENSE = 0.5

SENTINELS = np.array(
    [-1, -4, -8, -9]
    + [sign * digit * ones for ones in (11, 111, 1111, 11111) for digit in (7, 8, 9)
       for sign in (-1, 1)]
)  # fmt: skip
FEWEST_OTHERS = 2


def find_identifier(name: str, values: np.ndarray) -> str:
    """Say why a column of numbers seems to name or count the rows; nothing where it does not.

    values (n_rows,), NaN where missing.
    """
    known = values[np.isfinite(values)]
    if not len(known) or not (known == np.floor(known)).all():
        return ""
    if names_rows(name):
        return "has the name of an identifier or a row number"
    if measures_something(name) or len(np.unique(known)) < len(known):
        return ""
    if len(known) >= FEWEST_IN_ORDER and rises_or_falls(known):
        return "holds whole numbers in the order of the rows, as row numbers are"
    if len(known) >= FEWEST_WITHOUT_GAPS and len(known) >= DENSE * (np.ptp(known) + 1):
        return "holds another whole number for every row, as row numbers do"
    return ""


def names_rows(name: str) -> bool:
    """Tell whether a name is that of an identifier or of row numbers."""
    return NAMES.fullmatch(re.sub(r"[\W_]+", "", name).casefold()) is not None


def measures_something(name: str) -> bool:
    """Tell whether a word of a name is of a measure, such as an age."""
    return any(MEASURES.fullmatch(word.casefold()) for word in WORDS.findall(name))


def rises_or_falls(values: np.ndarray) -> bool:
    """Tell whether numbers are in order."""
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())


def find_sentinels(values: np.ndarray) -> list[float]:
    """Return numbers such as -4 or 999 that lie far outside the others of a column.

    values (n_rows,), NaN where missing.
    """
    known = values[np.isfinite(values)]
    suspect = np.isin(known, SENTINELS)
    others = known[~suspect]
    if not suspect.any() or len(np.unique(others)) < FEWEST_OTHERS:
        return []
    low, high = others.min(), others.max()
    found = np.unique(known[suspect])
    # -1, 0 and 1 are signs.
    found = found[(found != -1) | (len(np.unique(others)) > 2)]
    # Among numbers none of which is negative, a negative one is no measure.
    below = (found < low) & ((low >= 0) | (low - found > high - low))
    return found[below | (found - high > high - low)].tolist()
