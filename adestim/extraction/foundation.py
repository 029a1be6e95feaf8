"""What an extractor needs to run a foundation model: its weights, its preparation, its name tag."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

from adestim._support.keys import freeze_value
from adestim.backbone.pretraining_cohorts import find_left_out
from adestim.backbone.registry import BackboneCard, class_named, find_card, names_like, names_of
from adestim.backbone.weights.hub import resolve_weights
from adestim.backbone.weights.moved import WEIGHTS, describe_sources, find_weights, say_where
from adestim.encoding import BackboneSpec
from adestim.exceptions import AdestimError, DataWarning, InputError
from adestim.extraction.prepared import Prepared


@dataclass(frozen=True)
class ModelRequest:
    """What opens a foundation model, as the parameters of an extractor say it."""

    owner: str  # name of the extractor's class, for messages
    modality: str
    backbone: str  # name of a card
    weights: Any = None  # path of a file or folder; None: those that the card names
    params: Mapping[str, Any] | None = None  # the ``backbone_params``
    trust: bool = False  # whether a weights file may hold other objects than tensors


@dataclass(frozen=True)
class ModelPreparation:
    """One subject's data in, a model's input out; picklable, and small."""

    name: str  # name of the backbone in the registry
    options: Mapping[str, Any]  # options of its ``prepare``
    # importable name of its class, for a process in which nobody has registered it
    home: str = field(default="", compare=False)
    # digest of the weights, where preparing reads files beside them
    beside: str = ""
    # name tag of the model, by which such files are found
    spec: BackboneSpec | None = field(default=None, compare=False)

    def __call__(self, raw: Any) -> Prepared:
        """Prepare one subject."""
        return Prepared(self.backbone_class().prepare(raw, **self.settled_options()))

    def settled_options(self) -> Mapping[str, Any]:
        """Return the options of ``prepare``, the place of the weights among them where needed."""
        if not self.beside or self.spec is None:
            return self.options
        return {**self.options, self.backbone_class().weights_option: find_weights(self.spec)}

    def backbone_class(self) -> type[Any]:
        """Return the class of the backbone."""
        return class_named(self.name, self.home)


@dataclass(frozen=True)
class OpenedModel:
    """A model as an extractor uses it, built in or not."""

    prepare: Callable[..., Any]  # raw data in, the model's input out
    spec: BackboneSpec  # name tag


@dataclass(frozen=True)
class FoundationModel(OpenedModel):
    """A foundation model as an extractor uses it; it is loaded from its name tag."""

    prepare: ModelPreparation


def require_own_weights(request: ModelRequest) -> None:
    """Refuse another model's weights by their names and shapes, before any subject is read."""
    card = require_card(request)
    model = card.backbone_class()
    params, given = split_params(request.params)
    architecture = {**card.architecture, **model.settle_sizes(**params), **given}
    require_known_options(card.name, model, params, architecture)
    with warnings.catch_warnings():
        # It is said when the model is opened.
        warnings.simplefilter("ignore", DataWarning)
        paths = {WEIGHTS: resolve_weights(card, request.weights), **model.files(**params)}
    sources = {**{name: str(path) for name, path in paths.items()}, "home": card.home}
    if request.trust:
        sources["trust"] = "pickle"
    options = (("architecture", freeze_value(architecture)),)
    try:
        model.check_weights(BackboneSpec(card.name, options=options, sources=(*sources.items(),)))
    except AdestimError:
        raise
    # A model's own way to load may need numbers; what is wrong then shows when it has them.
    except Exception:
        return


def open_foundation(request: ModelRequest, raws: Iterable[Any]) -> FoundationModel:
    """Return the foundation model that is asked for, its preparation settled on training data."""
    card = require_card(request)
    model = card.backbone_class()
    params, given = split_params(request.params)
    architecture = {**card.architecture, **model.settle_sizes(**params), **given}
    require_known_options(card.name, model, params, architecture)
    weights = resolve_weights(card, request.weights)
    files = {name: str(path) for name, path in model.files(**params).items()}
    digests = tuple((name, model.digest(Path(path))) for name, path in files.items())
    options = model.learn(raws, **model.input_size(**architecture), **params)
    options.pop(model.weights_option, None)
    sources = {**describe_sources({WEIGHTS: weights, **files}), "home": card.home}
    if request.trust:
        sources["trust"] = "pickle"
    spec = BackboneSpec(
        card.name,
        digest=model.digest(weights),
        options=(
            ("architecture", freeze_value(architecture)),
            ("files", digests),
            ("preparation", freeze_value(options)),
        ),
        sources=tuple(sources.items()),
    )
    beside = spec.digest if model.weights_option else ""
    return FoundationModel(ModelPreparation(card.name, options, card.home, beside, spec), spec)


def follow_weights(
    spec: BackboneSpec, weights: str | os.PathLike | None, params: Mapping[str, Any] | None
) -> BackboneSpec:
    """Return a name tag whose files are where the parameters of an extractor say they are now."""
    if not spec.is_foundation:
        return spec
    now: dict[str, str | os.PathLike] = {} if weights is None else {WEIGHTS: weights}
    # What is wrong with a file beside the weights is said by the model that reads it.
    with suppress(AdestimError):
        now |= class_named(spec.name, spec.source("home")).files(**split_params(params)[0])
    return say_where(spec, now)


def names_folder(backbone: str | None, modality: str) -> bool:
    """Tell whether a model is named by its folder, and not by a card."""
    is_folder = backbone is not None and backbone != "" and Path(backbone).expanduser().is_dir()
    return is_folder and find_card(backbone, modality) is None


