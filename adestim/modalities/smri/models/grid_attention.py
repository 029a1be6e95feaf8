"""Attention over a zero-padded grid with relative positions, as SAM-Med3D's weights expect it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import heads_of


class PaddedGridAttention(nn.Module):
    """Attention over a grid that is padded with zeros, with relative positions.

    All padded places have the same key and the same value, so that they are one key here, whose
    bias is the logarithm of the sum of theirs: 513 keys instead of 2744, and the same result.

    The relative positions are those of the released weights, which are not the textbook's: from
    query (d, h, w) to key (i, j, k), the bias is that of a table for the offset d - k, plus,
    of the query at (d, h, i), one for h - k, plus, of the query at (d, h, j), one for j - k.
    """

    def __init__(self, width: int, n_heads: int, edge: int, window: int):
        super().__init__()
        self.n_heads, self.edge, self.window = heads_of(width, n_heads), edge, window
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        shape = (2 * window - 1, width // n_heads)
        self.rel_pos_d = nn.Parameter(torch.zeros(shape))
        self.rel_pos_h = nn.Parameter(torch.zeros(shape))
        self.rel_pos_w = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Return mixed tokens (B, T, C): the grid's, then auxiliary ones."""
        q, k, v = self._heads(x)
        q_pad, k_pad, v_pad = self._heads(torch.zeros_like(x[:, :1]))
        bias = self._bias(q, q_pad)
        if self.window > self.edge:
            k, v = torch.cat([k, k_pad], dim=2), torch.cat([v, v_pad], dim=2)
        if log_mask is not None:
            log_mask = F.pad(log_mask, (0, k.shape[2] - log_mask.shape[1]))
            bias = bias + log_mask[:, None, None, :]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return self.proj(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """Return queries, keys and values, (3, B, heads, T, C / heads)."""
        return self.qkv(x).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)

    def _bias(self, q: Tensor, q_pad: Tensor) -> Tensor:
        """Return what is added to the logits (B, heads, T, T), a column for the padding last."""
        edge, n_pad = self.edge, self.window**3 - self.edge**3
        n_aux = q.shape[2] - edge**3
        terms = self._terms(q[:, :, : edge**3].unflatten(2, (edge, edge, edge)), q_pad)
        bias = F.pad(grid_bias(*terms, edge), (0, n_aux, 0, n_aux))
        if n_pad == 0:
            return bias
        column = F.pad(padding_bias(*terms, edge).flatten(2), (0, n_aux), value=math.log(n_pad))
        return torch.cat([bias, column.unsqueeze(-1)], dim=-1)

    def _terms(self, q: Tensor, q_pad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three parts of the bias, by what they depend on.

        Of a query at (d, h, w) and a key at (i, j, k): (d, h, w, k), (d, h, i, k), (d, h, j, k),
        each after batch and heads.
        """
        beyond = q_pad[:, :, None, None].expand(-1, -1, *q.shape[2:4], self.window - self.edge, -1)
        row = torch.cat([q, beyond], dim=4)
        of_d, of_h = (self._offsets(table, self.edge) for table in (self.rel_pos_d, self.rel_pos_h))
        of_w = self._offsets(self.rel_pos_w, self.window)
        return (
            torch.einsum("bndhwc,dkc->bndhwk", q, of_d).float(),
            torch.einsum("bndhic,hkc->bndhik", row, of_h).float(),
            torch.einsum("bndhjc,jkc->bndhjk", row, of_w).float(),
        )

    def _offsets(self, table: Tensor, n_queries: int) -> Tensor:
        """Return the rows of a table for the offsets of queries to keys, (n_queries, window, C)."""
        places = torch.arange(self.window, device=table.device)
        return table[places[:n_queries, None] - places + self.window - 1]


def grid_bias(by_w: Tensor, by_i: Tensor, by_j: Tensor, edge: int) -> Tensor:
    """Return the bias between the grid's own tokens, (B, heads, N, N).

    by_w, by_i, by_j (B, heads, edge, edge, edge or window, window).
    """
    by_w = by_w[..., :edge][:, :, :, :, :, None, None, :]
    by_i = by_i[..., :edge, :edge][:, :, :, :, None, :, None, :]
    by_j = by_j[..., :edge, :edge][:, :, :, :, None, None, :, :]
    return (by_w + by_i + by_j).flatten(5, 7).flatten(2, 4)


def padding_bias(by_w: Tensor, by_i: Tensor, by_j: Tensor, edge: int) -> Tensor:
    """Return the logarithm of the sum of exp(bias) over all padded keys, (B, heads, d, h, w).

    The padded keys are those with i, j or k beyond the edge. The sum over (i, j) factorises;
    where k is inside, it is padded i with every j, and inner i with padded j.

    by_w, by_i, by_j (B, heads, edge, edge, edge or window, window).
    """
    (i_in, i_out), (j_in, j_out) = (
        (part[..., :edge, :].logsumexp(-2), part[..., edge:, :].logsumexp(-2))
        for part in (by_i, by_j)
    )
    j_all = torch.logaddexp(j_in, j_out)
    k_in = torch.logaddexp(i_out + j_all, i_in + j_out)[..., :edge]
    k_out = (torch.logaddexp(i_in, i_out) + j_all)[..., edge:]
    return (by_w + torch.cat([k_in, k_out], dim=-1).unsqueeze(-2)).logsumexp(-1)
