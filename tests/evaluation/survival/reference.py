"""Outcomes and predictions of which scikit-survival 0.28.0 has computed the scores."""

import numpy as np
import pandas as pd

from adestim import make_survival

TIMES = np.array([0.8, 1.5, 2.4])


def reference_outcomes(n_subjects=60):
    """Targets, risk scores, and survival at ``TIMES``; times have one digit, so that some tie."""
    rng = np.random.default_rng(42)
    burden = rng.normal(size=n_subjects)
    years = np.round(rng.exponential(2 * np.exp(-burden)), 1) + 0.1
    followed = np.round(rng.uniform(0.5, 5, size=n_subjects), 1)
    y = make_survival(years <= followed, np.minimum(years, followed))
    risk = np.round(burden + rng.normal(size=n_subjects), 1)
    survival = np.exp(-np.outer(np.exp(burden), TIMES) / 2)
    return y, risk, pd.DataFrame(survival, columns=TIMES)
