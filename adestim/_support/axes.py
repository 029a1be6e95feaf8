"""Axes to draw on."""

from __future__ import annotations

from typing import Any

from adestim.exceptions import MissingDependencyError


def axes_or_new(ax: Any = None, size: tuple[float, float] | None = None) -> Any:
    """Return the axes given, or those of a new figure."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingDependencyError(
            "Displays need the package matplotlib", remedy="Run: pip install 'adestim[plot]'"
        ) from error
    return plt.subplots(figsize=size, layout="constrained")[1]
