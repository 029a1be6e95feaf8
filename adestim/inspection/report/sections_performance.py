"""Sections of a report about who is in the study and how good the predictions are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.axes import escape_mathtext
from adestim._support.scores import HOW_BOUNDED, N_RESAMPLES, name_score
from adestim.inspection.drawing.drawing import OKABE_ITO, strip_frame
from adestim.inspection.report import curves
from adestim.inspection.report.gather import Material
from adestim.inspection.report.outcomes import apparent_scores
from adestim.inspection.report.page import (
    make_axes,
    render_columns,
    render_figure,
    render_figures,
    render_note,
    render_paragraph,
    render_part,
    render_table,
    render_warning,
)

MOST_PATTERNS = 16
ALL = "all"
WHAT_CURVES_SHOW = (
    "Curves show the first repeat, all folds together; areas in legends are those of what is drawn. "
    "Areas in the tables compare subjects of one fold, whose model is one, and are averaged."
)


def write_cohort(material: Material) -> str:
    """Return who is in the study, by class, modality and pattern."""
    figure = render_part(draw_missing, material)
    if material.flow is None:
        return (
            render_paragraph(f"{len(material.table)} subjects.")
            + figure
            + write_own_cohort(material)
        )
    flow = material.flow
    tables = [
        render_table(tabulate_flow(flow), "Who is analysed"),
        render_table(flow.by_modality.rename_axis("modality"), "Subjects who have a modality"),
        figure,
    ]
    beside = render_columns([render_part(draw_flow, flow), "".join(tables)])
    return beside + write_patterns(flow.by_pattern)


def tabulate_flow(flow: Any) -> pd.Series:
    """Return the steps from the table to those who are analysed."""
    steps = {"in the table": flow.n_rows}
    steps |= {f"left out: {reason}": n for reason, n in flow.left_out}
    steps |= {"analysed": flow.n_analysed}
    steps |= {str(label): n for label, n in flow.by_class.items()}
    if flow.n_groups is not None:
        steps["groups"] = flow.n_groups
    return pd.Series(steps, name="rows", dtype=int).rename_axis("step")


def draw_flow(flow: Any) -> str:
    """Return the diagram of the way into the study."""
    ax = make_axes((8, 7))
    flow.plot(ax)
    alt = "Flow of the cohort. " + "; ".join(
        f"{step}: {n}" for step, n in tabulate_flow(flow).items()
    )
    return render_figure(ax, f"{alt}.", "From the table to those who are analysed.")


def write_own_cohort(material: Material) -> str:
    """Return counts of a table of which no flow is known."""
    labels = material.y if material.outcomes.classes else None
    by_modality = count_by_class(material.present, labels)
    names = np.array([str(name) for name in material.present], dtype=object)
    patterns = pd.Series(["+".join(names[row]) for row in material.present.to_numpy(dtype=bool)])
    by_pattern = count_by_class(pd.get_dummies(patterns), labels).sort_values(ALL, ascending=False)
    return (
        render_table(by_modality.rename_axis("modality"), "Subjects who have a modality")
        + write_patterns(by_pattern)
        + render_note("How the subjects were chosen was not told: pass flow= or comparison=.")
    )


def write_patterns(by_pattern: pd.DataFrame) -> str:
    """Return how many subjects have which modalities together."""
    shown = by_pattern.head(MOST_PATTERNS).rename_axis("pattern")
    rest = len(by_pattern) - len(shown)
    more = render_note(f"And {rest} more patterns of fewer subjects.") if rest else ""
    return render_table(shown, "Subjects of every pattern of modalities") + more


def count_by_class(flags: pd.DataFrame, labels: np.ndarray | None) -> pd.DataFrame:
    """Return how many have what, of every class and of all."""
    total = pd.DataFrame({ALL: flags.sum()})
    if labels is not None:
        total = pd.concat([flags.groupby(labels).sum().T, total], axis=1)
    return total.astype(int)


def draw_missing(material: Material) -> str:
    """Return how many subjects of the table lack a modality."""
    share = 1 - material.present.mean()
    ax = make_axes((6, 1 + 0.4 * len(share)))
    ax.barh(range(len(share)), share, height=0.6, color=OKABE_ITO["sky"], edgecolor="0.2")
    for place, value in enumerate(share):
        ax.annotate(f"{value:.0%}", (value, place), (4, 0), textcoords="offset points", va="center")
    ax.set_yticks(range(len(share)), [escape_mathtext(name) for name in share.index])
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xlabel="share of subjects who lack it")
    strip_frame(ax)
    words = ", ".join(f"{name} {value:.0%}" for name, value in share.items())
    return render_figure(
        ax, f"Share of subjects who lack a modality: {words}.", "Missing modalities"
    )


def write_performance(material: Material) -> str:
    """Return scores and curves."""
    part = write_apparent_scores if material.comparison is None else write_comparison
    return part(material) + render_part(write_curves, material)


def write_apparent_scores(material: Material) -> str:
    """Return scores of the very table of the report, marked as such."""
    mark = render_warning(
        "these are apparent scores, of the very table this report was given. Unless its subjects "
        "were kept out of training, they say nothing of how good the model is. Pass comparison=, "
        "what adestim.evaluation.compare returned, for scores of unseen subjects."
    )
    scores = apparent_scores(material.outcomes).rename(name_score)
    scores = scores.rename("apparent").rename_axis("score")
    return mark + render_table(scores, "Apparent scores, without intervals")


def write_comparison(material: Material) -> str:
    """Return scores of unseen subjects, differences and scores by pattern."""
    comparison, n_resamples = material.comparison, material.n_resamples
    text = render_paragraph(
        f"Scores of out-of-fold predictions with 95 % intervals {HOW_BOUNDED}. The model of this "
        f"report is {comparison.reference!r}."
    )
    if len(comparison.classes) == 2:
        text += render_paragraph(f"The positive class is {comparison.classes[-1]}.")
    parts = [
        text,
        render_table(tabulate_scores(material), "Scores [95 % interval]"),
        render_part(write_differences, comparison) if len(comparison.estimators) > 1 else "",
        render_part(write_pattern_scores, comparison, n_resamples),
    ]
    return "".join(parts)


def tabulate_scores(material: Material) -> pd.DataFrame:
    """Return a row a score, a column an estimator."""
    summary = material.summary
    names = {
        name_score(name): format_intervals(
            *(summary[name, end] for end in ("estimate", "low", "high"))
        )
        for name in material.comparison.scores
    }
    failed = summary["folds", "failed"]
    rows = names | ({"failed folds": failed} if failed.any() else {})
    return pd.DataFrame(rows).T.rename_axis("score")


def format_intervals(values: pd.Series, low: pd.Series, high: pd.Series) -> pd.Series:
    """Return numbers with their intervals as texts."""
    texts = [
        "–" if pd.isna(value) else f"{value:.3f}" + ("" if pd.isna(a) else f" [{a:.3f}, {b:.3f}]")
        for value, a, b in zip(values, low, high, strict=True)
    ]
    return pd.Series(texts, index=values.index, dtype=object)


def write_differences(comparison: Any) -> str:
    """Return how much better the model is than each of the others."""
    table = comparison.differences()
    name = table["score"].iloc[0]
    shown = pd.DataFrame(
        {
            "difference [95 % interval]": format_intervals(
                table["mean"], table["low"], table["high"]
            ),
            "p": table["p"],
            "p, Holm": table["p_holm"],
        }
    )
    who = f"{name_score(name)} of {comparison.reference}"
    caption = f"{who} minus that of the others, corrected t-test"
    return "<h3>Against the others</h3>" + render_table(shown, caption)


def write_pattern_scores(comparison: Any, n_resamples: int) -> str:
    """Return scores by pattern of modalities."""
    table = tabulate_pattern_scores(comparison, n_resamples)
    caption = f"Scores of {comparison.reference} [95 % interval]"
    # Few of a pattern are in one fold, so that ranks are taken over all folds together.
    note = render_note(
        "Areas of a pattern compare subjects of different folds, whose models differ in level; "
        "those of all subjects, above, compare subjects of one fold."
    )
    return "<h3>By pattern of modalities</h3>" + render_table(table, caption) + note


def tabulate_pattern_scores(comparison: Any, n_resamples: int = N_RESAMPLES) -> pd.DataFrame:
    """Return the reference's scores for every pattern of modalities, as texts."""
    table = comparison.by_pattern([comparison.reference], n_resamples=n_resamples)
    table = table.set_index("pattern")
    table = table.drop(index=ALL, errors="ignore")
    scores = [name.removesuffix("_low") for name in table.columns if name.endswith("_low")]
    columns = {
        name_score(name): format_intervals(*(table[name + end] for end in ("", "_low", "_high")))
        for name in scores
    }
    return pd.DataFrame({"n": table["n"]} | columns)


