"""
A backbone of your own
======================

Thirty lines make a model of yours one of ours: it reads volumes as an extractor, and is an
anchor of the fusion, with adapters in its layers.
"""

# %%
# The model
# ---------
# It stands in a file of its own, since worker processes and saved models find the class by its
# name: :download:`own_backbone.py <../../examples/own_backbone.py>`.
#
# .. literalinclude:: ../../examples/own_backbone.py

# %%
# The contract
# ------------
# :func:`~adestim.check_backbone` tells whether shapes, determinism, padding, masks, gates and
# gradients are as they must be.
import numpy as np
import own_backbone
import torch

from adestim import check_backbone
from adestim.datasets import make_cohort

cohort = make_cohort(40, task="nc_ad", missing=0.1, resolution=6, random_state=0)
volumes = cohort.frame["t1w"].dropna()[:2]
torch.manual_seed(0)
model = own_backbone.PatchModel()
check_backbone(model, [own_backbone.PatchModel.prepare(volume) for volume in volumes])

# %%
# The weights
# -----------
# A checkpoint as a training script writes it. These weights are random; yours are not.

import tempfile
from pathlib import Path

folder = tempfile.TemporaryDirectory()
weights = Path(folder.name) / "patch_model.pt"
torch.save({"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, weights)

# %%
# In a pipeline
# -------------

from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, ClinicalExtractor, ModalityUnion, SMRIExtractor

pipeline = make_pipeline(
    ModalityUnion(
        [
            ("smri", SMRIExtractor(backbone="patch-model", weights=weights), "t1w"),
            ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
        ]
    ),
    AnchoredFusionClassifier(anchor="smri", max_epochs=5, random_state=0),
)
has_any = cohort.frame[["t1w", "age"]].notna().any(axis=1)
pipeline.fit(cohort.frame[has_any], cohort.target[has_any])

# %%
# Its tokens
# ----------

import matplotlib.pyplot as plt

table = pipeline[:-1].transform(cohort.frame)
tokens = np.stack([cell.tokens for cell in table["smri"].dropna()])
_, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
axes[0].imshow(tokens[0].T, aspect="auto", cmap="cividis")
axes[0].set(xlabel="Patch", ylabel="Feature", title="One subject")
history = [epoch for epoch in pipeline[-1].history_ if epoch["anchor"] == "smri"]
for name, marker in (("train_loss", "o"), ("valid_loss", "s")):
    axes[1].plot(
        [epoch["epoch"] for epoch in history],
        [epoch[name] for epoch in history],
        marker=marker,
        label=name,
    )
axes[1].set(xlabel="Epoch", ylabel="Loss", title="As anchor, with adapters")
axes[1].legend()
folder.cleanup()
