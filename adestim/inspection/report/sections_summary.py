"""First section of a report: the result in one look, and who the subjects are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from adestim._support.scores import HOW_BOUNDED, measure_loss, name_score
from adestim.inspection.report.characteristics import tabulate_characteristics
from adestim.inspection.report.gather import Material
from adestim.inspection.report.outcomes import apparent_scores
from adestim.inspection.report.page import (
    render_list,
    render_note,
    render_part,
    render_table,
    render_tiles,
    render_warning,
)
from adestim.inspection.report.sections_members import say_interaction
from adestim.inspection.report.sections_performance import format_intervals

OF_CLASSES = ("roc_auc", "balanced_accuracy", "sensitivity", "specificity", "brier")
OF_NUMBERS = ("mae", "rmse", "r2", "pearson")


def write_summary(material: Material) -> str:
    """Return the main scores, what they are of, and who the subjects are."""
    tiles = render_tiles(list_headlines(material))
    lines = render_list([*say_origin(material), *say_difference(material), say_model(material)])
    return warn_apparent(material) + tiles + lines + render_part(write_characteristics, material)


def warn_apparent(material: Material) -> str:
    """Return a warning where no score is of unseen subjects."""
    if material.comparison is not None:
        return ""
    return render_warning(
        "these scores are apparent, of the very table this report was given. Pass comparison= for "
        "those of unseen subjects."
    )


def list_headlines(material: Material) -> list[tuple[str, str]]:
    """Return the main scores: their names, and their values with intervals."""
    wanted = OF_CLASSES if material.outcomes.classes else OF_NUMBERS
    if material.comparison is None:
        values = apparent_scores(material.outcomes)
        return [(name_score(name), f"{values[name]:.3f}") for name in values.index]
    names = [name for name in wanted if name in material.comparison.scores]
    names = names or list(material.comparison.scores[:4])
    row = material.summary.loc[material.comparison.reference]
    ends = pd.DataFrame({name: row[name] for name in names}).T
    texts = format_intervals(ends["estimate"], ends["low"], ends["high"])
    return [(name_score(name), text) for name, text in texts.items()]


def say_origin(material: Material) -> list[str]:
    """Say of how many the scores are, and how they were come by."""
    n_subjects = len(material.outcomes.y)
    if material.comparison is None:
        return [f"{n_subjects} subjects."]
    folds = material.comparison.folds
    n_folds, n_repeats = folds["fold"].nunique(), folds["repeat"].nunique()
    repeats = f", {n_repeats} times" if n_repeats > 1 else ""
    classes = material.comparison.classes
    positive = f" The positive class is {classes[-1]}." if len(classes) == 2 else ""
    return [
        f"{n_subjects} subjects, each judged by models that did not see them: {n_folds} folds"
        f"{repeats}. In brackets 95 % intervals {HOW_BOUNDED}.{positive}"
    ]


def say_difference(material: Material) -> list[str]:
    """Compare the model with the best of the others that were compared, controls left out."""
    comparison = material.comparison
    if comparison is None or not comparison.rivals:
        return []
    table = comparison.differences().loc[comparison.rivals]
    score = table["score"].iloc[0]
    best = choose_best(material, score)
    row = table.loc[[best]]
    difference = format_intervals(row["mean"], row["low"], row["high"]).iloc[0]
    return [
        f"{name_score(score)} of {comparison.reference} minus that of the best of the others, "
        f"{best}: {difference}, p = {row['p'].iloc[0]:.3f} (corrected t-test)."
    ]


def choose_best(material: Material, score: str) -> str:
    """Return the best of the others by a score."""
    comparison = material.comparison
    values = material.summary.loc[comparison.rivals, (score, "estimate")]
    loss = measure_loss(values.to_numpy(dtype=float), score)
    return comparison.rivals[int(np.argmin(np.where(np.isnan(loss), np.inf, loss)))]


def say_model(material: Material) -> str:
    """Say what the prediction rests on."""
    fusion = material.fusion
    shares = sorted(fusion.shares_.items(), key=lambda item: -item[1])
    members = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares)
    return f"The prediction rests on {members}. {say_interaction(fusion)}"


def write_characteristics(material: Material) -> str:
    """Return who the subjects are, by class."""
    table = tabulate_characteristics(material.characteristics, material.labels)
    if table.empty:
        return render_note(
            "No column is called age, sex, education or apoe: pass characteristics= to show who "
            "the subjects are."
        )
    return render_table(table, "Who the subjects are: mean ± sd, or number (share)")
