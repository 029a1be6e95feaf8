"""What stands for a missing value: the words, and the tests for them.

One word more here holds for every reader.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

# In cells that stand for a whole modality, such as a path.
CELL_WORDS = frozenset({"", "n/a"})
# In every table: nothing, the word of BIDS, and what statistical programs and Excel write.
MISSING_WORDS = frozenset(
    {
        "", ".", "n/a", "N/A", "na", "NA", "n.a.", "N.A.", "nan", "NaN", "NAN", "-nan", "-NaN",
        "null", "NULL", "None", "<NA>", "NaT", "#N/A", "#NA", "#NULL!",
    }
)  # fmt: skip
DASHES = frozenset({"-", "--", "–", "—"})
# Among numbers and dates, where a dash alone is no sign such as that of a test.
NUMBER_WORDS = MISSING_WORDS | DASHES

# In columns of diagnoses, in lower case; -1 and -4 are the codes of ADNI.
DIAGNOSIS_WORDS = frozenset({*map(str.lower, MISSING_WORDS), "-1", "-4"})


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


def is_unknown(cell: Any) -> bool:
    """Tell whether a cell of a table of values says that nothing is known."""
    return cell.strip() in MISSING_WORDS if isinstance(cell, str) else is_missing(cell)


def mask_missing(cells: pd.Series) -> pd.Series:
    """Return a table's cells as text without outer blanks; missing what says that nothing is."""
    text = cells.astype("str").str.strip()
    return text.mask(text.isin(MISSING_WORDS))
