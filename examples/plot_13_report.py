"""
A report of one model
=====================

One page that needs nothing but itself: who was analysed, how good the model is and for whom,
what it looks at, and what it must not be used for. No identifiers are on it unless they are
asked for.
"""

# %%
# A model and its comparison
# --------------------------

from adestim import (
    AnchoredFusionClassifier,
    ClinicalExtractor,
    GeneticsExtractor,
    LateFusionClassifier,
    ModalityUnion,
)
from adestim.datasets import make_cohort
from adestim.evaluation import compare

cohort = make_cohort(90, task="nc_ad", missing=0.15, resolution=20, random_state=0)
union = ModalityUnion(
    [
        ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
        ("genetics", GeneticsExtractor(), cohort.columns["genetics"]),
    ]
)
X = union.fit_transform(cohort.frame)
has_any = X.notna().any(axis=1)
X, y, groups = X[has_any], cohort.target[has_any], cohort.groups[has_any]
fusion = AnchoredFusionClassifier(width=16, depth=1, max_epochs=10, random_state=0)
comparison = compare(
    {"fusion": fusion, "late fusion": LateFusionClassifier(random_state=0)},
    X,
    y,
    groups=groups,
    positive="AD",
    cv=3,
    scoring=["roc_auc", "pr_auc", "balanced_accuracy", "sensitivity", "specificity", "brier"],
)
fusion.fit(X, y)

# %%
# The page
# --------
# ``report.save_html("report.html")`` writes it; in a notebook it shows itself.

from adestim.inspection import FusionReport

report = FusionReport(
    fusion,
    X,
    y,
    comparison=comparison,
    groups=groups,
    title="Simulated cohort, AD against controls",
    max_subjects=40,
    characteristics=cohort.frame.loc[X.index, ["age", "sex", "education"]],
)
report

# %%
# The model card
# --------------
# The same facts in Markdown, to lie beside the weights.

from adestim.inspection import model_card

print(model_card(fusion, comparison=comparison, licence="BSD-3-Clause"))

# %%
# TRIPOD+AI
# ---------
# Which items of the checklist the page answers, and which its authors must;
# ``report.save_tripod("tripod.md")`` writes it, or ``.csv`` or ``.html``.

checklist = report.to_tripod()
checklist["answered"].value_counts()

# %%
# Its figures
# -----------
# ``report.save_figures("figures", "pdf")`` writes every figure of the page to a file of its own,
# for a paper; here who was analysed.

_ = comparison.flow.plot()
