"""The modality-aware Q-former: many tokens of many modalities become a few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import (
    AbsorbedMaps,
    Attention,
    AttentionWeights,
    absorb,
    log_mask_of,
)
from adestim.backbone.reading import MappedFeatures, NormedTokens, norm_mapped, norm_tokens

Unplaced = NormedTokens | MappedFeatures


class QueryReader(nn.Module):
    """The weights of learned queries that read tokens by cross-attention, and of their MLP."""

    def __init__(self, n_queries: int, width: int, n_heads: int):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(n_queries, width))
        self.norm_tokens = nn.LayerNorm(width)
        self.attention = Attention(width, n_heads)
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)


class QueryReaders(nn.Module):
    """G times learned queries, each of which read tokens of their own by cross-attention.

    Their weights are side by side, so that one call serves all in whatever follows the reading.
    """

    def __init__(self, n_readers: int, n_queries: int, width: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        readers = [QueryReader(n_queries, width, n_heads) for _ in range(n_readers)]
        for name, _ in readers[0].named_parameters():
            values = [reader.get_parameter(name).detach() for reader in readers]
            self.register_parameter(name.replace(".", "_"), nn.Parameter(torch.stack(values)))
        # One layer a reader, so that whoever wants to see what is read can watch it.
        self.shares = nn.ModuleList(nn.Softmax(dim=-1) for _ in readers)

    def forward(self, keys: Sequence[Unplaced], log_masks: Sequence[Tensor]) -> Tensor:
        """Return (B, G, n_queries, width) for B subjects' tokens; log_masks (B, T) each."""
        maps = self._absorb()
        at_keys = maps.at_keys(self.queries)[:, None].unbind()
        to_output = maps.to_output.unflatten(1, (self.n_heads, -1)).unbind()
        each = zip(self.shares, at_keys, to_output, keys, log_masks, strict=True)
        read = torch.stack([read_tokens(*one) for one in each]) + maps.shift
        n_groups, n_queries, width = self.queries.shape
        x = self.queries[:, None] + read.view(n_groups, -1, n_queries, width)
        return (x + self._hidden(x.flatten(1, 2)).view(x.shape)).transpose(0, 1)

    def _absorb(self) -> AbsorbedMaps:
        """Return the merged maps of the readers' attention."""
        attention = [
            getattr(self, f"attention_{layer}_{part}")
            for layer in ("query", "key_value", "out")
            for part in ("weight", "bias")
        ]
        norm = self.norm_tokens_weight, self.norm_tokens_bias
        return absorb(AttentionWeights._make([*attention, *norm]), self.n_heads)

    def _hidden(self, x: Tensor) -> Tensor:
        """Return what each reader's norm and hidden layer make of its own (G, N, width)."""
        standard = F.layer_norm(x, x.shape[-1:])
        x = torch.addcmul(self.norm_bias[:, None], standard, self.norm_weight[:, None])
        hidden = torch.baddbmm(self.up_bias[:, None], x, self.up_weight.transpose(1, 2))
        down = self.down_weight.transpose(1, 2)
        return torch.baddbmm(self.down_bias[:, None], F.gelu(hidden), down)


def read_tokens(
    shares_of: nn.Module, queries: Tensor, to_output: Tensor, tokens: Unplaced, log_mask: Tensor
) -> Tensor:
    """Return what queries (1, Q * heads, C) at the side of the tokens read, (B * Q, C).

    shares_of is a softmax, to_output (heads, C, C), log_mask (B, T).
    """
    pooled = tokens.pool(shares_of(tokens.weigh(queries, log_mask)))
    maps = tokens.map_outputs(to_output).flatten(0, 1)
    return pooled.reshape(-1, len(maps)) @ maps


class ModalityAwareQFormer(nn.Module):
    r"""Read every auxiliary modality by its own queries, and all of them by cross-modal ones.

    For auxiliary modality m with tokens :math:`Z_m`, mapped linearly to the anchor's width:

    .. math::

        \hat X_m = \mathrm{CrossAttn}(Q_m, Z_m), \quad
        \hat X_c = \mathrm{CrossAttn}(Q_c, \mathrm{Concat}_m \hat X_m), \quad
        H_a = \mathrm{Concat}(\hat X_m, \hat X_c)

    Parameters
    ----------
    widths : mapping of str to int
        Width of the tokens of every auxiliary modality.
    width : int
        Width of the anchor's tokens.
    n_queries : int
        Number of queries of each modality and of the cross-modal path.
    n_heads : int
        Number of attention heads.
    cross_modal : bool, default=True
        Whether there is a cross-modal path.

    References
    ----------
    Gu et al., "Joint Adaptation of Uni-modal Foundation Models for Multi-modal Alzheimer's
    Disease Diagnosis", ICLR 2026.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        width: int,
        n_queries: int,
        n_heads: int,
        cross_modal: bool = True,
    ):
        super().__init__()
        self.modalities = tuple(widths)
        self.n_queries = n_queries
        self.project = nn.ModuleList(nn.Linear(widths[name], width) for name in self.modalities)
        self.uni_modal = QueryReaders(len(self.modalities), n_queries, width, n_heads)
        self.cross_modal = QueryReaders(1, n_queries, width, n_heads) if cross_modal else None

    @property
    def n_groups(self) -> int:
        """Number of groups of tokens that a gate opens: one a modality, one for the cross path."""
        return len(self.modalities) + (self.cross_modal is not None)

    def forward(
        self,
        tokens: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        log_masks: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the auxiliary tokens and which of them stand for something present.

        Parameters
        ----------
        tokens : mapping of str to Tensor of shape (B, T_m, widths[m])
            Tokens of every auxiliary modality.
        masks : mapping of str to Tensor of shape (B, T_m), dtype bool
            True where a token is real; all False where the modality is missing.
        log_masks : mapping of str to Tensor of shape (B, T_m), default=None
            Added to the attention logits of the tokens; by default 0 where a token is real.

        Returns
        -------
        auxiliary : Tensor of shape (B, n_groups * n_queries, width)
            H_a.
        present : Tensor of shape (B, n_groups), dtype bool
            Which groups are there.
        """
        if log_masks is None:
            log_masks = {name: log_mask_of(mask) for name, mask in masks.items()}
        present = torch.stack([masks[name].any(dim=1) for name in self.modalities], dim=1)
        keys = [
            norm_mapped(tokens[name], project.weight, project.bias)
            for name, project in zip(self.modalities, self.project, strict=True)
        ]
        auxiliary = self.uni_modal(keys, [log_masks[name] for name in self.modalities])
        auxiliary = auxiliary.flatten(1, 2)
        if self.cross_modal is None:
            return auxiliary, present
        open_keys = log_mask_of(present.repeat_interleave(self.n_queries, dim=1))
        cross = self.cross_modal([norm_tokens(auxiliary)], [open_keys])
        present = torch.cat([present, present.any(dim=1, keepdim=True)], dim=1)
        return torch.cat([auxiliary, cross[:, 0]], dim=1), present
