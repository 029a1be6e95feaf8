"""How one anchor's net is built: its model, its adapters, its Q-former."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adestim._support.torch import choose_device
from adestim.backbone.contract import Backbone
from adestim.backbone.loading import PRECISIONS, load_backbone
from adestim.backbone.lora import AdaptedBackbone, LoRASettings, lora_targets
from adestim.backbone.reference import ReferenceBackbone
from adestim.encoding.tokens import TokenTable
from adestim.exceptions import InputError
from adestim.training.inputs import NetInputs
from adestim.training.nets import AnchoredFusion

HEAD_WIDTH = 8
LARGEST_QFORMER = 256
AT_OUTPUT = "output"


@dataclass(frozen=True)
class AnchoredSettings:
    """How anchored nets are built; the names are those of the estimators' parameters."""

    n_queries: int
    cross_modal: bool
    interaction_depth: int | str
    gate: str
    width: int
    depth: int
    qformer_width: int | None
    lora_rank: int
    lora_params: Mapping[str, Any] | None
    gradient_checkpointing: bool
    dropout: float
    device: str
    precision: str

    @property
    def blocks_before_joining(self) -> int:
        """How many blocks own tokens pass before auxiliary ones join; 0 where these never do."""
        return 0 if isinstance(self.interaction_depth, str) else self.interaction_depth


def build_anchored_net(
    anchor: str, inputs: NetInputs, settings: AnchoredSettings
) -> AnchoredFusion:
    """Build one anchor's module with fresh weights."""
    backbone = build_backbone(inputs.likes[anchor], settings)
    width = qformer_width(backbone, settings)
    return AnchoredFusion(
        anchor,
        backbone,
        inputs.shapes(),
        n_outputs=inputs.n_outputs,
        n_queries=settings.n_queries,
        qformer_width=width,
        n_heads=n_heads_of(width, settings.width),
        cross_modal=settings.cross_modal,
        dropout=settings.dropout,
        at_output=settings.interaction_depth == AT_OUTPUT,
        gate=settings.gate,
    )


def build_backbone(like: TokenTable, settings: AnchoredSettings) -> Backbone | AdaptedBackbone:
    """Return an anchor's model: a frozen one with adapters, or a reference one to be trained."""
    if like.backbone.is_foundation:
        return AdaptedBackbone(
            like.backbone,
            lora_settings(settings.lora_rank, settings.lora_params),
            choose_device(settings.device),
            PRECISIONS[settings.precision],
            settings.gradient_checkpointing,
            settings.blocks_before_joining,
        )
    model = ReferenceBackbone(
        like.tokens.shape[1] if like.fixed else 0,
        like.tokens.shape[2],
        settings.width,
        settings.depth,
        settings.width // HEAD_WIDTH,
        settings.dropout,
    )
    model.join_before(settings.blocks_before_joining)
    return model


def require_depth(
    anchors: Iterable[str], likes: Mapping[str, TokenTable], settings: AnchoredSettings
) -> None:
    """Refuse an interaction depth that one of the anchors' models does not have."""
    depth = settings.blocks_before_joining
    for anchor in anchors if depth else ():
        n_blocks = count_blocks(likes[anchor], settings)
        if depth >= n_blocks:
            raise too_deep(depth, anchor, n_blocks)


def count_blocks(like: TokenTable, settings: AnchoredSettings) -> int:
    """Return the number of blocks of an anchor's model before which tokens can join."""
    if not like.backbone.is_foundation:
        return settings.depth
    device, dtype = choose_device(settings.device), PRECISIONS[settings.precision]
    return len(load_backbone(like.backbone, device, dtype).blocks_to_join)


def too_deep(depth: int, anchor: str, n_blocks: int) -> InputError:
    """Return the error about an interaction depth beyond a model's blocks."""
    if n_blocks == 0:
        got = f"{depth} for {anchor!r}, whose model can be joined at its input alone"
    else:
        got = f"{depth} for {anchor!r}, whose model has {n_blocks} blocks"
    return InputError(
        "The 'interaction_depth' parameter of the fusion must be below the number of blocks of "
        "every anchor's model",
        got=got,
        remedy=f"Choose from 0 to {max(n_blocks - 1, 0)}, or 'output' for behind the last block",
    )


def lora_settings(rank: int, options: Mapping[str, Any] | None) -> LoRASettings:
    """Return how a foundation model is adapted, or say which options there are."""
    options = dict(options or {})
    unknown = sorted(options.keys() - {"alpha", "dropout", "targets"})
    if unknown:
        raise InputError(
            "The 'lora_params' parameter of the fusion must name options of LoRA",
            got=", ".join(map(repr, unknown)),
            remedy="Choose from ['alpha', 'dropout', 'targets']",
        )
    return LoRASettings(rank=rank, **options | {"targets": lora_targets(options.get("targets"))})


def qformer_width(backbone: Backbone | AdaptedBackbone, settings: AnchoredSettings) -> int:
    """Return the width of the Q-former: the anchor's, up to a limit that few patients can fit."""
    if backbone.needs_summary:
        return backbone.width
    return settings.qformer_width or min(backbone.width, LARGEST_QFORMER)


def n_heads_of(width: int, reference_width: int) -> int:
    """Return as many heads as a reference backbone has, or the most below that divide the width."""
    return max(n for n in range(1, reference_width // HEAD_WIDTH + 1) if width % n == 0)
