"""The only place that trains by gradient: a skorch net, its batches, schedule and early stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, LRScheduler
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from adestim._support.torch import autocast, memory_of
from adestim.exceptions import InputError
from adestim.training.batches import BatchIterator, FusionData, to_device

Losses = Callable[[Tensor, Tensor], Tensor]

HUBER_THRESHOLD = 1.345


class StopTraining(KeyboardInterrupt):
    """Ends training from a callback; skorch ends its loop on this class of exceptions."""


class FusionNet(NeuralNet):
    """A skorch net whose loss is weighted by subject and whose batches are dictionaries."""

    def __init__(self, module, *, precision="float32", losses=None, **kwargs):
        super().__init__(module, **kwargs)
        self.precision = precision
        self.losses = class_losses if losses is None else losses

    def infer(self, x, **fit_params):
        """Run the module on one batch."""
        x = to_device(x, torch.device(self.device))
        with autocast(torch.device(self.device), self.precision):
            logits = self.module_(x, **fit_params)
        return logits.float()

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Leave the frozen weights out, which the optimiser would keep alive in every pickle."""
        trained = [(name, value) for name, value in named_parameters if value.requires_grad]
        return super().get_params_for_optimizer(prefix, trained)

    def get_loss(self, y_pred, y_true, X=None, *args, **kwargs):
        """Return the loss, averaged with the subjects' weights."""
        weight, y_true = (to_device(value, y_pred.device) for value in (X["weight"], y_true))
        losses = self.losses(y_pred, y_true)
        return (losses * weight).sum() / weight.sum().clamp(min=1e-12)

    def partial_fit(self, X, y=None, classes=None, **fit_params):
        """Train; end quietly on :class:`StopTraining`, and on nothing else."""
        if not self.initialized_:
            self.initialize()
        fit_params.pop("_routing_method", None)
        self.notify("on_train_begin", X=X, y=y)
        try:
            with self.room_for_training():
                self.fit_loop(X, y, **fit_params)
        except StopTraining:
            self.history.record("stopped", True)
        return self.end_training(X, y)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Go through the batches once; losses come from the device together, at the end."""
        losses = []
        for batch in () if iterator is None else iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            losses.append(step["loss"].detach())
            self.history.record_batch(f"{prefix}_batch_size", len(batch[1]))
            self.notify("on_batch_end", batch=batch, training=training, **step)
        if iterator is not None:
            record_losses(self, prefix, losses)

    def room_for_training(self) -> AbstractContextManager[None]:
        """Return the context in which memory that runs out is said with the remedy."""
        return memory_of(
            self.device,
            "Training",
            got=f"batch_size={self.batch_size}, precision={self.precision!r}",
            remedy="Pass a smaller batch_size, gradient_checkpointing=True, or "
            "precision='bfloat16'",
        )

    def end_training(self, X, y=None):
        """Let the callbacks finish, and let go of what only training needs."""
        self.notify("on_train_end", X=X, y=y)
        # Nobody trains on from here, and the moments are twice the size of the module.
        self.optimizer_.state.clear()
        self.optimizer_.param_groups.clear()
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
        """Return every subject's loss, the module in evaluation mode."""
        return self.losses_of(self.predict_logits(data), data)

    def losses_of(self, outputs: np.ndarray, data: FusionData) -> np.ndarray:
        """Return every subject's loss, given the module's outputs."""
        return self.losses(torch.from_numpy(outputs), data.y[data.rows]).numpy()

    def predict_logits(self, data: FusionData) -> np.ndarray:
        """Return logits of shape (n_subjects, n_classes); batches that do not fit are halved."""
        at_once = data.count_at_once(getattr(self.module_, "n_at_once", 0))
        size = min(max(self.batch_size, at_once), len(data))
        while size > 1:
            with suppress(torch.OutOfMemoryError):
                return self._logits(data, size)
            torch.cuda.empty_cache()
            size //= 2
        with memory_of(
            self.device,
            "Prediction for a single subject",
            got=f"precision={self.precision!r}",
            remedy="Fit with precision='bfloat16' or device='cpu'; or predict from a pickle in a "
            "process that sees no GPU (CUDA_VISIBLE_DEVICES='')",
        ):
            return self._logits(data, 1)

    def _logits(self, data: FusionData, batch_size: int) -> np.ndarray:
        """Return logits, batch by batch."""
        on_gpu = torch.device(self.device).type == "cuda"
        batches = BatchIterator(data, batch_size, pin_memory=on_gpu)
        # Once, and not before every batch: a module of many layers is walked through for it.
        self.module_.eval()
        with torch.no_grad():
            return torch.cat([self.infer(batch) for batch, _ in batches]).cpu().numpy()


