"""Progress bars: nested in a terminal and a notebook, silent in logs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

__all__ = ["Bar", "progress_bar", "shown"]


def progress_bar(total: int | None, title: str, unit: str, verbose: Any) -> Bar:
    """Return a bar that is moved by hand.

    Parameters
    ----------
    total : int or None
        Number of steps; None where it is not known.
    title : str
        What stands before the bar.
    unit : str
        What a step is.
    verbose : bool or int
        Whether to show it. Where standard error is a file or a pipe nothing is shown, but
        notebooks have bars of their own.

    Returns
    -------
    Bar

    Examples
    --------
    >>> from adestim._support.progress import progress_bar
    >>> with progress_bar(2, "mri", "epoch", verbose=0) as bar:
    ...     bar.advance(train=0.7)
    """
    return Bar(tqdm(total=total, **settings(title, unit, verbose)))


def shown(
    items: Iterable,
    title: str,
    unit: str,
    verbose: Any,
    total: int | None = None,
    initial: int = 0,
) -> Iterable:
    """Return items behind a bar that moves as they are taken.

    Parameters
    ----------
    items : iterable
        What is iterated over.
    title, unit, verbose : object
        As for :func:`progress_bar`.
    total : int or None, default=None
        Number of items, where they have no length.
    initial : int, default=0
        Where the bar starts.

    Returns
    -------
    iterable

    Examples
    --------
    >>> from adestim._support.progress import shown
    >>> list(shown("ab", "letters", "letter", verbose=0))
    ['a', 'b']
    """
    return tqdm(items, total=total, initial=initial, **settings(title, unit, verbose))


def settings(title: str, unit: str, verbose: Any) -> dict[str, Any]:
    """Return what all bars have in common."""
    # None: tqdm shows nothing where it does not write to a terminal; only the outermost bar stays.
    return {"desc": title, "unit": unit, "leave": None, "disable": None if verbose else True}


class Bar:
    """A bar that is moved by hand; a copy that went through a pickle shows nothing.

    Parameters
    ----------
    bar : tqdm or None
        The bar itself.
    """

    def __init__(self, bar: Any):
        self._bar = bar

    def advance(self, n_steps: int = 1, **numbers: float | None) -> None:
        """Move on.

        Parameters
        ----------
        n_steps : int, default=1
            Number of steps.
        **numbers : float or None
            What stands behind the bar; those that are None are left out.
        """
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
