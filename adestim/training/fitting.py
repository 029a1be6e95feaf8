"""Fitting of one net, for both phases: built, measured on training subjects, trained."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from adestim._support.torch import autocast, choose_device, memory_of
from adestim.exceptions import DataWarning
from adestim.training.batches import BatchIterator, FusionData, to_device
from adestim.training.net import (
    EarlyStop,
    EpochHook,
    FusionNet,
    GradientAudit,
    Losses,
    class_losses,
    warmup_cosine,
)
from adestim.training.nets import AnchoredFusion
from adestim.training.phase_one.logistic import inner_folds

# The gate is one number a modality and must travel far in few steps.
GATE_SPEED = 10
# Pretrained weights are moved with more care than fresh ones.
BODY_SPEED = 0.1
N_CALIBRATION = 64


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """How one net is trained; the names are those of the estimators' parameters."""

    max_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    device: str
    precision: str
    modality_dropout: float = 0.0
    body_learning_rate: float | None = None  # of pretrained weights and their adapters
    losses: Losses = class_losses

    @property
    def learning_rate_of_body(self) -> float:
        """Learning rate of the body, by default a share of that of fresh weights."""
        return self.body_learning_rate or BODY_SPEED * self.learning_rate


def inner_split(
    targets: np.ndarray,
    groups: np.ndarray,
    seed: int,
    fraction: float,
    make_folds: Callable[..., Sequence[tuple[np.ndarray, np.ndarray]]] = inner_folds,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return training and validation rows of one net.

    targets (n_subjects,), groups (n_subjects,).
    """
    splits = make_folds(targets, groups, seed, n_folds=round(1 / fraction))
    if not splits:
        whole = "A class" if np.issubdtype(targets.dtype, np.integer) else "The training set"
        warnings.warn(
            f"{whole} has a single group, so there is no inner validation split: nothing is "
            "trained by gradient, and the prediction it would start from stands.",
            DataWarning,
            stacklevel=5,
        )
    return splits[0] if splits else None


def prepare_net(
    module: AnchoredFusion,
    data: FusionData,
    split: tuple[np.ndarray, np.ndarray] | None,
    hook: Callable[[dict], bool] | None,
    settings: TrainerSettings,
) -> tuple[FusionNet, FusionData | None]:
    """Return one net, ready to be trained, and what to train it on."""
    if split is None:
        return build_net(module, len(data), None, None, settings).initialize(), None
    train, validation = (data.view(rows) for rows in split)
    calibrate(module, train, settings)
    return build_net(module, len(train), validation, hook, settings), train


def calibrate(module: AnchoredFusion, data: FusionData, settings: TrainerSettings) -> None:
    """Let a foundation model's fusion measure some training subjects who have the anchor."""
    if data.inputs is None:
        return
    device = choose_device(settings.device)
    having = data.present[data.rows, data.inputs.place].numpy()
    if not having.any():
        return
    batches = BatchIterator(data.view(data.rows[having][:N_CALIBRATION]), settings.batch_size)
    room = memory_of(
        device,
        "Measuring the training subjects before training",
        got=f"batch_size={settings.batch_size}, precision={settings.precision!r}",
        remedy="Pass a smaller batch_size, precision='bfloat16', or device='cpu'",
    )
    with room, autocast(device, settings.precision):
        module.to(device).eval()
        module.calibrate(to_device(batch, device) for batch, _ in batches)


def build_net(
    module: torch.nn.Module,
    n_train: int,
    validation: FusionData | None,
    hook: Callable[[dict], bool] | None,
    settings: TrainerSettings,
) -> FusionNet:
    """Wrap a module in a skorch net: AdamW, warm-up, cosine decay, early stop."""
    n_steps = max(1, settings.max_epochs) * -(-n_train // settings.batch_size)
    return FusionNet(
        module,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__fused=True,
        optimizer__weight_decay=settings.weight_decay,
        optimizer__param_groups=[
            ("log_gate", {"lr": GATE_SPEED * settings.learning_rate}),
            ("backbone.body.*", {"lr": settings.learning_rate_of_body}),
        ],
        lr=settings.learning_rate,
        max_epochs=settings.max_epochs,
        batch_size=settings.batch_size,
        iterator_train=BatchIterator,
        iterator_train__shuffle=True,
        iterator_train__modality_dropout=settings.modality_dropout,
        iterator_train__pin_memory=choose_device(settings.device).type == "cuda",
        iterator_valid=BatchIterator,
        train_split=None,
        precision=settings.precision,
        losses=settings.losses,
        device=str(choose_device(settings.device)),
        callbacks=[
            ("schedule", warmup_cosine(n_steps)),
            ("early_stop", EarlyStop(validation, settings.patience)),
            ("epoch_hook", EpochHook(hook)),
            ("gradient_audit", GradientAudit()),
        ],
        callbacks__print_log=None,
        callbacks__valid_loss=None,
        verbose=0,
    )
