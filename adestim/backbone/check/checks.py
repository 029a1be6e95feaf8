"""Whether a model keeps the contract of a backbone: small rules that say what is wrong, or None."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from adestim.backbone.attention import CLOSED, log_mask_of
from adestim.backbone.check.trial import (
    LOUD,
    Case,
    Own,
    catch_leaving,
    collate_rows,
    draw_tokens,
    encode_case,
    has_shape,
    join_before,
    make_auxiliary,
    make_own,
    measure_distance,
    pool_case,
    readable_tokens,
    say_unlike,
    weigh_vectors,
)
from adestim.backbone.contract import Backbone
from adestim.backbone.registry import home_of, import_class
from adestim.exceptions import InputError

CLASS_METHODS = ("learn", "files", "input_size", "digest", "load")
Rule = Callable[[Case], str | None]


def check_backbone(
    backbone: Backbone, inputs: Sequence[np.ndarray], *, tolerance: float = 1e-4
) -> None:
    """Check that a model keeps the contract of :class:`adestim.Backbone`.

    It is tried on the CPU or wherever its weights are, and left as it was found.

    Parameters
    ----------
    backbone : Backbone
        The model.
    inputs : sequence of ndarray
        What ``prepare`` returns for two subjects or more; of different sizes where the model
        takes such, so that its padding is checked too.
    tolerance : float, default=1e-4
        By how much two results that must be equal may differ, relative to the largest number.

    Raises
    ------
    InputError
        When it breaks rules; all of them are named.

    See Also
    --------
    adestim.register_backbone : Makes it selectable by name.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from adestim import check_backbone
    >>> from adestim.backbone import ReferenceBackbone
    >>> generator = torch.random.manual_seed(0)
    >>> model = ReferenceBackbone(3, 2, width=8, depth=1, n_heads=2, dropout=0.1)
    >>> subjects = np.random.default_rng(0).normal(size=(2, 3, 2)).astype(np.float32)
    >>> check_backbone(model, list(subjects))
    """
    require_subjects(backbone, inputs)
    case = Case(backbone, inputs, tolerance)
    with use_as_fusion_does(backbone):
        broken = take_first(find_broken(SHAPES, case)) or dict(find_broken(BEHAVIOUR, case))
    if broken:
        raise InputError(
            f"{type(backbone).__name__} must keep the contract of a backbone",
            got="; ".join(f"[{name}] {found}" for name, found in broken.items()),
            remedy="See adestim.Backbone for what each method must do",
        )


def require_subjects(backbone: Backbone, inputs: Sequence[np.ndarray]) -> None:
    """Refuse what no rule could be tried on."""
    if not isinstance(backbone, Backbone):
        raise InputError(
            "check_backbone checks an instance of a subclass of adestim.Backbone",
            got=f"a {type(backbone).__name__}",
            remedy="Pass MyModel(...), not the class",
        )
    if len(inputs) < 2:
        raise InputError(
            "check_backbone needs two subjects' inputs or more",
            got=str(len(inputs)),
            remedy="Pass a list of arrays as prepare returns them",
        )


@contextmanager
def use_as_fusion_does(model: Backbone) -> Iterator[None]:
    """Freeze the model and put it in evaluation mode; leave it as it was found."""
    modes = {module: module.training for module in model.modules()}
    frozen = {weight: weight.requires_grad for weight in model.parameters()}
    checkpointing = model.gradient_checkpointing
    model.requires_grad_(False).eval()
    try:
        yield
    finally:
        model.gradient_checkpointing = checkpointing
        for module, training in modes.items():
            module.training = training
        for weight, requires_grad in frozen.items():
            weight.requires_grad_(requires_grad)


def find_broken(rules: Mapping[str, Rule], case: Case) -> Iterator[tuple[str, str]]:
    """Yield the rules that a model breaks, and how."""
    for name, rule in rules.items():
        try:
            found = rule(case)
        except Exception as error:
            found = f"raised {type(error).__name__}: {error}"
        if found:
            yield name, found


def take_first(broken: Iterator[tuple[str, str]]) -> dict[str, str]:
    """Return the first broken rule alone: where shapes are wrong, the rest says nothing."""
    found = next(broken, None)
    return dict([found]) if found else {}


def rule_collate(case: Case) -> str | None:
    """Require that inputs become one batch, whatever their sizes."""
    batch = collate_rows(case)
    if isinstance(batch, Tensor) and len(batch) == len(case.inputs):
        return None
    return "collate must return a tensor with one row a subject"


def rule_embed(case: Case) -> str | None:
    """Require the width where auxiliary tokens join."""
    batch = collate_rows(case)
    tokens, mask = case.model.embed(batch), case.model.own_mask(batch)
    if tokens.ndim != 3 or not has_shape(tokens, len(batch), tokens.shape[1], case.model.width):
        return f"embed must return (B, T, width), not {tuple(tokens.shape)}"
    if mask is not None and (mask.dtype != torch.bool or mask.shape != tokens.shape[:2]):
        return f"own_mask must return (B, T) of bool, not {tuple(mask.shape)} of {mask.dtype}"
    return None if mask is None or mask.any(dim=1).all() else "own_mask must leave a token open"


def rule_encode(case: Case) -> str | None:
    """Require encoded tokens of width_out, with auxiliary tokens or without."""
    own = make_own(case)
    readable = case.model.readable(own.mask)
    for auxiliary in (None, make_auxiliary(own)):
        tokens = encode_case(case, own, auxiliary)
        n_tokens = tokens.shape[1]
        if not has_shape(tokens, len(own.mask), n_tokens, case.model.width_out):
            return f"encode must return (B, T, width_out), not {tuple(tokens.shape)}"
        if readable.dtype != torch.bool or readable.ndim != 2 or readable.shape[1] > n_tokens:
            return "readable must return (B, n) of bool, n at most the number of encoded tokens"
    return None


def rule_pool(case: Case) -> str | None:
    """Require one finite vector a subject."""
    own = make_own(case)
    tokens = encode_case(case, own, make_auxiliary(own))
    vectors = case.model.pool(tokens, own.mask)
    if not has_shape(vectors, len(own.mask), case.model.width_pooled):
        return f"pool must return (B, width_pooled), not {tuple(vectors.shape)}"
    return None if vectors.isfinite().all() else "pool must return finite numbers"


SHAPES: dict[str, Rule] = {
    "collate": rule_collate,
    "embed": rule_embed,
    "encode": rule_encode,
    "pool": rule_pool,
}


def rule_methods(case: Case) -> str | None:
    """Require that what runs before there is a model needs none."""
    cls = type(case.model)
    if not isinstance(inspect.getattr_static(cls, "prepare"), staticmethod):
        return "prepare must be a staticmethod: it runs in worker processes, without the model"
    plain = [
        name
        for name in CLASS_METHODS
        if not isinstance(inspect.getattr_static(cls, name), classmethod)
    ]
    return f"{', '.join(plain)} must be a classmethod" if plain else None


def rule_home(case: Case) -> str | None:
    """Require that another process finds the class by its name."""
    home = home_of(type(case.model))
    if home.startswith("__main__:") or import_class(home) is not type(case.model):
        return f"its class must be importable as {home!r} from another process"
    return None


def rule_buffers(case: Case) -> str | None:
    """Require that nothing is lost where a model is built without memory and then filled."""
    model = case.model
    if inspect.getattr_static(type(model), "load") is not inspect.getattr_static(Backbone, "load"):
        return None
    saved = model.state_dict().keys()
    lost = [name for name, _ in model.named_buffers() if name not in saved]
    lost += [
        f"{path}.{name}".lstrip(".")
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, Tensor)
    ]
    if lost:
        return f"{', '.join(lost)} must be computed when needed, or filled by load()"
    return None


def rule_repeatable(case: Case) -> str | None:
    """Require that in evaluation mode nothing is random, and nothing is kept."""
    before = {name: value.clone() for name, value in case.model.state_dict().items()}
    first, second = (pool_case(case, make_own(case)) for _ in range(2))
    changed = [
        name for name, value in case.model.state_dict().items() if not value.equal(before[name])
    ]
    if changed:
        return f"{', '.join(changed)} must not change in evaluation mode"
    return say_unlike(case, first, second, "two runs in evaluation mode must be equal")


def rule_modes(case: Case) -> str | None:
    """Require that evaluation mode comes back after training mode."""
    before = pool_case(case, make_own(case))
    case.model.train()
    case.model.eval()
    after = pool_case(case, make_own(case))
    return say_unlike(case, after, before, "eval() must undo train()")


def rule_untouched(case: Case) -> str | None:
    """Require that tokens are read, not written on."""
    own = make_own(case)
    auxiliary = make_auxiliary(own)
    tokens = torch.cat([own.tokens, auxiliary.tokens], dim=1)
    log_mask = torch.cat([log_mask_of(own.mask), auxiliary.log_mask], dim=1)
    before = tokens.clone(), log_mask.clone()
    case.model.encode(tokens, log_mask, own.tokens.shape[1])
    same = tokens.equal(before[0]) and log_mask.equal(before[1])
    return None if same else "encode must leave its tokens and its log-mask as they are"


def rule_alone(case: Case) -> str | None:
    """Require that a subject is the same alone and in a batch."""
    together = make_own(case)
    for row in range(len(case.inputs)):
        alone = make_own(case, slice(row, row + 1))
        tokens = readable_tokens(case, together, row), readable_tokens(case, alone, 0)
        plain = pool_case(case, together)[row], pool_case(case, alone)[0]
        joined = (
            pool_case(case, together, make_auxiliary(together))[row],
            pool_case(case, alone, make_auxiliary(alone))[0],
        )
        if max(measure_distance(*pair) for pair in (tokens, plain, joined)) > case.tolerance:
            return "a subject must be the same alone and in a batch"
    return None


def rule_padding(case: Case) -> str | None:
    """Require that closed own tokens do not matter."""
    own = make_own(case)
    changed = own._replace(tokens=own.tokens.masked_fill(~own.mask.unsqueeze(-1), LOUD))
    return say_unlike(
        case, pool_case(case, changed), pool_case(case, own), "closed own tokens must not be read"
    )


def rule_open(case: Case) -> str | None:
    """Require that no log-mask means that all tokens are open."""
    own = make_own(case, slice(1))
    zeros = torch.zeros(own.mask.shape, device=own.mask.device)
    first, second = (
        case.model.encode(own.tokens.clone(), mask, own.tokens.shape[1]) for mask in (None, zeros)
    )
    return say_unlike(case, first, second, "log_mask=None must equal a log-mask of zeros")


def rule_closed(case: Case) -> str | None:
    """Require that closed auxiliary tokens are as good as none."""
    own = make_own(case)
    closed = make_auxiliary(own, CLOSED)
    return say_unlike(
        case,
        pool_case(case, own, closed),
        pool_case(case, own),
        "closed auxiliary tokens must change nothing",
    )


def rule_auxiliary(case: Case) -> str | None:
    """Require that open auxiliary tokens are read."""
    own = make_own(case)
    distance = measure_distance(pool_case(case, own, make_auxiliary(own)), pool_case(case, own))
    return None if distance > case.tolerance else "open auxiliary tokens must change what is pooled"


def measure_auxiliary_gradient(case: Case) -> Tensor:
    """Return the gradient at the auxiliary tokens; zero where none arrives."""
    own = make_own(case)
    auxiliary = make_auxiliary(own)
    tokens = auxiliary.tokens.detach().clone().requires_grad_()
    vectors = pool_case(case, own, auxiliary._replace(tokens=tokens))
    if not vectors.requires_grad:
        return torch.zeros_like(tokens)
    return torch.autograd.grad(weigh_vectors(vectors), tokens)[0]


def rule_pool_own(case: Case) -> str | None:
    """Require that pooling looks at encoded own tokens alone."""
    own = make_own(case)
    tokens = encode_case(case, own, make_auxiliary(own))
    changed = tokens.clone()
    changed[:, case.model.readable(own.mask).shape[1] :] = LOUD
    first, second = (case.model.pool(one, own.mask) for one in (changed, tokens))
    return say_unlike(case, first, second, "pool must not look at auxiliary tokens")


def rule_gradient(case: Case) -> str | None:
    """Require that a gradient arrives at the auxiliary tokens."""
    gradient = measure_auxiliary_gradient(case)
    if gradient.isfinite().all() and (gradient != 0).any():
        return None
    return "a finite gradient other than zero must arrive at the auxiliary tokens"


def rule_gate(case: Case) -> str | None:
    """Require that a gradient arrives at a gate in the log-mask."""
    own = make_own(case)
    gate = torch.tensor(-1.0, device=own.mask.device, requires_grad=True)
    auxiliary = make_auxiliary(own)
    vectors = pool_case(case, own, auxiliary._replace(log_mask=auxiliary.log_mask + gate))
    if vectors.requires_grad:
        [gradient] = torch.autograd.grad(weigh_vectors(vectors), gate, allow_unused=True)
        if gradient is not None and gradient.isfinite() and gradient != 0:
            return None
    return "a finite gradient other than zero must arrive at a gate in the log-mask"


def rule_frozen(case: Case) -> str | None:
    """Require that frozen weights stay frozen."""
    vectors = pool_case(case, make_own(case))
    if vectors.requires_grad or any(weight.requires_grad for weight in case.model.parameters()):
        return "a frozen model must ask for no gradient of its own"
    return None


def rule_lora_targets(case: Case) -> str | None:
    """Require that every target of LoRA is a linear layer."""
    layers = [name for name, layer in case.model.named_modules() if isinstance(layer, nn.Linear)]
    unknown = [
        target
        for target in case.model.lora_targets
        if not any(f".{name}".endswith(f".{target}") for name in layers)
    ]
    return f"no linear layer's name ends in {', '.join(map(repr, unknown))}" if unknown else None


def rule_stand_in(case: Case) -> str | None:
    """Require that n_stand_in tokens, all but the last closed, can stand in for a subject's own."""
    if case.model.needs_summary:
        return None
    own = make_own(case)
    tokens = draw_tokens(own.tokens, case.model.n_stand_in, seed=4)
    mask = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    mask[:, -1] = True
    stand_in = Own(tokens, mask)
    alone, joined = pool_case(case, stand_in), pool_case(case, stand_in, make_auxiliary(stand_in))
    if not (alone.isfinite().all() and joined.isfinite().all()):
        return "what is pooled from stand-in tokens must be finite"
    read = measure_distance(joined, alone) > case.tolerance
    return None if read else "what is pooled from stand-in tokens must follow auxiliary tokens"


