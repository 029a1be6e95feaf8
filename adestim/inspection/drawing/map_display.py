"""Values of tokens, drawn where the tokens are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.axes import escape_mathtext, explain_missing_matplotlib
from adestim.encoding.places import TokenPlaces
from adestim.exceptions import InputError
from adestim.inspection.drawing.drawing import OKABE_ITO, Display, draw_map, strip_frame
from adestim.inspection.drawing.token_displays import draw_token_bars, name_unit
from adestim.inspection.tokens.attention import OWN, QueryAttention, query_attention
from adestim.inspection.tokens.attribution import TokenAttribution, token_attribution
from adestim.inspection.tokens.long_tables import average_known_values
from adestim.inspection.tokens.token_places import token_places

KINDS = ("auto", "map", "markers", "connectome", "networks", "manhattan", "bar")
# Readable in print and by people who see no red or green.
SIGNED, UNSIGNED = "PuOr_r", "cividis"
LARGEST_MARKER, SMALLEST_MARKER = 60.0, 6.0
ON_BRAINS = ("map", "markers", "connectome")
MOST_NUMBERED = 6
# Share of the genome's width that the name of a chromosome takes.
LEAST_APART = 0.03
CHROMOSOMES = [*map(str, range(1, 23)), "X", "Y", "MT"]


class TokenMapDisplay(Display):
    """Draw one value a token: on the brain, along the genome, or as bars.

    Parameters
    ----------
    values : array-like of shape (n_tokens,) or (n_tokens + 1,)
        One a token; that of the phase-1 scores may come last.
    places : TokenPlaces
        Where the tokens are.
    label : str, default="value"
        What the values are, for the axis.
    features : DataFrame, default=None
        Attributions of a connectome's features, for pairs of networks and of parcels.
    background : nibabel image, default=None
        What lies beneath a map; None for the MNI152 template, and for nothing in another space.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.
    message_ : str
        What could not be drawn, and why; empty where all was.

    See Also
    --------
    token_places : Where a fitted estimator's tokens are.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from adestim.inspection import TokenMapDisplay, TokenPlaces
    >>> places = TokenPlaces("clinical", "columns", ("age", "sex"))
    >>> TokenMapDisplay([0.5, -0.25], places).plot().ax_.get_title(loc="left")
    'clinical'
    """

    def __init__(
        self,
        values: Any,
        places: TokenPlaces,
        *,
        label: str = "value",
        features: pd.DataFrame | None = None,
        background: Any = None,
    ):
        self.values = values
        self.places = places
        self.label = label
        self.features = features
        self.background = background

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        modality: str,
        *,
        of: str = "attribution",
        anchor: str | None = None,
        kind: str = "auto",
        ax: Any = None,
        **settings: Any,
    ) -> TokenMapDisplay:
        """Draw a cohort's mean attribution of, or attention to, one modality's tokens.

        Those of records that a language model reads are drawn by column;
        :class:`WordsDisplay` draws their words.

        Parameters
        ----------
        estimator : AnchoredFusionClassifier, AnchoredFusionRegressor or Pipeline
            Fitted fusion, or a fitted pipeline that ends in one.
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.
        modality : str
            Name of the modality.
        of : {"attribution", "attention"}, default="attribution"
            What is drawn.
        anchor : str, default=None
            One of the estimator's anchors; None for the first.
        kind : str, default="auto"
            As for :meth:`plot`.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on.
        **settings : dict
            Further parameters of :func:`token_attribution`, and ``parcellation`` and
            ``coordinates`` of :func:`token_places`.

        Returns
        -------
        TokenMapDisplay
        """
        where = {name: settings.pop(name, None) for name in ("parcellation", "coordinates")}
        # Told before minutes of gradients.
        token_places(estimator, modality, **where)
        found = explain_tokens(estimator, X, modality, of, anchor, settings)
        values, label, features = average_tokens(found, modality)
        if modality in found.texts:
            values, places = average_columns(found, modality)
        else:
            places = token_places(estimator, modality, n_tokens=len(values) - 1, **where)
        display = cls(values, places, label=label, features=features)
        return display.plot(ax, kind=kind)

    def plot(self, ax: Any = None, *, kind: str = "auto", n_top: int = 15) -> TokenMapDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None for a new figure.
        kind : {"auto", "map", "markers", "connectome", "networks", "manhattan", "bar"}, \
default="auto"
            ``"map"``: slices of an image; ``"markers"``: parcels in a glass brain;
            ``"connectome"``: the strongest pairs of parcels; ``"networks"``: pairs of networks;
            ``"manhattan"``: variants along the genome; ``"bar"``: the largest values by name.
            ``"auto"``: what fits the modality, bars where it is not known where tokens are.
        n_top : int, default=15
            Number of bars, of named variants, and of pairs of parcels.

        Returns
        -------
        TokenMapDisplay
            The display itself.

        Raises
        ------
        InputError
            When there is no such kind, or what it needs is not known.
        MissingDependencyError
            When matplotlib is not installed.
        """
        if kind not in KINDS:
            raise InputError(
                "'kind' must name a plot", got=repr(kind), remedy=f"Choose from {list(KINDS)}"
            )
        chosen = self._kind() if kind == "auto" else kind
        self.message_ = ""
        if kind == "auto" and chosen == "bar" and self.places.kind in ("parcels", "variants"):
            self.message_ = f"where the {self.places.kind} are is not known"
        self._take_axes(ax, (9.0, 3.4) if chosen in ON_BRAINS else None)
        getattr(self, f"_draw_{chosen}")(self.ax_, n_top)
        # Brains have no axis that could say what is drawn.
        what = f": {self.label}" if chosen in ON_BRAINS else ""
        note = f" ({self.message_})" if self.message_ else ""
        title = escape_mathtext(f"{self.places.modality}{what}{note}")
        self.ax_.set_title(title, fontsize=10, loc="left")
        return self

    def _kind(self) -> str:
        """Return what fits the modality."""
        places = self.places
        if places.kind in ("regions", "grid"):
            return "map"
        if places.kind == "parcels" and places.coordinates is not None:
            return "markers"
        if places.kind == "variants" and places.positions is not None:
            return "manhattan"
        return "bar"

    def _draw_map(self, ax: Any, n_top: int) -> None:
        """Draw slices of an image."""
        image = self.places.to_image(self.values)
        plotting = import_plotting()
        settings: dict[str, Any] = {"bg_img": self.background} if self.background else {}
        if not self.places.in_mni and self.background is None:
            settings["bg_img"] = None
        limit = np.abs(image.get_fdata()).max() or 1.0
        cmap = SIGNED if image.get_fdata().min() < 0 else UNSIGNED
        plotting.plot_stat_map(
            image,
            axes=ax,
            figure=ax.figure,
            cmap=cmap,
            vmax=limit,
            display_mode="ortho",
            draw_cross=False,
            **settings,
        )

    def _draw_markers(self, ax: Any, n_top: int) -> None:
        """Draw parcels in a glass brain, larger where they count more."""
        values = np.nan_to_num(self.places.placed(self.values))
        if self.places.coordinates is None:
            self.places.to_image(self.values)
        limit = np.abs(values).max() or 1.0
        signed = values.min() < 0
        share = np.abs(values) / limit
        import_plotting().plot_markers(
            values,
            self.places.coordinates,
            node_size=SMALLEST_MARKER + (LARGEST_MARKER - SMALLEST_MARKER) * share,
            node_cmap=SIGNED if signed else "cividis_r",
            node_vmin=-limit if signed else 0,
            node_vmax=limit,
            axes=ax,
            figure=ax.figure,
        )

    def _draw_connectome(self, ax: Any, n_top: int) -> None:
        """Draw the strongest pairs of parcels."""
        links = np.zeros((0, 0)) if self.features is None else self.features.filter(regex="^z_")
        n_parcels = len(self.places.names)
        if links.shape != (n_parcels, n_parcels) or self.places.coordinates is None:
            raise InputError(
                "Pairs of parcels need attributions of a connectome of profile='regions', and "
                "coordinates",
                got=f"features of shape {links.shape}",
                remedy="Draw kind='networks' or kind='markers'",
            )
        matrix = np.asarray(links)
        matrix = (matrix + matrix.T) / 2
        strongest = np.sort(np.abs(matrix[np.triu_indices(n_parcels, 1)]))[-n_top:].min()
        import_plotting().plot_connectome(
            np.where(np.abs(matrix) >= strongest, matrix, 0),
            self.places.coordinates,
            node_color="0.6",
            node_size=SMALLEST_MARKER,
            edge_cmap=SIGNED,
            colorbar=True,
            axes=ax,
            figure=ax.figure,
        )

    def _draw_networks(self, ax: Any, n_top: int) -> None:
        """Draw pairs of networks as a matrix."""
        features = pd.DataFrame() if self.features is None else self.features
        matrix = self.places.network_matrix(features)
        limit = np.abs(matrix.to_numpy()).max() or 1.0
        colours = ["#542788", "#f7f7f7", "#b35806"]
        image = draw_map(ax, matrix, colours, (-limit, limit), "{:.2g}")
        networks = [escape_mathtext(name) for name in matrix.columns]
        ax.set_xticks(range(len(matrix)), networks, rotation=90, fontsize=7)
        ax.set_yticks(range(len(matrix)), networks, fontsize=7)
        if len(matrix) > MOST_NUMBERED:
            for text in list(ax.texts):
                text.remove()
        ax.figure.colorbar(image, ax=ax, label=escape_mathtext(self.label))

    def _draw_manhattan(self, ax: Any, n_top: int) -> None:
        """Draw variants along the genome, the largest with their names."""
        table = self.places.frame(self.values)
        if self.places.positions is None:
            raise InputError(
                "A plot along the genome needs positions of variants",
                got="names alone",
                remedy="Pass a pipeline with the extractor in it, or draw kind='bar'",
            )
        draw_manhattan(ax, table.dropna(subset=["position"]), n_top)
        ax.set_ylabel(escape_mathtext(self.label))

    def _draw_bar(self, ax: Any, n_top: int) -> None:
        """Draw the largest values by name."""
        draw_token_bars(
            ax, pd.Series(self.places.placed(self.values), list(self.places.names)), n_top
        )
        ax.set_xlabel(escape_mathtext(self.label))


