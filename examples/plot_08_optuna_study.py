"""
A study of settings
===================

Optuna looks for settings, within ranges that adestim declares, on inner folds that keep groups
whole. Trials that are hopeless end early.
"""

# %%
# What there is to choose
# -----------------------

from adestim import AnchoredFusionClassifier, ClinicalExtractor, GeneticsExtractor, ModalityUnion
from adestim.datasets import make_cohort
from adestim.tuning import search_space

cohort = make_cohort(100, task="nc_ad", missing=0.1, resolution=20, random_state=0)
union = ModalityUnion(
    [
        ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
        ("genetics", GeneticsExtractor(), cohort.columns["genetics"]),
    ]
)
X = union.fit_transform(cohort.frame)
has_any = X.notna().any(axis=1)
X, y, groups = X[has_any], cohort.target[has_any], cohort.groups[has_any]
# Nets alone, as in the paper, so that their settings decide.
fusion = AnchoredFusionClassifier(
    anchor="clinical", members=(), width=16, depth=1, max_epochs=8, random_state=0
)
for name, values in search_space(fusion).items():
    print(f"{name}: {values}")

# %%
# The study
# ---------
# A few of these settings, in few trials, so that this page is made in a minute; take fifty or
# more.

import optuna

from adestim.tuning import tune

optuna.logging.set_verbosity(optuna.logging.WARNING)


def space(trial, estimator):
    """Return the settings of a trial, by the names of the estimator's parameters."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "n_queries": trial.suggest_int("n_queries", 0, 8, step=4),
        "dropout": trial.suggest_float("dropout", 0.0, 0.4),
    }


tuned = tune(fusion, X, y, groups=groups, n_trials=8, inner_cv=2, space=space, random_state=0)
tuned.trials.drop(columns="error").round(3)

# %%
# What it found
# -------------

import matplotlib.pyplot as plt

_, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
tuned.plot_history(axes[0])
tuned.plot_importances(axes[1])
print(tuned.best_params_, round(tuned.best_score_, 3))

# %%
# The best score flatters, as it was chosen among all.
# :func:`~adestim.tuning.nested_cross_validate` judges the search itself, by a fresh study in
# every outer fold.

from adestim.tuning import nested_cross_validate

nested = nested_cross_validate(
    fusion,
    X,
    y,
    groups,
    outer_cv=2,
    n_trials=3,
    inner_cv=2,
    space=space,
    scoring="roc_auc",
    random_state=0,
)
nested.scores.round(3)
