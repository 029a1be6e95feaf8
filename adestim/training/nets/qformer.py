"""The modality-aware Q-former: many tokens of many modalities become a few."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from adestim.backbone.attention import Attention, log_mask_of
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

    def forward(self, tokens: Readable, log_mask: Tensor) -> Tensor:
        """Return (B, n_queries, width) for B subjects' tokens."""
        queries = self.queries[None]
        x = queries + self.attention.read(queries, [tokens], log_mask, self.norm_tokens)
        return x + self.mlp(self.norm(x))


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
        read, present = [], []
        for name, project, reader in zip(
            self.modalities, self.project, self.uni_modal, strict=True
        ):
            log_mask = log_mask_of(masks[name]) if log_masks is None else log_masks[name]
            keys = norm_mapped(tokens[name], project.weight, project.bias)
            read.append(reader(keys, log_mask))
            present.append(masks[name].any(dim=1))
        if self.cross_modal is not None:
            open_keys = torch.stack(present, dim=1).repeat_interleave(self.n_queries, dim=1)
            keys = norm_tokens(torch.cat(read, dim=1))
            read.append(self.cross_modal(keys, log_mask_of(open_keys)))
            present.append(torch.stack(present).any(dim=0))
        return torch.cat(read, dim=1), torch.stack(present, dim=1)
