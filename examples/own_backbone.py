"""A model of one's own, for ``plot_12_own_backbone.py``."""

import numpy as np
from torch import nn

from adestim import Backbone, BackboneCard, register_backbone
from adestim.backbone import CheckpointLayout


class PatchModel(Backbone):
    """A transformer on patches of a volume."""

    lora_targets = ("up", "down")
    checkpoint = CheckpointLayout(wrappers=("state_dict",), prefixes=("module.",))
    n_stand_in = 27

    def __init__(self, width=16, edge=8):
        super().__init__()
        self.width = self.width_out = width
        self.patch = nn.Conv3d(1, width, edge, stride=edge)
        self.mix = nn.MultiheadAttention(width, 2, batch_first=True)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    @staticmethod
    def prepare(raw, size=24):
        """Return the middle of a volume, standardised: numpy, in worker processes."""
        volume = np.asarray(raw.dataobj, dtype=np.float32)
        starts = [(length - size) // 2 for length in volume.shape]
        middle = volume[tuple(slice(start, start + size) for start in starts)]
        return ((middle - middle.mean()) / middle.std())[None]

    def embed(self, inputs):
        """Return tokens before the first block."""
        return self.patch(inputs).flatten(2).transpose(1, 2)

    def encode(self, tokens, log_mask, n_own):
        """Return tokens behind the last block; the log-mask is added to every key's logit."""
        mask = None
        if log_mask is not None:
            mask = log_mask[:, None].expand(-1, tokens.shape[1], -1).repeat_interleave(2, dim=0)
        mixed, _ = self.mix(tokens, tokens, tokens, attn_mask=mask, need_weights=False)
        tokens = tokens + mixed
        return tokens + self.down(nn.functional.gelu(self.up(tokens)))


register_backbone(
    BackboneCard("patch-model", "smri", home=PatchModel, architecture={"width": 16}, licence="MIT")
)
