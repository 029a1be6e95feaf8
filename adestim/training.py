"""The only place that trains by gradient: a skorch net, its batches, schedule and early stop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, LRScheduler
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset

from adestim._torch import autocast

__all__ = [
    "BatchIterator",
    "EarlyStop",
    "EpochHook",
    "FusionData",
    "FusionNet",
    "StopTraining",
    "warmup_cosine",
]

Base = Callable[[np.ndarray, np.ndarray], np.ndarray]


class StopTraining(KeyboardInterrupt):
    """Ends training from a callback; skorch ends its loop on this class of exceptions."""


class FusionData(Dataset):
    """Subjects as tensors, from which batches are gathered by row number.

    Parameters
    ----------
    tokens : mapping of str to Tensor of shape (n_subjects, n_tokens, width)
        Standardised tokens by modality.
    masks : mapping of str to Tensor of shape (n_subjects, n_tokens), dtype bool
        True where a token is real.
    scores : Tensor of shape (n_subjects, n_modalities, n_scores)
        Phase-1 scores as the module reads them.
    present : Tensor of shape (n_subjects, n_modalities), dtype bool
        Which modalities a subject has.
    base : callable
        Takes row numbers and a presence table, returns phase-1 logits (n_rows, n_classes).
    y : Tensor of shape (n_subjects,), dtype int64
        Classes.
    weight : Tensor of shape (n_subjects,)
        Weights of the subjects in the loss.
    rows : ndarray of int, default=None
        The rows this view holds; None for all.
    """

    def __init__(
        self,
        tokens: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        scores: Tensor,
        present: Tensor,
        base: Base,
        y: Tensor,
        weight: Tensor,
        rows: np.ndarray | None = None,
    ):
        self.tokens = tokens
        self.masks = masks
        self.scores = scores
        self.present = present
        self.base = base
        self.y = y
        self.weight = weight
        self.rows = np.arange(len(y)) if rows is None else np.asarray(rows)
        self.base_logits = torch.from_numpy(base(np.arange(len(y)), present.numpy()))

    def __len__(self) -> int:
        return len(self.rows)

    def view(self, rows: np.ndarray) -> FusionData:
        """Return the same subjects' data, restricted to some rows."""
        other = copy.copy(self)
        other.rows = np.asarray(rows)
        return other

    def rebased(self, base: Base) -> FusionData:
        """Return the same subjects upon other phase-1 logits."""
        other = copy.copy(self)
        other.base = base
        other.base_logits = torch.from_numpy(base(np.arange(len(self.y)), self.present.numpy()))
        return other

    def batch(self, rows: np.ndarray, dropout: float = 0.0) -> tuple[dict, Tensor]:
        """Gather some rows, each modality dropped with probability ``dropout``.

        Returns
        -------
        batch : dict
            What :class:`~adestim.fusion.AnchoredFusion` reads, and ``weight``.
        y : Tensor of shape (n_rows,)
        """
        index = torch.from_numpy(rows)
        present, base = self.present[index], self.base_logits[index]
        if dropout > 0 and present.shape[1] > 1:
            kept = drop_modalities(present, dropout)
            touched = (kept != present).any(dim=1)
            base = base.clone()
            base[touched] = torch.from_numpy(
                self.base(rows[touched.numpy()], kept[touched].numpy())
            )
            present = kept
        batch = {
            "tokens": {name: value[index] for name, value in self.tokens.items()},
            "masks": {
                name: value[index] & present[:, place, None]
                for place, (name, value) in enumerate(self.masks.items())
            },
            "scores": self.scores[index],
            "present": present,
            "base": base,
            "weight": self.weight[index],
        }
        return batch, self.y[index]


def drop_modalities(present: Tensor, dropout: float) -> Tensor:
    """Drop modalities at random; who would be left with none keeps all."""
    kept = present & (torch.rand(present.shape) >= dropout)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


