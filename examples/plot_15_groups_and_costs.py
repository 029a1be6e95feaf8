"""
For whom it holds, and what to measure next
===========================================

One number for a whole cohort hides who pays for its errors. And before anyone is scanned, a clinic
asks what the scan will add.
"""

# %%
# A cohort and its predictions
# ----------------------------
# Hundreds of people are needed to say anything about groups. In place of images and genotypes
# stands what an ideal reader would measure in them; what is before ``__`` is the modality.

import pandas as pd

from adestim import LateFusionClassifier, PatternConformalClassifier
from adestim.datasets import make_cohort
from adestim.evaluation import compare, score_by_group

cohort = make_cohort(400, task="nc_ad", missing=None, resolution=20, random_state=0)
frame, truth = cohort.frame, cohort.truth
X = pd.DataFrame(
    {
        "clinical__age": truth["age"],
        "clinical__complaint": truth["memory_complaint"],
        "clinical__education": frame["education"],
        "genetics__e4": truth["apoe"].str.count("4").astype(float),
        "genetics__polygenic": truth["polygenic"],
        "smri__hippocampus": truth["hippocampus"],
        "smri__temporoparietal": truth["temporoparietal"],
        "smri__ventricles": truth["ventricles"],
        "fmri__dmn": truth["dmn"],
        "fmri__frontoparietal": truth["frontoparietal"],
    }
)
modalities = ["clinical", "genetics", "smri", "fmri"]
comparison = compare(
    {"late fusion": LateFusionClassifier(random_state=0)},
    X,
    cohort.target,
    cv=5,
    threshold="youden",
    random_state=0,
)

# %%
# By sex, age, site
# -----------------
# Bands of age are cut before; who has no value is a level too. Small levels are put together, and
# where even these are too few nothing is scored.

groups = pd.DataFrame(
    {
        "sex": frame["sex"],
        "age": pd.cut(frame["age"], [0, 70, 76, 120], labels=["to 70", "71 to 76", "from 77"]),
        "site": frame["site"],
    }
)
found = score_by_group(
    comparison, groups, scores=["roc_auc", "sensitivity", "calibration_intercept"], n_resamples=300
)
found.table()

# %%
# The largest gap of every attribute is tested by letting people exchange their groups: those of a
# diagnosis for discrimination, those of like predictions for calibration.
found.gap_table()

# %%
# What to measure next
# --------------------
# A clinic has the history and the questionnaires. For every patient it is asked what each further
# measurement is expected to add for its cost, from what people of the training part who are alike
# had there. Any classifier that predicts where modalities are missing will do.

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from adestim.evaluation import measurement_policy, next_measurement

train, clinic = X.index[:250], X.index[250:]
costs = {"genetics": 1.0, "fmri": 6.0, "smri": 4.0}

# As in any cohort, not everybody of the training part has everything.
block = [modalities.index(name.split("__")[0]) for name in X]
has = np.random.default_rng(0).random((len(train), len(modalities))) < 0.7
has[:, 0] = True
reference = X.loc[train].where(has[:, block])
trees = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=6, random_state=0)
settled = PatternConformalClassifier(trees, cv=5, random_state=0)
settled.fit(reference, cohort.target[train])

first = X.loc[clinic[:3]].filter(like="clinical__").reindex(columns=X.columns)
next_measurement(settled, first, X_reference=reference, costs=costs).round(3)

# %%
# Until it is settled
# -------------------
# Measuring goes on until the prediction set has one class. The order by expected gain is compared
# with a fixed and with a random one.

import matplotlib.pyplot as plt

policy = measurement_policy(
    settled,
    X.loc[clinic],
    cohort.target[clinic],
    X_reference=reference,
    start="clinical",
    costs=costs,
    n_alike=20,
    n_random=3,
    random_state=0,
)
_, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
policy.plot(axes[0])
policy.plot(axes[1], score="decided")
axes[1].set_ylabel("share of settled people")

# %%
# Those who are settled early are spared the dear measurements. But looking at a set again and again
# costs some of its promise: ``covered`` is the share of sets that hold the true class, and it falls
# below the nine in ten that were asked for.
policy.summary().round(3)
