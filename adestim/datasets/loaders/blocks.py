"""Measures of a study's imaging and fluids, a block of columns a table, beside the index visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from warnings import warn

import numpy as np
import pandas as pd

from adestim._support.words import first_names
from adestim.datasets.labelling.matching import match_visits
from adestim.datasets.tables.columns import Spellings
from adestim.datasets.tables.files import read_cells
from adestim.datasets.tables.read_table import find_table, read_table, settle_duplicates
from adestim.exceptions import DataWarning, InputError, TableError

SEPARATOR = "__"
# Of every row that is matched: what is said of it beside its measures.
SAID = ("date", "tracer", "source")


@dataclass(frozen=True)
class BlockForm:
    """One table of measures."""

    names: tuple[str, ...]  # names of the file; an earlier one is preferred
    # a column of the file in, our name of the measure out, None for what is no measure
    choose: Callable[[str], str | None]
    keys: Spellings  # our names of further columns and the file's: ``quality``, ``tracer``
    passed: str = ""  # expression that a quality which may be used matches; nothing for all
    tracers: tuple[str, ...] = ()  # those of which rows are taken; all without any
    signed: tuple[str, ...] = ()  # measures that may be negative, so that codes are numbers
    censored: bool = False  # whether measures may be beyond the limits of an assay


@dataclass(frozen=True, eq=False)
class Block:
    """What a table measured, a row a subject and day."""

    name: str
    rows: pd.DataFrame  # ``number``, ``day`` or ``date``, ``tracer``, ``source``, and ``columns``
    columns: tuple[str, ...]


class Measures(NamedTuple):
    """Measures of a cohort's people."""

    cells: pd.DataFrame  # by subject: the columns of all blocks
    # by subject and table: ``date``, ``days_apart`` from the index visit, ``tracer``, ``source``
    rows: pd.DataFrame


def find_block_forms(tables: Sequence[str], forms: Mapping[str, BlockForm]) -> dict[str, BlockForm]:
    """Return the forms of the tables that are asked for, by our name or by that of their file."""
    found = {}
    for table in tables:
        wanted = str(table).casefold()
        names = {name: [name, *(one.casefold() for one in forms[name].names)] for name in forms}
        name = next((name for name, known in names.items() if wanted in known), None)
        if name is None:
            raise InputError(
                f"The 'tables' parameter names some of {list(forms)}, or their files",
                got=f"{table!r} instead",
            )
        found[name] = forms[name]
    return found


def read_block_cells(
    root: str | Path,
    name: str,
    form: BlockForm,
    keys: Spellings,
    *,
    ids: Sequence[str],
    dates: Sequence[str],
    codes: Sequence[str],
    where: str,
    depth: int = 2,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows of a table that may be used, and the names of its measures."""
    path = find_table(root, form.names[0], form.names[1:], where=where, depth=depth)
    assert path is not None
    cells = read_cells(path)
    measures = choose_measures(cells, name, form, path.name)
    own = {ours for ours in measures if ours.partition(SEPARATOR)[2] not in form.signed}
    table = read_table(
        cells,
        {**keys, **form.keys, **measures},
        ids=list(ids),
        dates=list(dates),
        numeric=[] if form.censored else list(measures),
        censored=list(measures) if form.censored else [],
        sentinels=dict.fromkeys([*own, *ids, *dates, *form.keys], tuple(codes)),
        unreadable="missing",
    )
    table = table.drop(columns=[f"{ours}_censored" for ours in measures], errors="ignore")
    table = table.assign(source=path.name)
    return take_usable_rows(table, form, path.name), tuple(measures)


def choose_measures(cells: pd.DataFrame, name: str, form: BlockForm, source: str) -> dict[str, str]:
    """Return the file's column by our name of every measure."""
    chosen = {column: form.choose(column) for column in cells}
    measures = {f"{name}{SEPARATOR}{ours}": column for column, ours in chosen.items() if ours}
    if not measures:
        raise TableError(
            f"The table {source!r} has measures for {name!r}",
            got=f"none among its {cells.shape[1]} columns",
            remedy="Download it again, or leave it out of tables=",
        )
    return measures


def take_usable_rows(table: pd.DataFrame, form: BlockForm, source: str) -> pd.DataFrame:
    """Leave out rows that failed the quality control, and those of other tracers."""
    table = table.assign(**{key: None for key in ("tracer", "quality") if key not in table})
    if form.tracers:
        table = table[table["tracer"].str.upper().isin(form.tracers)]
    if not form.passed:
        return table
    quality = table["quality"].astype("str")
    failed = table["quality"].notna() & ~quality.str.contains(form.passed, case=False, regex=True)
    if failed.any():
        warn(
            f"{int(failed.sum())} rows of {source!r} did not pass its quality control, and are "
            "left out.",
            DataWarning,
            stacklevel=2,
        )
    return table[~failed]


def match_blocks(
    blocks: Sequence[Block], people: pd.DataFrame, days: pd.Series, max_days: float | None
) -> Measures:
    """Return the measures nearest to each one's index visit."""
    cells = pd.DataFrame(index=people.index)
    rows = []
    for block in blocks:
        matched = match_block(block, people, days, np.inf if max_days is None else max_days)
        known = [name for name in block.columns if matched[name].notna().any()]
        cells = cells.join(matched[known])
        said = matched.loc[matched["days_apart"].notna(), [*SAID, "days_apart"]]
        rows.append(said.assign(table=block.name).reset_index(names="subject"))
        warn_of_tracers(block.name, said["tracer"])
    empty = pd.DataFrame(columns=["subject", *SAID, "days_apart", "table"])
    return Measures(cells, pd.concat(rows, ignore_index=True) if rows else empty)


def match_block(block: Block, people: pd.DataFrame, days: pd.Series, window: float) -> pd.DataFrame:
    """Return the row of a table that is nearest to each one's index visit, by subject."""
    subjects = pd.Series(people.index, index=people["number"])
    rows = block.rows.assign(subject=block.rows["number"].map(subjects))
    rows = rows.dropna(subset=["subject"])
    rows = rows.assign(day=find_days(rows, people["origin"])).dropna(subset=["day"])
    kept = ["subject", "day", *SAID, *block.columns]
    rows = settle_duplicates(rows[kept], ["subject", "day"], "last", block.name)
    visits = days.rename("day").rename_axis("subject").reset_index()
    matched = match_visits(visits, rows, image_time="day", visit_time="day", window=window)
    return matched.drop(columns=["day", "visit_row"]).set_index("subject").reindex(people.index)


def find_days(rows: pd.DataFrame, origin: pd.Series) -> pd.Series:
    """Return days since each one's baseline: by the date, or else by what the visit implies."""
    start = origin.reindex(rows["subject"]).set_axis(rows.index)
    since = (rows["date"] - start).dt.days.astype("float64")
    return since.fillna(rows["day"])


def warn_of_tracers(name: str, tracers: pd.Series) -> None:
    """Warn of ratios that are of different tracers."""
    found = tracers.dropna().unique()
    if len(found) > 1:
        warn(
            f"Rows of {name!r} are of the tracers {first_names(found)}, whose uptake ratios are "
            "not comparable: use Centiloids where there are some, or one tracer alone "
            "(cohort.tables has each one's).",
            DataWarning,
            stacklevel=2,
        )
