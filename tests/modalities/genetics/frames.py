"""Tables of sample ids, and what became of them."""

import numpy as np
import pandas as pd

SAMPLES = [f"p{number}" for number in range(30)]


def frame_of(samples, apoe=None):
    """Return sample ids, and APOE genotypes if any, of subjects sub-0, sub-1 and so on."""
    index = [f"sub-{number}" for number in range(len(samples))]
    columns = {"iid": samples} if apoe is None else {"iid": samples, "apoe": apoe}
    return pd.DataFrame(columns, index=index, dtype=object)


def stacked(encodings):
    """Return the dosages of all subjects, NaN where masked."""
    return np.stack(
        [np.where(cell.mask, cell.tokens.ravel(), np.nan) for cell in encodings["genetics"]]
    )
