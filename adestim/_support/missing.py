"""What stands for a missing value: the words, by where they are read, and the tests for them.

One word more in a set here holds for every reader of that kind.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

# In cells of users' tables: nothing, and the word of BIDS. Any other word may be a category.
CELL_WORDS = frozenset({"", "n/a"})
# In tables of numbers over time, where every word that is no number must be explained.
NUMBER_WORDS = CELL_WORDS | {"na", "NA", "N/A", "nan", "NaN", "null", "None"}
# In tables as studies hand them out; codes of a study come on top.
STUDY_WORDS = CELL_WORDS | {".", "NA", "N/A", "nan", "NaN", "null", "NULL", "None", "#N/A"}

# In columns of diagnoses, in lower case; -1 and -4 are the codes of ADNI.
DIAGNOSIS_WORDS = frozenset({"", "nan", "-1", "-4"})


def is_missing(cell: Any) -> bool:
    """Tell whether a raw cell stands for a missing modality.

    None, NaN, ``pandas.NA``, ``NaT``, a blank string and the word ``n/a`` of BIDS are missing.

    Examples
    --------
    >>> from adestim.encoding import is_missing
    >>> [is_missing(cell) for cell in (None, float("nan"), " ", "t1w.nii.gz")]
    [True, True, True, False]
    """
    if isinstance(cell, str):
        return cell.strip() in CELL_WORDS
    return cell is None or (pd.api.types.is_scalar(cell) and bool(pd.isna(cell)))


def names_nan(cell: Any) -> bool:
    """Tell whether a cell is the word ``nan``, which among numbers is a missing one."""
    return isinstance(cell, str) and cell.lower() == "nan"


def mask_missing(cells: pd.Series) -> pd.Series:
    """Return a study's cells as text without outer blanks; missing what says that nothing is."""
    text = cells.astype("str").str.strip()
    return text.mask(text.isin(STUDY_WORDS))
