"""TabICL: rows of a table as tokens, read in the context of the training rows.

Re-implemented from the published package tabicl 2.2.0 (BSD-3-Clause), of whose three transformers
the first two are used: what a column's values are among those of the training rows, and what they
say of one row together. The third, which predicts labels, is not. No weights are part of this
package.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from adestim.backbone.attention import CLOSED
from adestim.backbone.contract import Backbone, sizes_of
from adestim.backbone.registry import BackboneCard, register_backbone
from adestim.backbone.weights.layout import CheckpointLayout
from adestim.encoding import BackboneSpec
from adestim.encoding.places import TokenPlaces
from adestim.exceptions import InputError
from adestim.modalities.clinical.models.tabicl_layers import InducedBlock, Rotation, TableBlock
from adestim.modalities.clinical.models.tabicl_scaling import learn_scaling, scale_rows

NAME = "tabicl"
N_CONTEXT = 256
SEED = 0


class SetTransformer(nn.Module):
    """Blocks through which every column's values read those of the training rows."""

    def __init__(self, n_blocks: int, **sizes: Any):
        super().__init__()
        self.blocks = nn.ModuleList(InducedBlock(**sizes) for _ in range(n_blocks))

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        """Update values (B, Q, C) of columns that know rows (B, N, C)."""
        for block in self.blocks:
            points = block.summarise_rows(known)
            x, known = block(x, points), block(known, points)
        return x


class ColumnEmbedding(nn.Module):
    """One token a group of columns, which knows how the columns are distributed."""

    def __init__(
        self,
        width: int,
        n_blocks: int,
        *,
        group: str | bool,
        group_size: int,
        max_classes: int,
        target_aware: bool,
        affine: bool,
        **sizes: Any,
    ):
        super().__init__()
        self.group = "same" if group is True else group
        self.group_size = group_size
        self.reads_labels = target_aware
        self.max_classes = max_classes
        self.in_linear = nn.Linear(group_size if group else 1, width)
        self.tf_col = SetTransformer(n_blocks, width=width, **sizes)
        if target_aware:
            self.y_encoder = nn.Linear(max_classes or 1, width)
        self.affine = affine
        if affine:
            bias = sizes["norm_bias"]
            self.out_w, self.out_b = nn.Linear(width, width), nn.Linear(width, width)
            self.ln_w = nn.LayerNorm(width, bias=bias)
            self.ln_b = nn.LayerNorm(width, bias=bias)

    def forward(self, rows: Tensor, known: Tensor) -> Tensor:
        """Return tokens (B, G, width) of rows (B, H), among known rows (B or 1, N, H)."""
        if len(known) == 1:
            return self._embed(rows[None], known)[0]
        return self._embed(rows[:, None], known)[:, 0]

    def _embed(self, rows: Tensor, known: Tensor) -> Tensor:
        """Return tokens (B, Q, G, width) of rows (B, Q, H), among known rows (B, N, H)."""
        grouped = group_columns(rows, self.group, self.group_size)
        context = group_columns(known, self.group, self.group_size)
        shape = grouped.shape[:3]
        grouped, context = (part.transpose(1, 2).flatten(0, 1) for part in (grouped, context))
        x = self.tf_col(self.in_linear(grouped), self.in_linear(context) + self._no_label())
        if self.affine:
            x = grouped * self.ln_w(self.out_w(x)) + self.ln_b(self.out_b(x))
        return x.unflatten(0, (shape[0], shape[2])).transpose(1, 2)

    def _no_label(self) -> Tensor | float:
        """Return what stands for the label of a known row: the mean over all classes, (width,)."""
        if not self.reads_labels:
            return 0.0
        weight, bias = self.y_encoder.weight, self.y_encoder.bias
        return weight.mean(1) + bias if self.max_classes else bias


class RowInteraction(nn.Module):
    """Blocks in which the tokens of a row read each other."""

    def __init__(
        self, width: int, n_blocks: int, n_heads: int, hidden: int, n_cls: int, bias: bool
    ):
        super().__init__()
        self.tf_row = RowTransformer(width, n_blocks, n_heads, hidden, bias)
        self.cls_tokens = nn.Parameter(torch.zeros(n_cls, width))
        self.out_ln = nn.LayerNorm(width, bias=bias)


