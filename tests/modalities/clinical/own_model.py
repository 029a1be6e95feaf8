"""A model of one's own, in a module that worker processes can import."""

import numpy as np
import torch

from adestim import Backbone


class AgeModel(Backbone):
    """One token: the age."""

    def __init__(self):
        super().__init__()
        self.width = self.width_out = 1

    @staticmethod
    def prepare(raw, **options):
        """Return the age."""
        return np.array([[raw["age"]]], dtype=np.float32)

    @classmethod
    def load(cls, spec):
        """Make the model, which has no weights."""
        return cls()

    def embed(self, inputs):
        """Return the age."""
        return inputs

    def encode(self, tokens, log_mask, n_own):
        """Return the age."""
        return tokens + torch.zeros(1)
