"""
From a table to a diagnosis
===========================

A table with one row a patient goes in, probabilities come out, and whatever a patient lacks is
left out. Everything in between is an ordinary scikit-learn pipeline.
"""

# %%
# The table
# ---------
# A cell holds a path, an image, a table or a value; an empty cell means that the modality is
# missing. This cohort is simulated and stays in memory; a real one comes out of
# :func:`~adestim.datasets.load_bids`, :func:`~adestim.datasets.load_adni` and their like, or out
# of a spreadsheet.

from adestim.datasets import make_cohort

cohort = make_cohort(90, task="nc_ad", missing=0.25, resolution=6, random_state=0)
cohort.frame[["t1w", "roi_series", "age", "sex", "education", "apoe"]].head()

# %%
# The pipeline
# ------------
# One extractor a modality, side by side, and the fusion behind them. Without ``backbone=`` every
# extractor uses its built-in one, which needs no download.

from sklearn.pipeline import make_pipeline

from adestim import (
    AnchoredFusionClassifier,
    ClinicalExtractor,
    FMRIExtractor,
    GeneticsExtractor,
    ModalityUnion,
    SMRIExtractor,
)

pipeline = make_pipeline(
    ModalityUnion(
        [
            ("smri", SMRIExtractor(resolution=6.0), "t1w"),
            ("fmri", FMRIExtractor(), "roi_series"),
            ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
            ("genetics", GeneticsExtractor(), cohort.columns["genetics"]),
        ]
    ),
    AnchoredFusionClassifier(anchor="all", random_state=0),
)
pipeline

# %%
# Fitting and predicting
# ----------------------
# Every modality is anchor in turn. One mixture weighs the nets of the anchors and the members
# that need no net, by what they say of patients whom they have not seen.

import matplotlib.pyplot as plt
from sklearn.metrics import RocCurveDisplay
from sklearn.model_selection import train_test_split

X_train, X_test, y_train, y_test = train_test_split(
    cohort.frame, cohort.target, test_size=0.4, stratify=cohort.target, random_state=0
)
pipeline.fit(X_train, y_train)
probability = pipeline.predict_proba(X_test)[:, 0]

_, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
RocCurveDisplay.from_predictions(
    y_test,
    probability,
    pos_label="AD",
    name="fusion",
    ax=axes[0],
    plot_chance_level=True,
)
axes[0].set_title("Patients it has not seen")
for label, colour, hatch in (("CN", "#0072B2", "//"), ("AD", "#D55E00", "..")):
    of_class = probability[y_test == label]
    axes[1].hist(of_class, bins=10, range=(0, 1), color=colour, hatch=hatch, alpha=0.6, label=label)
axes[1].set(xlabel="Probability of AD", ylabel="Patients", title="By diagnosis")
axes[1].legend()

# %%
# With ``backbone="brainmvp"`` and the path of its weights, the same line runs a foundation model:
# see :doc:`/backbones`. Cross-validation, searches and studies work as with any estimator of
# scikit-learn.
