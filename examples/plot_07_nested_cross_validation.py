"""
Nested cross-validation
=======================

Settings that were chosen on the patients who are then judged flatter the model. Here an inner
cross-validation chooses, and an outer one judges: ``GridSearchCV`` inside ``cross_validate``,
groups kept whole in both.
"""

# %%
# A cohort, encoded once
# ----------------------
# The table is all that the folds need; what an extractor learned, it learned without the
# diagnosis.

from adestim import AnchoredFusionClassifier, ClinicalExtractor, GeneticsExtractor, ModalityUnion
from adestim.datasets import make_cohort

cohort = make_cohort(110, task="nc_ad", missing=0.1, resolution=20, random_state=0)
union = ModalityUnion(
    [
        ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
        ("genetics", GeneticsExtractor(), cohort.columns["genetics"]),
    ]
)
X = union.fit_transform(cohort.frame)
has_any = X.notna().any(axis=1)
X, y, groups = X[has_any], cohort.target[has_any], cohort.groups[has_any]
print(f"{len(X)} patients, {y.value_counts().to_dict()}")

# %%
# The search
# ----------
# Parameters of every step have the usual names.

import sklearn
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_validate

sklearn.set_config(enable_metadata_routing=True)

fusion = AnchoredFusionClassifier(
    anchor="clinical", width=16, depth=1, max_epochs=8, random_state=0
).set_fit_request(groups=True)
search = GridSearchCV(
    fusion,
    {"n_queries": [0, 4], "start": ["anchor", "stacked"]},
    scoring="neg_log_loss",
    cv=StratifiedGroupKFold(2, shuffle=True, random_state=0),
)
search

# %%
# The judgement
# -------------
# With metadata routing on, ``groups`` reach the outer split, the inner split, and the fusion's
# own inner folds.

result = cross_validate(
    search,
    X,
    y,
    params={"groups": groups},
    cv=StratifiedGroupKFold(3, shuffle=True, random_state=1),
    scoring=["roc_auc", "neg_log_loss"],
    return_estimator=True,
)

import pandas as pd

folds = pd.DataFrame(
    {
        "area under the ROC curve": result["test_roc_auc"],
        "log-loss": -result["test_neg_log_loss"],
        "chosen": [str(estimator.best_params_) for estimator in result["estimator"]],
    }
)
folds.round(3)

# %%
# Folds that choose differently tell that the cohort is too small to choose by: report the outer
# scores, and do not read anything into the winner.

import matplotlib.pyplot as plt

inner = pd.DataFrame(
    [estimator.cv_results_["mean_test_score"] for estimator in result["estimator"]],
    columns=[
        ", ".join(map(str, p.values()))
        for p in search.fit(X, y, groups=groups).cv_results_["params"]
    ],
)
_, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for fold, (marker, values) in enumerate(zip("os^", inner.to_numpy(), strict=True)):
    axis.plot(inner.columns, -values, marker=marker, label=f"outer fold {fold}")
axis.set(xlabel="n_queries, start", ylabel="Inner log-loss")
axis.legend()
sklearn.set_config(enable_metadata_routing=False)
