"""The head of a model card that the Hugging Face hub reads: YAML between two lines of dashes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from adestim._support.scores import name_score

# Identifiers of licences at huggingface.co/docs/hub/repositories-licenses.
LICENCES = frozenset(
    ["apache-2.0", "mit", "openrail", "bsd-2-clause", "bsd-3-clause", "cc0-1.0",
     "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0",
     "cc-by-nc-sa-4.0",
     "gpl-2.0", "gpl-3.0", "agpl-3.0", "lgpl-3.0", "mpl-2.0", "unlicense",
     "unknown", "other"]
)  # fmt: skip
# What YAML 1.2, 5.1, has no letter for, what ends a line in it, and what begins markup elsewhere.
SPELT_OUT = re.compile(
    "[<>&]|[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
WRITTEN_OUT = {'"': r"\"", "\\": r"\\"}


def write_front_matter(
    *,
    title: str,
    licence: str | None,
    tags: Iterable[str],
    classifies: bool | None,
    cohort: str | None = None,
    comparison: Any = None,
) -> str:
    """Return the head of a card; of a comparison it says the scores of the reference."""
    lines = [
        *describe_licence(licence),
        "library_name: adestim",
        "tags:",
        *(f"- {quote_yaml(tag)}" for tag in dict.fromkeys(("adestim", "scikit-learn", *tags))),
    ]
    if classifies is not None:
        lines.append(f"pipeline_tag: {name_task(classifies)}")
    if comparison is not None:
        lines += list_results(title, name_task(bool(classifies)), cohort, comparison)
    return "\n".join(["---", *lines, "---"])


def name_task(classifies: bool) -> str:
    """Return what the hub calls the task."""
    return "tabular-classification" if classifies else "tabular-regression"


def describe_licence(licence: str | None) -> list[str]:
    """Return the licence by the hub's name for it, another by its own."""
    name = "unknown" if licence is None else licence.strip().lower()
    if name in LICENCES:
        return [f"license: {name}"]
    return ["license: other", f"license_name: {slugify(licence)}"]


def list_results(title: str, task: str, cohort: str | None, comparison: Any) -> Iterator[str]:
    """Yield a comparison's scores of its reference, as an index of models holds them."""
    scores = comparison.summary(n_resamples=0).loc[comparison.reference]
    data = cohort or "not told"
    yield "model-index:"
    yield f"- name: {quote_yaml(title)}"
    yield "  results:"
    yield "  - task:"
    yield f"      type: {task}"
    yield "    dataset:"
    yield f"      name: {quote_yaml(data)}"
    yield f"      type: {slugify(data)}"
    yield "    metrics:"
    for name in comparison.scores:
        value = float(scores[name, "estimate"])
        if not math.isnan(value):
            yield f"    - type: {slugify(name)}"
            yield f"      name: {quote_yaml(name_score(name))}"
            yield f"      value: {value!r}"


def slugify(text: object) -> str:
    """Return a text as an identifier: lower-case letters, digits, and dashes between them."""
    return re.sub(r"[^a-z0-9._]+", "-", str(text).lower()).strip("-._") or "unnamed"


def quote_yaml(text: object) -> str:
    """Return a text in YAML's double quotes, whatever is in it."""
    escaped = "".join(WRITTEN_OUT.get(letter, letter) for letter in str(text))
    return f'"{SPELT_OUT.sub(lambda found: spell_letter(found.group()), escaped)}"'


def spell_letter(letter: str) -> str:
    """Return a letter by its number, as YAML writes it."""
    return f"\\u{ord(letter):04x}"
