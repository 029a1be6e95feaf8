"""The latest place of interaction: behind the anchor's last block."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import Attention


class OutputReader(nn.Module):
    """Let the anchor's pooled vector read the auxiliary tokens by one cross-attention.

    The vector reads itself too, so that a gate weighs the auxiliary tokens against something, and
    who has no auxiliary modality reads nothing that is absent.
    """

    def __init__(self, width: int, reader_width: int, n_heads: int):
        super().__init__()
        self.narrow = resize_tokens(width, reader_width)
        self.norm_pooled = nn.LayerNorm(reader_width)
        self.norm_tokens = nn.LayerNorm(reader_width)
        self.attention = Attention(reader_width, n_heads)
        self.widen = resize_tokens(reader_width, width)

    def forward(self, pooled: Tensor, tokens: Tensor, log_mask: Tensor) -> Tensor:
        """Return the vectors (B, width), what they have read added.

        pooled (B, width), tokens (B, A, reader_width), log_mask (B, A).
        """
        reader = self.norm_pooled(self.narrow(pooled))[:, None]
        keys = torch.cat([reader, self.norm_tokens(tokens).to(reader.dtype)], dim=1)
        read = self.attention(reader, keys, F.pad(log_mask, (1, 0)))
        return pooled + self.widen(read[:, 0])


def resize_tokens(width: int, wanted: int) -> nn.Module:
    """Return a linear map from one width to another, or nothing to do where they are equal."""
    return nn.Identity() if width == wanted else nn.Linear(width, wanted)
