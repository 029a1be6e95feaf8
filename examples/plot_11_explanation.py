"""
What counted, what was read, and who decided
============================================

Questions to a fitted fusion, by modality, by anchor and by token.
"""

# %%
# A fitted fusion
# ---------------

from adestim import (
    AnchoredFusionClassifier,
    ClinicalExtractor,
    GeneticsExtractor,
    ModalityUnion,
    SMRIExtractor,
)
from adestim.datasets import make_cohort

cohort = make_cohort(80, task="nc_ad", missing=0.15, resolution=6, random_state=0)
union = ModalityUnion(
    [
        ("smri", SMRIExtractor(resolution=6.0), "t1w"),
        ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
        ("genetics", GeneticsExtractor(), cohort.columns["genetics"]),
    ]
)
X = union.fit_transform(cohort.frame)
has_any = X.notna().any(axis=1)
X, y = X[has_any], cohort.target[has_any]
# Anchors alone speak, as in the paper, so that there are queries to look into.
fusion = AnchoredFusionClassifier(members=(), width=16, depth=1, max_epochs=15, random_state=0).fit(
    X, y
)

# %%
# What counted
# ------------
# A modality's Shapley value is what it adds to the log-odds, averaged over all orders in which
# modalities may join. The values of a patient add up to the prediction.

import matplotlib.pyplot as plt

from adestim.inspection import ContributionsDisplay, SynergyDisplay, modality_contributions

contributions = modality_contributions(fusion, X, target="AD")
contributions.summary().round(3)

# %%
_, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
ContributionsDisplay(contributions, kind="strip").plot(ax=axes[0])
SynergyDisplay(contributions).plot(ax=axes[1])
# %%
# What if it were missing?

from adestim.inspection import what_if_missing

what_if_missing(fusion, X, "smri", target="AD").head().round(3)

# %%
# Who decided
# -----------

from adestim.inspection import AnchorsDisplay

AnchorsDisplay.from_estimator(fusion, X)
# %%
# What was read
# -------------
# The attention of the Q-former's queries says what they looked at, which need not be what
# mattered.

from adestim.inspection import AttributionDisplay, QueryAttentionDisplay, token_attribution

QueryAttentionDisplay.from_estimator(fusion, X, anchor="clinical", n_top=10)
# %%
# Integrated gradients say which tokens moved the output; their sum is the difference from the
# baseline.

attribution = token_attribution(fusion, X, target="AD", anchor="clinical", n_steps=16)
print(f"largest gap: {attribution.completeness()['gap'].abs().max():.2g}")
AttributionDisplay(attribution).plot(n_top=10)
# %%
# Where they lie
# --------------

from adestim.inspection import TokenMapDisplay

TokenMapDisplay.from_estimator(fusion, X, "smri", anchor="clinical", target="AD", n_steps=16)
# %%
# Does the attribution depend on what was learned? Compare it with that of randomised weights
# (Adebayo et al. 2018): high correlations would mean that it does not.

from adestim.inspection import sanity_check

sanity_check(fusion, X[:20], n_draws=3, target="AD", anchor="clinical", n_steps=8).frame().round(3)
