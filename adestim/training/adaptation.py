"""Phase 1 of the method: a foundation model is adapted alone, with a linear head.

The trainer is that of phase 2: an anchor without auxiliaries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adestim._support.torch import autocast, choose_device, memory_of, seeded
from adestim.backbone.adapter import make_adapted_spec
from adestim.backbone.contract import Backbone
from adestim.backbone.forward import pool_backbone
from adestim.backbone.loading import PRECISIONS, load_backbone
from adestim.backbone.lora import AdaptedBackbone, LoRASettings, lora_targets
from adestim.encoding import BackboneSpec, read_array
from adestim.training.batches import AnchorBatches, FusionData
from adestim.training.fitting import TrainerSettings, inner_split, prepare_net
from adestim.training.net import FusionNet
from adestim.training.nets import AnchoredFusion, ModalityShape

__all__ = [
    "Adaptation",
    "AdaptationSettings",
    "adapt_backbone",
]

MODALITY = "own"
BODY_LEARNING_RATE = {"head": 2e-3, "lora": 2e-4, "full": 2e-5}


@dataclass(frozen=True)
class AdaptationSettings:
    """How phase 1 is trained.

    Parameters
    ----------
    max_epochs : int, default=20
        Largest number of epochs.
    batch_size : int, default=8
        Subjects a batch.
    learning_rate : float, default=0.002
        Largest learning rate of the head.
    body_learning_rate : float or None, default=None
        Largest learning rate of what is trained in the body; None: 2e-4 for adapters, 2e-5 for
        all weights.
    weight_decay : float, default=0.05
        Weight decay of AdamW.
    dropout : float, default=0.1
        Dropout before the head.
    patience : int, default=5
        Epochs without improvement on the inner validation split before training stops.
    validation_fraction : float, default=0.2
        Share of the training groups in the inner validation split.
    n_folds : int, default=5
        Folds of ``cross_fit``.
    lora_rank : int, default=8
        Rank of the adapters.
    lora_alpha : float, default=16.0
        Their updates are scaled by ``lora_alpha / lora_rank``.
    lora_dropout : float, default=0.0
        Dropout before them.
    lora_targets : tuple of str or None, default=None
        Ends of the names of the layers to adapt; None for the model's own choice.
    gradient_checkpointing : bool, default=False
        Whether activations are made again in the backward pass.
    """

    max_epochs: int = 20
    batch_size: int = 8
    learning_rate: float = 2e-3
    body_learning_rate: float | None = None
    weight_decay: float = 0.05
    dropout: float = 0.1
    patience: int = 5
    validation_fraction: float = 0.2
    n_folds: int = 5
    lora_rank: int = 8
    lora_alpha: float = 16.0
    lora_dropout: float = 0.0
    lora_targets: tuple[str, ...] | None = None
    gradient_checkpointing: bool = False

    def trainer(self, kind: str, device: str, precision: str) -> TrainerSettings:
        """Return how the net is trained."""
        return TrainerSettings(
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            body_learning_rate=self.body_learning_rate or BODY_LEARNING_RATE[kind],
            weight_decay=self.weight_decay,
            patience=self.patience,
            device=device,
            precision=precision,
        )

    def lora(self, kind: str) -> LoRASettings:
        """Return what is trained in the body."""
        return LoRASettings(
            rank=self.lora_rank if kind == "lora" else 0,
            alpha=self.lora_alpha,
            dropout=self.lora_dropout,
            targets=lora_targets(self.lora_targets),
            full=kind == "full",
        )


@dataclass(frozen=True, eq=False)
class Adaptation:
    """What phase 1 has learned."""

    # name tag of the adapted model; that of the frozen one where the head alone is fitted
    spec: BackboneSpec
    classes: np.ndarray  # (n_classes,)
    # (n_classes, width_pooled); weights of the head, for pooled vectors as the model gives them
    coef: np.ndarray
    intercept: np.ndarray  # (n_classes,)
    history: list[dict[str, Any]]  # one record an epoch: epoch, train_loss, valid_loss


def adapt_backbone(
    spec: BackboneSpec,
    inputs: Sequence[np.ndarray],
    y: np.ndarray,
    groups: np.ndarray,
    *,
    kind: str = "lora",
    settings: AdaptationSettings | None = None,
    device: str = "auto",
    precision: str = "float32",
    seed: int = 0,
) -> Adaptation:
    """Fit a linear head to a foundation model, and the model with it where asked for.

    y (n_subjects,), groups (n_subjects,).

    Gu et al., "Joint Adaptation of Uni-modal Foundation Models for Multi-modal Alzheimer's
    Disease Diagnosis", ICLR 2026: phase 1, uni-modal adaptation.
    """
    settings = settings or AdaptationSettings()
    trainer = settings.trainer(kind, device, precision)
    classes, codes = np.unique(y, return_inverse=True)
    split = inner_split(codes, groups, seed, settings.validation_fraction)
    with seeded(seed, choose_device(device)):
        module = own_module(spec, len(classes), settings, kind, trainer)
        if kind == "head":
            inputs = pool_inputs(spec, inputs, trainer)
        data = own_data(inputs, codes, module.backbone.collate)
        net, train = prepare_net(module, data, split, None, trainer)
        if train is not None:
            net.fit(train)
    # Where the start was the best, no weight has changed, and the model is the one it was.
    changed = kind != "head" and train is not None and best_epoch(net) > 0
    return Adaptation(
        make_adapted_spec(spec, module.backbone.adapter()) if changed else spec,
        classes,
        *plain_head(module),
        history=[
            {key: epoch[key] for key in ("epoch", "train_loss", "valid_loss")}
            for epoch in net.history
        ],
    )


def best_epoch(net: FusionNet) -> int:
    """Return the epoch whose weights a trained net has, 0 for the start."""
    return dict(net.callbacks_)["early_stop"].best_epoch_


class PooledVectors(Backbone):
    """Stands for a frozen model whose pooled vectors are known: the head alone is fitted."""

    def __init__(self, width: int):
        super().__init__()
        self.width = self.width_out = width

    def embed(self, inputs: Tensor) -> Tensor:
        """Return vectors (B, D) as one token each."""
        return inputs[:, None]

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Return the tokens."""
        return tokens