def record_losses(net: NeuralNet, prefix: str, losses: Sequence[Tensor]) -> None:
    """Write an epoch's losses, one a batch, into a net's history."""
    values = torch.stack(list(losses)).tolist() if losses else []
    for batch, value in zip(net.history[-1]["batches"], values, strict=True):
        batch[f"{prefix}_loss"] = value
    net.history.record(f"{prefix}_batch_count", len(values))


def class_losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return every subject's cross-entropy.

    outputs (n_subjects, n_classes), targets (n_subjects,) -> (n_subjects,).
    """
    return F.cross_entropy(outputs, targets, reduction="none")


@dataclass(frozen=True)
class NumberLoss:
    """Every subject's loss where numbers are predicted; a class, so that it pickles.

    P. J. Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35,
    1964. P. W. Holland and R. E. Welsch, "Robust regression using iteratively reweighted
    least-squares", Communications in Statistics A6, 1977 (1.345: an efficiency of 95 % on
    Gaussian errors).
    """

    kind: str  # squared error; or Huber's, which grows linearly beyond 1.345 times ``scale``
    scale: float  # what residuals are divided by

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return losses (n_subjects,) of outputs (n_subjects, 1)."""
        residual = (outputs[:, 0] - targets) / self.scale
        if self.kind == "squared":
            return residual**2
        return F.huber_loss(residual, torch.zeros_like(residual), "none", HUBER_THRESHOLD)


class EarlyStop(Callback):
    """Keep the weights of the best epoch, the start included; stop when none is better.

    An epoch is better than the start only where its loss is lower by more than the standard
    error of the paired difference, so that noise in a small validation split changes nothing.
    Who knows the losses on the validation subjects already hands them over.
    """

    def __init__(self, validation: FusionData | None, patience: int):
        self.validation = validation
        self.patience = patience

    def on_train_begin(self, net, losses=None, **kwargs):
        """Score the phase-1 start, which is the first candidate."""
        self.best_epoch_ = 0
        if self.validation is not None:
            self.start_losses_ = self._losses(net, losses)
            self.weight_ = self.validation.weight[self.validation.rows].numpy()
            self.best_loss_ = float(np.average(self.start_losses_, weights=self.weight_))
            self.best_state_ = snapshot(net.module_)

    def on_epoch_end(self, net, losses=None, **kwargs):
        """Score this epoch; stop when patience is at its end."""
        if self.validation is None:
            return
        losses = self._losses(net, losses)
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
            restore(net.module_, self.best_state_)
        self.validation = self.best_state_ = self.start_losses_ = self.weight_ = None

    def _losses(self, net: FusionNet, losses: np.ndarray | None) -> np.ndarray:
        """Return the validation subjects' losses."""
        return net.subject_losses(self.validation) if losses is None else losses


def exceeds_its_error(values: np.ndarray, weight: np.ndarray) -> bool:
    """Tell whether a weighted mean is larger than its standard error."""
    mean = np.average(values, weights=weight)
    variance = np.average((values - mean) ** 2, weights=weight)
    return bool(mean > np.sqrt(variance / len(values)))


def snapshot(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights that are trained."""
    return {
        name: value.detach().clone()
        for name, value in module.named_parameters()
        if value.requires_grad
    }


def restore(module: torch.nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put trained weights back."""
    with torch.no_grad():
        for name, value in module.named_parameters():
            if name in state:
                value.copy_(state[name])


class GradientAudit(Callback):
    """See to it that the first batch gives every trained weight a gradient.

    Quantised layers and cut graphs lose gradients without a word; training would then
    change nothing.
    """

    def on_grad_computed(self, net, named_parameters, training=False, **kwargs):
        """Look once."""
        if self.seen_:
            return
        self.seen_ = True
        require_gradients(net.module_.named_parameters())

    def on_train_begin(self, net, **kwargs):
        """Look again in every training."""
        self.seen_ = False


def require_gradients(weights: Iterable[tuple[str, Tensor]]) -> None:
    """Refuse trained weights, by name, that got no gradient."""
    lost = [
        name
        for name, value in weights
        if value.requires_grad and value.numel() and value.grad is None
    ]
    if lost:
        raise InputError(
            "Every weight that is trained must get a gradient in the first batch",
            got=f"none for {len(lost)}, {', '.join(lost[:3])} first",
            remedy="Choose lora_targets that the model's output depends on, and no quantised "
            "body on a CPU; for adapt='full', name parts that it does not depend on in "
            "unused_parts of the backbone, or pass adapt='lora'",
        )


class EpochHook(Callback):
    """Call a function after every epoch; stop where it returns True."""

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
    """Return a schedule: linear warm-up over a share of the steps, then cosine decay to zero."""
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
