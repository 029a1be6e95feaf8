"""A small backbone that keeps the contract, and ways to break it."""

import numpy as np
import torch
from torch import nn

from adestim.backbone import Attention, Backbone, CheckpointLayout
from adestim.backbone.attention import log_mask_of


class ToyBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, 2)
        self.fc1, self.fc2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(0.2)

    def forward(self, tokens, log_mask):
        x = self.norm1(tokens)
        tokens = tokens + self.dropout(self.attention(x, x, log_mask))
        return tokens + self.fc2(self.fc1(self.norm2(tokens)).relu())


class ToyBackbone(Backbone):
    """A transformer on ragged tables of features (n, n_features)."""

    lora_targets = ("attention.query", "fc1")
    checkpoint = CheckpointLayout(
        wrappers=("state_dict",),
        prefixes=("module.",),
        ignored=("head.",),
        fingerprint=("toy.weight", "blocks.0.attention.key_value.weight"),
    )

    def __init__(self, n_features=3, width=8, depth=2, width_out=6):
        super().__init__()
        self.width, self.width_out = width, width_out
        self.toy = nn.Linear(n_features, width)
        self.blocks = nn.ModuleList(ToyBlock(width) for _ in range(depth))
        self.out = nn.Linear(width, width_out)

    @staticmethod
    def prepare(raw, scale=1.0):
        return np.asarray(raw, dtype=np.float32) * scale

    def collate(self, inputs):
        tables = [torch.from_numpy(table) for table in inputs]
        return nn.utils.rnn.pad_sequence(tables, batch_first=True, padding_value=torch.nan)

    def own_mask(self, inputs):
        return ~inputs[..., 0].isnan()

    def embed(self, inputs):
        positions = torch.arange(inputs.shape[1], device=inputs.device)[:, None]
        return self.toy(inputs.nan_to_num(0)) + 0.1 * positions

    def encode(self, tokens, log_mask, n_own):
        if log_mask is None:
            log_mask = log_mask_of(torch.ones(tokens.shape[:2], dtype=torch.bool))
        for block in self.blocks:
            tokens = self.run(block, tokens, log_mask)
        return self.out(tokens)


def toy(cls=ToyBackbone, seed=0, **sizes):
    """Return a toy with fixed weights; torch's generator is left as found."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cls(**sizes).eval()


def subjects(*lengths, n_features=3):
    """Return tables of features of subjects."""
    generator = np.random.default_rng(0)
    return [
        generator.normal(size=(length, n_features)).astype(np.float32)
        for length in lengths or (5, 3)
    ]
