"""Concordance: how often who is at the higher risk has the event first."""

from __future__ import annotations

import numpy as np

from adestim.exceptions import InputError


def compute_concordance(
    event: np.ndarray, time: np.ndarray, risk: np.ndarray, weight: np.ndarray | None = None
) -> float:
    """Return the weighted share of comparable pairs whose risks are in the order of their events.

    A pair is comparable where the earlier time is an event's; a censored subject counts as later
    than an event of the same time. Equal risks count half. A pair has the weight of its earlier
    subject. With weights of 1 it is that of F. E. Harrell et al., "Evaluating the yield of medical
    tests", JAMA 247, 1982.

    event, time, risk, weight (n_subjects,).
    """
    weight = np.ones(len(time)) if weight is None else weight
    right = pairs = 0.0
    for first in np.flatnonzero(event & (weight > 0)):
        later = (time > time[first]) | ((time == time[first]) & ~event)
        below = (risk[later] < risk[first]).sum() + (risk[later] == risk[first]).sum() / 2
        right += weight[first] * below
        pairs += weight[first] * later.sum()
    if pairs == 0:
        raise InputError(
            "Concordance needs a pair of subjects of whom it is known who had the event first",
            got="none",
            remedy="Score more subjects, some of whom were followed beyond an event",
        )
    return float(right / pairs)
