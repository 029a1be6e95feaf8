"""Drawing what modalities contribute, how they interact, and which anchor decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from adestim._support.axes import escape_mathtext
from adestim.exceptions import InputError
from adestim.inspection.contribution.contribution import (
    LOGIT,
    NUMBER,
    PROBABILITY,
    Contributions,
    modality_contributions,
)
from adestim.inspection.contribution.deciding import AnchorDecisions, deciding_anchor
from adestim.inspection.drawing.drawing import (
    OKABE_ITO,
    Display,
    draw_map,
    label_map,
    spread_points,
    strip_frame,
    thin_rows,
)

KINDS = ("bar", "strip")
LIGHTEST = "#FFFFFF"


class ContributionsDisplay(Display):
    """What modalities contribute, as bars of the cohort or as a strip of points a subject.

    Parameters
    ----------
    contributions : Contributions
        What :func:`modality_contributions` returned.
    kind : {"bar", "strip"}, default="bar"
        Mean absolute contributions with bootstrap intervals, or a point a subject who has the
        modality.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim.inspection import Contributions, ContributionsDisplay
    >>> values = pd.DataFrame({"mri": [1.0, -0.5], "csf": [0.5, 0.2]})
    >>> found = Contributions(
    ...     values, np.zeros((2, 2, 2)), values.sum(axis=1), 0.0, values != 0, "logit", "AD"
    ... )
    >>> ContributionsDisplay(found, kind="strip").plot().ax_.get_xlabel()
    'contribution to the log-odds of AD'
    """

    def __init__(self, contributions: Contributions, kind: str = "bar"):
        self.contributions = contributions
        self.kind = kind

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, kind: str = "bar", ax: Any = None, **kwargs: Any
    ) -> ContributionsDisplay:
        """Compute contributions and draw them.

        Parameters
        ----------
        estimator : estimator
            A fitted fusion, or a pipeline that ends in one.
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as ``estimator.predict`` takes it.
        kind : {"bar", "strip"}, default="bar"
            What is drawn.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            Further parameters of :func:`modality_contributions`.

        Returns
        -------
        ContributionsDisplay
        """
        require_kind(kind)
        return cls(modality_contributions(estimator, X, **kwargs), kind).plot(ax)

    def plot(self, ax: Any = None) -> ContributionsDisplay:
        """Draw, the modality that contributes most on top.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.

        Returns
        -------
        ContributionsDisplay
            Itself, with ``ax_`` and ``figure_``.

        Raises
        ------
        InputError
            When ``kind`` is none of the two.
        MissingDependencyError
            When matplotlib is not installed.
        """
        require_kind(self.kind)
        summary = self.contributions.summary().sort_values("mean_absolute", na_position="first")
        self._take_axes(ax, (6.4, 1.6 + 0.6 * len(summary)))
        (draw_contribution_bars if self.kind == "bar" else draw_contribution_strips)(
            self.ax_, self.contributions, summary
        )
        self.ax_.set_yticks(
            range(len(summary)), label_rows(summary, len(self.contributions.values))
        )
        self.ax_.set_ylim(-0.6, len(summary) - 0.4)
        strip_frame(self.ax_)
        return self


class SynergyDisplay(Display):
    """How pairs of modalities interact, as a map of mean Shapley interaction indices.

    Parameters
    ----------
    contributions : Contributions
        What :func:`modality_contributions` returned.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim.inspection import Contributions, SynergyDisplay
    >>> values = pd.DataFrame({"mri": [1.0, -0.5], "csf": [0.5, 0.2]})
    >>> pairs = np.full((2, 2, 2), 0.25)
    >>> found = Contributions(
    ...     values, pairs, values.sum(axis=1), 0.0, values != 0, "logit", "AD"
    ... )
    >>> [text.get_text() for text in SynergyDisplay(found).plot().ax_.texts]
    ['+0.25', '+0.25']
    """

    def __init__(self, contributions: Contributions):
        self.contributions = contributions

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, ax: Any = None, **kwargs: Any
    ) -> SynergyDisplay:
        """Compute interactions and draw them.

        Parameters
        ----------
        estimator : estimator
            A fitted fusion, or a pipeline that ends in one.
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as ``estimator.predict`` takes it.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            Further parameters of :func:`modality_contributions`.

        Returns
        -------
        SynergyDisplay
        """
        return cls(modality_contributions(estimator, X, **kwargs)).plot(ax)

    def plot(self, ax: Any = None) -> SynergyDisplay:
        """Draw the map, every cell with its number.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.

        Returns
        -------
        SynergyDisplay
            Itself, with ``ax_`` and ``figure_``.

        Raises
        ------
        MissingDependencyError
            When matplotlib is not installed.
        """
        found = self.contributions
        matrix = found.interactions()
        side = 2.4 + 0.7 * len(matrix)
        self._take_axes(ax, (side + 1.2, side))
        finite = np.abs(matrix.to_numpy()[np.isfinite(matrix.to_numpy())])
        limit = max(finite.max(initial=0), 1e-12)
        colours = [OKABE_ITO["blue"], LIGHTEST, OKABE_ITO["vermilion"]]
        image = draw_map(self.ax_, matrix, colours, (-limit, limit), "{:+.2f}")
        label_map(self.ax_, matrix.columns, matrix.index)
        title = escape_mathtext(f"interaction in {describe_output(found)}")
        self.ax_.set_title(title, fontsize="medium")
        bar = self.figure_.colorbar(image, ax=self.ax_, shrink=0.8)
        bar.set_label("– repeat each other     more together +")
        return self


class AnchorsDisplay(Display):
    """Which anchors decide for how many subjects, and how far they agree.

    Parameters
    ----------
    decisions : AnchorDecisions
        What :func:`deciding_anchor` returned.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.inspection import AnchorsDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["mri__a", "csf__tau"])
    >>> y = np.where(X["mri__a"] > 0, "AD", "CN")
    >>> model = AnchoredFusionClassifier(members=(), max_epochs=0).fit(X, y)
    >>> AnchorsDisplay.from_estimator(model, X).ax_.get_title()
    'share of subjects whose decision two anchors share'
    """

    def __init__(self, decisions: AnchorDecisions):
        self.decisions = decisions

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, ax: Any = None) -> AnchorsDisplay:
        """Ask the anchors and draw what they say.

        Parameters
        ----------
        estimator : estimator
            A fitted anchored fusion, or a pipeline that ends in one.
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as ``estimator.predict`` takes it.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.

        Returns
        -------
        AnchorsDisplay
        """
        return cls(deciding_anchor(estimator, X)).plot(ax)

    def plot(self, ax: Any = None) -> AnchorsDisplay:
        """Draw a row an anchor: for how many it decides, and its agreement with the others.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.

        Returns
        -------
        AnchorsDisplay
            Itself, with ``ax_`` and ``figure_``.

        Raises
        ------
        MissingDependencyError
            When matplotlib is not installed.
        """
        matrix, summary = self.decisions.agreement, self.decisions.summary()
        n_anchors = len(matrix)
        self._take_axes(ax, (4.2 + 0.8 * n_anchors, 2 + 0.6 * n_anchors))
        numbers = are_numbers(self.decisions)
        limits = (-1, 1) if numbers else (0, 1)
        colours = [LIGHTEST, OKABE_ITO["sky"]]
        if numbers:
            colours = [OKABE_ITO["orange"], *colours]
        # An anchor agrees with itself.
        others = matrix.mask(np.eye(n_anchors, dtype=bool))
        draw_map(self.ax_, others, colours, limits, "{:.2f}")
        rows = [
            f"{name}\ndecides for {int(row.n_decides)} of {int(row.n_judged)}"
            for name, row in summary.iterrows()
        ]
        label_map(self.ax_, matrix.columns, rows, va="center")
        self.ax_.set_title(
            "correlation of two anchors' predictions"
            if numbers
            else "share of subjects whose decision two anchors share",
            fontsize="medium",
        )
        return self


def require_kind(kind: str) -> None:
    """Refuse a kind of plot that there is not."""
    if kind not in KINDS:
        raise InputError("'kind' must be 'bar' or 'strip'", got=repr(kind))


def are_numbers(decisions: AnchorDecisions) -> bool:
    """Tell whether anchors predict numbers."""
    return all(pd.api.types.is_float_dtype(kind) for kind in decisions.decisions.dtypes)


def describe_output(contributions: Contributions) -> str:
    """Return what is explained, in words."""
    target = contributions.target
    return {
        LOGIT: f"the log-odds of {target}",
        PROBABILITY: f"the probability of {target}",
        NUMBER: "the predicted number",
    }[contributions.output]


def label_rows(summary: pd.DataFrame, n_subjects: int) -> list[str]:
    """Return modalities' names, with how many have them where some do not."""
    return [
        escape_mathtext(name if n == n_subjects else f"{name}\n{n} of {n_subjects} have it")
        for name, n in summary["n_present"].items()
    ]


