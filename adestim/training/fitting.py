"""Fitting of one net, for both phases: built, measured on training subjects, trained."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
    params: Mapping[str, Any],
) -> tuple[FusionNet, FusionData | None]:
    """Return one net, ready to be trained, and what to train it on."""
    if split is None:
        return build_net(module, len(data), None, None, params).initialize(), None
    train, validation = (data.view(rows) for rows in split)
    calibrate(module, train, params)
    return build_net(module, len(train), validation, hook, params), train


def calibrate(module: AnchoredFusion, data: FusionData, params: Mapping[str, Any]) -> None:
    """Let a foundation model's fusion measure some training subjects who have the anchor."""
    if data.inputs is None:
        return
    device = choose_device(params["device"])
    having = data.present[data.rows, data.inputs.place].numpy()
    if not having.any():
        return
    batches = BatchIterator(data.view(data.rows[having][:N_CALIBRATION]), params["batch_size"])
    room = memory_of(
        device,
        "Measuring the training subjects before training",
        got=f"batch_size={params['batch_size']}, precision={params['precision']!r}",
        remedy="Pass a smaller batch_size, precision='bfloat16', or device='cpu'",
    )
    with room, autocast(device, params["precision"]):
        module.to(device).eval()
        module.calibrate(to_device(batch, device) for batch, _ in batches)


def build_net(
    module: torch.nn.Module,
    n_train: int,
    validation: FusionData | None,
    hook: Callable[[dict], bool] | None,
    params: Mapping[str, Any],
) -> FusionNet:
    """Wrap a module in a skorch net: AdamW, warm-up, cosine decay, early stop."""
    n_steps = max(1, params["max_epochs"]) * -(-n_train // params["batch_size"])
    return FusionNet(
        module,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=params["weight_decay"],
        optimizer__param_groups=[
            ("log_gate", {"lr": GATE_SPEED * params["learning_rate"]}),
            ("backbone.body.*", {"lr": body_learning_rate(params)}),
        ],
        lr=params["learning_rate"],
        max_epochs=params["max_epochs"],
        batch_size=params["batch_size"],
        iterator_train=BatchIterator,
        iterator_train__shuffle=True,
        iterator_train__modality_dropout=params["modality_dropout"],
        iterator_train__pin_memory=choose_device(params["device"]).type == "cuda",
        iterator_valid=BatchIterator,
        train_split=None,
        precision=params["precision"],
        losses=params.get("losses", class_losses),
        device=str(choose_device(params["device"])),
        callbacks=[
            ("schedule", warmup_cosine(n_steps)),
            ("early_stop", EarlyStop(validation, params["patience"])),
            ("epoch_hook", EpochHook(hook)),
            ("gradient_audit", GradientAudit()),
        ],
        callbacks__print_log=None,
        callbacks__valid_loss=None,
        verbose=0,
    )


def body_learning_rate(params: Mapping[str, Any]) -> float:
    """Return the learning rate of pretrained weights and their adapters."""
    return params.get("body_learning_rate") or BODY_SPEED * params["learning_rate"]
