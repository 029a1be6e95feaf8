"""
Functional MRI
==============

A run, or its series by region, becomes one token a region: how it is connected with every
network.
"""

# %%
# Series
# ------
# :class:`~adestim.FMRIExtractor` takes 4-D images, which it cleans and parcellates, or series
# that were made before: a column a region, a row a volume.

import matplotlib.pyplot as plt
import numpy as np

from adestim.datasets import make_cohort

cohort = make_cohort(60, task="nc_ad", missing=None, resolution=20, random_state=2)
series = cohort.frame["roi_series"].iloc[0]
_, axis = plt.subplots(figsize=(8, 3), layout="constrained")
for place, name in enumerate(series.columns[1:6]):
    scaled = (series[name] - series[name].mean()) / series[name].std()
    axis.plot(series["time"], scaled + 5 * place, linewidth=0.8)
axis.set(xlabel="Time (s)", yticks=5 * np.arange(5), title="Five of 300 regions")
axis.set_yticklabels(series.columns[1:6], fontsize=7)
# %%
# Connectomes
# -----------
# The built-in backbone shrinks correlations, takes Fisher's z, and averages them by network.

from adestim import FMRIExtractor

table = FMRIExtractor().fit_transform(cohort.frame[["roi_series"]])
cell = table["fmri"].iloc[0]
features = cell.backbone.option("feature_names")
regions = cell.backbone.option("token_names")
print(f"{len(regions)} tokens of {len(features)} features: {', '.join(features[:4])} ...")

# %%
# Controls and patients differ most where the simulation weakens the default mode network.

tokens = np.stack([cell.tokens for cell in table["fmri"]])
is_patient = (cohort.target == "AD").to_numpy()
difference = tokens[is_patient].mean(axis=0) - tokens[~is_patient].mean(axis=0)
spread = tokens.std(axis=0) + 1e-6
_, axis = plt.subplots(figsize=(8, 4), layout="constrained")
image = axis.imshow((difference / spread).T, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1)
axis.set(xlabel="Region", title="Patients minus controls, in standard deviations")
axis.set_yticks(range(len(features)), features, fontsize=7)
axis.figure.colorbar(image, ax=axis)
# %%
# Beside structural MRI, or alone
# -------------------------------
# A table of one column is fused like any other; there is nothing to fuse then, and the classifier
# mixes what its linear heads, its forest and its net make of one modality.

from sklearn.model_selection import cross_val_score

from adestim import AnchoredFusionClassifier

model = AnchoredFusionClassifier(width=16, depth=1, max_epochs=10, random_state=0)
scores = cross_val_score(model, table, cohort.target, cv=3, scoring="roc_auc")
print(f"area under the ROC curve: {scores.mean():.2f} (folds: {scores.round(2)})")