class BatchIterator:
    """Batches of a :class:`FusionData`, in random order where asked.

    Parameters
    ----------
    dataset : FusionData
        The subjects.
    batch_size : int
        Subjects a batch.
    shuffle : bool, default=False
        Whether to permute the rows before every epoch.
    modality_dropout : float, default=0.0
        Probability with which each modality of each subject is hidden.
    """

    def __init__(
        self,
        dataset: FusionData,
        batch_size: int,
        shuffle: bool = False,
        modality_dropout: float = 0.0,
    ):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.modality_dropout = modality_dropout

    def __len__(self) -> int:
        return math.ceil(len(self.dataset) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[dict, Tensor]]:
        rows = self.dataset.rows
        if self.shuffle:
            rows = rows[torch.randperm(len(rows)).numpy()]
        for start in range(0, len(rows), self.batch_size):
            yield self.dataset.batch(rows[start : start + self.batch_size], self.modality_dropout)


class FusionNet(NeuralNet):
    """A skorch net whose loss is weighted by subject and whose batches are dictionaries.

    Parameters
    ----------
    module : torch.nn.Module
        Takes the whole batch, returns logits.
    precision : {"float32", "bfloat16"}, default="float32"
        Precision of the forward pass; the loss is always computed in float32.
    **kwargs : dict
        As for ``skorch.NeuralNet``.
    """

    def __init__(self, module, *, precision="float32", **kwargs):
        super().__init__(module, **kwargs)
        self.precision = precision

    def infer(self, x, **fit_params):
        """Run the module on one batch."""
        x = to_device(x, torch.device(self.device))
        with autocast(torch.device(self.device), self.precision):
            logits = self.module_(x, **fit_params)
        return logits.float()

    def get_loss(self, y_pred, y_true, X=None, *args, **kwargs):
        """Return the cross-entropy, averaged with the subjects' weights."""
        weight = X["weight"].to(y_pred.device)
        losses = F.cross_entropy(y_pred, y_true.to(y_pred.device), reduction="none")
        return (losses * weight).sum() / weight.sum().clamp(min=1e-12)

    def partial_fit(self, X, y=None, classes=None, **fit_params):
        """Train; end quietly on :class:`StopTraining`, and on nothing else."""
        if not self.initialized_:
            self.initialize()
        fit_params.pop("_routing_method", None)
        self.notify("on_train_begin", X=X, y=y)
        try:
            self.fit_loop(X, y, **fit_params)
        except StopTraining:
            self.history.record("stopped", True)
        self.notify("on_train_end", X=X, y=y)
        # Nobody trains on from here, and the moments are twice the size of the module.
        self.optimizer_.state.clear()
        return self

    def __getstate__(self):
        """Store the module once; skorch would store it as given and as trained."""
        state = super().__getstate__()
        if self.initialized_:
            del state["module"]
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if self.initialized_:
            vars(self)["module"] = self.module_

    def mean_loss(self, data: FusionData) -> float:
        """Return the weighted loss over some subjects, the module in evaluation mode."""
        return float(np.average(self.subject_losses(data), weights=data.weight[data.rows]))

    def subject_losses(self, data: FusionData) -> np.ndarray:
        """Return every subject's cross-entropy, the module in evaluation mode."""
        logits = torch.from_numpy(self.predict_logits(data))
        return F.cross_entropy(logits, data.y[data.rows], reduction="none").numpy()

    def predict_logits(self, data: FusionData) -> np.ndarray:
        """Return logits of shape (n_subjects, n_classes)."""
        parts = [
            self.evaluation_step(batch, training=False).cpu().numpy()
            for batch in BatchIterator(data, self.batch_size)
        ]
        return np.concatenate(parts)


def to_device(value, device: torch.device):
    """Move a nested batch to a device."""
    if isinstance(value, Mapping):
        return {key: to_device(item, device) for key, item in value.items()}
    return value.to(device, non_blocking=True)


