"""Mean ranks over settings: Friedman's test, Nemenyi's critical difference and their drawing.

Demšar (2006), Journal of Machine Learning Research 7:1-30.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

INK, FAINT, OURS_INK = "#222222", "#8a8a8a", "#b3261e"
# In units of the drawing: from a line to the next, and what is above the axis.
LINE, TOP = 0.32, 1.1


@dataclass(frozen=True)
class Ranking:
    """Mean ranks and what tells them apart.

    Parameters
    ----------
    ranks : Series
        Mean rank of every model, best first.
    p : float
        p-value of Friedman's test that all are alike.
    critical : float
        Nemenyi's critical difference at 5 %.
    n_settings : int
        How many settings were ranked.
    """

    ranks: pd.Series
    p: float
    critical: float
    n_settings: int

    def cliques(self):
        """Return pairs of places, (first, last), of models that the test does not tell apart."""
        values = self.ranks.to_numpy()
        last = np.searchsorted(values, values + self.critical, side="right") - 1
        found, reached = [], 0
        for first, end in enumerate(last):
            if end > max(first, reached):
                found.append((first, int(end)))
                reached = end
        return found


def rank_models(scores, higher_is_better):
    """Rank models by their scores (n_settings, n_models); the best has rank 1."""
    ranks = scores.rank(axis=1, ascending=not higher_is_better)
    n_settings, n_models = scores.shape
    p = friedman_p(scores) if n_models > 2 and n_settings > 1 else np.nan
    quantile = stats.studentized_range.ppf(0.95, n_models, np.inf) / np.sqrt(2)
    critical = quantile * np.sqrt(n_models * (n_models + 1) / (6 * n_settings))
    return Ranking(ranks.mean().sort_values(kind="stable"), p, float(critical), n_settings)


def friedman_p(scores):
    """Return the p-value of Friedman's test over settings."""
    return float(stats.friedmanchisquare(*scores.to_numpy().T).pvalue)


def draw_rankings(rankings, path, ours):
    """Draw critical-difference diagrams one under the other, by title, into a PNG file."""
    from matplotlib.figure import Figure

    heights = [diagram_height(ranking) for ranking in rankings.values()]
    figure = Figure(figsize=(8.5, sum(heights) * 0.9 + 0.4), layout="constrained")
    axes = figure.subplots(len(rankings), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (title, ranking) in zip(axes, rankings.items(), strict=True):
        draw_ranking(ax, ranking, title, ours)
    figure.savefig(path, dpi=150)


def diagram_height(ranking):
    """Return the height of a diagram in its own units."""
    n_lines = (len(ranking.ranks) + 1) // 2
    return TOP + 0.4 + LINE * n_lines + 0.16 * len(ranking.cliques())


def draw_ranking(ax, ranking, title, ours):
    """Draw one diagram: an axis of ranks, models on both sides, bars over those not told apart."""
    n_models = len(ranking.ranks)
    low, high = 1, max(n_models, 2)
    span = high - low
    ax.set(xlim=(low - 0.42 * span, high + 0.42 * span), ylim=(TOP - diagram_height(ranking), TOP))
    ax.axis("off")
    ax.text(low - 0.42 * span, 0.95, title, fontsize=11, weight="bold", va="center", color=INK)
    draw_scale(ax, low, high)
    draw_critical(ax, ranking, low)
    top = draw_cliques(ax, ranking)
    draw_models(ax, ranking, ours, (low, high), top)


def draw_scale(ax, low, high):
    """Draw the axis of ranks."""
    ax.plot([low, high], [0, 0], color=INK, lw=1)
    for rank in range(low, high + 1):
        ax.plot([rank, rank], [0, 0.08], color=INK, lw=1)
        ax.text(rank, 0.13, str(rank), ha="center", va="bottom", fontsize=8, color=INK)


def draw_critical(ax, ranking, low):
    """Draw the length of the critical difference above the axis."""
    ax.plot([low, low + ranking.critical], [0.55, 0.55], color=INK, lw=1.5, marker="|", ms=7)
    text = f"critical difference {ranking.critical:.2f}"
    ax.text(low + ranking.critical + 0.15, 0.55, text, va="center", fontsize=8, color=INK)


def draw_cliques(ax, ranking):
    """Draw a bar over each group that is not told apart; return how low they reach."""
    level = -0.12
    for first, last in ranking.cliques():
        ends = ranking.ranks.iloc[[first, last]] + [-0.06, 0.06]
        ax.plot(ends, [level, level], color=INK, lw=3, solid_capstyle="butt")
        level -= 0.16
    return level


def draw_models(ax, ranking, ours, ends, top):
    """Draw a line from every rank to its model's name, the better half on the left."""
    n_left = (len(ranking.ranks) + 1) // 2
    reach = 0.06 * (ends[1] - ends[0])
    for place, (model, rank) in enumerate(ranking.ranks.items()):
        is_left = place < n_left
        line = place if is_left else len(ranking.ranks) - 1 - place
        y = top - LINE * (line + 0.5)
        side = ends[0] - reach if is_left else ends[1] + reach
        color = OURS_INK if model == ours else INK
        ax.plot([rank, rank, side], [0, y, y], color=color if model == ours else FAINT, lw=1)
        label = f"{model}  {rank:.2f}" if is_left else f"{rank:.2f}  {model}"
        ax.text(
            side + (-reach / 4 if is_left else reach / 4),
            y,
            label,
            ha="right" if is_left else "left",
            va="center",
            fontsize=9,
            color=color,
            weight="bold" if model == ours else "normal",
        )
