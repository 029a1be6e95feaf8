"""Subjects as batches, for tests."""

import numpy as np
import torch

from adestim.training.batches import FusionData

N_SUBJECTS = 20


def base_logits(rows, present):
    """Logits that tell the row and how many modalities were shown."""
    return np.stack([rows.astype(np.float32), present.sum(axis=1).astype(np.float32)], axis=1)


def fusion_data(weight=None, seed=0, inputs=None):
    generator = torch.Generator().manual_seed(seed)
    tokens = {name: torch.randn(N_SUBJECTS, 3, 2, generator=generator) for name in "ab"}
    masks = {name: torch.ones(N_SUBJECTS, 3, dtype=torch.bool) for name in "ab"}
    return FusionData(
        tokens=tokens,
        masks=masks,
        scores=torch.zeros(N_SUBJECTS, 2, 2),
        present=torch.ones(N_SUBJECTS, 2, dtype=torch.bool),
        base=base_logits,
        y=(tokens["a"].mean(dim=(1, 2)) > 0).long(),
        weight=torch.ones(N_SUBJECTS) if weight is None else weight,
        inputs=inputs,
    )