class EarlyStop(Callback):
    """Keep the weights of the best epoch, the start included; stop when none is better.

    An epoch is better than the start only where its loss is lower by more than the standard
    error of the paired difference, so that noise in a small validation split changes nothing.

    Parameters
    ----------
    validation : FusionData or None
        The inner validation subjects; None trains to the end.
    patience : int
        Epochs without improvement before training stops.
    """

    def __init__(self, validation: FusionData | None, patience: int):
        self.validation = validation
        self.patience = patience

    def on_train_begin(self, net, **kwargs):
        """Score the phase-1 start, which is the first candidate."""
        self.best_epoch_ = 0
        if self.validation is not None:
            self.start_losses_ = net.subject_losses(self.validation)
            self.weight_ = self.validation.weight[self.validation.rows].numpy()
            self.best_loss_ = float(np.average(self.start_losses_, weights=self.weight_))
            self.best_state_ = snapshot(net.module_)

    def on_epoch_end(self, net, **kwargs):
        """Score this epoch; stop when patience is at its end."""
        if self.validation is None:
            return
        losses = net.subject_losses(self.validation)
        loss = float(np.average(losses, weights=self.weight_))
        net.history.record("valid_loss", loss)
        epoch = len(net.history)
        certain = exceeds_its_error(self.start_losses_ - losses, self.weight_)
        if loss < self.best_loss_ and certain:
            self.best_loss_, self.best_epoch_ = loss, epoch
            self.best_state_ = snapshot(net.module_)
        elif epoch - self.best_epoch_ >= self.patience:
            raise StopTraining

    def on_train_end(self, net, **kwargs):
        """Go back to the best epoch; let go of the data."""
        if self.validation is not None:
            net.module_.load_state_dict(self.best_state_)
        self.validation = self.best_state_ = self.start_losses_ = self.weight_ = None


def exceeds_its_error(values: np.ndarray, weight: np.ndarray) -> bool:
    """Tell whether a weighted mean is larger than its standard error."""
    mean = np.average(values, weights=weight)
    variance = np.average((values - mean) ** 2, weights=weight)
    return bool(mean > np.sqrt(variance / len(values)))


def snapshot(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return a copy of the module's state."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


class EpochHook(Callback):
    """Call a function after every epoch; stop where it returns True.

    Parameters
    ----------
    hook : callable or None
        Takes the net's history of the epoch, a dict.
    """

    def __init__(self, hook: Callable[[dict], bool] | None):
        self.hook = hook

    def on_train_begin(self, net, **kwargs):
        """Count the epochs that are handed over."""
        self.n_epochs_ = 0

    def on_epoch_end(self, net, **kwargs):
        """Hand the epoch over."""
        self.n_epochs_ += 1
        if self.hook is not None and self.hook(net.history[-1]):
            raise StopTraining

    def on_train_end(self, net, **kwargs):
        """Hand over an epoch after which patience ended; let go of the function."""
        if self.hook is not None and self.n_epochs_ < len(net.history):
            self.hook(net.history[-1])
        self.hook = None


def warmup_cosine(n_steps: int, share: float = 0.1) -> LRScheduler:
    """Return a schedule: linear warm-up over a share of the steps, then cosine decay to zero.

    Parameters
    ----------
    n_steps : int
        Number of optimiser steps in all.
    share : float, default=0.1
        Share of the steps spent on warm-up.
    """
    return LRScheduler(
        LambdaLR, lr_lambda=WarmupCosine(n_steps, max(1, int(share * n_steps))), step_every="batch"
    )


class WarmupCosine:
    """Factor of the learning rate at a step; a class, so that it pickles."""

    def __init__(self, n_steps: int, n_warmup: int):
        self.n_steps = n_steps
        self.n_warmup = n_warmup

    def __call__(self, step: int) -> float:
        """Return the factor at an optimiser step."""
        if step < self.n_warmup:
            return (step + 1) / self.n_warmup
        progress = (step - self.n_warmup) / max(1, self.n_steps - self.n_warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
