"""Who is in a study: counts by class, modality and pattern, and who was left out and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from adestim._support.axes import axes_or_new, escape_mathtext
from adestim.encoding.presence import find_filled_cells
from adestim.evaluation._tables import frame_to_markdown
from adestim.evaluation.missing.patterns import missing_patterns, pattern_labels
from adestim.extraction.union import ModalityUnion, select_columns

ALL = "all"
N_PATTERNS_DRAWN = 8


@dataclass(frozen=True, eq=False)
class CohortFlow:
    """The way from a table to those who are analysed, as reporting guidelines ask for it.

    Parameters
    ----------
    n_rows : int
        Rows of the table, before anybody was left out.
    left_out : tuple of (str, int) pairs
        Reasons, and how many rows were left out for each.
    by_class : Series
        Analysed rows of every class.
    by_modality : DataFrame
        Analysed rows that have a modality, a column for each class and one for all.
    by_pattern : DataFrame
        Analysed rows of every pattern of modalities, the most frequent first.
    n_groups : int, default=None
        Number of groups, where groups were given.
    left_out_by_estimator : mapping of str to int, default={}
        Analysed rows that one estimator alone does without.

    References
    ----------
    Collins et al., "TRIPOD+AI statement: updated guidance for reporting clinical prediction models
    that use regression or machine learning methods", BMJ 2024;385:e078378, item 20.

    Schulz et al., "CONSORT 2010 statement: updated guidelines for reporting parallel group
    randomised trials", BMJ 2010;340:c332, whose flow diagram this one resembles.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import cohort_flow
    >>> present = pd.DataFrame({"mri": [True, True, True], "csf": [True, False, True]})
    >>> print(cohort_flow(present, ["AD", "CN", "CN"], left_out=[("no label", 1)]))
    4 rows in the table
    1 left out: no label
    3 analysed: 1 AD, 2 CN
    mri: 3; csf: 2
    mri+csf: 2; mri: 1
    """

    n_rows: int
    left_out: tuple[tuple[str, int], ...]
    by_class: pd.Series
    by_modality: pd.DataFrame
    by_pattern: pd.DataFrame
    n_groups: int | None = None
    left_out_by_estimator: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_analysed(self) -> int:
        """Number of rows that were analysed."""
        return self.n_rows - sum(n for _, n in self.left_out)

    def __str__(self):
        lines = [
            f"{self.n_rows} rows in the table",
            *(f"{n} left out: {reason}" for reason, n in self.left_out),
            self._describe_analysed(),
            join_counts(self.by_modality[ALL]),
            join_counts(self.by_pattern[ALL]),
            *(f"{n} left out by {name}" for name, n in self.left_out_by_estimator.items()),
        ]
        return "\n".join(lines)

    def _describe_analysed(self) -> str:
        """Say how many are analysed, by class and in how many groups."""
        groups = "" if self.n_groups is None else f" in {self.n_groups} groups"
        classes = ", ".join(f"{n} {label}" for label, n in self.by_class.items())
        return f"{self.n_analysed} analysed{groups}" + (f": {classes}" if classes else "")

    def to_markdown(self) -> str:
        """Return the counts as tables in Markdown.

        Returns
        -------
        str
        """
        steps = [("In the table", self.n_rows)]
        steps += [(f"Left out: {reason}", n) for reason, n in self.left_out]
        steps += [("Analysed", self.n_analysed)]
        if self.n_groups is not None:
            steps += [("Groups", self.n_groups)]
        steps += [(f"Left out by {name}", n) for name, n in self.left_out_by_estimator.items()]
        rows = pd.DataFrame({"Rows": dict(steps)})
        tables = [(rows, "Step"), (self.by_modality, "Modality"), (self.by_pattern, "Pattern")]
        return "\n\n".join(frame_to_markdown(table, corner) for table, corner in tables)

    def _repr_html_(self) -> str:
        return self.by_modality.to_html() + self.by_pattern.to_html()

    def plot(self, ax: Any = None) -> Any:
        """Draw the flow, from the table above to the classes and patterns below.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        MissingDependencyError
            When matplotlib is not installed.
        """
        ax = axes_or_new(ax, size=(8, 7))
        ax.set(xlim=(0, 1), ylim=(0, 1))
        ax.set_axis_off()
        draw_box(ax, (0.5, 0.95), f"In the table\nn = {self.n_rows}")
        draw_arrow(ax, (0.5, 0.915), (0.5, 0.715))
        draw_exclusions(ax, self.left_out)
        groups = "" if self.n_groups is None else f" in {self.n_groups} groups"
        draw_box(ax, (0.5, 0.68), f"Analysed\nn = {self.n_analysed}{groups}")
        draw_class_boxes(ax, self)
        patterns = [f"{label}: {n}" for label, n in self.by_pattern[ALL].items()]
        draw_list(ax, (0.5, 0.02), "By pattern of modalities", patterns)
        return ax


def join_counts(counts: pd.Series) -> str:
    """Return counts in one line."""
    return "; ".join(f"{label}: {n}" for label, n in counts.items())


def cohort_flow(
    present: pd.DataFrame,
    y: Any = None,
    *,
    left_out: Iterable[tuple[str, int]] = (),
    groups: Any = None,
    left_out_by_estimator: Mapping[str, int] | None = None,
) -> CohortFlow:
    """Count those who are analysed.

    Parameters
    ----------
    present : DataFrame of bool of shape (n_analysed, n_modalities)
        Who has what.
    y : array-like of shape (n_analysed,), default=None
        Class labels; None for a regression.
    left_out : iterable of (str, int) pairs, default=()
        Reasons, and how many rows were left out for each; none of a count of 0 is kept.
    groups : array-like of shape (n_analysed,), default=None
        Groups of the rows.
    left_out_by_estimator : mapping of str to int, default=None
        Analysed rows that one estimator alone does without.

    Returns
    -------
    CohortFlow
    """
    labels = None if y is None else np.asarray(y)
    by_class = pd.Series(dtype=int) if y is None else pd.Series(labels).value_counts().sort_index()
    present = present.reset_index(drop=True)
    reasons = tuple((reason, int(n)) for reason, n in left_out if n)
    patterns = pd.get_dummies(pd.Series(np.asarray(pattern_labels(present))))
    by_pattern = count_by_class(patterns, labels)
    return CohortFlow(
        n_rows=len(present) + sum(n for _, n in reasons),
        left_out=reasons,
        by_class=by_class,
        by_modality=count_by_class(present, labels),
        by_pattern=by_pattern.sort_values(ALL, ascending=False, kind="stable"),
        n_groups=None if groups is None else len(pd.unique(np.asarray(groups))),
        left_out_by_estimator=dict(left_out_by_estimator or {}),
    )


def count_by_class(flags: pd.DataFrame, labels: np.ndarray | None) -> pd.DataFrame:
    """Return how many have what, of every class and of all."""
    total = pd.DataFrame({ALL: flags.sum()})
    if labels is not None:
        total = pd.concat([flags.groupby(labels).sum().T, total], axis=1)
    return total.astype(int)


def find_presence(X: pd.DataFrame, estimators: Iterable[Any] = ()) -> pd.DataFrame:
    """Tell who has which modality, from whatever table the estimators read.

    X (n_subjects, n_columns) -> (n_subjects, n_modalities).
    """
    union = next((found for each in estimators if (found := find_union(each)) is not None), None)
    if union is not None:
        blocks = {
            name: select_columns(X, columns, name)
            for name, transformer, columns in union.transformers
            if transformer != "drop"
        }
        filled = {name: find_filled_cells(pd.DataFrame(block)) for name, block in blocks.items()}
        present = {name: cells.any(axis=1) for name, cells in filled.items()}
        return pd.DataFrame(present, index=X.index)
    return missing_patterns(X)


def find_union(estimator: Any) -> ModalityUnion | None:
    """Return the union that a pipeline begins with, if it does."""
    if not isinstance(estimator, Pipeline):
        return None
    return next((step for _, step in estimator.steps if isinstance(step, ModalityUnion)), None)


def draw_box(ax: Any, centre: tuple[float, float], text: str, **alignment: Any) -> None:
    """Draw text in a box."""
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "0.3"}
    style = {"ha": "center", "va": "center", "fontsize": 9} | alignment
    ax.text(*centre, escape_mathtext(text), bbox=box, **style)


def draw_arrow(ax: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow."""
    style = {"arrowstyle": "-|>", "color": "0.3", "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", xy=end, xytext=start, arrowprops=style)


