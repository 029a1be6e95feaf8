"""Axes to draw on."""

from __future__ import annotations

from typing import Any

from adestim.exceptions import MissingDependencyError

__all__ = ["axes_or_new"]


def axes_or_new(ax: Any = None, size: tuple[float, float] | None = None) -> Any:
    """Return the axes given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, default=None
        Axes of the caller.
    size : tuple of float, default=None
        Width and height of a new figure, in inches.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MissingDependencyError
        When matplotlib is not installed.

    Examples
    --------
    >>> from adestim._support.axes import axes_or_new
    >>> axes_or_new("axes of the caller")
    'axes of the caller'
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingDependencyError(
            "Displays need the package matplotlib", remedy="Run: pip install 'adestim[plot]'"
        ) from error
    return plt.subplots(figsize=size, layout="constrained")[1]
