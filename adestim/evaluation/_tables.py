"""Tables of results as they go into a paper: Markdown, LaTeX, HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.scores import measure_loss, name_score
from adestim._support.words import escape_markdown
from adestim.exceptions import InputError

OF_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def scores_to_markdown(
    summary: pd.DataFrame,
    *,
    scores: Sequence[str] | None = None,
    digits: int = 3,
    controls: Sequence[str] = (),
) -> str:
    """Return scores as a table in Markdown, the best of each but controls in bold."""
    scores = select_summary_scores(summary, scores)
    cells = format_scores(summary, scores, digits, lambda text: f"**{text}**", "–", controls)
    return frame_to_markdown(cells, "Estimator", escape_cells=False)


def scores_to_latex(
    summary: pd.DataFrame,
    *,
    scores: Sequence[str] | None = None,
    digits: int = 3,
    caption: str | None = None,
    label: str | None = None,
    controls: Sequence[str] = (),
) -> str:
    r"""Return scores as a table in LaTeX, for booktabs, the best of each but controls in bold."""
    scores = select_summary_scores(summary, scores)

    def bold(text: str) -> str:
        return rf"\textbf{{{text}}}"

    cells = format_scores(summary, scores, digits, bold, "--", controls)
    lines = [["Estimator", *map(escape_latex, cells.columns)]]
    body = [[escape_latex(name), *row] for name, row in zip(cells.index, cells.values, strict=True)]
    table = [
        rf"\begin{{tabular}}{{l{'l' * cells.shape[1]}}}",
        r"\toprule",
        *map(join_latex_row, lines),
        r"\midrule",
        *map(join_latex_row, body),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(table if caption is None else wrap_in_float(table, caption, label))


def wrap_in_float(table: Sequence[str], caption: str, label: str | None) -> list[str]:
    """Put a table into a float with a caption."""
    name = [] if label is None else [rf"\label{{{label}}}"]
    head = [r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(caption)}}}", *name]
    return [*head, *table, r"\end{table}"]


def join_latex_row(cells: Sequence[str]) -> str:
    """Return a row of a table in LaTeX."""
    return " & ".join(cells) + r" \\"


def escape_latex(text: Any) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(OF_LATEX.get(letter, letter) for letter in str(text))


def frame_to_markdown(frame: pd.DataFrame, corner: str = "", *, escape_cells: bool = True) -> str:
    """Return a frame as a table in Markdown."""
    cell = escape_markdown if escape_cells else str
    head = [escape_markdown(name) for name in [corner, *frame.columns]]
    rows = [[escape_markdown(name), *map(cell, row)] for name, *row in frame.itertuples(name=None)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def scores_to_html(
    summary: pd.DataFrame,
    *,
    scores: Sequence[str] | None = None,
    digits: int = 3,
    controls: Sequence[str] = (),
) -> str:
    """Return scores as a table in HTML, for the display of notebooks."""
    scores = select_summary_scores(summary, scores)
    cells = format_scores(summary, scores, digits, lambda text: f"<b>{text}</b>", "–", controls)
    cells.index = [html.escape(str(name)) for name in cells.index]
    return cells.to_html(escape=False)


def select_summary_scores(summary: pd.DataFrame, scores: Sequence[str] | None) -> list[str]:
    """Return the scores to show, all of which must be there."""
    there = list(dict.fromkeys(summary.columns.get_level_values(0)))
    if scores is None:
        return [name for name in there if (name, "estimate") in summary.columns]
    missing = [name for name in scores if (name, "estimate") not in summary.columns]
    if missing:
        raise InputError(
            "A table shows scores that were computed",
            got=", ".join(map(repr, missing)),
            remedy=f"Choose from {', '.join(there)}",
        )
    return list(scores)


def format_scores(
    summary: pd.DataFrame,
    scores: Sequence[str],
    digits: int,
    bold: Callable,
    nothing: str,
    controls: Sequence[str],
) -> pd.DataFrame:
    """Return what stands in the cells: estimate and interval, the best estimate in bold."""
    cells = {}
    for score in scores:
        judged = summary[score, "estimate"].mask(summary.index.isin(controls))
        best = find_best_rows(judged, score, digits)
        has_interval = (score, "low") in summary.columns
        bounds = summary[score][["low", "high"]].to_numpy() if has_interval else None
        cells[name_score(score)] = [
            format_cell(
                value,
                None if bounds is None else bounds[place],
                digits,
                bold if top else str,
                nothing,
            )
            for place, (value, top) in enumerate(zip(summary[score, "estimate"], best, strict=True))
        ]
    return pd.DataFrame(cells, index=summary.index)


def format_cell(
    value: float, bounds: np.ndarray | None, digits: int, mark: Callable, nothing: str
) -> str:
    """Return an estimate and its interval, where there is one."""
    if not np.isfinite(value):
        return nothing
    text = mark(f"{value:.{digits}f}")
    if bounds is None or not np.isfinite(bounds).all():
        return text
    return f"{text} [{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}]"


def find_best_rows(values: pd.Series, score: str, digits: int = 3) -> np.ndarray:
    """Tell which rows are best, those that look alike when rounded included.

    values (n_estimators,) -> (n_estimators,).
    """
    rounded = values.to_numpy(dtype=float).round(digits)
    loss = measure_loss(rounded, score)
    return (loss == np.nanmin(loss)) if np.isfinite(loss).any() else np.zeros(len(loss), dtype=bool)
