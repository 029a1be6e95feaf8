"""Variants of one fusion, each without one of its parts, on the same splits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from adestim._support.frames import as_frame
from adestim._support.routing import last_step
from adestim.encoding.presence import modality_columns
from adestim.evaluation.comparing.candidates import Candidate
from adestim.evaluation.comparing.compare import compare
from adestim.evaluation.comparing.comparison import Comparison
from adestim.evaluation.comparing.flow import find_presence, find_union
from adestim.exceptions import InputError

AS_GIVEN = "as given"
N_QUERIES = (0, 1, 4, 8, 16)
GATES = ("learned", "open", "closed")
# Gu et al. 2026: every anchor starts from its own head, and anchors are averaged.
PAPER = {"members": (), "aggregate": "mean", "n_queries": 16, "start": "anchor"}


def ablate(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    what: Sequence[str] = (
        "queries",
        "cross_modal",
        "gate",
        "lora",
        "depth",
        "modalities",
        "anchors",
        "mixture",
        "start",
        "paper",
    ),
    **settings: Any,
) -> Comparison:
    """Compare variants of a fusion that differ in one thing each, and its paper's configuration.

    Parameters
    ----------
    estimator : AnchoredFusionClassifier or Pipeline
        The fusion, or a pipeline that ends in one.
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        Table.
    y : array-like of shape (n_subjects,)
        Labels.
    what : sequence of str, default=("queries", "cross_modal", "gate", "lora", "depth", \
"modalities", "anchors", "mixture", "start", "paper")
        What is varied. ``"queries"``: 0, 1, 4, 8 or 16 of them; ``"cross_modal"``: the
        cross-modal path on or off; ``"gate"``: learned, fixed open, or closed; ``"lora"``: no
        adapters; ``"depth"``: the block of a reference transformer before which auxiliary tokens
        join, or its output; ``"modalities"``: every subset; ``"anchors"``: each alone, and all;
        ``"mixture"``: the members of phase 1 without nets, and nets without these members;
        ``"start"``: nets that learn what the members of phase 1 miss, and ones that learn what
        their anchor's own head misses; ``"paper"``: anchors averaged, without other members, as
        in the paper [1]_. What the estimator has no parameter for is passed over.
    **settings : dict
        Further parameters of :func:`adestim.evaluation.compare`.

    Returns
    -------
    Comparison
        The first is ``"as given"``, the reference; others are named by what differs,
        ``"queries: 4"`` for instance. Who has no modality of a subset is left out there, and
        counted in ``flow``.

    Raises
    ------
    InputError
        When the estimator is no fusion, ``what`` names something unknown, or there is nothing
        to vary.

    Notes
    -----
    Where a subset lacks the anchor, each of its modalities is anchor in turn.

    References
    ----------
    .. [1] Gu et al., "Joint Adaptation of Uni-modal Foundation Models for Multi-modal Alzheimer's
       Disease Diagnosis", ICLR 2026.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.evaluation import ablate
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(40, 2)), columns=["mri__volume", "csf__tau"])
    >>> y = np.where(X.sum(axis=1) > 0, "AD", "CN")
    >>> fusion = AnchoredFusionClassifier(width=8, n_trees=0, max_epochs=0)
    >>> ablate(fusion, X, y, what=["modalities"], cv=2, controls=False).estimators
    ['as given', 'modalities: mri', 'modalities: csf']
    """
    frame = as_frame(X)
    require_ablations(what)
    require_anchored_fusion(estimator)
    variants = {AS_GIVEN: Candidate(clone(estimator))}
    for name in what:
        variants.update(VARIANTS[name](estimator, frame))
    if len(variants) == 1:
        raise InputError(
            "An ablation needs something to vary",
            got=f"what={list(what)!r}, of which the estimator has nothing",
        )
    return compare(variants, frame, y, **settings)


def require_ablations(what: Any) -> None:
    """Refuse ablations that there are none of."""
    unknown = [] if isinstance(what, str) else [name for name in what if name not in VARIANTS]
    if isinstance(what, str) or unknown:
        raise InputError(
            "'what' is a list of ablations",
            got=repr(what) if isinstance(what, str) else ", ".join(map(repr, unknown)),
            remedy=f"Choose from {', '.join(VARIANTS)}",
        )


def require_anchored_fusion(estimator: Any) -> None:
    """Refuse what is no anchored fusion, nor ends in one."""
    if not {"anchor", "n_queries"} <= set(get_fusion_params(estimator)):
        raise InputError(
            "ablate varies an anchored fusion, or a pipeline that ends in one",
            got=type(estimator).__name__,
        )


def get_fusion_params(estimator: Any) -> dict[str, Any]:
    """Return the parameters of the fusion, wherever it is."""
    last = last_step(estimator)
    return last.get_params(deep=False) if hasattr(last, "get_params") else {}


def vary_fusion(estimator: Any, **params: Any) -> Any:
    """Return a copy whose fusion has other parameters."""
    prefix = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    return clone(estimator).set_params(**{f"{prefix}{key}": params[key] for key in params})


def vary_parameter(label: str, parameter: str, values: Sequence, words: Callable = str) -> Callable:
    """Return what yields the variants of one parameter, but for the value that it has."""

    def variants(estimator: Any, frame: pd.DataFrame) -> Iterator[tuple[str, Candidate]]:
        params = get_fusion_params(estimator)
        if parameter not in params:
            return
        # True is 1, but neither a number of queries nor a depth.
        for value in [value for value in values if value != params[parameter]]:
            yield (
                f"{label}: {words(value)}",
                Candidate(vary_fusion(estimator, **{parameter: value})),
            )

    return variants


def vary_together(label: str, **changes: Any) -> Callable:
    """Return what yields one variant of several parameters, unless it is the fusion itself."""

    def variants(estimator: Any, frame: pd.DataFrame) -> Iterator[tuple[str, Candidate]]:
        params = get_fusion_params(estimator)
        if changes.keys() <= params.keys() and any(params[key] != changes[key] for key in changes):
            yield label, Candidate(vary_fusion(estimator, **changes))

    return variants


def vary_mixture(estimator: Any, frame: pd.DataFrame) -> Iterator[tuple[str, Candidate]]:
    """Yield variants of which one kind of members is left: those of phase 1, or nets."""
    if "members" in get_fusion_params(estimator):
        yield from vary_together("members only", max_epochs=0)(estimator, frame)
        yield from vary_together("nets only", members=())(estimator, frame)


def vary_start(estimator: Any, frame: pd.DataFrame) -> Iterator[tuple[str, Candidate]]:
    """Yield variants whose nets start from all members of phase 1, or from their own head."""
    yield from vary_together("residual start", start="stacked")(estimator, frame)
    yield from vary_together("own start", start="anchor")(estimator, frame)


def vary_depth(estimator: Any, frame: pd.DataFrame) -> Iterator[tuple[str, Candidate]]:
    """Yield variants whose auxiliary tokens join later: before each block, or at the output."""
    depth = get_fusion_params(estimator).get("depth", 0)
    vary = vary_parameter("depth", "interaction_depth", [*range(depth), "output"])
    yield from vary(estimator, frame)


def vary_anchors(estimator: Any, frame: pd.DataFrame) -> Iterator[tuple[str, Candidate]]:
    """Yield variants with each modality as the only anchor, and with all."""
    names = list(find_presence(frame, [estimator]).columns)
    yield from vary_parameter("anchor", "anchor", [*names, "all"])(estimator, frame)


def vary_modalities(estimator: Any, frame: pd.DataFrame) -> Iterator[tuple[str, Candidate]]:
    """Yield variants with every subset of modalities, but for all."""
    names = list(find_presence(frame, [estimator]).columns)
    for size in range(1, len(names)):
        for subset in combinations(names, size):
            yield (
                f"modalities: {'+'.join(subset)}",
                restrict_to_modalities(estimator, frame, subset),
            )


def restrict_to_modalities(
    estimator: Any, frame: pd.DataFrame, subset: tuple[str, ...]
) -> Candidate:
    """Return a variant that knows some modalities only."""
    variant = vary_fusion(
        estimator, anchor=restrict_anchor(get_fusion_params(estimator)["anchor"], subset)
    )
    union = find_union(variant)
    if union is not None:
        union.set_params(transformers=[item for item in union.transformers if item[0] in subset])
        return Candidate(variant, modalities=subset)
    columns = modality_columns(frame)
    kept = sorted(place for name in subset for place in columns[name])
    return Candidate(variant, modalities=subset, columns=tuple(kept))


def restrict_anchor(anchor: str | list[str], subset: tuple[str, ...]) -> str | list[str]:
    """Return the anchors that a subset has; all of it where it has none of them."""
    if isinstance(anchor, str):
        return anchor if anchor in subset else "all"
    return [name for name in anchor if name in subset] or "all"


VARIANTS: dict[str, Callable[[Any, pd.DataFrame], Iterator[tuple[str, Candidate]]]] = {
    "queries": vary_parameter("queries", "n_queries", N_QUERIES),
    "cross_modal": vary_parameter(
        "cross-modal path", "cross_modal", (True, False), lambda is_on: "on" if is_on else "off"
    ),
    "gate": vary_parameter("gate", "gate", GATES),
    "lora": vary_parameter("LoRA", "lora_rank", (0,), lambda rank: "none"),
    "depth": vary_depth,
    "modalities": vary_modalities,
    "anchors": vary_anchors,
    "mixture": vary_mixture,
    "start": vary_start,
    "paper": vary_together("as in the paper", **PAPER),
}
