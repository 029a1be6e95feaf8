"""The modality-aware Q-former: many tokens of many modalities become a few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import (
    AbsorbedMaps,
    Attention,
    absorb,
    log_mask_of,
    stack_parts,
)
from adestim.backbone.reading import Readable, norm_mapped, norm_tokens


class QueryReader(nn.Module):
    """Learned queries that read tokens by cross-attention."""

    def __init__(self, n_queries: int, width: int, n_heads: int):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(n_queries, width))
        self.norm_tokens = nn.LayerNorm(width)
        self.attention = Attention(width, n_heads)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )


def read_tokens(
    readers: Sequence[QueryReader],
    keys: Sequence[Readable],
    log_masks: Sequence[Tensor],
    maps: AbsorbedMaps,
) -> Tensor:
    """Let every reader's queries read its own tokens, (G, B, n_queries, width).

    log_masks (B, T) each. All that follows the mixing is done for all readers at once.
    """
    queries = torch.stack([reader.queries for reader in readers])
    at_keys = maps.at_keys(queries)[:, None].unbind()
    mixed = torch.stack(
        [
            reader.attention.mix(*each)
            for reader, *each in zip(readers, at_keys, [[one] for one in keys], log_masks, strict=True)
        ]
    )
    n_groups, n_queries, width = queries.shape
    x = maps.project(mixed.view(n_groups, -1, maps.to_output.shape[1]))
    x = queries[:, None] + x.view(n_groups, -1, n_queries, width)
    return x + apply_mlps(readers, x.flatten(1, 2)).view(x.shape)


def apply_mlps(readers: Sequence[QueryReader], x: Tensor) -> Tensor:
    """Return every reader's norm and hidden layer of its own (G, N, width)."""
    gain, shift = stack_parts([reader.norm for reader in readers])
    x = torch.addcmul(shift[:, None], F.layer_norm(x, x.shape[-1:]), gain[:, None])
    up, up_bias = stack_parts([reader.mlp[0] for reader in readers])
    down, down_bias = stack_parts([reader.mlp[2] for reader in readers])
    hidden = F.gelu(torch.baddbmm(up_bias[:, None], x, up.transpose(1, 2)))
    return torch.baddbmm(down_bias[:, None], hidden, down.transpose(1, 2))


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
        self.uni_modal = nn.ModuleList(
            QueryReader(n_queries, width, n_heads) for _ in self.modalities
        )
        self.cross_modal = QueryReader(n_queries, width, n_heads) if cross_modal else None

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
        maps = self._absorb()
        keys = [
            norm_mapped(tokens[name], project.weight, project.bias)
            for name, project in zip(self.modalities, self.project, strict=True)
        ]
        own_maps = AbsorbedMaps(*(part[: len(keys)] for part in maps))
        masks_of_keys = [log_masks[name] for name in self.modalities]
        read = read_tokens(self.uni_modal, keys, masks_of_keys, own_maps).transpose(0, 1)
        auxiliary = read.flatten(1, 2)
        if self.cross_modal is None:
            return auxiliary, present
        open_keys = log_mask_of(present.repeat_interleave(self.n_queries, dim=1))
        cross_maps = AbsorbedMaps(*(part[len(keys) :] for part in maps))
        cross = read_tokens([self.cross_modal], [norm_tokens(auxiliary)], [open_keys], cross_maps)
        present = torch.cat([present, present.any(dim=1, keepdim=True)], dim=1)
        return torch.cat([auxiliary, cross[0]], dim=1), present

    def _absorb(self) -> AbsorbedMaps:
        """Return the merged maps of all readers' attention, that of the cross-modal path last."""
        readers = [*self.uni_modal, *([] if self.cross_modal is None else [self.cross_modal])]
        return absorb(
            [reader.attention for reader in readers], [reader.norm_tokens for reader in readers]
        )
