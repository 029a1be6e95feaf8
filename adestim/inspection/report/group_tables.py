"""Scores by group as a report, a card and a checklist tell them."""

from __future__ import annotations

from typing import Any

from adestim.exceptions import InputError

READ = ("scores", "gaps", "names", "table", "gap_table", "describe")
# How an attribute is called that tells where, or by what, people were measured.
CLUSTERS = ("site", "centre", "center", "scanner", "hospital", "cohort", "vendor")


def check_group_scores(group_scores: Any, comparison: Any) -> Any:
    """Return scores by group, which are of the model that is reported."""
    if group_scores is None:
        return None
    if not all(hasattr(group_scores, name) for name in READ):
        raise InputError(
            "'group_scores' are what adestim.evaluation.score_by_group returned",
            got=f"a {type(group_scores).__name__}",
        )
    reference = getattr(comparison, "reference", None)
    if reference is not None and reference not in group_scores.estimators:
        raise InputError(
            "'group_scores' are of the reference of the comparison",
            got=f"those of {', '.join(map(repr, group_scores.estimators))}, not of {reference!r}",
            remedy="Call score_by_group with the same comparison",
        )
    return group_scores


def name_reported(group_scores: Any, comparison: Any) -> str:
    """Return which of the estimators that were judged by group is reported."""
    return group_scores.estimators[0] if comparison is None else comparison.reference


def list_attributes(group_scores: Any) -> list[str]:
    """Return by which attributes people were grouped."""
    return list(group_scores.gaps["attribute"].unique())


def list_clusters(group_scores: Any) -> list[str]:
    """Return the attributes that tell where, or by what, people were measured."""
    return [
        name
        for name in list_attributes(group_scores)
        if any(word in name.lower() for word in CLUSTERS)
    ]


def say_largest_gaps(group_scores: Any, estimator: str, attributes: list[str]) -> str:
    """Return the gap of every attribute that is the least likely to be chance, in one line."""
    table = group_scores.gap_table(estimator)
    parts = []
    for name in attributes:
        own = table[table.index == name]
        if own.empty:
            parts.append(f"{name}: no two groups are large enough")
            continue
        # A dash, where there was no test, is after all numbers.
        row = own.sort_values("p, Holm", kind="stable").iloc[0]
        parts.append(
            f"{name}: {row['score']} {row['gap']} ({row['lowest to highest']}; "
            f"p after Holm {row['p, Holm']})"
        )
    return "; ".join(parts)
