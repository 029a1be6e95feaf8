"""Diagnoses of OASIS-3: from forms of the Uniform Data Set, from words, or from the CDR alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from adestim.datasets.labelling.diagnoses import NOT_AD
from adestim.datasets.tables.cells import text_of

RULES = ("uds", "dx1", "cdr")
IMPAIRED = "Impaired (not MCI)"
UNCERTAIN = "Uncertain"
OTHER = "Other diagnosis"
# Sub-domains of mild cognitive impairment, as version 1 and 2 of the Uniform Data Set name them.
MCI_FLAGS = (
    "MCIAMEM", "MCIAPLUS", "MCIAPLAN", "MCIAPATT", "MCIAPEX", "MCIAPVIS", "MCINON1", "MCIN1LAN",
    "MCIN1ATT", "MCIN1EX", "MCIN1VIS", "MCINON2", "MCIN2LAN", "MCIN2ATT", "MCIN2EX", "MCIN2VIS",
)  # fmt: skip
STATES = ("NORMCOG", "DEMENTED", "IMPNOMCI")
CAUSES = ("PROBAD", "ALZDIS", "ALZDISIF")
FLAGS = (*STATES, *CAUSES, *MCI_FLAGS)
# Words of the field dx1, the first that fits.
DOUBT = r"uncertain|unc(?:\.|:|\b)|questionable|\bques\b|no dementia|in memory only"
WORDS = (
    ("CN", r"^cognitively normal$"),
    (UNCERTAIN, DOUBT),
    ("AD", r"^(?:ad dem|dat\b|alzheimer)"),
    (NOT_AD, r"dem|dlbd|lewy|vascular|frontotemporal"),
)


def from_forms(flags: pd.DataFrame, cdr: pd.Series) -> pd.Series:
    """Return diagnoses by form D1 and the global CDR."""
    yes = flags.eq(1)
    mci = yes[list(MCI_FLAGS)].any(axis=1)
    # PROBAD ends with version 2 of the form; version 3 has a disease and whether it is primary.
    alzheimer = yes["PROBAD"] | (yes["ALZDIS"] & yes["ALZDISIF"])
    states = {"CN": yes["NORMCOG"], "MCI": mci, IMPAIRED: yes["IMPNOMCI"], "AD": yes["DEMENTED"]}
    single = sum(state.astype(int) for state in states.values()) == 1
    conditions = {
        "CN": states["CN"] & cdr.eq(0),
        "MCI": states["MCI"],
        IMPAIRED: states[IMPAIRED],
        NOT_AD: states["AD"] & ~alzheimer,
        "AD": states["AD"] & alzheimer & cdr.ge(0.5),
    }
    return chosen({name: single & condition for name, condition in conditions.items()})


def from_words(words: pd.Series, cdr: pd.Series) -> pd.Series:
    """Return diagnoses by the text of ``dx1`` and the global CDR; there is no word for MCI."""
    text = words.fillna("").str.strip().str.casefold()
    conditions = {name: text.str.contains(pattern) for name, pattern in WORDS}
    labels = chosen({**conditions, OTHER: text.ne("")})
    contradicted = (labels.eq("CN") & ~cdr.eq(0)) | (labels.eq("AD") & ~cdr.ge(0.5))
    return labels.mask(contradicted)


def from_cdr(cdr: pd.Series) -> pd.Series:
    """Return 0 as normal, 0.5 as mild impairment, more as dementia of whatever cause."""
    return chosen({"CN": cdr.eq(0), "MCI": cdr.eq(0.5), "AD": cdr.ge(1)})


def chosen(conditions: dict[str, pd.Series]) -> pd.Series:
    """Return the name of the first condition that holds; missing where none does."""
    first = next(iter(conditions.values()))
    cells = [condition.to_numpy(bool) for condition in conditions.values()]
    names = np.select(cells, np.array(list(conditions), dtype=object), default=None)
    return text_of(pd.Series(names, index=first.index, dtype=object))
