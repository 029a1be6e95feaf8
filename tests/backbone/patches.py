"""A frozen transformer whose tokens are smaller than its inputs, as those of a volume are."""

import torch
from torch import nn

from adestim.backbone import Attention, Backbone

N_FEATURES, WIDTH = 24, 8


class PatchViT(Backbone):
    """Two places of many features in, two narrow tokens out."""

    lora_targets = ("mix.query", "mix.out")
    n_stand_in = 2

    def __init__(self):
        super().__init__()
        self.width = self.width_out = WIDTH
        self.patch = nn.Linear(N_FEATURES, WIDTH)
        self.mix = Attention(WIDTH, 2)

    def embed(self, inputs):
        return self.patch(inputs)

    def encode(self, tokens, log_mask, n_own):
        return tokens + self.mix(tokens, tokens, log_mask)


class RaggedPatchViT(PatchViT):
    """The same model, which says which of its tokens are real."""

    def own_mask(self, inputs):
        return torch.ones(inputs.shape[:2], dtype=torch.bool)


def write_patches(path):
    """Write the model's weights and return their path."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(PatchViT().state_dict(), path)
    return path