def draw_contribution_bars(ax: Any, contributions: Contributions, summary: pd.DataFrame) -> None:
    """Draw mean absolute contributions and their intervals."""
    means = summary["mean_absolute"].fillna(0).to_numpy()
    places = np.arange(len(summary))
    ax.barh(places, means, height=0.6, color=OKABE_ITO["sky"], edgecolor="0.2")
    known = summary["low"].notna().to_numpy()
    ends = summary.loc[known, ["low", "high"]].to_numpy().T
    reach = np.abs(ends - means[known])
    ax.errorbar(means[known], places[known], xerr=reach, fmt="none", ecolor="0.1", capsize=4)
    ax.set_xlim(left=0)
    output = escape_mathtext(describe_output(contributions))
    ax.set_xlabel(f"mean absolute contribution to {output}")


def draw_contribution_strips(ax: Any, contributions: Contributions, summary: pd.DataFrame) -> None:
    """Draw a point a subject, its mark telling where the subject's output lies."""
    above = (contributions.outputs >= contributions.baseline).to_numpy()
    values, present = contributions.values, contributions.present
    has = present.to_numpy()
    span = (values.to_numpy()[has].min(initial=0), values.to_numpy()[has].max(initial=0))
    ax.axvline(0, color="0.4", lw=0.8, zorder=0)
    marks = {"above": ("o", "vermilion", above), "below": ("^", "blue", ~above)}
    for place, name in enumerate(summary.index):
        rows = thin_rows(np.flatnonzero(present[name]), values[name].to_numpy())
        points = values[name].to_numpy()[rows]
        heights = place + spread_points(points, span)
        for mark, colour, side in marks.values():
            shown = side[rows]
            style = {"marker": mark, "color": OKABE_ITO[colour], "s": 16, "alpha": 0.8, "lw": 0}
            ax.scatter(points[shown], heights[shown], **style)
    for name, (mark, colour, _) in marks.items():
        ax.scatter([], [], marker=mark, color=OKABE_ITO[colour], s=16, label=f"{name} the baseline")
    ax.legend(title="subject's output", frameon=False, fontsize="small", title_fontsize="small")
    ax.set_xlabel(escape_mathtext(f"contribution to {describe_output(contributions)}"))
