"""How a cohort shows itself in a terminal and a notebook."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

CLASSES_SHOWN = 5


class CohortBunch(Bunch):
    """A Bunch that says what it holds, in a few lines; nobody's values are printed."""

    def __repr__(self) -> str:
        """Return what the cohort is, its size and the names of its parts."""
        return "\n".join([self._title(), *(f"  {name}: {text}" for name, text in self._parts())])

    def _repr_html_(self) -> str:
        """Return the same as a page's part, with the whole description folded away."""
        rows = "".join(
            f"<tr><th style='text-align:left'><code>{name}</code></th>"
            f"<td style='text-align:left'>{escape(text)}</td></tr>"
            for name, text in self._parts()
        )
        about = escape(self.description)
        return (
            f"<p><strong>{escape(self._title())}</strong></p><table>{rows}</table>"
            f"<details><summary>description</summary><pre>{about}</pre></details>"
        )

    def _title(self) -> str:
        """Return the first line of the description."""
        return self.description.strip().partition("\n")[0]

    def _parts(self) -> list[tuple[str, str]]:
        """Return the name and a few words of every part."""
        return [(name, describe_part(part)) for name, part in self.items() if name != "description"]


def describe_part(part: object) -> str:
    """Return a few words about a part of a cohort."""
    if isinstance(part, pd.DataFrame):
        return f"DataFrame of {part.shape[0]} rows and {part.shape[1]} columns"
    if isinstance(part, pd.Series):
        return describe_series(part)
    if isinstance(part, np.ndarray):
        return f"array of {len(part)} rows"
    if isinstance(part, dict):
        return ", ".join(f"{name} ({len(values)})" for name, values in part.items())
    if isinstance(part, list):
        return f"{len(part)} files"
    return str(part).partition("\n")[0]


def describe_series(values: pd.Series) -> str:
    """Return counts of a few classes; of many values, how many differ."""
    counts = values.value_counts()
    if len(counts) <= CLASSES_SHOWN:
        return ", ".join(f"{count} {label}" for label, count in counts.items())
    known = int(values.notna().sum())
    return f"Series of {known} values, {len(counts)} of them different"