def explain_tokens(
    estimator: Any, X: Any, modality: str, of: str, anchor: str | None, settings: dict
) -> TokenAttribution | QueryAttention:
    """Return a cohort's attribution or attention."""
    if of == "attribution":
        return token_attribution(estimator, X, anchor=anchor, **settings)
    if of != "attention":
        raise InputError(
            "'of' must name what is drawn",
            got=repr(of),
            remedy="Write 'attribution' or 'attention'",
        )
    attention = query_attention(estimator, X, anchor=anchor)
    if modality not in attention.weights:
        raise InputError(
            "Queries attend to auxiliary modalities",
            got=f"{modality!r}, the anchor",
            remedy=f"Choose from {list(attention.weights)}, or another anchor",
        )
    return attention


def average_tokens(
    found: TokenAttribution | QueryAttention, modality: str
) -> tuple[np.ndarray, str, pd.DataFrame | None]:
    """Return mean attribution or attention by token, its label, and attributions by feature."""
    if isinstance(found, QueryAttention):
        return (
            average_known_values(average_known_values(found.weights[modality], 1), 0),
            "attention",
            None,
        )
    label = f"attribution, {name_unit(found)}"
    return average_known_values(found.values[modality], 0), label, found.features.get(modality)


def average_columns(
    found: TokenAttribution | QueryAttention, modality: str
) -> tuple[np.ndarray, TokenPlaces]:
    """Return means by column of a record, whose words have no fixed places."""
    table = found.words("column")
    table = table[table["modality"] == modality]
    if isinstance(found, QueryAttention):
        table = table[table["path"] == OWN]
    names = tuple(table["column"].replace("", "opening"))
    values = table["weight" if "weight" in table else "mean"].to_numpy()
    return values, TokenPlaces(modality, "columns", names)


