"""The simulated cohort as a table of its measurements, with the probabilities of its generator."""

from functools import cache

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from adestim import PatternConformalClassifier
from adestim.datasets.simulation.oracle import Seen, compute_posterior
from adestim.datasets.simulation.tables import draw_tables
from adestim.datasets.simulation.tasks import APOE_CARRIER, BLOCK_OF, TASKS

MODALITIES = ["smri", "fmri", "clinical", "genetics"]
TASK = "nc_ad"


@cache
def simulated(n_subjects, seed):
    """Tables of a cohort of which nothing is missing."""
    return draw_tables(n_subjects, TASK, None, seed)


def measurements(n_subjects, seed):
    """A numeric table of what an ideal reader measures, and the diagnosis."""
    tables = simulated(n_subjects, seed)
    truth, latent = tables.truth(), tables.latent
    columns = {f"{BLOCK_OF[name]}__{name}": truth[name].to_numpy() for name in BLOCK_OF}
    columns |= {
        "clinical__education": latent.education.astype(float),
        "clinical__female": latent.female.astype(float),
        "genetics__carrier": APOE_CARRIER[latent.apoe].astype(float),
        "genetics__polygenic": truth["polygenic"].to_numpy(),
    }
    X = pd.DataFrame(columns, index=[f"c{seed}-{label}" for label in truth.index])
    order = sorted(X, key=lambda name: MODALITIES.index(name.split("__")[0]))
    return X[order], tables.target().to_numpy()


def keep_only(X, kept):
    """The table with some modalities missing; kept (n_subjects, n_modalities)."""
    blocks = [MODALITIES.index(name.split("__")[0]) for name in X]
    return X.where(kept[:, blocks])


def oracle(n_subjects, seed, kept):
    """P(AD | the modalities kept) of the very subjects, by the generator of the cohort."""
    tables = simulated(n_subjects, seed)
    smri, fmri, clinical, genetics = kept.T
    seen = Seen(smri, fmri, clinical, apoe=genetics, snps=genetics)
    return compute_posterior(TASKS[TASK], tables.latent, tables.genotypes.evidence, seen)


@cache
def fitted():
    """A classifier with prediction sets, and the reference with gaps that it was fitted on."""
    X, y = measurements(500, 1)
    kept = np.random.default_rng(0).random((len(X), 4)) < 0.7
    kept[~kept.any(axis=1), 2] = True
    X = keep_only(X, kept)
    trees = HistGradientBoostingClassifier(
        max_iter=40, learning_rate=0.1, max_leaf_nodes=6, random_state=0
    )
    return PatternConformalClassifier(trees, cv=2, random_state=0).fit(X, y), X, y
