"""Axes to draw on."""

from __future__ import annotations

from typing import Any

from adestim.exceptions import MissingDependencyError

__all__ = ["axes_or_new"]


def axes_or_new(ax: Any = None) -> Any:
    """Return the axes given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, default=None
        Axes of the caller.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MissingDependencyError
        When matplotlib is not installed.

    Examples
    --------
    >>> from adestim.evaluation.axes import axes_or_new
    >>> axes_or_new("axes of the caller")
    'axes of the caller'
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingDependencyError(
            "Plots need the package matplotlib", remedy="Run: pip install 'adestim[plot]'"
        ) from error
    return plt.subplots(layout="constrained")[1]
