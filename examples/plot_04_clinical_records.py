"""
Clinical records
================

Columns become tokens, one a column. Columns that *make* the diagnosis are looked for before
they can make the result.
"""

# %%
# Numbers, categories, ordered levels, words
# ------------------------------------------

from adestim.datasets import make_cohort

cohort = make_cohort(150, task="nc_ad", missing=0.2, resolution=20, random_state=3)
columns = cohort.columns["clinical"]
cohort.frame[columns].head()

# %%
from adestim import ClinicalExtractor

extractor = ClinicalExtractor().fit(cohort.frame[columns])
table = extractor.transform(cohort.frame[columns])
cell = table["clinical"].dropna().iloc[0]
print("tokens:", ", ".join(cell.backbone.option("token_names")))

# %%
# A missing value is a masked token, and a patient without any is a missing modality. Nothing is
# imputed.

print(f"{table['clinical'].isna().sum()} of {len(table)} patients have no clinical record")

# %%
# Leaks
# -----
# The MMSE and the sum of boxes are what the diagnosis was made of. A model that reads them
# predicts the past.

import warnings

from adestim.exceptions import LeakageWarning

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", LeakageWarning)
    ClinicalExtractor().fit(cohort.frame[[*columns, *cohort.columns["diagnostic"]]])
print(caught[0].message)

# %%
# How much they would make:

import matplotlib.pyplot as plt
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier

known = cohort.frame[[*columns, *cohort.columns["diagnostic"]]].notna().any(axis=1)
scores = {}
for diagnostic in ("exclude", "allow"):
    model = make_pipeline(
        ClinicalExtractor(diagnostic=diagnostic),
        AnchoredFusionClassifier(max_epochs=0, random_state=0),
    )
    X = cohort.frame.loc[known, [*columns, *cohort.columns["diagnostic"]]]
    scores[diagnostic] = cross_val_score(model, X, cohort.target[known], cv=5, scoring="roc_auc")

_, axis = plt.subplots(figsize=(6, 2.6), layout="constrained")
axis.boxplot(list(scores.values()), orientation="horizontal", tick_labels=["without", "with"])
axis.set(xlabel="Area under the ROC curve", title="Scores that make the diagnosis")
# %%
# Words
# -----
# ``ClinicalExtractor(backbone="clinicalbert")``, or any other language model, reads the record as
# sentences. :class:`~adestim.modalities.clinical.RecordTemplate` decides how they are worded.

from adestim import list_backbones

list_backbones("clinical").iloc[:, :4]
