"""Search spaces of fusions, alone, wrapped, or at the end of a pipeline."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sklearn.pipeline import Pipeline

from adestim._support.ranges import Choice, Range
from adestim.exceptions import InputError
from adestim.extraction.union import ModalityUnion
from adestim.tuning.declared import Space, read_space


def suggest(
    trial: Any,
    estimator: Any,
    *,
    prefix: str = "",
    only: Collection[str] | None = None,
    fixed: Collection[str] = (),
) -> dict[str, Any]:
    """Return a trial's values for an estimator's parameters.

    Parameters
    ----------
    trial : optuna.trial.BaseTrial
        The trial.
    estimator : estimator
        A fusion, a rival, a wrapper around one, or a pipeline that ends in one.
    prefix : str, default=""
        Stands before the names in the study, where several estimators share one; the names
        that are returned are without it.
    only : collection of str or None, default=None
        Names of the parameters to search, in full (``"fusion__width"``) or their last part
        (``"width"``). None searches all but those that are searched on request.
    fixed : collection of str, default=()
        Names of parameters that stay as they are.

    Returns
    -------
    dict of str to object
        For ``estimator.set_params``.

    Raises
    ------
    InputError
        When a name is none of the space, or nothing is left to search.

    See Also
    --------
    search_space : What is searched, and among which values.
    tune : A whole study.

    References
    ----------
    Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019
    (a space is defined while a trial runs).

    Examples
    --------
    >>> import optuna
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.tuning import suggest
    >>> trial = optuna.trial.FixedTrial({"a__width": 48, "a__dropout": 0.2})
    >>> suggest(trial, AnchoredFusionClassifier(), prefix="a__", only=["width", "dropout"])
    {'dropout': 0.2, 'width': 48}
    """
    space = search_space(estimator, only=only, fixed=fixed)
    return {name: values.suggest(trial, f"{prefix}{name}") for name, values in space.items()}


def search_space(
    estimator: Any, *, only: Collection[str] | None = None, fixed: Collection[str] = ()
) -> Space:
    """Return which parameters of an estimator are searched, and among which values.

    Parameters
    ----------
    estimator : estimator
        As for :func:`suggest`.
    only, fixed : collection of str
        As for :func:`suggest`.

    Returns
    -------
    dict of str to Range or Choice
        By the name that ``estimator.set_params`` knows.

    Raises
    ------
    InputError
        When a name is none of the space, or nothing is left to search.

    Notes
    -----
    Extractors' parameters are searched on request alone, since another value reads every
    subject's files again. Where ``memory`` is set, that happens once a value.

    Examples
    --------
    >>> from adestim import LateFusionClassifier
    >>> from adestim.tuning import search_space
    >>> search_space(LateFusionClassifier(), only=["weighting"])
    {'weighting': Choice(options=('mean', 'weighted', 'stacked'), on_request=False)}
    """
    known = collect_space(estimator)
    for parameter, names in (("only", only or ()), ("fixed", fixed)):
        require_known_parameter(parameter, names, known)
    space = {
        name: values
        for name, values in known.items()
        if is_searched(name, values, only) and not is_named(name, fixed)
    }
    if not space:
        raise InputError(
            "A search needs a parameter to search",
            got=f"none of {type(estimator).__name__}",
            remedy="Pass a fusion, or a pipeline that ends in one, or a 'space' of your own to "
            "tune",
        )
    return space


def default_values(estimator: Any) -> dict[str, Any]:
    """Return an estimator's own values of what is searched, where they lie in the space."""
    params = estimator.get_params()
    space = search_space(estimator)
    return {name: params[name] for name, values in space.items() if values.contains(params[name])}


def collect_space(estimator: Any) -> Space:
    """Return all that may be searched of an estimator and of what it is made of."""
    space = read_own_space(estimator)
    for name, part in list_parts(estimator):
        nested = collect_space(part)
        space |= {f"{name}__{parameter}": values for parameter, values in nested.items()}
    return space


def read_own_space(estimator: Any) -> Space:
    """Return what may be searched of an estimator itself, also of a subclass of ours."""
    space = read_space(type(estimator))
    if not space:
        return {}
    params = estimator.get_params(deep=False)
    return {name: values for name, values in space.items() if name in params}


def list_parts(estimator: Any) -> Iterable[tuple[str, Any]]:
    """Return the names and estimators that an estimator is made of."""
    if isinstance(estimator, Pipeline):
        return estimator.steps
    if isinstance(estimator, ModalityUnion):
        return [(name, part) for name, part, _ in estimator.transformers]
    inner = getattr(estimator, "estimator", None)
    return [] if inner is None else [("estimator", inner)]


def require_known_parameter(parameter: str, names: Collection[str], space: Space) -> None:
    """Refuse a name that is none of the space."""
    if isinstance(names, str):
        raise InputError(f"'{parameter}' is a collection of names", got=f"the str {names!r}")
    unknown = [name for name in names if not any(is_named(full, [name]) for full in space)]
    if unknown:
        raise InputError(
            f"'{parameter}' names parameters that can be searched",
            got=", ".join(map(repr, unknown)),
            remedy=f"Choose from {', '.join(space) or 'none'}; search others by a 'space' of "
            "your own",
        )


def is_searched(name: str, values: Range | Choice, only: Collection[str] | None) -> bool:
    """Tell whether a parameter is searched."""
    return not values.on_request if only is None else is_named(name, only)


def is_named(full: str, names: Collection[str]) -> bool:
    """Tell whether a parameter is among names, in full or by its last part."""
    return full in names or full.rpartition("__")[2] in names
