"""One anchor's net: what it reads, how it is built, how it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adestim._support.torch import choose_device
from adestim.backbone.contract import Backbone
from adestim.backbone.loading import PRECISIONS, load_backbone
from adestim.backbone.lora import AdaptedBackbone, LoRASettings, lora_targets
from adestim.backbone.reference import ReferenceBackbone
from adestim.encoding import BackboneSpec, Encoding
from adestim.encoding.tokens import TokenScaler, TokenTable
from adestim.exceptions import InputError
from adestim.training.batches import AnchorBatches, FusionData, GatheredTokens
from adestim.training.nets import AnchoredFusion, ModalityShape
from adestim.training.phase_one.logistic import PhaseOne
from adestim.training.phase_one.penalised import Scores
from adestim.training.phase_one.ridge import RidgePhaseOne

HEAD_WIDTH = 8
LARGEST_QFORMER = 256
AT_OUTPUT = "output"
LARGEST_SCORE = 6.0


@dataclass(frozen=True, eq=False)
class AnchorInputs:
    """What was learned on the training subjects about reading tables into nets."""

    phase_one: PhaseOne | RidgePhaseOne  # the fitted phase-1 heads
    likes: dict[str, TokenTable]  # shape and backbone of every modality's tokens, no subject's data
    scalers: dict[str, TokenScaler]  # standardisation of every modality's tokens
    score_scale: np.ndarray  # (n_modalities, n_scores); root mean square of every phase-1 score
    n_outputs: int  # number of outputs of a net

    def data(
        self,
        base: BaseOutputs,
        tables: Mapping[str, TokenTable],
        targets: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> FusionData:
        """Return subjects as one net reads them.

        targets (n_subjects,), weight (n_subjects,).
        """
        scores = base.scores.values
        n_subjects = len(scores)
        targets = np.zeros(n_subjects, dtype=np.int64) if targets is None else targets
        weight = np.ones(n_subjects) if weight is None else weight
        present = np.stack([table.present for table in tables.values()], axis=1)
        return FusionData(
            tokens={
                name: standardised(table, self.scalers[name]) for name, table in tables.items()
            },
            masks={name: torch.from_numpy(table.mask) for name, table in tables.items()},
            scores=torch.from_numpy(net_scores(scores, self.score_scale)),
            present=torch.from_numpy(present),
            base=base,
            y=torch.from_numpy(as_targets(targets)),
            weight=torch.from_numpy(weight.astype(np.float32)),
        )

    def base(self, scores: Scores, start: str, anchor: str | None = None) -> BaseOutputs:
        """Return the phase-1 outputs from which a net starts."""
        return BaseOutputs(self.phase_one, scores, start, anchor)

    def shapes(self) -> dict[str, ModalityShape]:
        """Return what a fusion knows of every modality."""
        n_scores = self.score_scale.shape[1]
        return {name: shape_of(like, n_scores) for name, like in self.likes.items()}

    def module(self, anchor: str, params: Mapping[str, Any]) -> AnchoredFusion:
        """Build one anchor's module with fresh weights."""
        backbone = anchor_backbone(self.likes[anchor], params)
        width = qformer_width(backbone, params)
        return AnchoredFusion(
            anchor,
            backbone,
            self.shapes(),
            n_outputs=self.n_outputs,
            n_queries=params["n_queries"],
            qformer_width=width,
            n_heads=n_heads_of(width, params["width"]),
            cross_modal=params["cross_modal"],
            dropout=params["dropout"],
            at_output=params["interaction_depth"] == AT_OUTPUT,
            gate=params["gate"],
        )

    def require_depth(self, anchors: Sequence[str], params: Mapping[str, Any]) -> None:
        """Refuse an interaction depth that one of the anchors' models does not have."""
        depth = depth_within(params)
        for anchor in anchors if depth else ():
            spec = self.likes[anchor].backbone
            model = frozen_model(spec, params) if spec.is_foundation else None
            n_blocks = params["depth"] if model is None else len(model.blocks_to_join)
            if depth >= n_blocks:
                raise too_deep(depth, anchor, n_blocks)

    def anchor_batches(
        self,
        anchor: str,
        cells: Mapping[str, Sequence[Encoding | None]],
        params: Mapping[str, Any],
    ) -> AnchorBatches | None:
        """Return what an anchor's foundation model reads, None for a reference backbone."""
        spec = self.likes[anchor].backbone
        if not spec.is_foundation:
            return None
        inputs = [None if cell is None else cell.unread("inputs") for cell in cells[anchor]]
        model = frozen_model(spec, params)
        return AnchorBatches(anchor, list(self.likes).index(anchor), inputs, model.collate)


