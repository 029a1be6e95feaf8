"""What an estimator's ``fit`` is given beside a table and its labels: groups and weights."""

from __future__ import annotations

from typing import Any

from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from adestim.exceptions import InputError


def route_to_fit(estimator: Any, **given: Any) -> dict[str, Any]:
    """Return what hands groups and weights on to an estimator's ``fit``; it must take weights.

    groups (n_rows,), sample_weight (n_rows,); None stands for what there is not.
    """
    given = {name: values for name, values in given.items() if values is not None}
    found = {name: find_keyword(estimator, name) for name in given}
    if found.get("sample_weight", "") is None:
        raise InputError(
            f"Weights of the subjects need a classifier that takes sample_weight in fit, and "
            f"{type(last_step(estimator)).__name__} does not",
            remedy="Pass another classifier, or no sample_weight",
        )
    return {keyword: given[name] for name, keyword in found.items() if keyword is not None}


def find_keyword(estimator: Any, name: str) -> str | None:
    """Return the keyword by which an estimator's ``fit`` takes groups or weights; None if not."""
    if estimator is None or isinstance(estimator, str):
        return None
    # With metadata routing on, a pipeline itself hands on what its steps request.
    is_routed = get_config()["enable_metadata_routing"]
    if is_routed and get_routing_for_object(estimator).consumes("fit", [name]):
        return name
    if not isinstance(estimator, Pipeline):
        takes = has_fit_parameter(estimator, name) or splits_by(estimator, name)
        return name if takes else None
    step, last = estimator.steps[-1]
    if is_routed:
        # scikit-learn then asks the user to decide: dropped in silence, groups would leak.
        return name if is_undecided(last, name) else None
    inner = find_keyword(last, name)
    return None if inner is None else f"{step}__{inner}"


def is_undecided(estimator: Any, name: str) -> bool:
    """Tell whether ``fit`` takes groups or weights that were neither requested nor refused."""
    routing = get_routing_for_object(estimator)
    requests = getattr(getattr(routing, "fit", None), "requests", {})
    return name in requests and requests[name] is None


def splits_by(estimator: Any, name: str) -> bool:
    """Tell whether a search has inner folds that need groups; its signature does not say so."""
    splitter = getattr(estimator, "cv", None)
    return hasattr(splitter, "split") and bool(
        get_routing_for_object(splitter).consumes("split", [name])
    )


def last_step(estimator: Any) -> Any:
    """Return the estimator that a pipeline ends in, any other as it is."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
