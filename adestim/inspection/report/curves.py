"""Curves that say how good predictions are; every function draws and says in words what is seen."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    confusion_matrix,
    precision_recall_curve,
    roc_curve,
)

from adestim._support.axes import escape_mathtext
from adestim._support.predictions import Predictions
from adestim._support.scores import average_precision, roc_auc
from adestim.exceptions import InputError
from adestim.inspection.drawing.drawing import OKABE_ITO, draw_map, strip_frame

LOOKS = [
    (OKABE_ITO[colour], line, mark)
    for colour, line, mark in (
        ("blue", "-", "o"),
        ("vermilion", "--", "^"),
        ("green", "-.", "s"),
        ("purple", ":", "D"),
        ("orange", (0, (5, 1)), "v"),
        ("black", (0, (1, 1)), "P"),
    )
]
REFERENCE = {"color": "0.45", "lw": 1, "ls": ":"}
N_BINS = 10
FEWEST_IN_A_BIN = 5
MOST_POINTS = 2000


def net_benefit(is_positive: Any, probability: Any, thresholds: Any) -> np.ndarray:
    r"""Return what acting on a model is worth, at every probability from which one would act.

    .. math:: \frac{TP}{n} - \frac{FP}{n} \cdot \frac{p_t}{1 - p_t}

    is_positive (n_subjects,), probability (n_subjects,), thresholds (n_thresholds,) ->
    (n_thresholds,).

    Vickers and Elkin, "Decision curve analysis: a novel method for evaluating prediction models",
    Medical Decision Making 26, 2006.
    """
    members, values = np.asarray(is_positive, dtype=bool), np.asarray(probability, dtype=float)
    cuts = np.atleast_1d(np.asarray(thresholds, dtype=float))
    if len(members) != len(values) or not len(members):
        raise InputError(
            "Everybody needs a truth and a probability", got=f"{len(members)} and {len(values)}"
        )
    if not ((cuts >= 0) & (cuts < 1)).all():
        raise InputError(
            "Thresholds are at least 0 and below 1", got=f"{cuts.min():.3g} to {cuts.max():.3g}"
        )
    acts = values >= cuts[:, None]
    odds = cuts / (1 - cuts)
    return (acts & members).mean(axis=1) - (acts & ~members).mean(axis=1) * odds


def draw_roc(ax: Any, outcomes: Predictions) -> str:
    """Draw sensitivity against false alarms."""
    areas = {}
    for (label, contrast), (colour, line, _) in zip(outcomes.contrasts, cycle(LOOKS), strict=False):
        areas[label] = roc_auc(contrast)
        x, y, _ = roc_curve(contrast.y, contrast.probability)
        ax.plot(x, y, color=colour, ls=line, label=name_curve(label, areas[label]))
    ax.plot([0, 1], [0, 1], **REFERENCE, label="chance: 0.50")
    finish_axes(ax, "1 − specificity", "sensitivity", "area")
    return f"ROC curve. Area under it: {say_values(areas)}."


def name_curve(label: Any, area: float) -> str:
    """Return what a legend says of a curve."""
    return escape_mathtext(f"{label}: {area:.2f}")


def draw_precision_recall(ax: Any, outcomes: Predictions) -> str:
    """Draw precision against sensitivity."""
    areas = {}
    for (label, contrast), (colour, line, _) in zip(outcomes.contrasts, cycle(LOOKS), strict=False):
        areas[label] = average_precision(contrast)
        precision, recall, _ = precision_recall_curve(contrast.y, contrast.probability)
        # A precision holds down to the recall of the next threshold, as in its average.
        look = {"color": colour, "ls": line, "label": name_curve(label, areas[label])}
        ax.step(recall, precision, where="post", **look)
        ax.axhline(contrast.y.mean(), **REFERENCE)
    finish_axes(ax, "sensitivity (recall)", "precision", "average precision")
    return f"Precision-recall curve; dotted: prevalence. Average precision: {say_values(areas)}."


def draw_calibration(ax: Any, outcomes: Predictions) -> str:
    """Draw how often a class is there against how probable it was said to be."""
    n_bins = int(np.clip(len(outcomes.y) // FEWEST_IN_A_BIN, 2, N_BINS))
    gaps = {}
    for (label, contrast), (colour, line, mark) in zip(
        outcomes.contrasts, cycle(LOOKS), strict=False
    ):
        members, values = contrast.y, contrast.probability
        observed, said = calibration_curve(members, values, n_bins=n_bins, strategy="quantile")
        gaps[label] = values.mean() - members.mean()
        name = escape_mathtext(label)
        ax.plot(said, observed, color=colour, ls=line, marker=mark, ms=4, label=name)
    ax.plot([0, 1], [0, 1], **REFERENCE, label="perfect")
    finish_axes(ax, "predicted probability", "observed share", None)
    return (
        f"Calibration curve in {n_bins} groups of equal size. "
        f"Mean probability minus observed share: {say_values(gaps)}."
    )


def draw_confusion(ax: Any, outcomes: Predictions) -> str:
    """Draw how many of every class were said to be of which."""
    labels = [str(label) for label in outcomes.classes]
    known = pd.Index(outcomes.classes)
    truth, said = known.get_indexer(outcomes.y), known.get_indexer(outcomes.decisions)
    counts = confusion_matrix(truth, said, labels=range(len(labels)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colours = ["#FFFFFF", OKABE_ITO["sky"]]
    draw_map(ax, pd.DataFrame(shares), colours, (0, 1), "{:.0%}")
    for text, count in zip(ax.texts, counts.ravel(), strict=True):
        text.set_text(f"{count}\n{text.get_text()}")
    names = [escape_mathtext(label) for label in labels]
    ax.set_xticks(range(len(labels)), names)
    ax.set_yticks(range(len(labels)), names)
    ax.set(xlabel="predicted", ylabel="true")
    rows = [
        f"of {row.sum()} {label} {row[place]} are recognised"
        for place, (label, row) in enumerate(zip(labels, counts, strict=True))
    ]
    return f"Confusion matrix: {'; '.join(rows)}."


def draw_decision_curve(ax: Any, outcomes: Predictions) -> str:
    """Draw net benefit of acting on the model, for all and for nobody."""
    label, contrast = outcomes.contrasts[0]
    members, values = contrast.y, contrast.probability
    cuts = np.linspace(0.01, 0.99, 99)
    model = net_benefit(members, values, cuts)
    everybody = net_benefit(members, np.ones(len(members)), cuts)
    ax.plot(cuts, model, color=OKABE_ITO["blue"], label="model")
    ax.plot(cuts, everybody, color=OKABE_ITO["vermilion"], ls="--", label="act for all")
    ax.axhline(0, **REFERENCE, label="act for nobody")
    ax.set(xlim=(0, 1), ylim=(-0.1, max(members.mean(), 0.05) * 1.1))
    ax.set(xlabel=f"probability of {escape_mathtext(label)} from which one would act")
    ax.set(ylabel="net benefit")
    ax.legend(frameon=False, fontsize=8)
    strip_frame(ax)
    better = cuts[model > np.maximum(everybody, 0) + 1e-12]
    where = f"from {better.min():.2f} to {better.max():.2f}" if len(better) else "at no threshold"
    return f"Decision curve for {label}. Better than acting for all or nobody {where}."


def draw_observed(ax: Any, outcomes: Predictions) -> str:
    """Draw numbers against their predictions."""
    truth, said = outcomes.y.astype(float), outcomes.values
    step = max(1, len(truth) // MOST_POINTS)
    ax.scatter(said[::step], truth[::step], s=14, color=OKABE_ITO["blue"], alpha=0.7, lw=0)
    ends = [min(truth.min(), said.min()), max(truth.max(), said.max())]
    ax.plot(ends, ends, **REFERENCE, label="perfect")
    ax.set(xlabel="predicted", ylabel="observed")
    ax.legend(frameon=False, fontsize=8)
    strip_frame(ax)
    error = np.abs(truth - said).mean()
    return f"Observed against predicted numbers of {len(truth)} subjects; mean error {error:.3g}."


def finish_axes(ax: Any, xlabel: str, ylabel: str, legend: str | None) -> None:
    """Give a curve within the unit square its axes and legend."""
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=xlabel, ylabel=ylabel)
    ax.set_aspect("equal")
    ax.legend(frameon=False, fontsize=8, title=legend, title_fontsize=8)
    strip_frame(ax)


def say_values(values: dict) -> str:
    """Return numbers by class in words."""
    return ", ".join(f"{label} {value:.2f}" for label, value in values.items())
