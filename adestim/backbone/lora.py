"""Low-rank adapters on a frozen, shared backbone, and what phase 1 hands on to phase 2."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn

from adestim._support.quiet import silence_logger
from adestim._support.torch import memory_of
from adestim.backbone.adapter import Adapter
from adestim.backbone.contract import Backbone
from adestim.backbone.embedded import embed_once
from adestim.backbone.loading import load_backbone, skeleton
from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError, MissingDependencyError

ADAPTER = "default"
# Threads that predict with one unpickled body load it once.
_FILLING = RLock()


@dataclass(frozen=True)
class LoRASettings:
    """How a backbone is adapted."""

    rank: int = 8  # rank of the update of each layer; 0 leaves the body frozen
    alpha: float = 16.0  # the update is scaled by ``alpha / rank``
    dropout: float = 0.0  # dropout before the adapters
    # ends of the names of the layers to adapt; None for the backbone's own choice
    targets: tuple[str, ...] | None = None
    # whether all weights are trained, in a copy of the body, instead of adapters
    full: bool = False

    def __post_init__(self):
        for name, value, fits, rule in (
            ("alpha", self.alpha, lambda number: number > 0, "a number above 0"),
            ("dropout", self.dropout, lambda number: 0 <= number < 1, "a number from 0, below 1"),
        ):
            if isinstance(value, bool) or not isinstance(value, Real) or not fits(value):
                raise InputError(
                    f"{name!r} of LoRA must be {rule}",
                    got=repr(value),
                    remedy=f"Leave it out for {getattr(LoRASettings, name):g}",
                )


def lora_targets(given: Any) -> tuple[str, ...] | None:
    """Return the ends of names that are asked for; one may be given by itself."""
    if given is None or isinstance(given, str):
        return None if given is None else (given,)
    if not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise InputError(
            "The targets of LoRA are ends of the names of linear layers",
            got=repr(given),
            remedy="Write for example ('attn.qkv', 'mlp.fc1'), or leave them out",
        )
    return tuple(given)


class AdaptedBackbone(nn.Module):
    """A frozen backbone that others share, with adapters of its own.

    Pickled or copied, it holds the adapters alone: the frozen weights are found again by the spec,
    when something is first asked of them.
    Its body stays in evaluation mode, batch norms and dropout included, whatever mode it is put in.
    """

    def __init__(
        self,
        spec: BackboneSpec,
        settings: LoRASettings,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        gradient_checkpointing: bool = False,
        join_at: int = 0,
    ):
        super().__init__()
        self.recipe = (spec, settings, device, dtype, gradient_checkpointing, join_at)
        shared = load_backbone(spec, device, dtype)
        self.body = copy_model(shared, device) if settings.full else skeleton(shared)
        self.body.gradient_checkpointing = gradient_checkpointing
        self.body.join_before(join_at)
        if settings.full:
            train_all(self.body)
        else:
            add_lora(self.body, settings)

    def __getattr__(self, name: str) -> Any:
        """Answer for the body: its methods and sizes are the contract's."""
        if "kept" in vars(self):
            if name.startswith("__"):
                raise AttributeError(name)
            self._fill()
            return getattr(self, name)
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name in ("body", "_modules"):
                raise
            return getattr(self.body, name)

    def embed(self, inputs: Tensor) -> Tensor:
        """Embed; adapters come later, so no gradient is kept unless all weights are trained."""
        full = self.recipe[1].full
        with torch.set_grad_enabled(full and torch.is_grad_enabled()):
            return self.body.embed(inputs)

    def embed_subjects(self, inputs: Tensor, sources: Sequence[Any]) -> Tensor:
        """Embed subjects; those whose tokens are known are not embedded again.

        inputs (B, ...) -> (B, T, width).
        """
        spec, settings, device, dtype, *_ = self.recipe
        if settings.full:
            return self.embed(inputs)
        model = *spec.identity(), str(device), dtype
        return embed_once(model, self.body, self.embed, inputs, sources)

    def train(self, mode: bool = True) -> AdaptedBackbone:
        """Put the adapters in a mode; the frozen body stays in evaluation mode."""
        self.training = mode
        self.body.eval()
        for name, layer in self.body.named_modules():
            if ".lora_dropout." in f".{name}.":
                layer.train(mode)
        return self

    def adapter(self) -> Adapter:
        """Return what training has changed."""
        if self.recipe[1].full:
            named = self.body.named_parameters()
            return Adapter({name: value for name, value in named if value.requires_grad}, {}, {})
        updates = list(list_updates(self.body))
        return Adapter(
            {}, {name: down for name, down, _ in updates}, {name: up for name, _, up in updates}
        )

    def __getstate__(self) -> dict:
        """Keep the recipe and the adapters."""
        if "kept" in vars(self):
            return dict(self.kept)
        adapters = {
            name: value.detach().cpu()
            for name, value in self.body.named_parameters()
            if value.requires_grad
        }
        return {"recipe": self.recipe, "adapters": adapters, "training": self.training}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # Whoever opens a pickle need not have the weights, until something is asked of them.
        self.__dict__.update(kept=dict(state), recipe=state["recipe"])

    def _fill(self) -> None:
        """Load the frozen weights of an unpickled body, and put the adapters beside them."""
        with _FILLING:
            if "kept" not in vars(self):
                return
            kept = self.kept
            mode = vars(self).get("training", kept["training"])
            filled = rebuild(kept["recipe"], kept["adapters"]).train(mode)
            self.__dict__.update(vars(filled))
            del self.__dict__["kept"]