def frozen_model(spec: BackboneSpec, params: Mapping[str, Any]) -> Backbone:
    """Return the shared frozen model of a spec, where the fusion's parameters want it."""
    return load_backbone(spec, choose_device(params["device"]), PRECISIONS[params["precision"]])


def standardised(table: TokenTable, scaler: TokenScaler) -> torch.Tensor | GatheredTokens:
    """Return tokens as nets read them, at once where they are in memory."""
    if isinstance(table.tokens, np.ndarray):
        return torch.from_numpy(scaler.transform(table))
    return GatheredTokens(table, scaler)


def shape_of(like: TokenTable, n_scores: int) -> ModalityShape:
    """Return what the fusion knows of a modality."""
    return ModalityShape(
        n_tokens=like.tokens.shape[1] if like.fixed else 0,
        width=like.tokens.shape[2],
        n_scores=n_scores,
    )


def anchor_backbone(like: TokenTable, params: Mapping[str, Any]) -> Backbone | AdaptedBackbone:
    """Return an anchor's model: a frozen one with adapters, or a reference one to be trained."""
    if like.backbone.is_foundation:
        settings = lora_settings(params["lora_rank"], params["lora_params"])
        return AdaptedBackbone(
            like.backbone,
            settings,
            choose_device(params["device"]),
            PRECISIONS[params["precision"]],
            params["gradient_checkpointing"],
            depth_within(params),
        )
    n_tokens = like.tokens.shape[1] if like.fixed else 0
    n_heads = params["width"] // HEAD_WIDTH
    model = ReferenceBackbone(
        n_tokens, like.tokens.shape[2], params["width"], params["depth"], n_heads, params["dropout"]
    )
    model.join_before(depth_within(params))
    return model


def depth_within(params: Mapping[str, Any]) -> int:
    """Return how many blocks own tokens pass before auxiliary ones join; 0 where these never do."""
    depth = params["interaction_depth"]
    return 0 if depth == AT_OUTPUT else depth


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


def qformer_width(backbone: Backbone | AdaptedBackbone, params: Mapping[str, Any]) -> int:
    """Return the width of the Q-former: the anchor's, up to a limit that few patients can fit."""
    if backbone.needs_summary:
        return backbone.width
    return params["qformer_width"] or min(backbone.width, LARGEST_QFORMER)


def n_heads_of(width: int, reference_width: int) -> int:
    """Return as many heads as a reference backbone has, or the most below that divide the width."""
    return max(n for n in range(1, reference_width // HEAD_WIDTH + 1) if width % n == 0)


class BaseOutputs:
    """Phase-1 outputs of some rows when only some of their modalities are shown."""

    def __init__(
        self,
        phase_one: PhaseOne | RidgePhaseOne,
        scores: Scores,
        start: str,
        anchor: str | None,
    ):
        self.phase_one = phase_one
        self.scores = scores
        self.start = start
        self.anchor = anchor

    def __call__(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return outputs (n_rows, n_outputs)."""
        return self.phase_one.logits(self.scores.take(rows), present, self.start, self.anchor)


def choose_anchors(
    anchor: str | Sequence[str], modalities: Sequence[str], estimator: str
) -> list[str]:
    """Return the anchors' names, or say which modality is not there."""
    if isinstance(anchor, str) and anchor == "all":
        return list(modalities)
    anchors = [anchor] if isinstance(anchor, str) else list(anchor)
    unknown = [name for name in anchors if name not in modalities]
    if unknown or not anchors:
        raise InputError(
            f"The 'anchor' parameter of {estimator} must name modalities that some training "
            "subject has",
            got=repr(anchor),
            remedy=f"Choose from {list(modalities)}, or write anchor='all'",
        )
    return anchors


def require_whole_heads(width: int, estimator: str) -> None:
    """Refuse a width that does not split into heads."""
    if width % HEAD_WIDTH:
        raise InputError(
            f"The 'width' parameter of {estimator} must be a multiple of {HEAD_WIDTH}",
            got=str(width),
        )


def score_scale(scores: np.ndarray) -> np.ndarray:
    """Return the root mean square of every phase-1 score, over subjects who have it."""
    flat = scores.reshape(len(scores), scores.shape[1], -1)
    known = np.maximum((flat != 0).sum(axis=0), 1)
    return np.maximum(np.sqrt((flat**2).sum(axis=0) / known), 1e-3)


def as_targets(targets: np.ndarray) -> np.ndarray:
    """Return targets as torch wants them: classes as int64, numbers as float32."""
    is_class = np.issubdtype(targets.dtype, np.integer)
    return targets.astype(np.int64 if is_class else np.float32)


def net_scores(scores: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return phase-1 scores as the nets read them, shape (n, n_modalities, n_scores)."""
    flat = scores.reshape(len(scores), *scale.shape) / scale
    return np.clip(flat, -LARGEST_SCORE, LARGEST_SCORE).astype(np.float32)