def rule_checkpointing(case: Case) -> str | None:
    """Require the same gradient where activations are made again in the backward pass."""
    plain = measure_auxiliary_gradient(case)
    case.model.gradient_checkpointing = True
    again = measure_auxiliary_gradient(case)
    return say_unlike(case, again, plain, "gradient_checkpointing must not change the gradient")


def rule_depth(case: Case) -> str | None:
    """Require that auxiliary tokens can join before any of the blocks that the model names."""
    last = len(case.model.blocks_to_join) - 1
    for block in sorted({1, last}) if last > 0 else ():
        with join_before(case.model, block):
            found = find_broken_before(case, block)
        if found:
            return f"where auxiliary tokens join before block {block}, {found}"
    return None


def find_broken_before(case: Case, block: int) -> str | None:
    """Say what is wrong where auxiliary tokens join before a block."""
    own = make_own(case)
    auxiliary = make_auxiliary(own)
    alone, beside = (
        catch_leaving(case, block - 1, own),
        catch_leaving(case, block - 1, own, auxiliary),
    )
    if measure_distance(beside, alone) > case.tolerance:
        return "own tokens must pass the blocks before it alone: run the blocks by run_blocks"
    joined, plain = pool_case(case, own, auxiliary), pool_case(case, own)
    if measure_distance(joined, plain) <= case.tolerance:
        return "they must change what is pooled"
    with join_before(case.model, 0):
        at_input = pool_case(case, own)
    return say_unlike(case, plain, at_input, "own tokens must be encoded as ever without them")


BEHAVIOUR: dict[str, Rule] = {
    "methods": rule_methods,
    "home": rule_home,
    "buffers": rule_buffers,
    "repeatable": rule_repeatable,
    "modes": rule_modes,
    "untouched": rule_untouched,
    "alone": rule_alone,
    "padding": rule_padding,
    "open": rule_open,
    "closed": rule_closed,
    "auxiliary": rule_auxiliary,
    "pool_own": rule_pool_own,
    "gradient": rule_gradient,
    "gate": rule_gate,
    "frozen": rule_frozen,
    "lora_targets": rule_lora_targets,
    "stand_in": rule_stand_in,
    "checkpointing": rule_checkpointing,
    "depth": rule_depth,
}