def rebuild(recipe: tuple, adapters: Mapping[str, Tensor]) -> AdaptedBackbone:
    """Return an adapted body made by a recipe, with the adapters that training left."""
    spec, settings, device, *options = recipe
    if device.type == "cuda" and not torch.cuda.is_available():
        device = torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        body = AdaptedBackbone(spec, settings, device, *options)
    mine = dict(body.body.named_parameters())
    with torch.no_grad():
        for name, value in adapters.items():
            mine[name].copy_(value)
    return body


def copy_model(shared: Backbone, device: torch.device) -> Backbone:
    """Return a copy of a model whose weights are its own."""
    with memory_of(
        device,
        f"Training all weights of {type(shared).__name__}, in a copy of them,",
        remedy="Pass adapt='lora', or device='cpu'",
    ):
        return copy.deepcopy(shared)


def train_all(model: Backbone) -> None:
    """Let every weight be trained that the output depends on."""
    unused = tuple(f"{part}." for part in model.unused_parts)
    for name, value in model.named_parameters():
        value.requires_grad_(not f"{name}.".startswith(unused))


def add_lora(model: Backbone, settings: LoRASettings) -> None:
    """Put adapters into a model, in place; its output does not change."""
    model.requires_grad_(False)
    targets = settings.targets or tuple(model.lora_targets)
    if settings.rank == 0 or not targets:
        return
    layers = find_linear_layers(model, targets)
    try:
        # bitsandbytes, which peft imports where it is installed, warns on every CPU of kernels for
        # 4-bit weights that adapters do not use.
        with silence_logger("bitsandbytes"):
            from peft import LoraConfig, inject_adapter_in_model
            from peft.tuners.tuners_utils import cast_adapter_dtype
    except ImportError as error:
        raise MissingDependencyError(
            "LoRA needs the package peft",
            remedy="Run pip install 'adestim[foundation]'; or pass lora_rank=0 to the fusion, "
            "adapt='head' to an extractor",
        ) from error
    config = LoraConfig(
        r=settings.rank,
        # peft divides by the rank, and takes any number in spite of its annotation.
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=layers,
    )
    inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    cast_adapter_dtype(model, ADAPTER, autocast_adapter_dtype=True)


def find_linear_layers(model: nn.Module, targets: tuple[str, ...]) -> list[str]:
    """Return the linear layers whose names end in the targets; refuse one that none ends in."""
    layers = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    ending = {
        target: [name for name in layers if f".{name}".endswith(f".{target}")] for target in targets
    }
    unknown = [target for target, names in ending.items() if not names]
    if unknown:
        raise InputError(
            "The 'lora_targets' parameter must name ends of the names of linear layers",
            got=", ".join(map(repr, unknown)),
            remedy=f"Choose from {sorted({name.rsplit('.', 1)[-1] for name in layers})}",
        )
    return sorted({name for names in ending.values() for name in names})


def list_updates(model: nn.Module) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield the adapters of a model.

    -> down (rank, n_in), up (n_out, rank).
    """
    for name, layer in model.named_modules():
        factors = getattr(layer, "lora_A", None)
        if factors is not None and ADAPTER in factors:
            scale = layer.scaling[ADAPTER]
            yield name, factors[ADAPTER].weight, scale * layer.lora_B[ADAPTER].weight
