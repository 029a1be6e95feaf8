"""One page of HTML that needs nothing but itself: tables, figures, sections."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.axes import explain_missing_matplotlib
from adestim.exceptions import AdestimError

# Where figures go beside the page, while somebody collects them.
COLLECTED: ContextVar[list[tuple[str, Any]] | None] = ContextVar("figures", default=None)
MOST_WORDS = 6
HEXADECIMAL = re.compile(r"[0-9a-f]{40,}")
INTERVAL = re.compile(r"-?[\d.]+ \[.*\]")
NOTHING = "–"
# Letters of a cell that is no sentence.
MOST_SHORT = 60
# Rows of a table that no page of print may part.
MOST_TOGETHER = 20
# Names of the sections of a report, and their headings.
HEADINGS = {
    "summary": "At a glance",
    "cohort": "Cohort",
    "performance": "Performance",
    "members": "What the prediction rests on",
    "modalities": "Modalities",
    "anchors": "Anchors",
    "tokens": "Regions, SNPs and columns",
    "subjects": "Single subjects",
    "provenance": "Provenance",
    "limits": "Limits of use",
    "tripod": "TRIPOD+AI checklist",
}


@dataclass(frozen=True)
class Link:
    """A cell that leads to a section of the page."""

    name: str


@dataclass(frozen=True)
class Section:
    """A part of a page."""

    name: str  # what links to it are called, letters alone
    title: str
    body: str

    def html(self) -> str:
        """Return the section with its heading."""
        heading = f'<h2 id="{self.name}-title">{escape(self.title)}</h2>'
        opening = f'<section id="{self.name}" aria-labelledby="{self.name}-title">'
        return f"{opening}\n{heading}\n{self.body}\n</section>"


def fill_page(
    title: str, summary: str, sections: Iterable[Section], version: str, date: str
) -> str:
    """Return a whole page."""
    parts = list(sections)
    links = [f'<li><a href="#{part.name}">{escape(part.title)}</a></li>' for part in parts]
    return Template(read_template("page.html")).substitute(
        title=escape(title),
        summary=escape(summary),
        style=read_template("page.css"),
        navigation="\n".join(links),
        sections="\n".join(part.html() for part in parts),
        version=escape(version),
        date=escape(date),
    )


def read_template(name: str) -> str:
    """Return a file of the template."""
    return (resources.files("adestim.inspection.report") / "_page" / name).read_text(
        encoding="utf-8"
    )


def render_paragraph(text: str) -> str:
    """Return a paragraph of text."""
    return f"<p>{escape(text)}</p>"


def render_tiles(facts: Iterable[tuple[str, str]]) -> str:
    """Return a few facts in large letters, side by side; what is in brackets is smaller."""
    tiles = []
    for name, value in facts:
        number, bracket, interval = value.partition(" [")
        small = f"<small>{escape(bracket.strip() + interval)}</small>" if bracket else ""
        tiles.append(f"<div><dt>{escape(name)}</dt><dd>{escape(number)}{small}</dd></div>")
    return f'<dl class="tiles">{"".join(tiles)}</dl>'


def render_columns(parts: Iterable[str]) -> str:
    """Return parts side by side where there is room."""
    return f'<div class="columns">{"".join(f"<div>{part}</div>" for part in parts if part)}</div>'


def render_note(text: str) -> str:
    """Return a paragraph that explains."""
    return f'<p class="quiet">{escape(text)}</p>'


def render_warning(text: str) -> str:
    """Return a paragraph that must not be overlooked."""
    return f'<p class="warning" role="note"><strong>Mind:</strong> {escape(text)}</p>'


def render_list(lines: Iterable[str]) -> str:
    """Return a list."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def render_folded(title: str, body: str) -> str:
    """Return a part that opens on request, without a script."""
    return f"<details><summary>{escape(title)}</summary>\n{body}\n</details>"