def draw_exclusions(ax: Any, left_out: Sequence[tuple[str, int]]) -> None:
    """Draw who was left out, to the right of the way."""
    if not left_out:
        return
    draw_arrow(ax, (0.5, 0.815), (0.675, 0.815))
    total = sum(n for _, n in left_out)
    lines = [f"Left out, n = {total}", *(f"{reason}: {n}" for reason, n in left_out)]
    draw_box(ax, (0.69, 0.815), "\n".join(lines), ha="left")


def draw_class_boxes(ax: Any, flow: CohortFlow) -> None:
    """Draw a box for every class, or one for all, with its modalities."""
    columns = list(flow.by_class.index) or [ALL]
    for place, label in enumerate(columns):
        x = (place + 0.5) / len(columns)
        n = flow.by_class.get(label, flow.n_analysed)
        lines = [f"{name}: {count}" for name, count in flow.by_modality[label].items()]
        draw_arrow(ax, (0.5, 0.645), (x, 0.515))
        draw_box(ax, (x, 0.5), "\n".join([f"{label}, n = {n}", *lines]), va="top")


def draw_list(ax: Any, foot: tuple[float, float], title: str, lines: Sequence[str]) -> None:
    """Draw a list, its end told as a number."""
    shown = list(lines[:N_PATTERNS_DRAWN])
    if len(lines) > N_PATTERNS_DRAWN:
        shown.append(f"and {len(lines) - N_PATTERNS_DRAWN} more patterns")
    draw_box(ax, foot, "\n".join([title, *shown]), va="bottom")
