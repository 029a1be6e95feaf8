"""Progress bars: nested in a terminal and a notebook, silent in logs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm


def progress_bar(total: int | None, title: str, unit: str, verbose: Any) -> Bar:
    """Return a bar that is moved by hand."""
    return Bar(tqdm(total=total, **bar_settings(title, unit, verbose)))


def show_progress(
    items: Iterable,
    title: str,
    unit: str,
    verbose: Any,
    total: int | None = None,
    initial: int = 0,
) -> Iterable:
    """Return items behind a bar that moves as they are taken."""
    return tqdm(items, total=total, initial=initial, **bar_settings(title, unit, verbose))


def bar_settings(title: str, unit: str, verbose: Any) -> dict[str, Any]:
    """Return what all bars have in common."""
    # None: tqdm shows nothing where it does not write to a terminal; only the outermost bar stays.
    return {"desc": title, "unit": unit, "leave": None, "disable": None if verbose else True}


class Bar:
    """A bar that is moved by hand; a copy that went through a pickle shows nothing."""

    def __init__(self, bar: Any):
        self._bar = bar

    def advance(self, n_steps: int = 1, **numbers: float | None) -> None:
        """Move on."""
        if self._bar is None:
            return
        known = {name: f"{value:.4f}" for name, value in numbers.items() if value is not None}
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
        return {"_bar": None}
