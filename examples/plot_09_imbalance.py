"""
Imbalanced classes
==================

In a memory clinic's register those who convert are few. Samplers of imbalanced-learn take
tables of encodings as they are; weights are often all that is needed.
"""

# %%
# Few patients
# ------------

import pandas as pd

from adestim import ClinicalExtractor, GeneticsExtractor, ModalityUnion
from adestim.datasets import make_cohort

cohort = make_cohort(200, task="nc_ad", missing=0.1, resolution=20, random_state=0)
kept = (cohort.target == "CN") | (cohort.groups.str[-1].isin(["0", "5"]))
frame, y = cohort.frame[kept], cohort.target[kept]
union = ModalityUnion(
    [
        ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
        ("genetics", GeneticsExtractor(), cohort.columns["genetics"]),
    ]
)
X = union.fit_transform(frame)
X, y = X[X.notna().any(axis=1)], y[X.notna().any(axis=1)]
y.value_counts().to_frame("people")

# %%
# Three ways
# ----------
# Resampling repeats patients. The fusion knows a patient by the index label and keeps repetitions
# on one side of each of its inner folds.

from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from adestim import AnchoredFusionClassifier
from adestim.evaluation import score_probabilities

settings = {"width": 16, "depth": 1, "max_epochs": 8, "random_state": 0}
models = {
    "as it is": AnchoredFusionClassifier(**settings),
    "weighted": AnchoredFusionClassifier(class_weight="balanced", **settings),
    "over-sampled": make_imblearn_pipeline(
        RandomOverSampler(random_state=0), AnchoredFusionClassifier(**settings)
    ),
}
cv = StratifiedKFold(3, shuffle=True, random_state=0)
classes = ["CN", "AD"]
probabilities = {
    name: cross_val_predict(model, X, y, cv=cv, method="predict_proba")[:, ::-1]
    for name, model in models.items()
}
names = ["roc_auc", "pr_auc", "sensitivity", "specificity", "balanced_accuracy", "brier"]
pd.DataFrame(
    {
        name: score_probabilities(y, values, classes, scores=names)
        for name, values in probabilities.items()
    }
).round(3)

# %%
# Weights move sensitivity against specificity, and make probabilities too high; ranks hardly
# change. The other way is to leave the probabilities alone and to move the threshold, inside the
# training rows.

import matplotlib.pyplot as plt
from sklearn.metrics import PrecisionRecallDisplay

_, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
styles = {
    "as it is": ("#0072B2", "-"),
    "weighted": ("#D55E00", "--"),
    "over-sampled": ("#009E73", ":"),
}
for name, (colour, line) in styles.items():
    PrecisionRecallDisplay.from_predictions(
        y,
        probabilities[name][:, 1],
        pos_label="AD",
        name=name,
        ax=axes[0],
        curve_kwargs={"color": colour, "linestyle": line},
    )
    axes[1].hist(
        probabilities[name][:, 1],
        range=(0, 1),
        bins=12,
        histtype="step",
        color=colour,
        linestyle=line,
    )
axes[0].legend(fontsize=8)
axes[1].set(xlabel="Probability of AD", ylabel="People")

# %%
from adestim.evaluation import inner_threshold

threshold = inner_threshold(
    models["as it is"], X, y, rule="youden", positive="AD", cv=3, random_state=0
)
print(f"AD is said from a probability of {threshold:.2f} on")
