"""Sections of a model card about its use: the columns that it reads, loading, citation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sklearn.pipeline import Pipeline

from adestim._support.version import __version__
from adestim._support.words import escape_markdown

OPENREVIEW = "https://openreview.net/forum?id=gPTjQxC74G"
# The same as CITATION.cff, which is not installed.
CITATION = f"""\
@inproceedings{{gu2026joint,
  title = {{Joint Adaptation of Uni-modal Foundation Models for Multi-modal Alzheimer's Disease Diagnosis}},
  author = {{Gu and others}},
  booktitle = {{International Conference on Learning Representations (ICLR)}},
  year = {{2026}},
  url = {{{OPENREVIEW}}}
}}

@software{{adestim,
  title = {{adestim: several kinds of a patient's data in one scikit-learn pipeline}},
  author = {{{{The adestim developers}}}},
  version = {{{__version__}}},
  license = {{BSD-3-Clause}}
}}"""  # noqa: E501
NOT_NAMED = "The columns had no names."


def say_columns(estimator: Any) -> list[str]:
    """Return which columns a table must have."""
    lines = [
        f"* {escape_markdown(modality)}: {', '.join(map(escape_markdown, names))}"
        for modality, names in list_columns(estimator)
    ]
    return lines or [NOT_NAMED]


def list_columns(estimator: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield the columns that a fitted estimator reads, by modality where that is known."""
    first = estimator.steps[0][1] if isinstance(estimator, Pipeline) else estimator
    for name, transformer, columns in getattr(first, "transformers_", []):
        named = getattr(transformer, "feature_names_in_", None)
        given = [columns] if isinstance(columns, str | int) else columns
        read = named if named is not None else given if isinstance(given, list) else []
        if len(read):
            yield str(name), [str(column) for column in read]
    if not hasattr(first, "transformers_") and hasattr(first, "feature_names_in_"):
        yield "table", [str(column) for column in first.feature_names_in_]


def describe_loading(repo_id: str | None, predicts: bool = True) -> list[str]:
    """Return how the model is loaded, from a folder and from the hub."""
    hub = json.dumps(repo_id or "organisation/name")
    use = ["probability = model.predict_proba(table)"] if predicts else []
    lines = [
        "```python",
        "import adestim",
        "",
        'model = adestim.load("path/of/this/folder")',
        f'model = adestim.from_pretrained({hub}, revision="commit")',
        *use,
        "```",
    ]
    return ["No code of the folder runs when it is loaded.", "\n".join(lines)]


def describe_citation() -> list[str]:
    """Return how the paper and the software are cited."""
    return [f"```bibtex\n{CITATION}\n```"]