def require_card(request: ModelRequest) -> BackboneCard:
    """Return the card of the named backbone, or say which there are."""
    card = find_card(request.backbone, request.modality)
    if card is None:
        refuse_left_out(request)
    if card is None or not card.is_foundation:
        raise InputError(
            f"The 'backbone' parameter of {request.owner} must name a backbone of its modality",
            got=repr(request.backbone),
            remedy=choices(request.backbone, request.modality),
        )
    return card


def refuse_left_out(request: ModelRequest) -> None:
    """Refuse a known model that has seen the people of the cohorts whom it would judge."""
    model = find_left_out(str(request.backbone))
    if model is not None:
        raise InputError(
            f"{request.owner} does not offer {model.name}: to judge it on people whom it was "
            f"pre-trained on is a leak, and these are {', '.join(model.cohorts)}",
            got=f"backbone={request.backbone!r}",
            remedy=f"{choices(request.backbone, request.modality)}; its weights are at {model.url}",
        )


def choices(name: Any, modality: str) -> str:
    """Say which backbones there are, the one that was probably meant first."""
    near = names_like(name, modality)
    meant = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    return (
        f"{meant}Choose from {', '.join(map(repr, names_of(modality)))}, or register yours with "
        "adestim.register_backbone"
    )


def split_params(given: Mapping[str, Any] | None) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return the options of a backbone, and apart from them those of its architecture."""
    params = dict(given or {})
    architecture = params.pop("architecture", None)
    architecture = {} if architecture is None else architecture
    named = isinstance(architecture, Mapping) and all(
        isinstance(key, str) for key in (*params, *architecture)
    )
    if not named:
        raise InputError(
            "'backbone_params' must map names of options to values, as must its 'architecture'",
            got=repr(given),
            remedy="Write for example backbone_params={'architecture': {'pooling': 'mean'}}",
        )
    return params, architecture


def require_known_options(
    name: str, model: Any, params: Mapping[str, Any], architecture: Mapping[str, Any]
) -> None:
    """Refuse options that the model does not have, before anything is read or loaded."""
    sizes_of = (list_options(model.__init__) or set()) | set(model.load_options)
    require_among(name, architecture, sizes_of, "'architecture' in ")
    require_buildable(name, model, architecture)
    sizes = model.input_size(**architecture)
    clash = sorted(sizes.keys() & params.keys())
    if clash:
        raise InputError(
            f"The 'backbone_params' of {name!r} leave to 'architecture' what decides the size "
            "of its inputs",
            got=", ".join(map(repr, clash)),
            remedy="Pass backbone_params={'architecture': {...}} alone",
        )
    from adestim.backbone.contract import Backbone

    overridden = model.learn.__func__ is not vars(Backbone)["learn"].__func__
    known = list_options(model.learn if overridden else model.prepare)
    require_among(name, params, None if known is None else known - sizes.keys(), "")


def require_buildable(name: str, model: Any, architecture: Mapping[str, Any]) -> None:
    """Refuse sizes of which no model can be made; models that are read whole are left to load."""
    import torch

    sizes = {key: architecture[key] for key in architecture if key not in model.load_options}
    if not takes(model.__init__, sizes):
        return
    require_kinds(name, model.__init__, sizes)
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            empty = [key for key, size in model(**sizes).named_parameters() if not size.numel()]
        problem = f"sizes that leave {empty[0]} empty" if empty else None
    except AdestimError:
        raise
    # Python and torch each say in their own way what is wrong with a size.
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise InputError(
            f"'architecture' in 'backbone_params' of backbone {name!r} must have sizes of which "
            "the model can be made",
            got=f"{show_sizes(architecture)}, which ended in {problem}",
            remedy="Correct them, or leave 'architecture' out for those of the released model",
        )


def require_kinds(name: str, constructor: Callable[..., Any], sizes: Mapping[str, Any]) -> None:
    """Refuse other things than numbers, or than True and False, where the default is such."""
    for key, each in inspect.signature(constructor).parameters.items():
        value = sizes.get(key)
        is_switch = isinstance(each.default, bool)
        fits = isinstance(value, bool) if is_switch else not isinstance(value, bool)
        if value is None or not isinstance(each.default, Real):
            continue
        if not (fits and isinstance(value, Real)):
            raise InputError(
                f"{key!r} in 'architecture' of backbone {name!r} must be "
                + ("True or False" if is_switch else "a number"),
                got=repr(value),
                remedy=f"Write for example {key!r}: {each.default!r}",
            )


def takes(constructor: Callable[..., Any], given: Mapping[str, Any]) -> bool:
    """Tell whether a constructor needs nothing besides what is given."""
    parameters = list(inspect.signature(constructor).parameters.values())[1:]
    return all(
        each.name in given
        for each in parameters
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    )


def show_sizes(architecture: Mapping[str, Any]) -> str:
    """Return an architecture as words."""
    return ", ".join(f"{key}={value!r}" for key, value in architecture.items())


def list_options(function: Callable[..., Any]) -> set[str] | None:
    """Return the names of the options of a function; None where it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return None
    return {each.name for each in parameters} - {"self", "cls", "raw", "raws"}


def require_among(name: str, given: Any, known: set[str] | None, where: str) -> None:
    """Refuse options that are not among the known ones."""
    unknown = sorted(given.keys() - known) if known is not None else []
    if unknown:
        raise InputError(
            f"{where}'backbone_params' of backbone {name!r} must name options that it has".strip(),
            got=", ".join(map(repr, unknown)),
            remedy=f"Choose from {sorted(known)}",
        )
