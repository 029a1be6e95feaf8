"""The card of a saved model, where the user gives none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from adestim._support.words import escape_markdown
from adestim.exceptions import InputError
from adestim.inspection.report.card import describe_origin, join_card, model_card
from adestim.inspection.report.card_use import (
    describe_citation,
    describe_loading,
    say_columns,
)
from adestim.inspection.report.front_matter import write_front_matter

TITLE = "Model card"
LIMITS = [
    "* For research. It is no medical device, and no decision about a person may rest on it.",
    "* No scores of unseen subjects were given: how good it is is not known.",
]
OF_SUBJECTS = ["* This folder holds data of subjects. Hand it to those alone who may see them."]


def write_card(model: Any, repo_id: str | None = None) -> str:
    """Return what is known of a model without a comparison."""
    try:
        return model_card(model, repo_id=repo_id)
    except (InputError, NotFittedError):
        return write_short_card(model, repo_id)


def write_short_card(model: Any, repo_id: str | None) -> str:
    """Return the card of what is no anchored fusion: a part of one, a rival, or encodings."""
    is_model = hasattr(model, "get_params")
    predicts = is_model and (is_classifier(model) or is_regressor(model))
    head = write_front_matter(
        title=TITLE,
        licence=None,
        tags=[],
        classifies=is_classifier(model) if predicts else None,
    )
    parts = {
        "Model": [f"* {escape_markdown(name)}" for name in name_steps(model)],
        "Columns": say_columns(model),
        "Loading": describe_loading(repo_id, predicts=hasattr(model, "predict_proba")),
        "Limits": LIMITS if is_model else OF_SUBJECTS,
        "Versions and seeds": describe_origin(model.get_params(deep=True) if is_model else {}),
        "Citation": describe_citation(),
    }
    return join_card(head, TITLE, parts)


def name_steps(model: Any) -> Iterator[str]:
    """Yield the class of a model, or of every step of a pipeline, with what it is put around."""
    for part in [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]:
        inner = getattr(part, "estimator", None)
        yield type(part).__name__ + (f" of {type(inner).__name__}" if inner is not None else "")
