"""
Another cohort
==============

What a model is worth shows on people of another study: scanned elsewhere, with fewer
modalities, with another share of patients.
"""

# %%
# Two studies
# -----------
# The second one has no genotypes at all.

from sklearn.pipeline import make_pipeline

from adestim import (
    AnchoredFusionClassifier,
    ClinicalExtractor,
    GeneticsExtractor,
    LateFusionClassifier,
    ModalityUnion,
    SMRIExtractor,
)
from adestim.datasets import make_cohort

home = make_cohort(80, task="nc_ad", missing=0.1, resolution=6, random_state=0)
abroad = make_cohort(60, task="nc_ad", missing=0.1, resolution=6, random_state=7)
lacking = abroad.frame.drop(columns=home.columns["genetics"])


def pipeline_with(classifier):
    """Return the extractors of the home study before a classifier."""
    union = ModalityUnion(
        [
            ("smri", SMRIExtractor(resolution=6.0), "t1w"),
            ("clinical", ClinicalExtractor(), home.columns["clinical"]),
            ("genetics", GeneticsExtractor(), home.columns["genetics"]),
        ]
    )
    return make_pipeline(union, classifier).fit(home.frame, home.target)


fitted = {
    "anchored fusion": pipeline_with(
        AnchoredFusionClassifier(width=16, depth=1, max_epochs=12, random_state=0)
    ),
    "late fusion": pipeline_with(LateFusionClassifier(random_state=0)),
}

# %%
# The judgement
# -------------
# :func:`~adestim.evaluation.transfer` fits nothing and learns nothing from the second study. That
# it lacks a modality is told in a warning.

import warnings
from textwrap import shorten

from adestim.evaluation import transfer

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    judged = transfer(
        fitted,
        lacking,
        abroad.target,
        groups=abroad.groups,
        positive="AD",
        n_resamples=300,
        random_state=0,
    )
print(shorten(str(caught[0].message), 120))
judged

# %%
judged.differences.round(3)

# %%
# Is it calibrated there?
# -----------------------

import matplotlib.pyplot as plt
from sklearn.calibration import CalibrationDisplay

_, axis = plt.subplots(figsize=(5, 4.5), layout="constrained")
for name, marker, colour in (("anchored fusion", "o", "#0072B2"), ("late fusion", "s", "#D55E00")):
    rows = judged.predictions[judged.predictions["estimator"] == name]
    CalibrationDisplay.from_predictions(
        rows["y"] == "AD",
        rows["p_AD"],
        n_bins=5,
        strategy="quantile",
        name=name,
        ax=axis,
        marker=marker,
        color=colour,
    )
axis.set(xlabel="Probability", ylabel="Share of patients")

# %%
# Models that were pre-trained on a study should not be judged on it.
# :func:`~adestim.evaluation.warn_pretraining` looks for that.

from adestim.evaluation import warn_pretraining

warn_pretraining(["brain-jepa", "brainmvp"], "OASIS-3").T
