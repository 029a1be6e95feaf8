"""
Genetics
========

SNPs become tokens, one each, out of PLINK or VCF files or out of a table of dosages; APOE is
one more.
"""

# %%
# Files
# -----
# Files are written, as small as they get. All genotype files must be on one genome build; those
# that are not are refused, with the tools that lift them over.

import tempfile
from pathlib import Path

from adestim.datasets import make_cohort

folder = tempfile.TemporaryDirectory()
cohort = make_cohort(
    80,
    task="nc_ad",
    missing=0.1,
    root=Path(folder.name) / "cohort",
    resolution=20,
    bold=False,
    random_state=4,
)
print([Path(prefix).name for prefix in cohort.genotype_files])
cohort.frame[["genotypes", "apoe", "phase"]].head()

# %%
# Tokens
# ------
# Alleles and strands are aligned to those of the training rows; what cannot be aligned is masked.

from adestim import GeneticsExtractor

extractor = GeneticsExtractor(genotypes=cohort.genotype_files)
table = extractor.fit_transform(cohort.frame[["genotypes", "apoe"]], cohort.target)
cell = table["genetics"].dropna().iloc[0]
names = cell.backbone.option("token_names")
print(f"{len(names)} tokens, among them {', '.join(names[:5])}")

# %%
# Which allele goes with the disease
# ----------------------------------

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

kept = table["genetics"].notna()
tokens = np.stack([cell.tokens[:, 0] for cell in table.loc[kept, "genetics"]])
is_patient = (cohort.target[kept] == "AD").to_numpy()
p_values = stats.ttest_ind(tokens[is_patient], tokens[~is_patient], nan_policy="omit").pvalue

_, axis = plt.subplots(figsize=(8, 3), layout="constrained")
strength = -np.log10(np.where(np.isfinite(p_values), p_values, 1))
axis.plot(strength, "o", markersize=4, color="#0072B2")
for place in np.argsort(strength)[-3:]:
    axis.text(place - 1, strength[place], names[place], fontsize=8, ha="right", va="center")
axis.set(xlabel="Variant", ylabel="-log10 p", title="Of 80 simulated people")
# %%
# A polygenic view
# ----------------
# With :class:`~adestim.GeneticsExtractor`, a foundation model of DNA reads the sequence around
# every SNP, once with each allele (``backbone="dnabert-2-117m"``). Read :doc:`/backbones` before:
# as long as it is frozen, its token is a linear function of the dosage.

from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier

model = make_pipeline(extractor, AnchoredFusionClassifier(max_epochs=0, random_state=0))
X = cohort.frame.loc[kept, ["genotypes", "apoe"]]
scores = cross_val_score(model, X, cohort.target[kept], cv=3, scoring="roc_auc")
print(f"area under the ROC curve: {scores.mean():.2f} +/- {scores.std():.2f}")
folder.cleanup()
