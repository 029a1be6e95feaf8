"""A filled checklist of TRIPOD+AI: which items a report answers, and which its authors must."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from adestim._support.scores import HOW_BOUNDED, name_score
from adestim.inspection.report.gather import Material
from adestim.inspection.report.group_tables import (
    list_attributes,
    list_clusters,
    name_reported,
    say_largest_gaps,
)
from adestim.inspection.report.page import (
    HEADINGS,
    Link,
    render_folded,
    render_paragraph,
    render_table,
)
from adestim.inspection.report.provenance import digest_training, list_versions
from adestim.inspection.report.sections_members import say_dropped, say_interaction
from adestim.inspection.report.sections_performance import title_confusion
from adestim.inspection.report.sections_summary import list_headlines, say_model
from adestim.inspection.report.tripod_items import ITEMS

YES, IN_PART, NO = "yes", "in part", "by the authors"
NOT_ANSWERED = "Not answered here: the authors must."


class Answer(NamedTuple):
    """What a report says to an item."""

    text: str
    where: str  # name of the report's section
    is_whole: bool = False  # whether nothing is left to say to the authors


def fill_checklist(material: Material) -> pd.DataFrame:
    """Return all items with their answers, and the names of sections where these are."""
    rows = []
    for item in ITEMS:
        found = ANSWERS[item.item](material) if item.item in ANSWERS else None
        answered = NO if found is None else YES if found.is_whole else IN_PART
        rows.append(
            {
                **item._asdict(),
                "answered": answered,
                "answer": NOT_ANSWERED if found is None else found.text,
                "where": "" if found is None else found.where,
            }
        )
    return pd.DataFrame(rows)


def write_tripod(material: Material) -> str:
    """Return the checklist, folded, each answer with a link to its section."""
    table = fill_checklist(material)
    table["question"] = table["topic"] + ": " + table["question"]
    shown = table.set_index("item")[["question", "answered", "answer"]]
    shown["where"] = [Link(name) if name else "" for name in table["where"]]
    rows = render_table(shown, "Items of TRIPOD+AI, and what this page says to them")
    return render_paragraph(say_answered(table)) + render_folded("All items", rows)


def name_sections(table: pd.DataFrame) -> pd.DataFrame:
    """Return a checklist with the headings of sections in place of their names."""
    return table.assign(where=[HEADINGS.get(name, "") for name in table["where"]])


def say_answered(table: pd.DataFrame) -> str:
    """Say how many items are answered."""
    counts = table["answered"].value_counts().reindex([YES, IN_PART, NO], fill_value=0)
    return (
        f"Of {len(table)} items {counts[YES]} are answered on this page, {counts[IN_PART]} in "
        f"part, and {counts[NO]} must be by the authors. Questions are in words of adestim's own: "
        "the statement itself is BMJ 2024;385:e078378."
    )


def join_names(values: Any) -> str:
    """Return names in one line."""
    return ", ".join(map(str, values))


def count_folds_and_repeats(material: Material) -> tuple[int, int]:
    """Return the numbers of folds and repeats of the comparison."""
    folds = material.comparison.folds
    return int(folds["fold"].nunique()), int(folds["repeat"].nunique())


def count_classes(material: Material) -> pd.Series:
    """Return how many of those judged are of every class, or how many are judged."""
    outcomes = material.outcomes
    if not outcomes.classes:
        return pd.Series({"with a value": len(outcomes.y)})
    return pd.Series({label: int(np.sum(outcomes.y == label)) for label in outcomes.classes})


def say_counts(counts: pd.Series) -> str:
    """Return numbers by name in words."""
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def answer_purpose(material: Material) -> Answer:
    """Item 3b."""
    return Answer("For research alone, not for decisions about a person.", "limits")


def answer_aim(material: Material) -> Answer:
    """Item 4."""
    if material.comparison is None:
        return Answer("Development. No scores of unseen subjects were given.", "summary")
    return Answer("Development, with internal validation by cross-validation.", "performance", True)


def answer_source(material: Material) -> Answer | None:
    """Item 5a."""
    if material.cohort is None:
        return None
    return Answer(f"The cohort {material.cohort}.", "provenance")


def answer_eligibility(material: Material) -> Answer | None:
    """Item 6b."""
    if material.flow is None:
        return None
    reasons = [f"{n} {reason}" for reason, n in material.flow.left_out]
    left = f"Left out of the table: {'; '.join(reasons)}." if reasons else "No row was left out."
    return Answer(f"{left} Who came into the table is not known here.", "cohort")


def answer_preparation(material: Material) -> Answer:
    """Items 7 and 12b."""
    steps = material.estimator.steps if isinstance(material.estimator, Pipeline) else []
    names = [f"{name} ({type(step).__name__})" for name, step in steps]
    text = f"Steps of the pipeline: {join_names(names)}." if names else "By the fusion alone."
    backbones = [f"{row} by {name}" for row, name in material.backbones["backbone"].items()]
    return Answer(f"{text} Encoded are {join_names(backbones)}; all parameters.", "provenance")


def answer_outcome(material: Material) -> Answer:
    """Item 8a."""
    classes = material.outcomes.classes
    if not classes:
        return Answer("A number for every subject. Its meaning is not known here.", "cohort")
    positive = f", of which {classes[-1]} is positive" if len(classes) == 2 else ""
    text = f"The classes {join_names(classes)}{positive}. How and when they were found is not."
    return Answer(text, "cohort")


def answer_candidates(material: Material) -> Answer:
    """Item 9a."""
    return Answer(
        f"{material.present.shape[1]} modalities: {join_names(material.present)}. What of them "
        f"counts: {say_model(material)}",
        "members",
    )


def answer_predictors(material: Material) -> Answer:
    """Item 9b."""
    likes = material.fusion.inputs_.likes
    sizes = [f"{name} ({likes[name].tokens.shape[1]})" for name in material.fusion.modalities_]
    return Answer(
        f"Modalities, and the numbers of tokens read of each: {join_names(sizes)}. How and when "
        "they were measured is not said.",
        "tokens",
    )


def answer_size(material: Material) -> Answer:
    """Item 10."""
    counts = count_classes(material)
    return Answer(
        f"{counts.sum()} subjects are analysed: {say_counts(counts)}. Why that is enough is not "
        "said.",
        "cohort",
    )


def answer_missing(material: Material) -> Answer:
    """Item 11."""
    share = 1 - material.present.mean()
    lacking = ", ".join(f"{name} {value:.0%}" for name, value in share.items())
    left = material.flow.left_out if material.flow is not None else ()
    reasons = "; ".join(f"{n} {reason}" for reason, n in left)
    why = f" Left out: {reasons}." if reasons else ""
    return Answer(
        f"Subjects who lack a modality: {lacking}. They are kept, and judged by the modalities "
        f"that they have.{why}",
        "cohort",
        material.flow is not None,
    )


def answer_partition(material: Material) -> Answer:
    """Item 12a."""
    if material.comparison is None:
        return Answer(
            "All subjects of the table are judged by the model as it was given.", "summary"
        )
    n_folds, n_repeats = count_folds_and_repeats(material)
    grouped = material.flow is not None and material.flow.n_groups is not None
    whole = f", {material.flow.n_groups} groups kept whole" if grouped else ""
    return Answer(
        f"{n_folds}-fold cross-validation, {n_repeats} time(s){whole}: every subject is judged by "
        "models that did not see it.",
        "summary",
        True,
    )


def answer_model(material: Material) -> Answer:
    """Item 12c."""
    fusion = material.fusion
    dropped = "".join(f" Members {line}." for line in say_dropped(fusion))
    text = (
        f"{type(fusion).__name__}; anchors {join_names(fusion.anchors_)}. {say_model(material)}"
        f"{dropped}"
    )
    return Answer(f"{text} Why this type is not said.", "members")


def answer_measures(material: Material) -> Answer:
    """Item 12e."""
    if material.comparison is None:
        names = join_names(name for name, _ in list_headlines(material))
        return Answer(f"Apparent scores: {names}.", "performance")
    names = join_names(map(name_score, material.comparison.scores))
    bounds = f", with intervals {HOW_BOUNDED}" if material.n_resamples else ""
    curves = "curves of discrimination, calibration and net benefit, the table of confusion"
    plots = curves if len(material.outcomes.classes) == 2 else "plots of the predictions"
    rivals = f"; compared with {join_names(material.comparison.rivals)}"
    return Answer(
        f"{names}{bounds}; {plots}{rivals if material.comparison.rivals else ''}.",
        "performance",
        True,
    )


def answer_updating(material: Material) -> Answer:
    """Items 12f and 24."""
    return Answer("None: the page is of the model as it was fitted.", "provenance", True)


def answer_computation(material: Material) -> Answer:
    """Item 12g."""
    method = "predict_proba" if material.outcomes.classes else "predict"
    version = list_versions()["adestim"]
    return Answer(
        f"{method} of the fitted {type(material.estimator).__name__}, adestim {version}.",
        "provenance",
        True,
    )


def answer_imbalance(material: Material) -> Answer | None:
    """Item 13."""
    if not material.outcomes.classes:
        return None
    counts = count_classes(material)
    shares = ", ".join(f"{name} {count / counts.sum():.0%}" for name, count in counts.items())
    weights = {
        name: value
        for name, value in material.estimator.get_params(deep=True).items()
        if name.rsplit("__", 1)[-1] == "class_weight"
    }
    told = "; ".join(f"{name}={value!r}" for name, value in weights.items())
    return Answer(f"Shares of the classes: {shares}." + (f" {told}." if told else ""), "cohort")


def answer_output(material: Material) -> Answer:
    """Item 15."""
    if not material.outcomes.classes:
        return Answer("A number.", "performance", True)
    decided = title_confusion(material).partition("; ")[2]
    return Answer(
        f"Probabilities of {join_names(material.outcomes.classes)}; {decided}.", "performance"
    )


def answer_difference(material: Material) -> Answer | None:
    """Items 16 and 20c."""
    if material.comparison is None:
        return None
    return Answer("None: folds of the same table, by cross-validation.", "performance", True)


def answer_code(material: Material) -> Answer:
    """Item 18f."""
    found = list_versions()
    versions = join_names(f"{name} {version}" for name, version in found.items())
    return Answer(
        f"{versions}; seeds and parameters. Where the script is, is not said.", "provenance"
    )


def answer_flow(material: Material) -> Answer:
    """Item 20a."""
    flow = material.flow
    if flow is None:
        return Answer(
            f"{say_counts(count_classes(material))}. How they were chosen is not told.", "cohort"
        )
    left = "".join(f", {n} left out ({reason})" for reason, n in flow.left_out)
    counts = f": {say_counts(flow.by_class)}" if len(flow.by_class) else ""
    text = f"{flow.n_rows} rows in the table{left}, {flow.n_analysed} analysed{counts}; a diagram."
    return Answer(text, "cohort", True)


def answer_characteristics(material: Material) -> Answer:
    """Item 20b."""
    names = list(material.characteristics)
    who = f"{join_names(names)} by class" if names else "No characteristics were given"
    return Answer(
        f"{who}; modalities and their patterns by class.", "summary" if names else "cohort"
    )


def answer_analyses(material: Material) -> Answer:
    """Item 21."""
    counts = say_counts(count_classes(material))
    if material.comparison is None:
        return Answer(f"In the table of this page: {counts}.", "cohort")
    folds = material.comparison.folds
    sizes = [
        f"{what} {folds[column].min()} to {folds[column].max()} a fold"
        for what, column in (("development", "n_train"), ("evaluation", "n_test"))
    ]
    return Answer(f"{'; '.join(sizes)}; all folds together {counts}.", "performance", True)


def answer_specification(material: Material) -> Answer:
    """Item 22."""
    restricted = material.backbones.index[material.backbones["commercial"] == "no"]
    limit = (
        f" No commercial use of the backbone of {join_names(restricted)}."
        if len(restricted)
        else ""
    )
    return Answer(
        f"All parameters, versions, seeds and backbones with their licences. SHA-256 of what was "
        f"trained: {digest_training(material.fusion.nets_)}.{limit} Where the fitted model can be "
        "had is not said.",
        "provenance",
    )


def answer_performance(material: Material) -> Answer:
    """Item 23a."""
    values = ", ".join(f"{name} {value}" for name, value in list_headlines(material))
    if material.comparison is None:
        return Answer(f"Apparent, without intervals: {values}.", "performance")
    kind = "" if material.n_resamples else "Without intervals: "
    if material.group_scores is not None:
        names = join_names(list_attributes(material.group_scores))
        text = f"{kind}{values}. Also by {names} and by pattern of modalities."
        return Answer(text, "groups", bool(material.n_resamples))
    return Answer(
        f"{kind}{values}. Also by pattern of modalities; not by sex, age or origin.", "performance"
    )


def answer_fairness(material: Material) -> Answer | None:
    """Item 14."""
    if material.group_scores is None:
        return None
    names = join_names(list_attributes(material.group_scores))
    least = material.group_scores.min_size
    return Answer(
        f"Discrimination, decisions and calibration are compared between levels of {names}, of "
        f"{least} people or more; the largest gaps are tested by permutation. What was done to "
        "make the model fair is not said.",
        "groups",
    )


def answer_clusters(material: Material) -> Answer | None:
    """Item 12d."""
    clusters = [] if material.group_scores is None else list_clusters(material.group_scores)
    if not clusters:
        return None
    return Answer(
        f"Performance by {join_names(clusters)}, the largest gaps tested by permutation. Whether "
        "parameters differ is not said.",
        "groups",
    )


def answer_cluster_performance(material: Material) -> Answer | None:
    """Item 23b."""
    found = material.group_scores
    clusters = [] if found is None else list_clusters(found)
    if not clusters:
        return None
    estimator = name_reported(found, material.comparison)
    return Answer(f"{say_largest_gaps(found, estimator, clusters)}.", "groups", True)


def answer_limits(material: Material) -> Answer:
    """Item 26."""
    return Answer(f"What the library knows: a list. {say_interaction(material.fusion)}", "limits")


def answer_unavailable(material: Material) -> Answer:
    """Item 27a."""
    text = "A modality that is missing is left out of the prediction; what that costs is shown."
    return Answer(text, "modalities")


ANSWERS: dict[str, Callable[[Material], Answer | None]] = {
    "3b": answer_purpose,
    "4": answer_aim,
    "5a": answer_source,
    "6b": answer_eligibility,
    "7": answer_preparation,
    "8a": answer_outcome,
    "9a": answer_candidates,
    "9b": answer_predictors,
    "10": answer_size,
    "11": answer_missing,
    "12a": answer_partition,
    "12b": answer_preparation,
    "12c": answer_model,
    "12d": answer_clusters,
    "12e": answer_measures,
    "12f": answer_updating,
    "12g": answer_computation,
    "13": answer_imbalance,
    "14": answer_fairness,
    "15": answer_output,
    "16": answer_difference,
    "18f": answer_code,
    "20a": answer_flow,
    "20b": answer_characteristics,
    "20c": answer_difference,
    "21": answer_analyses,
    "22": answer_specification,
    "23a": answer_performance,
    "23b": answer_cluster_performance,
    "24": answer_updating,
    "26": answer_limits,
    "27a": answer_unavailable,
}