class RowTransformer(nn.Module):
    """The blocks of a row, and the frequencies of their rotary positions."""

    def __init__(self, width: int, n_blocks: int, n_heads: int, hidden: int, bias: bool):
        super().__init__()
        self.blocks = nn.ModuleList(
            TableBlock(width, n_heads, hidden, bias) for _ in range(n_blocks)
        )
        self.rope = Frequencies(width // n_heads // 2)


class Frequencies(nn.Module):
    """Frequencies of rotary positions, which the checkpoint holds."""

    def __init__(self, n_pairs: int):
        super().__init__()
        self.freqs = nn.Parameter(torch.zeros(n_pairs))


class TabICLRows(Backbone):
    """TabICL's column and row transformers.

    The first tokens, ``row_num_cls`` of them, summarise the row; then comes one a group of columns.
    What the model knows of the columns' distributions are training rows, which travel with every
    input. **Labels never enter**: where a checkpoint's column transformer reads those of known
    rows, as TabICLv2's does, each stands for the mean over all classes. Auxiliary tokens are read
    like further columns, all at the position of the first.

    J. Qu et al. (2025). TabICL: a tabular foundation model for in-context learning on large data.
    ICML. J. Qu et al. (2026). TabICLv2: a better, faster, scalable, and open tabular foundation
    model. ICML. Code: github.com/soda-inria/tabicl.
    """

    block_list: str = "row_interactor.tf_row.blocks"
    reads_numbers: ClassVar[bool] = True
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        wrappers=("state_dict",),
        prefixes=("module.", "_orig_mod."),
        ignored=("icl_predictor.", "quantile_dist."),
        rename=lambda name: name.replace("attn.in_proj_", "attn.in_proj."),
        fingerprint=("row_interactor.cls_tokens", "col_embedder.in_linear.weight"),
    )

    def __init__(  # noqa: PLR0913 - as the configuration of a checkpoint has them
        self,
        *,
        max_classes: int = 10,
        embed_dim: int = 128,
        col_num_blocks: int = 3,
        col_nhead: int = 8,
        col_num_inds: int = 128,
        col_affine: bool = False,
        col_feature_group: str | bool = "same",
        col_feature_group_size: int = 3,
        col_target_aware: bool = True,
        col_ssmax: str | bool = "qassmax-mlp-elementwise",
        row_num_blocks: int = 3,
        row_nhead: int = 8,
        row_num_cls: int = 4,
        row_rope_interleaved: bool = True,
        ff_factor: int = 2,
        bias_free_ln: bool = False,
    ):
        super().__init__()
        require_grouping(col_feature_group)
        self.width = self.width_out = embed_dim
        self.n_cls = row_num_cls
        self.interleaved = row_rope_interleaved
        hidden = embed_dim * ff_factor
        self.col_embedder = ColumnEmbedding(
            embed_dim, col_num_blocks, group=col_feature_group, group_size=col_feature_group_size,
            max_classes=max_classes, target_aware=col_target_aware, affine=col_affine,
            n_heads=col_nhead, hidden=hidden, n_points=col_num_inds, norm_bias=not bias_free_ln,
            scaling=col_ssmax,
        )  # fmt: skip
        self.row_interactor = RowInteraction(
            embed_dim, row_num_blocks, row_nhead, hidden, row_num_cls, bias=not bias_free_ln
        )
        # Adapters belong to the blocks alone: what is embedded is the same for all of them.
        layers = ("attn.in_proj", "attn.out_proj", "linear1", "linear2")
        self.lora_targets = tuple(  # type: ignore[misc]
            f"{self.block_list}.{block}.{layer}"
            for block in range(row_num_blocks)
            for layer in layers
        )

    @property
    def width_pooled(self) -> int:
        """Width of the pooled vector: all summaries of a row side by side."""
        return self.n_cls * self.width

    @classmethod
    def learn(  # type: ignore[override]  # what is not named is refused by the extractor
        cls,
        raws: Iterable[np.ndarray],
        *,
        names: Sequence[str] = (),
        n_context: int = N_CONTEXT,
    ) -> dict[str, Any]:
        """Learn how columns are scaled, and choose the rows that are known of them."""
        if not isinstance(n_context, int) or n_context < 2:
            raise InputError(
                f"'n_context' in backbone_params of {NAME} must be a number of rows from 2",
                got=repr(n_context),
                remedy=f"Leave it out for {N_CONTEXT}",
            )
        table = np.stack([np.asarray(raw, dtype=float) for raw in raws])
        scaling = learn_scaling(table)
        kept = np.flatnonzero(scaling["kept"])
        names = tuple(names) or tuple(f"x{column}" for column in range(table.shape[1]))
        rng = np.random.default_rng(SEED)
        chosen = np.sort(rng.permutation(len(table))[:n_context])
        return {
            **scaling,
            "context": scale_rows(table[chosen], **scaling),
            "names": tuple(names[column] for column in kept),
        }

    @staticmethod
    def prepare(raw: np.ndarray, **options: Any) -> np.ndarray:
        """Scale a row, and put the known rows under it.

        -> (1 + n_context, n_columns).
        """
        scaling = {key: options[key] for key in ("fill", "centre", "spread", "low", "high", "kept")}
        row = scale_rows(np.asarray(raw, dtype=float)[None], **scaling)
        return np.concatenate([row, options["context"]])

    @classmethod
    def place_tokens(cls, tokens: TokenPlaces, spec: BackboneSpec) -> TokenPlaces:
        """Return the columns: a token is shared by those of its group, a summary by all."""
        names = dict(spec.option("preparation", ())).get("names", ())
        if not names:
            return tokens
        sizes = sizes_of(cls, spec)
        grouped = group_columns(
            torch.eye(len(names))[None],
            sizes["col_feature_group"],
            sizes["col_feature_group_size"],
        )
        shares = grouped[0].sum(-1).numpy()
        summaries = np.full((len(names), sizes["row_num_cls"]), 1 / len(names))
        mixing = np.concatenate([summaries, shares / shares.sum(0)], axis=1)
        return replace(tokens, kind="columns", names=tuple(names), mixing=mixing)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the summaries' first tokens, then one a group of columns, (B, T, width)."""
        rows, known = inputs[:, 0], inputs[:, 1:]
        if len(known) > 1 and bool((known == known[:1]).all()):
            known = known[:1]
        columns = self.col_embedder(rows, known)
        summaries = self.row_interactor.cls_tokens.to(columns.dtype)
        return torch.cat([summaries.expand(len(columns), -1, -1), columns], dim=1)

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run the blocks and the last norm; auxiliary tokens stay at the end."""
        arguments = partial(self._turn, n_own=n_own)
        return self.row_interactor.out_ln(self.run_blocks(tokens, log_mask, n_own, arguments))

    def pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the summaries of a row side by side, as TabICL's own predictor reads them.

        What stands in for a row, at whatever place, is repeated as often.
        """
        stand_in = tokens[torch.arange(len(tokens), device=tokens.device), own.int().argmax(1)]
        repeated = stand_in[:, None].expand(-1, self.n_cls, -1)
        if own.shape[1] < self.n_cls:
            return repeated.flatten(1)
        is_row = own[:, : self.n_cls].all(dim=1)[:, None, None]
        return torch.where(is_row, tokens[:, : self.n_cls], repeated).flatten(1)

    def _turn(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> tuple:
        """Return what blocks are given beside the tokens; positions count the open ones."""
        frequencies = self.row_interactor.tf_row.rope.freqs
        is_open = torch.ones(1, tokens.shape[1], device=tokens.device, dtype=torch.bool)
        if log_mask is not None:
            is_open = log_mask.detach() > CLOSED / 2
        positions = (is_open.cumsum(dim=1) - 1).clamp(min=0).to(frequencies.dtype)
        positions[:, n_own:] = self.n_cls
        return log_mask, Rotation(frequencies, positions, self.interleaved)


def require_grouping(group: str | bool) -> None:
    """Refuse a way to group columns that TabICL does not have."""
    if group not in (True, False, "same", "valid"):
        raise InputError(
            "'col_feature_group' of TabICL must be 'same', 'valid' or False",
            got=repr(group),
            remedy="Leave 'architecture' out for what the checkpoint says",
        )


def group_columns(rows: Tensor, group: str | bool, size: int) -> Tensor:
    """Return the columns that each token reads, (B, N, G, size); of rows (B, N, H)."""
    n_columns = rows.shape[-1]
    if not group:
        return rows[..., None]
    if group == "valid":
        rows = nn.functional.pad(rows, (0, -n_columns % size))
        return rows.unflatten(-1, (-1, size))
    place = torch.arange(n_columns, device=rows.device)
    return torch.stack([rows[..., (place + 2**step) % n_columns] for step in range(size)], dim=-1)


register_backbone(
    BackboneCard(
        NAME,
        modality="clinical",
        home="adestim.modalities.clinical.models.tabicl:TabICLRows",
        family="set transformer",
        n_parameters=1_275_896,
        hub="jingang/TabICL",
        filename="tabicl-classifier-v2-20260212.ckpt",
        url="https://huggingface.co/jingang/TabICL",
        licence="BSD-3-Clause",
        commercial=True,
        cohorts=("synthetic tables, nobody's data",),
        reference="Qu et al. (2026). TabICLv2. ICML.",
    )
)
