"""
Time to conversion
==================

Who with mild cognitive impairment will have dementia, and when? People are followed for different
times, and many are last seen before anything happened: they are censored, and teach the model all
the same.
"""

# %%
# A simulated cohort
# ------------------
# Targets say whether conversion was seen, and after how many years; or until when there was none.
# The true survival function of everybody is known: the oracle.

import numpy as np

from adestim.datasets import make_survival_cohort

times = np.array([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4])
cohort = make_survival_cohort(400, times=times, resolution=12, bold_resolution=12, random_state=0)
cohort

# %%
cohort.target[:3]

# %%
# The model
# ---------
# It learns hazards: the probability of conversion in an interval for who came so far.

from sklearn.pipeline import make_pipeline

from adestim import (
    AnchoredFusionSurvival,
    ClinicalExtractor,
    GeneticsExtractor,
    ModalityUnion,
    SMRIExtractor,
)

union = ModalityUnion(
    [
        ("smri", SMRIExtractor(resolution=12), cohort.columns["smri"]),
        ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
        ("genetics", GeneticsExtractor(), cohort.columns["genetics"]),
    ]
)
fusion = AnchoredFusionSurvival(
    anchor="clinical", n_intervals=6, width=8, n_trees=50, max_epochs=4, random_state=0
)
pipeline = make_pipeline(union, fusion)
train, test = np.arange(400) < 280, np.arange(400) >= 280
pipeline.fit(cohort.frame[train], cohort.target[train])

# %%
# Everybody has a survival function. Some patients of the test set, who may lack a modality:

encodings = pipeline[:-1].transform(cohort.frame[test])
survival = pipeline[-1].predict_survival_function(encodings, times)
survival.head(4).round(2)

# %%
# How good is it?
# ---------------
# The scores take censoring into account, and have intervals over subjects. The oracle is the best
# that anybody can do on this cohort.

from adestim.evaluation import score_survival

y_train, y_test = cohort.target[train], cohort.target[test]
common = {"train": y_train, "horizon": 3.0, "n_resamples": 200, "random_state": 0}
score_survival(y_test, survival, **common).round(2)

# %%
score_survival(y_test, cohort.oracle[test], **common).round(2)

# %%
# Is a predicted 40 % 40 %?
# -------------------------
# In thirds of the test set, how often conversion came within three years, and how often it was
# predicted to. Beside it, predicted survival
# of a few, light, and of all, dark; dashed, the truth.

import matplotlib.pyplot as plt

from adestim.evaluation import survival_calibration

risk = pipeline[-1].predict_risk(encodings, 3.0)
table = survival_calibration(y_test, risk, 3.0, n_bins=3)
true_mean = cohort.oracle[test].mean()

_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot(times, survival.iloc[:12].T, color="#9ecae1", linewidth=0.8)
left.plot(times, survival.mean(), color="#0072B2", linewidth=2.5, label="predicted, mean")
left.plot(times, true_mean, "--", color="#D55E00", linewidth=2, label="true, mean")
left.set(xlabel="Years", ylabel="No conversion yet", ylim=(0, 1.02))
left.legend(loc="lower left")
error = np.abs(table[["low", "high"]].T - table["observed"])
right.errorbar(table["predicted"], table["observed"], error, fmt="o", color="#0072B2")
right.plot([0, 1], [0, 1], color="0.7", linewidth=1)
right.set(xlabel="Predicted within 3 years", ylabel="Observed", xlim=(0, 1), ylim=(0, 1))
right.set_aspect("equal")

# %%
# Targets of real visits, what hazards are, and rivals: see :doc:`/survival`.
