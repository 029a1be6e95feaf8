"""Checkpoints: matched to a model key by key, and told whose they are where they do not fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from adestim.backbone.registry import BackboneCard, import_class, list_cards
from adestim.backbone.weights.files import read_checkpoint
from adestim.backbone.weights.layout import (
    CheckpointLayout,
    Relative,
    canonical_state,
    list_first_names,
)
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError

# Ends of names that architectures from elsewhere have.
WELL_KNOWN = {
    "LoRA adapters, not a whole model": ("lora_A.weight",),
    "the predictor of Brain-JEPA, without its encoder": (
        "predictor_embed.weight",
        "predictor_2dpe_proj.emb_h",
    ),
    "LoRA adapters of peft, not a whole model": ("lora_A.default.weight",),
    "a BERT of transformers": (
        "embeddings.word_embeddings.weight",
        "encoder.layer.0.attention.self.query.weight",
    ),
    "a LLaMA-like language model of transformers": (
        "embed_tokens.weight",
        "layers.0.self_attn.q_proj.weight",
    ),
    "a GPT-2 of transformers": ("wte.weight", "h.0.attn.c_attn.weight"),
    "a ViT of transformers": (
        "embeddings.patch_embeddings.projection.weight",
        "encoder.layer.0.attention.attention.query.weight",
    ),
    "a ViT of timm": ("patch_embed.proj.weight", "blocks.0.attn.qkv.weight"),
    "a ResNet of torchvision": ("conv1.weight", "layer1.0.conv1.weight", "layer4.0.conv1.weight"),
    "a U-Net of MONAI or nnU-Net": ("encoder.stages.0.0.convs.0.conv.weight",),
}


def read_state(path: str, layout: CheckpointLayout, trust_pickle: bool) -> dict[str, Tensor]:
    """Read a file and return the state of the model in it, under the module's names."""
    return canonical_state(read_checkpoint(path, trust_pickle), layout, find_owner)


def load_strict(module: nn.Module, state: Mapping[str, Tensor], spec: BackboneSpec) -> None:
    """Fill a module, built on the meta device, with a state that has exactly its tensors."""
    problems = find_differences(module.state_dict(), state)
    if problems:
        verdict = judge_state(state, spec.name, type(module))
        raise CheckpointError(
            f"A checkpoint of {spec.name!r} must hold exactly that model's weights",
            got="; ".join(problems) + (f". {verdict.finding}" if verdict.finding else ""),
            remedy=verdict.remedy,
        )
    module.load_state_dict(state, strict=True, assign=True)


