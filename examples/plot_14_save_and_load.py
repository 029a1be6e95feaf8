"""
A clinic's day
==============

A model is fitted today, saved as a folder without code and without patients, and asked tomorrow
about one new patient who lacks a modality.
"""

# %%
# Today
# -----
# Around the fusion stands what turns probabilities into sets of diagnoses: at most one patient in
# ten has a diagnosis outside the own set.

from sklearn.pipeline import make_pipeline

import adestim
from adestim import (
    AnchoredFusionClassifier,
    ClinicalExtractor,
    GeneticsExtractor,
    ModalityUnion,
    PatternConformalClassifier,
)
from adestim.datasets import make_cohort

cohort = make_cohort(70, task="nc_ad", missing=0.05, resolution=20, random_state=0)
union = ModalityUnion(
    [
        ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
        ("genetics", GeneticsExtractor(), cohort.columns["genetics"]),
    ]
)
fusion = AnchoredFusionClassifier(
    anchor="clinical", width=8, n_trees=10, max_epochs=2, random_state=0
)
pipeline = make_pipeline(union, PatternConformalClassifier(fusion, cv=3, random_state=0))
pipeline.fit(cohort.frame[:60], cohort.target[:60])

# %%
# In the evening
# --------------
# The folder holds plain values, arrays, and a card. No name of a patient is in it, no path of this
# machine, and no category that fewer than five patients have.

from pathlib import Path
from tempfile import TemporaryDirectory

shelf = TemporaryDirectory()
folder = adestim.save(pipeline, Path(shelf.name) / "memory-clinic")
for file in sorted(folder.iterdir()):
    print(f"{file.name:20} {file.stat().st_size / 1000:6.0f} kB")

# %%
# The head of its card is what a hub reads:

print((folder / "README.md").read_text()[:300])

# %%
# Tomorrow
# --------
# Loading runs no code. Predictions are those of the model that was saved, to the last bit.

loaded = adestim.load(folder)
later = cohort.frame[60:]
bool((loaded.predict_proba(later) == pipeline.predict_proba(later)).all())

# %%
# One new patient, whose genotypes are not back from the laboratory. What is missing is an empty
# cell.

patient = later.iloc[:1].copy()
patient[cohort.columns["genetics"]] = None
probability = loaded.predict_proba(patient)[0]
dict(zip(loaded.classes_, probability.round(2), strict=True))

# %%
# The set of diagnoses that cannot be excluded; where it holds both, the model abstains.

[possible] = loaded[-1].predict_set(loaded[:-1].transform(patient))
loaded.classes_[possible].tolist()

# %%
# The whole day at a glance: everybody of tomorrow, with genotypes and without.

import matplotlib.pyplot as plt

without = later.copy()
without[cohort.columns["genetics"]] = None
place = list(loaded.classes_).index("AD")
_, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
for row, (frame, marker) in enumerate([(later, "o"), (without, "s")]):
    sets = loaded[-1].predict_set(loaded[:-1].transform(frame))
    chances = loaded.predict_proba(frame)[:, place]
    sure = sets.sum(axis=1) == 1
    axis.plot(chances[sure], [row] * sure.sum(), marker, color="#0072B2", label="one diagnosis")
    axis.plot(chances[~sure], [row] * (~sure).sum(), marker, color="#D55E00", mfc="none",
              label="abstains")  # fmt: skip
axis.set_yticks([0, 1], ["with genotypes", "without"])
axis.set(xlabel="Probability of AD", xlim=(0, 1), ylim=(-0.5, 1.5))
axis.legend(*[part[:2] for part in axis.get_legend_handles_labels()], loc="center left")

# %%
shelf.cleanup()

# %%
# To hand it to others, :func:`adestim.push_to_hub` sends the same folder to the Hugging Face hub:
# see :doc:`/saving`.
