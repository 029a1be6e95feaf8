"""What all displays draw with: axes, and colours that are told apart by everybody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.axes import axes_or_new, escape_mathtext

MOST_POINTS = 500
N_BINS = 40
# Half the height of a row that its swarm may fill.
SWARM = 0.36

# Okabe and Ito, "Color Universal Design", J*FLY, 2008.
OKABE_ITO = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "yellow": "#F0E442",
    "black": "#000000",
}


class Display:
    """What was drawn last: its axes and their figure."""

    ax_: Any
    figure_: Any

    def _take_axes(self, ax: Any, size: tuple[float, float] | None = None) -> None:
        """Draw on the axes given, or on those of a new figure."""
        self.ax_ = axes_or_new(ax, size)
        self.figure_ = self.ax_.figure


def thin_rows(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return no more rows than can be told apart, evenly over their values, ends included.

    values (n_values,).
    """
    if len(rows) <= MOST_POINTS:
        return rows
    ordered = rows[np.argsort(values[rows], kind="stable")]
    return ordered[np.linspace(0, len(rows) - 1, MOST_POINTS).round().astype(int)]


def spread_points(points: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """Return heights that keep points of near values apart, within a row of height 1.

    points (n_points,) -> (n_points,).
    """
    width = max(span[1] - span[0], 1e-12) / N_BINS
    bins = pd.Series(np.floor((points - span[0]) / width).astype(int))
    rank = bins.groupby(bins).cumcount().to_numpy()
    side = np.where(rank % 2 == 1, 1, -1) * ((rank + 1) // 2)
    return side * min(0.06, SWARM / max(np.abs(side).max(initial=0), 1))


def draw_map(
    ax: Any, matrix: pd.DataFrame, colours: list[str], limits: tuple[float, float], form: str
) -> Any:
    """Draw a matrix as coloured cells with their numbers; hatched where there is none.

    matrix (n_rows, n_columns).
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    cmap = LinearSegmentedColormap.from_list("adestim", colours)
    values = matrix.to_numpy(dtype=float)
    image = ax.imshow(np.ma.masked_invalid(values), cmap=cmap, vmin=limits[0], vmax=limits[1])
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            corner = (column - 0.5, row - 0.5)
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, hatch="////", edgecolor="0.75", lw=0))
        else:
            ink = choose_ink(image.cmap(image.norm(value)))
            ax.text(column, row, form.format(value), ha="center", va="center", color=ink)
    return image


def label_map(ax: Any, columns: Iterable[Any], rows: Iterable[Any], **text: Any) -> None:
    """Write the names of a matrix's columns below, slanting, and of its rows to the left."""
    columns = [escape_mathtext(name) for name in columns]
    rows = [escape_mathtext(name) for name in rows]
    ax.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    ax.set_yticks(range(len(rows)), rows, **text)


def choose_ink(colour: tuple[float, ...]) -> str:
    """Return black or white, whichever stands out from a colour.

    Relative luminance: Web Content Accessibility Guidelines 2.2.
    """
    rgb = np.asarray(colour[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "white"


def strip_frame(ax: Any) -> None:
    """Take off the frame's upper and right side."""
    ax.spines[["top", "right"]].set_visible(False)
