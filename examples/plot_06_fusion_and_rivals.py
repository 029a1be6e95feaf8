"""
Missing modalities, and the rivals
==================================

Is the fusion better than simpler models of the same patients? One call judges all of them on
the same folds, beside controls that know nothing of the disease.
"""

# %%
# The cohort
# ----------
# A quarter of all blocks is missing. Clinical records and genotypes are quick to encode, so this
# page can stay short; images join in the same way.

from adestim import ClinicalExtractor, GeneticsExtractor, ModalityUnion, SMRIExtractor
from adestim.datasets import make_cohort
from adestim.evaluation import missing_patterns

cohort = make_cohort(100, task="nc_ad", missing=0.25, resolution=6, random_state=0)
union = ModalityUnion(
    [
        ("smri", SMRIExtractor(resolution=6.0), "t1w"),
        ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
        ("genetics", GeneticsExtractor(), cohort.columns["genetics"]),
    ]
)
table = union.fit_transform(cohort.frame)
missing_patterns(table)

# %%
# None of these extractors learns from the diagnosis. Where one does, put the union into the
# pipeline instead, as in :ref:`sphx_glr_auto_examples_plot_01_start.py`.
#
# The same folds for all
# ----------------------

from adestim import AnchoredFusionClassifier, LateFusionClassifier, UnimodalClassifier
from adestim.evaluation import compare, plain_rivals

settings = {"width": 16, "depth": 1, "max_epochs": 12, "random_state": 0}
models = {
    "anchored fusion": AnchoredFusionClassifier(**settings),
    "late fusion": LateFusionClassifier(random_state=0),
    "structural MRI alone": UnimodalClassifier(modality="smri", random_state=0),
    "logistic, all columns": plain_rivals()["logistic, all columns"],
}
has_any = table.notna().any(axis=1)
comparison = compare(
    models,
    table[has_any],
    cohort.target[has_any],
    groups=cohort.groups[has_any],
    positive="AD",
    cv=3,
    scoring=["roc_auc", "balanced_accuracy", "brier"],
    random_state=0,
)
comparison

# %%
# The control "mask only" knows which modalities a patient has, and nothing else. If it does well,
# the pattern of what is missing gives the diagnosis away.
#
# Intervals and differences
# -------------------------
# Intervals are over patients; differences are paired, their tests corrected for overlapping
# training sets (Nadeau and Bengio 2003) and for their number (Holm 1979).

comparison.differences("roc_auc").round(3)

# %%
import matplotlib.pyplot as plt

summary = comparison.summary(n_resamples=300)["roc_auc"][::-1]
_, axis = plt.subplots(figsize=(7, 3), layout="constrained")
errors = abs(summary[["low", "high"]].sub(summary["estimate"], axis=0)).T
axis.errorbar(
    summary["estimate"], range(len(summary)), xerr=errors, fmt="o", color="#0072B2", capsize=3
)
axis.set_yticks(range(len(summary)), summary.index)
axis.axvline(0.5, color="0.6", linestyle="--")
axis.set(xlabel="Area under the ROC curve, 95 % interval")
# %%
# What if more were missing?
# --------------------------

from adestim.evaluation import plot_robustness, robustness_curve

curves = {
    name: robustness_curve(
        models[name],
        table[has_any],
        cohort.target[has_any],
        rates=(0, 0.3, 0.6),
        scores=("roc_auc",),
        n_draws=3,
        cv=2,
        random_state=0,
    )
    for name in ("anchored fusion", "late fusion")
}
plot_robustness(curves)