def render_table(table: pd.DataFrame | pd.Series, caption: str, digits: int = 3) -> str:
    """Return a table, which scrolls where it is wider than the page."""
    frame = table.to_frame() if isinstance(table, pd.Series) else table
    corner = escape(str(frame.index.name or ""))
    names = [render_heading(name, frame.iloc[:, place]) for place, name in enumerate(frame.columns)]
    first = f'<th scope="col">{corner}</th>' if corner else "<td></td>"
    rows = [
        f'<tr><th scope="row">{escape(str(label))}</th>'
        + "".join(render_cell(value, digits) for value in values)
        + "</tr>"
        for label, values in zip(frame.index, frame.astype(object).to_numpy(), strict=True)
    ]
    kind = "scroll long" if len(frame) > MOST_TOGETHER else "scroll"
    return (
        f'<div class="{kind}" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{first}{''.join(names)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def render_heading(name: Any, cells: pd.Series) -> str:
    """Return the heading of a column, to the left above words."""
    words = cells.map(lambda cell: isinstance(cell, str | bool | np.bool_)).any()
    kind = ' class="text"' if words else ""
    return f'<th scope="col"{kind}>{escape(str(name))}</th>'


def render_cell(value: Any, digits: int) -> str:
    """Return a cell of a table; numbers to the right, words to the left."""
    if isinstance(value, bool | np.bool_):
        return f'<td class="text">{"yes" if value else "no"}</td>'
    if value is None or pd.isna(value):
        return f"<td>{NOTHING}</td>"
    if isinstance(value, float | np.floating):
        text = f"{value:.{digits}f}"
        if value != 0 and float(text) == 0:
            text = f"{value:.1e}"
        return f"<td>{text.replace('-', '−')}</td>"
    if isinstance(value, int | np.integer):
        return f"<td>{value}</td>"
    if isinstance(value, Link):
        return f'<td class="text"><a href="#{value.name}">{escape(HEADINGS[value.name])}</a></td>'
    text = str(value)
    kind = "code" if HEXADECIMAL.search(text) and " " not in text else "text"
    kind = "text interval" if INTERVAL.fullmatch(text) else kind
    kind = "text long" if kind == "text" and len(text) > MOST_SHORT else kind
    return f'<td class="{kind}">{escape(text)}</td>'


@contextmanager
def collect_figures() -> Iterator[list[tuple[str, Any]]]:
    """Collect captions and figures of what is rendered meanwhile."""
    found: list[tuple[str, Any]] = []
    token = COLLECTED.set(found)
    try:
        yield found
    finally:
        COLLECTED.reset(token)


def write_figures(figures: Iterable[tuple[str, Any]], folder: Path, form: str) -> list[Path]:
    """Write figures to files of a form, numbered and named after their captions."""
    from matplotlib import rc_context

    folder.mkdir(parents=True, exist_ok=True)
    dated = {"svg": "Date", "pdf": "CreationDate"}
    metadata = {dated[form]: None} if form in dated else {}
    paths = []
    # Text stays text in PDF, in fonts that journals take.
    with rc_context({"svg.hashsalt": "adestim", "pdf.fonttype": 42, "ps.fonttype": 42}):
        for number, (caption, figure) in enumerate(figures, start=1):
            words = re.findall(r"[a-z0-9]+", caption.casefold())[:MOST_WORDS]
            paths.append(folder / f"{number:02d}-{'-'.join(words) or 'figure'}.{form}")
            figure.savefig(paths[-1], format=form, metadata=metadata, dpi=300)
    return paths


def make_axes(size: tuple[float, float], constrained: bool = True) -> Any:
    """Return axes of a figure that no window and no notebook knows of."""
    with explain_missing_matplotlib("Reports"):
        from matplotlib.figure import Figure
    return Figure(figsize=size, layout="constrained" if constrained else None).subplots()


def render_figure(ax: Any, alt: str, caption: str = "", form: str = "svg") -> str:
    """Return a figure, its image within the page."""
    from matplotlib import rc_context

    if (collected := COLLECTED.get()) is not None:
        collected.append((caption or alt, ax.figure))
    buffer = io.BytesIO()
    # Nothing of the moment in it, so that one seed yields one page.
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "adestim"}):
        ax.figure.savefig(buffer, format=form, metadata=metadata, dpi=144)
    kind = "svg+xml" if form == "svg" else form
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    image = f'<img alt="{escape(alt)}" src="data:image/{kind};base64,{data}">'
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{image}{below}</figure>"


def render_figures(figures: Iterable[str], wide: bool = False) -> str:
    """Return figures side by side where there is room; two in a row where they are wide."""
    kind = "figures wide" if wide else "figures"
    return f'<div class="{kind}">{"".join(figures)}</div>'


def render_part(part: Callable[..., str], *arguments: Any) -> str:
    """Return a part of a page, or why it cannot be shown."""
    try:
        return part(*arguments)
    except AdestimError as error:
        if error.subject is not None:
            raise
        return render_note(f"Not shown. {error}")
