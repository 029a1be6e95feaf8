"""Axes to draw on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adestim.exceptions import MissingDependencyError


def axes_or_new(ax: Any = None, size: tuple[float, float] | None = None) -> Any:
    """Return the axes given, or those of a new figure."""
    if ax is not None:
        return ax
    with explain_missing_matplotlib("Displays"):
        import matplotlib.pyplot as plt
    return plt.subplots(figsize=size, layout="constrained")[1]


def escape_mathtext(text: Any) -> str:
    """Return text that matplotlib writes as it stands, of which it takes nothing for a formula."""
    return str(text).replace("$", r"\$")


@contextmanager
def explain_missing_matplotlib(who: str) -> Iterator[None]:
    """Say how to install matplotlib where an import misses it."""
    try:
        yield
    except ImportError as error:
        raise MissingDependencyError(
            f"{who} need the package matplotlib", remedy="Run: pip install 'adestim[plot]'"
        ) from error