def find_differences(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Say in what a state differs from the one that is wanted."""
    both = [name for name in wanted if name in state]
    shapes = [name for name in both if state[name].shape != wanted[name].shape]
    kinds = [name for name in both if is_real(state[name]) != is_real(wanted[name])]
    found = {
        "missing": [name for name in wanted if name not in state],
        "unexpected": [name for name in state if name not in wanted],
        "of another shape": [
            f"{name} {tuple(state[name].shape)} instead of {tuple(wanted[name].shape)}"
            for name in shapes
        ],
        "of another kind of number": [
            f"{name} {state[name].dtype} instead of {wanted[name].dtype}" for name in kinds
        ],
    }
    return [
        f"{len(names)} of {len(wanted)} {what}: {list_first_names(names)}"
        if what != "unexpected"
        else f"{len(names)} {what}: {list_first_names(names)}"
        for what, names in found.items()
        if names
    ]


def is_real(tensor: Tensor) -> bool:
    """Tell whether a tensor holds floating-point numbers, of whatever precision."""
    return tensor.is_floating_point()


class Verdict(NamedTuple):
    """Whose weights a state seems to be, and what to do."""

    finding: str  # A sentence without its full stop; empty where nothing was recognised
    remedy: str  # what the user can do


def judge_state(state: Mapping[str, Tensor], name: str, model: type) -> Verdict:
    """Say whose weights a state seems to be, other than those of the model that was wanted."""
    relative = find_relative(state)
    if relative is not None:
        return Verdict(f"These look like {relative.what}", relative.remedy)
    others = [card for card in list_cards() if card.home and card.name != name]
    fitting = [card for card in others if bears_card(state, card) and fits_card(state, card)]
    akin = [card for card in others if bears_card(state, card)]
    if fitting:
        return name_owner(fitting[0], same=fitting[0].backbone_class() is model, name=name)
    if bears_all(state, fingerprint_of(model)):
        return Verdict(
            "These look like weights of the same architecture at another size",
            f"Pass the released weights of {name!r}, or say the size with "
            "backbone_params={'architecture': {...}}",
        )
    if akin:
        return name_owner(akin[0], same=False, name=name)
    return judge_foreign(state, name)


def find_relative(state: Mapping[str, Tensor]) -> Relative | None:
    """Return what any backbone's authors know these weights as, other than its own."""
    known = (relative for card in list_cards() if state for relative in relatives_of(card))
    return next((one for one in known if all(has_mark(state, *mark) for mark in one.marks)), None)


def relatives_of(card: BackboneCard) -> tuple[Relative, ...]:
    """Return what people take for the weights of a backbone; nothing where its class is gone."""
    with suppress(Exception):
        return card.backbone_class().checkpoint.relatives
    return ()


def has_mark(state: Mapping[str, Tensor], end: str, n_dimensions: int) -> bool:
    """Tell whether a name ends so, and what it names has so many dimensions."""
    return any(
        f".{name}".endswith(f".{end}") and value.dim() == n_dimensions
        for name, value in state.items()
    )


def find_owner(raw: Mapping) -> str | None:
    """Return the name of the backbone as whose release a file can be read, or None."""
    for card in list_cards():
        # Files of other models are refused, each for its own reason.
        with suppress(Exception):
            layout = card.backbone_class().checkpoint
            if any(key in raw for key in layout.wrappers) and bears_card(
                read_for_card(raw, card), card
            ):
                return card.name
    return None


def name_owner(card: BackboneCard, same: bool, name: str) -> Verdict:
    """Return the verdict that these are a registered backbone's weights."""
    alike = ", the same architecture at another size" if same else ""
    return Verdict(
        f"These look like the weights of {card.name!r}{alike}",
        f"Write backbone={card.name!r} in the extractor of {card.modality}, or pass the weights of "
        f"{name!r}",
    )


def judge_foreign(state: Mapping[str, Tensor], name: str) -> Verdict:
    """Return the verdict on weights of no registered backbone."""
    known = next((kind for kind, marks in WELL_KNOWN.items() if bears_all(state, marks)), None)
    remedy = f"Pass the weights of {name!r}, or name the backbone that these belong to"
    return Verdict(f"These look like {known}" if known else "", remedy)


def bears_card(state: Mapping[str, Tensor], card: BackboneCard) -> bool:
    """Tell whether a state has the names that tell a backbone from all others."""
    return bears_all(state, find_marks(card.home))


def find_marks(home: str) -> tuple[str, ...]:
    """Return the fingerprint of a class; none where it cannot be imported."""
    with suppress(Exception):
        return fingerprint_of(import_class(home))
    return ()


def fingerprint_of(model: type) -> tuple[str, ...]:
    """Return the names that tell the weights of a class from all others."""
    return model.checkpoint.fingerprint if hasattr(model, "checkpoint") else ()


def bears_all(names: Iterable[str], marks: Collection[str]) -> bool:
    """Tell whether every mark ends a name, prefixes of whatever kind before it."""
    names = [f".{name}" for name in names]
    return bool(marks) and all(any(name.endswith(f".{mark}") for name in names) for mark in marks)


def fits_card(state: Mapping[str, Tensor], card: BackboneCard) -> bool:
    """Tell whether a state has exactly the shapes of a backbone at its released size."""
    with suppress(Exception):
        # Any class may be registered; one that cannot be built here is not recognised.
        return list_shapes(read_for_card(state, card)) == list_shapes(
            build_empty(card).state_dict()
        )
    return False


def read_for_card(state: Mapping, card: BackboneCard) -> dict[str, Tensor]:
    """Return a state under the names it has for another model."""
    return canonical_state(state, card.backbone_class().checkpoint)


def build_empty(card: BackboneCard) -> Any:
    """Return the model at its released size, without memory for its weights."""
    with torch.device("meta"):
        return card.backbone_class()(**card.architecture)


def list_shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """Return the shapes of a state's tensors."""
    return {name: value.shape for name, value in state.items()}