def draw_manhattan(ax: Any, table: pd.DataFrame, n_top: int) -> None:
    """Draw points by chromosome and position, colour and marker changing with the chromosome."""
    order = [name for name in CHROMOSOMES if name in set(table["chromosome"])]
    order += sorted(set(table["chromosome"]) - set(order))
    table = table.assign(rank=table["chromosome"].map(order.index))
    table = table.sort_values(["rank", "position"], ignore_index=True)
    starts, offset = [], 0.0
    for number, name in enumerate(order):
        part = table[table["chromosome"] == name]
        x = offset + part["position"] - part["position"].min()
        table.loc[part.index, "x"] = x
        starts.append((x.min() + x.max()) / 2)
        offset = x.max() + 1e7
        colour, marker = (OKABE_ITO["blue"], "o") if number % 2 == 0 else (OKABE_ITO["orange"], "^")
        ax.scatter(x, part["value"], s=18, color=colour, marker=marker)
    ax.axhline(0, color="0.4", lw=0.8)
    ax.set_xticks(starts, space_names(order, starts, table["x"].max() - table["x"].min()))
    ax.set_xlabel("chromosome")
    largest = table.loc[table["value"].abs().nlargest(min(n_top, 5)).index]
    for x, value, name in zip(largest["x"], largest["value"], largest["token"], strict=True):
        offset_y = 4 if value >= 0 else -10
        ax.annotate(
            escape_mathtext(name),
            (x, value),
            (0, offset_y),
            textcoords="offset points",
            fontsize=7,
            ha="center",
        )
    ax.margins(0.06, 0.15)
    strip_frame(ax)


def space_names(names: Sequence[str], places: Sequence[float], width: float) -> list[str]:
    """Return names of which those that would lie upon the one before are blank."""
    shown, last = [], -np.inf
    for name, place in zip(names, places, strict=True):
        is_apart = place - last >= LEAST_APART * width
        shown.append(escape_mathtext(name) if is_apart else "")
        last = place if is_apart else last
    return shown


def import_plotting() -> Any:
    """Return nilearn's plots, which need matplotlib."""
    with explain_missing_matplotlib("Displays"):
        from nilearn import plotting
    return plotting
