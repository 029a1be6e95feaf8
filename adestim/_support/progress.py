"""Progress: bars in a terminal and a notebook, lines to ``logging`` where there is neither."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm.auto import tqdm

LOGGER = logging.getLogger("adestim")
# Progress is asked for by ``verbose``, and then not to be held back by the level of the root.
LOGGER.setLevel(logging.INFO)
# Of these a line each would be too many.
STEPS_A_LINE = {"subject": 100}


def progress_bar(total: int | None, title: str, unit: str, verbose: Any) -> Bar:
    """Return a bar that is moved by hand."""
    bar = tqdm(total=total, **bar_settings(title, unit, verbose))
    return Bar(bar, Lines(title, unit, total) if is_in_a_log(bar, verbose) else None)


def show_progress(
    items: Iterable,
    title: str,
    unit: str,
    verbose: Any,
    total: int | None = None,
    initial: int = 0,
) -> Iterable:
    """Return items behind a bar that moves as they are taken."""
    bar = tqdm(items, total=total, initial=initial, **bar_settings(title, unit, verbose))
    if is_in_a_log(bar, verbose):
        return log_items(items, Lines(title, unit, bar.total, initial))
    return bar


def bar_settings(title: str, unit: str, verbose: Any) -> dict[str, Any]:
    """Return what all bars have in common."""
    # None: tqdm shows nothing where it does not write to a terminal; only the outermost bar stays.
    return {"desc": title, "unit": unit, "leave": None, "disable": None if verbose else True}


def is_in_a_log(bar: Any, verbose: Any) -> bool:
    """Tell whether progress is wanted where a bar cannot be drawn."""
    return bool(verbose) and bool(getattr(bar, "disable", False))


def log_items(items: Iterable, lines: Lines) -> Iterator:
    """Yield items; a line is written when what was made of one is done."""
    for item in items:
        yield item
        lines.advance(1, {})


class Bar:
    """A bar that is moved by hand; a copy that went through a pickle shows nothing."""

    def __init__(self, bar: Any, lines: Lines | None = None):
        self._bar = bar
        self._lines = lines

    def advance(self, n_steps: int = 1, **numbers: float | None) -> None:
        """Move on."""
        if self._bar is None:
            return
        known = {name: f"{value:.4f}" for name, value in numbers.items() if value is not None}
        if self._lines is not None:
            self._lines.advance(n_steps, known)
        self._bar.set_postfix(known, refresh=False)
        self._bar.update(n_steps)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if self._bar is None:
            return
        if kind is None:
            # What ended early is done all the same; a notebook would colour it as an error.
            self._bar.total = self._bar.n
        self._bar.close()

    def __getstate__(self) -> dict[str, None]:
        """Leave the bar behind, which belongs to this process."""
        return {"_bar": None, "_lines": None}


class Lines:
    """Progress as lines of a log: one a step, or a hundred of them, with the time it took."""

    def __init__(self, title: str, unit: str, total: int | None, done: int = 0):
        self._title, self._unit, self._total, self._done = title, unit, total, done
        self._start = time.monotonic()

    def advance(self, n_steps: int, numbers: dict[str, str]) -> None:
        """Move on; write a line if enough was done since the last one."""
        stride = STEPS_A_LINE.get(self._unit, 1)
        before, self._done = self._done, self._done + n_steps
        if self._done // stride > before // stride or self._done == self._total:
            write_line(self._describe(numbers))

    def _describe(self, numbers: dict[str, str]) -> str:
        """Return the line."""
        count = self._done if self._total is None else f"{self._done}/{self._total}"
        took = tqdm.format_interval(time.monotonic() - self._start)
        told = "".join(f", {name}={value}" for name, value in numbers.items())
        return f"{self._title}: {self._unit} {count} after {took}{told}"


def write_line(text: str) -> None:
    """Write to the log of this package; to standard error where nobody has set one up."""
    if not LOGGER.isEnabledFor(logging.INFO):
        return
    if LOGGER.hasHandlers():
        LOGGER.info(text)
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    handler.handle(LOGGER.makeRecord(LOGGER.name, logging.INFO, "", 0, text, (), None))
