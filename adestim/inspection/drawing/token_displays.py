"""Displays of attention and attribution as bars by token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.axes import escape_mathtext
from adestim.encoding.places import SCORE_TOKEN
from adestim.exceptions import CheckpointError
from adestim.inspection.drawing.drawing import OKABE_ITO, Display, strip_frame
from adestim.inspection.tokens.attention import OWN, QueryAttention, query_attention
from adestim.inspection.tokens.attribution import TokenAttribution, token_attribution

N_TOP = 15
LONGEST_NAME = 32


class QueryAttentionDisplay(Display):
    """Draw the tokens that queries attend to most.

    Parameters
    ----------
    attention : QueryAttention
        What is drawn.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.

    See Also
    --------
    query_attention : The numbers.
    """

    def __init__(self, attention: QueryAttention):
        self.attention = attention

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        anchor: str | None = None,
        n_top: int = N_TOP,
        ax: Any = None,
    ) -> QueryAttentionDisplay:
        """Draw what the queries of one anchor attend to.

        Parameters
        ----------
        estimator : AnchoredFusionClassifier, AnchoredFusionRegressor or Pipeline
            Fitted fusion, or a fitted pipeline that ends in one.
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.
        anchor : str, default=None
            One of the estimator's anchors; None for the first.
        n_top : int, default=15
            Number of tokens.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None for a new figure.

        Returns
        -------
        QueryAttentionDisplay
        """
        return cls(query_attention(estimator, X, anchor=anchor)).plot(ax, n_top=n_top)

    def plot(self, ax: Any = None, *, n_top: int = N_TOP) -> QueryAttentionDisplay:
        """Draw a bar a token, or a column of a record; those of the cross-modal path beside.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None for a new figure.
        n_top : int, default=15
            Number of tokens.

        Returns
        -------
        QueryAttentionDisplay
            The display itself.
        """
        self._take_axes(ax)
        table = fold_records(self.attention, self.attention.frame())
        table["name"] = table["modality"] + ": " + table["token"]
        wide = table.pivot_table(index="name", columns="path", values="weight", sort=False)
        wide = wide.loc[wide.max(axis=1).nlargest(n_top).index[::-1]]
        draw_token_pairs(
            self.ax_, wide.reindex(columns=sorted(wide.columns, key=lambda path: path != OWN))
        )
        self.ax_.set_xlabel("mean attention (all tokens of a modality: 1)")
        title = escape_mathtext(f"Anchor {self.attention.anchor}: what its queries read")
        self.ax_.set_title(title, fontsize=10)
        return self


class AttributionDisplay(Display):
    """Draw the tokens that add most to the output.

    Parameters
    ----------
    attribution : TokenAttribution
        What is drawn.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.

    See Also
    --------
    token_attribution : The numbers.
    TokenMapDisplay : The same on the brain and along the genome.
    """

    def __init__(self, attribution: TokenAttribution):
        self.attribution = attribution

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, n_top: int = N_TOP, ax: Any = None, **settings: Any
    ) -> AttributionDisplay:
        """Draw the mean absolute attribution of every token.

        Parameters
        ----------
        estimator : AnchoredFusionClassifier, AnchoredFusionRegressor or Pipeline
            Fitted fusion, or a fitted pipeline that ends in one.
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.
        n_top : int, default=15
            Number of tokens.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None for a new figure.
        **settings : dict
            Further parameters of :func:`token_attribution`.

        Returns
        -------
        AttributionDisplay
        """
        return cls(token_attribution(estimator, X, **settings)).plot(ax, n_top=n_top)

    def plot(
        self, ax: Any = None, *, n_top: int = N_TOP, subject: Any = None
    ) -> AttributionDisplay:
        """Draw a bar a token, or a column of a record that a language model reads.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None for a new figure.
        n_top : int, default=15
            Number of tokens.
        subject : label, default=None
            One subject, whose signed attributions are drawn; None for means of absolute ones.

        Returns
        -------
        AttributionDisplay
            The display itself.
        """
        self._take_axes(ax)
        found = self.attribution
        if subject is None:
            table, column = fold_records(found, found.frame()), "mean_absolute"
        else:
            table = fold_records(found, found.frame("subject"), "subject")
            table, column = table[table["subject"] == subject], "attribution"
        names = table["modality"] + ": " + table["token"]
        draw_token_bars(self.ax_, pd.Series(table[column].to_numpy(), list(names)), n_top)
        kind = "mean absolute attribution" if subject is None else "attribution"
        self.ax_.set_xlabel(escape_mathtext(f"{kind}, {name_unit(found)}"))
        self.ax_.set_title(escape_mathtext(title_anchor(found, subject)), fontsize=10)
        return self


def name_unit(found: TokenAttribution) -> str:
    """Return what attributions are in."""
    return "units of the target" if found.target is None else f"log-odds of {found.target}"


def title_anchor(found: TokenAttribution, subject: Any = None) -> str:
    """Return what is explained, and of whom."""
    what = "The prediction" if found.anchor is None else f"Anchor {found.anchor}"
    return what + ("" if subject is None else f", {subject}")


def fold_records(
    found: QueryAttention | TokenAttribution, table: pd.DataFrame, level: str = "column"
) -> pd.DataFrame:
    """Return a tidy table of tokens in which records stand by column."""
    read = [name for name in found.texts if name in set(table["modality"])]
    if not read:
        return table
    try:
        words = found.words(level).rename(columns={"column": "token"})
    except CheckpointError:
        return table
    keys = [name for name in ("path", "subject", "modality", "token") if name in words]
    if level == "subject":
        words = words.groupby(keys, sort=False, as_index=False)["attribution"].sum()
    words["token"] = words["token"].replace("", "opening")
    numbered = table["modality"].isin(read) & (table["token"] != SCORE_TOKEN)
    return pd.concat([table[~numbered], words[[*keys, *table.columns.difference(keys)]]])


def draw_token_bars(ax: Any, values: pd.Series, n_top: int) -> None:
    """Draw the largest values by name; negative ones are hatched."""
    order = np.argsort(-values.abs().fillna(-1).to_numpy(), kind="stable")[:n_top][::-1]
    shown = values.iloc[order].fillna(0)
    positive = shown.to_numpy() >= 0
    heights = np.arange(len(shown))
    for sign, colour, hatch in (
        (positive, OKABE_ITO["blue"], ""),
        (~positive, OKABE_ITO["orange"], "///"),
    ):
        ax.barh(heights[sign], shown[sign], color=colour, hatch=hatch, edgecolor="white", lw=0)
    ax.set_yticks(heights, [escape_mathtext(name) for name in shorten_names(shown.index)])
    ax.axvline(0, color="0.4", lw=0.8)
    ax.locator_params(axis="x", nbins=6)
    strip_frame(ax)


def draw_token_pairs(ax: Any, table: pd.DataFrame) -> None:
    """Draw bars side by side, one kind a column."""
    heights = np.arange(len(table))
    thickness = 0.8 / table.shape[1]
    looks = ((OKABE_ITO["blue"], ""), (OKABE_ITO["orange"], "///"))
    for number, (name, (colour, hatch)) in enumerate(zip(table, looks, strict=False)):
        ax.barh(
            heights + 0.4 - thickness * (number + 0.5),
            table[name],
            height=thickness,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            lw=0,
            label=name,
        )
    ax.set_yticks(heights, [escape_mathtext(name) for name in shorten_names(table.index)])
    ax.legend(frameon=False, fontsize=8)
    strip_frame(ax)


def shorten_name(name: Any, longest: int = LONGEST_NAME) -> str:
    """Return a name that fits beside a plot; sides and numbers at its end are kept."""
    text = str(name)
    if len(text) <= longest:
        return text
    n_last = (longest - 1) // 2
    return f"{text[: longest - 1 - n_last]}…{text[-n_last:]}"


def shorten_names(names: Iterable[Any], longest: int = LONGEST_NAME) -> list[str]:
    """Return names that fit beside a plot, in full where short ones would be the same."""
    full = [str(name) for name in names]
    short = [shorten_name(name, longest) for name in full]
    return [name if short.count(cut) > 1 else cut for name, cut in zip(full, short, strict=True)]