def write_curves(material: Material) -> str:
    """Return curves of classes, or the plot of numbers."""
    outcomes = material.outcomes
    is_apparent = material.comparison is None
    origin = "apparent" if is_apparent else "out of fold"
    if not outcomes.classes:
        return draw_curve(curves.draw_observed, material, f"Observed and predicted, {origin}")
    if not outcomes.has_all_classes:
        return render_note("Curves need subjects of every class.")
    kinds: list[tuple[Callable[..., str], str]] = [
        (curves.draw_roc, "ROC curve"),
        (curves.draw_precision_recall, "Precision and recall"),
        (curves.draw_calibration, "Calibration"),
        (curves.draw_confusion, title_confusion(material)),
    ]
    if len(outcomes.classes) == 2:
        kinds.append((curves.draw_decision_curve, "Decision curve (Vickers and Elkin 2006)"))
    figures = [draw_curve(draw, material, f"{title}, {origin}.") for draw, title in kinds]
    note = "" if is_apparent else render_note(WHAT_CURVES_SHOW)
    return "<h3>Curves</h3>" + render_figures(figures) + note


def title_confusion(material: Material) -> str:
    """Say from which probability the positive class is predicted."""
    cuts = material.outcomes.thresholds
    known = np.array([]) if cuts is None else cuts[np.isfinite(cuts)]
    if not len(known):
        return "Confusion; predicted is the likeliest class"
    ends = sorted({f"{known.min():.2f}", f"{known.max():.2f}"})
    return f"Confusion; threshold chosen on training rows, {' to '.join(ends)}"


def draw_curve(draw: Callable[..., str], material: Material, caption: str) -> str:
    """Return a figure with what it says in words."""
    ax = make_axes((4.4, 4.0))
    alt = draw(ax, material.outcomes)
    return render_figure(ax, alt, caption)
