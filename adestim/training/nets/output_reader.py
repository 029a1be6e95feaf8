"""The latest place of interaction: behind the anchor's last block."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import Attention

__all__ = ["OutputReader", "resized"]


class OutputReader(nn.Module):
    """Let the anchor's pooled vector read the auxiliary tokens by one cross-attention.

    The vector reads itself too, so that a gate weighs the auxiliary tokens against something, and
    who has no auxiliary modality reads nothing that is absent.

    Parameters
    ----------
    width : int
        Width of the pooled vector.
    reader_width : int
        Width of the auxiliary tokens, and of the attention.
    n_heads : int
        Number of attention heads.
    """

    def __init__(self, width: int, reader_width: int, n_heads: int):
        super().__init__()
        self.narrow = resized(width, reader_width)
        self.norm_pooled = nn.LayerNorm(reader_width)
        self.norm_tokens = nn.LayerNorm(reader_width)
        self.attention = Attention(reader_width, n_heads)
        self.widen = resized(reader_width, width)

    def forward(self, pooled: Tensor, tokens: Tensor, log_mask: Tensor) -> Tensor:
        """Return the vectors (B, width), what they have read added.

        Parameters
        ----------
        pooled : Tensor of shape (B, width)
            Pooled vectors.
        tokens : Tensor of shape (B, A, reader_width)
            Auxiliary tokens.
        log_mask : Tensor of shape (B, A)
            Added to their attention logits.
        """
        reader = self.norm_pooled(self.narrow(pooled))[:, None]
        keys = torch.cat([reader, self.norm_tokens(tokens).to(reader.dtype)], dim=1)
        read = self.attention(reader, keys, F.pad(log_mask, (1, 0)))
        return pooled + self.widen(read[:, 0])


def resized(width: int, wanted: int) -> nn.Module:
    """Return a linear map from one width to another, or nothing to do where they are equal.

    Parameters
    ----------
    width, wanted : int
        The widths.

    Returns
    -------
    torch.nn.Module
    """
    return nn.Identity() if width == wanted else nn.Linear(width, wanted)