def load_frozen_model(spec: BackboneSpec, trainer: TrainerSettings) -> Backbone:
    """Return the shared frozen model."""
    return load_backbone(spec, choose_device(trainer.device), PRECISIONS[trainer.precision])


def pool_inputs(
    spec: BackboneSpec, inputs: Sequence[np.ndarray], trainer: TrainerSettings
) -> list[np.ndarray]:
    """Return every subject's pooled vector."""
    model, device = load_frozen_model(spec, trainer), choose_device(trainer.device)
    vectors: list[np.ndarray] = []
    room = memory_of(
        device,
        f"Running {spec.name!r} on the training subjects",
        got=f"batch_size={trainer.batch_size}, precision={trainer.precision!r}",
        remedy="Pass adapt_params={'batch_size': 1}, precision='bfloat16', or device='cpu'",
    )
    with room, torch.inference_mode(), autocast(device, trainer.precision):
        for start in range(0, len(inputs), trainer.batch_size):
            shown = map(read_array, inputs[start : start + trainer.batch_size])
            batch = model.collate(list(shown)).to(device)
            vectors.extend(pool_backbone(model, batch).float().cpu().numpy())
    return vectors


def own_data(
    inputs: Sequence[np.ndarray],
    codes: np.ndarray,
    collate: Callable[[Sequence[np.ndarray]], Tensor],
) -> FusionData:
    """Return subjects who have one modality, upon the logits of the classes' frequencies."""
    n_subjects, counts = len(codes), np.bincount(codes)
    prior = np.log(counts / counts.sum()).astype(np.float32)
    return FusionData(
        tokens={},
        masks={},
        scores=torch.zeros(n_subjects, 1, 1),
        present=torch.ones(n_subjects, 1, dtype=torch.bool),
        base=lambda rows, present: np.tile(prior, (len(rows), 1)),
        y=torch.from_numpy(codes.astype(np.int64)),
        weight=torch.ones(n_subjects),
        inputs=AnchorBatches(MODALITY, 0, inputs, collate),
    )


def own_module(
    spec: BackboneSpec,
    n_classes: int,
    settings: AdaptationSettings,
    kind: str,
    trainer: TrainerSettings,
) -> AnchoredFusion:
    """Return an anchor without auxiliaries."""
    if kind == "head":
        body = PooledVectors(load_frozen_model(spec, trainer).width_pooled)
    else:
        body = own_body(spec, settings, kind, trainer)
    return AnchoredFusion(
        MODALITY,
        body,
        {MODALITY: ModalityShape(n_tokens=0, width=body.width, n_scores=1)},
        n_outputs=n_classes,
        n_queries=0,
        qformer_width=body.width,
        n_heads=1,
        cross_modal=False,
        dropout=settings.dropout,
    )


def own_body(
    spec: BackboneSpec, settings: AdaptationSettings, kind: str, trainer: TrainerSettings
) -> AdaptedBackbone:
    """Return the body that is adapted."""
    return AdaptedBackbone(
        spec,
        settings.lora(kind),
        choose_device(trainer.device),
        # Weights that are trained themselves lose small steps in half precision.
        PRECISIONS["float32" if kind == "full" else trainer.precision],
        settings.gradient_checkpointing,
    )


def plain_head(module: AnchoredFusion) -> tuple[np.ndarray, np.ndarray]:
    """Return the head's weights and intercepts for pooled vectors that are not standardised."""
    weight = module.head.weight.detach().cpu() / module.pooled_scale.cpu()
    intercept = module.head.bias.detach().cpu() - weight @ module.pooled_mean.cpu()
    return weight.numpy(), intercept.numpy()
