"""Values of a language model's tokens by word, and by the column that words speak of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from adestim.backbone.registry import class_named, find_class
from adestim.encoding import BackboneSpec, Encoding, read_array
from adestim.encoding.texts import Word
from adestim.exceptions import InputError
from adestim.inspection.tokens.long_tables import MAX_ROWS, require_few_rows, require_level

LEVELS = ("word", "column", "subject")
WORDS = ("row", "modality", "place", "column", "word", "value")
# Items as WORDS names them.
WordValue = tuple[int, str, int, str, str, float]


@dataclass(frozen=True, eq=False)
class RecordTexts:
    """The records of some subjects as a language model read them; written out when asked for.

    Parameters
    ----------
    spec : BackboneSpec
        The language model.
    inputs : tuple of (ndarray, StoredArray or None)
        Every subject's token numbers; None for those without a record.

    Examples
    --------
    >>> from adestim.encoding import BackboneSpec
    >>> from adestim.inspection import RecordTexts
    >>> RecordTexts(BackboneSpec("language-model"), (None, None)).words
    ((), ())
    """

    spec: BackboneSpec
    inputs: tuple[Any, ...]

    @cached_property
    def words(self) -> tuple[tuple[Word, ...], ...]:
        """Words of every subject's record; none of those without one."""
        if all(numbers is None for numbers in self.inputs):
            return ((),) * len(self.inputs)
        model = class_named(self.spec.name, self.spec.source("home"))
        read = model.word_reader(self.spec)
        return tuple(
            () if numbers is None else read(read_array(numbers)) for numbers in self.inputs
        )


def collect_texts(
    cells: Mapping[str, Sequence[Encoding | None]], likes: Mapping[str, Any]
) -> dict[str, RecordTexts]:
    """Return the texts of those modalities that a language model reads."""
    return {
        name: RecordTexts(
            # Whoever encoded the subjects knows where the model's files are now.
            next((cell.backbone for cell in column if cell is not None), likes[name].backbone),
            tuple(None if cell is None else cell.unread("inputs") for cell in column),
        )
        for name, column in cells.items()
        if reads_words(likes[name].backbone)
    }


def reads_words(spec: BackboneSpec) -> bool:
    """Tell whether a model's tokens stand for words."""
    model = find_class(spec)
    return model is not None and model.reads_words


def word_values(
    texts: Mapping[str, RecordTexts], values: Mapping[str, np.ndarray]
) -> Iterator[WordValue]:
    """Yield values word by word, those of a word's tokens summed.

    values (n_subjects, n_tokens).
    """
    for name in (name for name in texts if name in values):
        for row, words in enumerate(texts[name].words):
            for place, word in enumerate(words, start=1):
                value = values[name][row, list(word.tokens)].sum()
                yield row, name, place, word.column, word.text, value


def words_table(values: Iterable[WordValue], level: str) -> pd.DataFrame:
    """Return words and their values as a table."""
    require_level(level, LEVELS)
    rows = list(islice(values, MAX_ROWS + 1))
    if not rows:
        raise InputError(
            "Words need records that a language model reads, or a pipeline whose "
            "ClinicalExtractor reads free text",
            got="tokens that are no text",
            remedy="Pass the whole pipeline; or encode the records by "
            "ClinicalExtractor(backbone='all-minilm-l6-v2'), or by another language model",
        )
    require_few_rows(len(rows), ("subject", "word"), "Pass fewer subjects")
    return pd.DataFrame(rows, columns=list(WORDS))


def name_subjects(table: pd.DataFrame, subjects: pd.Index, name: str) -> pd.DataFrame:
    """Return values with the subjects' labels."""
    labelled = table.assign(row=subjects[table["row"]])
    return labelled.rename(columns={"row": "subject", "value": name})


def word_means(
    table: pd.DataFrame, level: str, values: Mapping[str, np.ndarray], min_subjects: int
) -> pd.DataFrame:
    """Return means by word or by column, of the subjects who have the modality.

    values (n_subjects, ...).
    """
    n_subjects = {
        name: int((~np.isnan(array).reshape(len(array), -1).all(axis=1)).sum())
        for name, array in values.items()
    }
    if level == "column":
        return average_by_column(table, n_subjects)
    return average_by_word(table, n_subjects, min_subjects)


def average_by_word(
    table: pd.DataFrame, n_subjects: Mapping[str, int], min_subjects: int = 1
) -> pd.DataFrame:
    """Return the mean of every word of every column over subjects."""
    found = sum_then_average(table, ["modality", "column", "word"], n_subjects)
    return found[found["n_subjects"] >= min_subjects].reset_index(drop=True)


def average_by_column(table: pd.DataFrame, n_subjects: Mapping[str, int]) -> pd.DataFrame:
    """Return the mean of every column's words together."""
    return sum_then_average(table, ["modality", "column"], n_subjects)


def sum_then_average(
    table: pd.DataFrame, keys: list[str], n_subjects: Mapping[str, int]
) -> pd.DataFrame:
    """Sum within subjects, then average over those who have the modality."""
    sums = table.groupby(["row", *keys], sort=False)["value"].sum().reset_index()
    sums = sums.assign(absolute=sums["value"].abs(), square=sums["value"] ** 2)
    groups = sums.groupby(keys, sort=False)
    found = groups.agg(
        mean=("value", "sum"),
        mean_absolute=("absolute", "sum"),
        spread=("square", "sum"),
        n_subjects=("row", "size"),
    ).reset_index()
    everybody = found["modality"].map(n_subjects)
    sizes = ["mean", "mean_absolute", "spread"]
    found[sizes] = found[sizes].div(everybody, axis=0)
    found["spread"] = np.sqrt(np.maximum(found["spread"] - found["mean"] ** 2, 0))
    return found
