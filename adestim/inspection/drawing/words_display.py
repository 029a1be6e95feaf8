"""Display of what the words of records add to the output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from adestim._support.axes import escape_mathtext
from adestim.exceptions import InputError
from adestim.inspection.drawing.drawing import OKABE_ITO, Display
from adestim.inspection.drawing.token_displays import (
    draw_token_bars,
    name_unit,
    shorten_name,
    title_anchor,
)
from adestim.inspection.tokens.attribution import TokenAttribution, token_attribution

N_TOP = 15
N_CHARACTERS, LABEL = 64, 16
# Width of a character of matplotlib's monospaced font, in font sizes, and the largest size used.
CHARACTER, LARGEST_FONT = 0.602, 10.0
POINTS_PER_INCH = 72
LINE_INCHES = 0.22
STRONGEST = 0.6
# Shares of the strongest word; what is weaker looks like nothing.
LEAST_HATCHED = 0.1


class WordsDisplay(Display):
    """Draw what words add: those of all records as bars, or one record, its words shaded.

    Parameters
    ----------
    attribution : TokenAttribution
        What is drawn.
    modality : str, default=None
        A modality whose records or notes are text; None for the first.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.

    See Also
    --------
    TokenAttribution.words : The numbers.
    AttributionDisplay : All modalities' tokens; records by column.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from adestim import AnchoredFusionClassifier, ClinicalExtractor, ModalityUnion
    >>> from adestim.inspection import WordsDisplay
    >>> notes = ["gets lost on the way home", "walks and reads every day"] * 10
    >>> X = pd.DataFrame({"age": np.arange(60, 80), "note": notes, "tau": np.arange(20) % 3})
    >>> clinical = ClinicalExtractor(text=["note"], random_state=0)
    >>> union = ModalityUnion(
    ...     [("clinical", clinical, ["age", "note"]), ("csf", "passthrough", ["tau"])]
    ... )
    >>> fusion = AnchoredFusionClassifier(anchor="csf", n_trees=0, max_epochs=0, random_state=0)
    >>> pipeline = make_pipeline(union, fusion).fit(X, np.tile(["AD", "CN"], 10))
    >>> display = WordsDisplay.from_estimator(pipeline, X, target="AD", n_steps=4, n_top=3)
    >>> display.ax_.get_xlabel()
    'standard deviation of the attribution, log-odds of AD'
    """

    def __init__(self, attribution: TokenAttribution, modality: str | None = None):
        self.attribution = attribution
        self.modality = modality

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        modality: str | None = None,
        subject: Any = None,
        n_top: int = N_TOP,
        min_subjects: int = 1,
        ax: Any = None,
        **settings: Any,
    ) -> WordsDisplay:
        """Draw what words add.

        Parameters
        ----------
        estimator : AnchoredFusionClassifier, AnchoredFusionRegressor or Pipeline
            Fitted fusion, or a fitted pipeline that ends in one.
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.
        modality : str, default=None
            A modality whose records or notes are text; None for the first.
        subject : label, default=None
            One subject, whose record is drawn; None for bars over all.
        n_top : int, default=15
            Number of bars.
        min_subjects : int, default=1
            Bars are drawn of words that stand in so many subjects' records.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None for a new figure.
        **settings : dict
            Further parameters of :func:`token_attribution`.

        Returns
        -------
        WordsDisplay
        """
        display = cls(token_attribution(estimator, X, **settings), modality)
        return display.plot(ax, subject=subject, n_top=n_top, min_subjects=min_subjects)

    def plot(
        self,
        ax: Any = None,
        *,
        subject: Any = None,
        n_top: int = N_TOP,
        min_subjects: int = 1,
    ) -> WordsDisplay:
        """Draw a bar a word, or one record.

        Bars are of the words whose attribution differs most between subjects: a word of all records
        tells nobody from another. In a record, words that add are shaded, those that take away
        hatched too.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None for a new figure.
        subject : label, default=None
            One subject, whose record is drawn; None for bars over all.
        n_top : int, default=15
            Number of bars.
        min_subjects : int, default=1
            Bars are drawn of words that stand in so many subjects' records.

        Returns
        -------
        WordsDisplay
            The display itself.

        Raises
        ------
        InputError
            When no modality is read as text, or there is no such modality or subject.
        CheckpointError
            When the language model's folder, which holds its tokenizer, is not there.
        MissingDependencyError
            When matplotlib is not installed.
        """
        if subject is None:
            self._draw_words(ax, n_top, min_subjects)
        else:
            self._draw_record(ax, subject)
        title = escape_mathtext(title_anchor(self.attribution, subject))
        self.ax_.set_title(title, fontsize=10, loc="left")
        return self

    def _draw_words(self, ax: Any, n_top: int, min_subjects: int) -> None:
        """Draw the words that differ most between subjects as bars."""
        table = self._own(self.attribution.words(min_subjects=min_subjects))
        self._take_axes(ax)
        names = table["word"] + " (" + table["column"].replace("", "opening") + ")"
        draw_token_bars(self.ax_, pd.Series(table["spread"].to_numpy(), list(names)), n_top)
        unit = escape_mathtext(name_unit(self.attribution))
        self.ax_.set_xlabel(f"standard deviation of the attribution, {unit}")

    def _draw_record(self, ax: Any, subject: Any) -> None:
        """Draw one subject's record, its words shaded."""
        table = self._own(self.attribution.words("subject"))
        table = table[table["subject"] == subject]
        require_words(table, subject)
        lines = list(lay_out_words(table))
        self._take_axes(ax, (6.4, max(LINE_INCHES * (lines[-1].line + 3), 1.0)))
        draw_record(self.ax_, lines)
        unit = escape_mathtext(name_unit(self.attribution))
        self.ax_.set_xlabel(f"shaded: adds to the {unit}; hatched: takes away")

    def _own(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the modality that is drawn."""
        known = table["modality"].unique().tolist()
        modality = (known or [None])[0] if self.modality is None else self.modality
        if modality not in known:
            raise InputError(
                "'modality' must be one of which there are words",
                got=repr(modality),
                remedy=f"Choose from {known}",
            )
        return table[table["modality"] == modality]


def require_words(table: pd.DataFrame, subject: Any) -> None:
    """Refuse a subject without a record."""
    if table.empty:
        raise InputError(
            "'subject' must be the label of a subject of the table who has a record",
            got=repr(subject),
        )


class Placed(NamedTuple):
    """One word, or the label of a column, on the page."""

    text: str
    line: int  # where it begins, in lines and characters
    place: int
    value: float | None  # what it adds; None for a label


def lay_out_words(table: pd.DataFrame) -> Iterator[Placed]:
    """Yield the words of a record, a column's sentence on lines of its own behind its name."""
    line, place, column = -1, N_CHARACTERS, None
    for item in table.itertuples():
        if item.column != column:
            column, line, place = item.column, line + 1, 0
            yield Placed(shorten_name(column, LABEL - 2), line, 0, None)
        word = shorten_name(item.word, N_CHARACTERS)
        if place + len(word) > N_CHARACTERS:
            line, place = line + 1, 0
        yield Placed(word, line, LABEL + place, item.attribution)
        place += len(word) + 1


def draw_record(ax: Any, lines: list[Placed]) -> None:
    """Write words, each on a ground that says how much it adds."""
    width, n_lines = LABEL + N_CHARACTERS, lines[-1].line + 1
    ax.set(xlim=(0, width), ylim=(n_lines - 0.5, -0.5), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    inches = ax.get_window_extent().width / ax.figure.dpi
    size = min(LARGEST_FONT, POINTS_PER_INCH * inches / (CHARACTER * width))
    most = max((abs(word.value) for word in lines if word.value is not None), default=0) or 1.0
    style = {"family": "monospace", "fontsize": size, "va": "center"}
    for word in lines:
        if word.value is None:
            ax.text(word.place, word.line, escape_mathtext(word.text), color="0.35", **style)
            continue
        share = word.value / most
        bar = {"y": word.line, "width": len(word.text), "left": word.place, "height": 0.9, "lw": 0}
        colour = OKABE_ITO["blue" if share >= 0 else "orange"]
        ax.barh(**bar, color=(colour, STRONGEST * abs(share)))
        if share < -LEAST_HATCHED:
            # A bar of its own: in SVG a faint ground makes its hatching faint.
            ax.barh(**bar, facecolor="none", edgecolor=colour, hatch="////")
        ax.text(word.place, word.line, escape_mathtext(word.text), **style)
