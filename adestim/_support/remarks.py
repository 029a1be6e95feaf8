"""Remarks on one subject's data, made deep in a reader and told by whoever knows the subject.

A warning raised in a worker process is lost, and a reader does not know whose data it reads. It
calls :func:`remark`; whoever reads a subject gathers the remarks and passes them on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from warnings import warn

from adestim.exceptions import DataWarning

N_SUBJECTS_SHOWN = 5

_gathered: ContextVar[list[str] | None] = ContextVar("gathered_remarks", default=None)


def remark(text: str) -> None:
    """Say something of the data in hand: to whoever gathers remarks, else as a warning."""
    gathered = _gathered.get()
    if gathered is None:
        warn(text, DataWarning, stacklevel=3)
    elif text not in gathered:
        gathered.append(text)


@contextmanager
def gather_remarks() -> Iterator[list[str]]:
    """Yield a list that holds whatever is remarked in the meantime, in this thread."""
    gathered: list[str] = []
    token = _gathered.set(gathered)
    try:
        yield gathered
    finally:
        _gathered.reset(token)


@contextmanager
def remark_of(what: str) -> Iterator[None]:
    """Put what they are about before the remarks that are made in the meantime."""
    with gather_remarks() as gathered:
        yield
    for text in gathered:
        remark(f"{what}: {text}")


def tell_remarks(remarks: Mapping[str, Iterable[str]]) -> None:
    """Warn of remarks, each once, naming the subjects it is about; remark -> subjects."""
    for text, subjects in remarks.items():
        warn(f"{begin_remark(list(subjects))}: {text}", DataWarning, stacklevel=3)


def begin_remark(subjects: list[str]) -> str:
    """Name the first few subjects that a remark is about, and count the others."""
    shown = ", ".join(map(repr, subjects[:N_SUBJECTS_SHOWN]))
    rest = len(subjects) - N_SUBJECTS_SHOWN
    word = "Subject" if len(subjects) == 1 else f"{len(subjects)} subjects,"
    return f"{word} {shown}" + (f" and {rest} more" if rest > 0 else "")
