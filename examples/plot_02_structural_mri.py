"""
Structural MRI
==============

A T1-weighted volume becomes one token a region. What a foundation model would read in its place
is one word away.
"""

# %%
# Volumes
# -------
# :class:`~adestim.SMRIExtractor` takes paths, nibabel images or arrays, of volumes in MNI152
# space; ``registration="affine"`` brings others there.

import matplotlib.pyplot as plt
from nilearn import plotting

from adestim.datasets import make_cohort

cohort = make_cohort(60, task="nc_ad", missing=None, resolution=4, random_state=1)
volume = cohort.frame["t1w"].iloc[0]
plotting.plot_anat(volume, display_mode="ortho", title=cohort.target.iloc[0])
# %%
# Tokens
# ------
# An :class:`~adestim.encoding.Encoding` is a small table: a row a region, a column a feature.

import pandas as pd

from adestim import SMRIExtractor

table = SMRIExtractor(resolution=6.0).fit_transform(cohort.frame[["t1w"]])
encoding = table["smri"].iloc[0]
names = encoding.backbone.option("token_names"), encoding.backbone.option("feature_names")
pd.DataFrame(encoding.tokens, index=names[0], columns=names[1]).head().round(2)

# %%
# What the disease does
# ---------------------
# The medial temporal lobe shrinks; here, as the simulation says it does.

volumes = pd.DataFrame(
    [cell.tokens[:, 0] for cell in table["smri"]], index=table.index, columns=names[0]
)
regions = ["hippocampus_L", "amygdala_L", "thalamus_L", "Visual_cortex_L_1"]
_, axes = plt.subplots(1, 4, figsize=(10, 3.2), layout="constrained")
for axis, region in zip(axes, regions, strict=True):
    groups = [volumes.loc[cohort.target == label, region] for label in ("CN", "AD")]
    axis.boxplot(groups, tick_labels=["CN", "AD"], medianprops={"color": "#D55E00", "linewidth": 2})
    axis.set_title(region, fontsize=9)
axes[0].set_ylabel("Tissue volume")
# %%
# Alone
# -----
# One modality is a table of one column. :class:`~adestim.PoolTokens` hands its tokens to any
# classifier of scikit-learn.

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import PoolTokens

model = make_pipeline(PoolTokens(), StandardScaler(), LogisticRegression(C=0.01))
scores = cross_val_score(model, table, cohort.target, cv=5, scoring="roc_auc")
print(f"area under the ROC curve: {scores.mean():.2f} (folds: {scores.round(2)})")

# %%
# Foundation models of structural MRI, with their licences and what they were pre-trained on:

from adestim import list_backbones

list_backbones("smri").iloc[:, :4]
