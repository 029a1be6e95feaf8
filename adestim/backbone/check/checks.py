"""Whether a model keeps the contract of a backbone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from adestim.backbone.check.rules import BEHAVIOUR, SHAPES, Rule
from adestim.backbone.check.trial import Case
from adestim.backbone.contract import Backbone
from adestim.exceptions import InputError


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
    with as_fusion_uses_it(backbone):
        broken = first_of(broken_rules(SHAPES, case)) or dict(broken_rules(BEHAVIOUR, case))
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
def as_fusion_uses_it(model: Backbone) -> Iterator[None]:
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


def broken_rules(rules: Mapping[str, Rule], case: Case) -> Iterator[tuple[str, str]]:
    """Yield the rules that a model breaks, and how."""
    for name, rule in rules.items():
        try:
            found = rule(case)
        except Exception as error:
            found = f"raised {type(error).__name__}: {error}"
        if found:
            yield name, found


def first_of(broken: Iterator[tuple[str, str]]) -> dict[str, str]:
    """Return the first broken rule alone: where shapes are wrong, the rest says nothing."""
    found = next(broken, None)
    return dict([found]) if found else {}
