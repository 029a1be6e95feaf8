"""Many subjects: prepared in parallel, a few at a time, their failures told together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import pandas as pd
from joblib import delayed

from adestim._support.progress import show_progress
from adestim._support.remarks import gather_remarks, tell_remarks
from adestim.encoding import is_missing
from adestim.exceptions import AdestimError, DataWarning, SubjectsError
from adestim.extraction.failures import name_failure
from adestim.extraction.parallel import run_in_order
from adestim.extraction.prepared import MadeElsewhere, Prepared

N_FAILURES_SHOWN = 5

# One subject's cells in. Where it may be at work elsewhere, ``wait_for`` waits for that.
Preparation = Callable[[tuple], Prepared | MadeElsewhere | None]


def for_each_subject(
    preparation: Preparation,
    frame: pd.DataFrame,
    n_jobs: int | None,
    verbose: bool | int,
    title: str,
    n_at_a_time: int | None = None,
) -> Iterator[Prepared | AdestimError | None]:
    """Prepare every subject, in their order; a failure is yielded, not raised.

    frame (n_subjects, n_columns).
    """
    tasks = [
        delayed(prepare_subject)(preparation, cells, subject)
        for subject, cells in zip(
            frame.index, frame.itertuples(index=False, name=None), strict=True
        )
    ]
    results = run_in_order(tasks, n_jobs, n_at_a_time or max(1, len(tasks)))
    results = settle_elsewhere(results, preparation, frame)
    told: dict[str, list[str]] = {}
    shown = show_progress(results, title, "subject", verbose, total=len(frame))
    for subject, result in zip(frame.index, shown, strict=True):
        for text in result.remarks if isinstance(result, Prepared) else ():
            told.setdefault(text, []).append(str(subject))
        yield result
    tell_remarks(told)


def settle_elsewhere(
    results: Iterable[Any], preparation: Any, frame: pd.DataFrame
) -> Iterator[Any]:
    """Yield results; what other processes were at work on is waited for, as late as possible."""
    rows = zip(frame.index, frame.itertuples(index=False, name=None), strict=True)
    for result, (subject, cells) in zip(results, rows, strict=True):
        if isinstance(result, MadeElsewhere):
            yield prepare_subject(preparation.wait_for, cells, subject)
        else:
            yield result


def prepare_subject(preparation: Callable[[tuple], Any], cells: tuple, subject: Hashable) -> Any:
    """Prepare one subject; return None where missing, the error where it fails."""
    if all(is_missing(cell) for cell in cells):
        return None
    with gather_remarks() as remarks:
        try:
            prepared = preparation(cells)
        # Whoever made warnings errors wants to see them.
        except Warning:
            raise
        except Exception as failure:
            return add_remarks(name_failure(failure, subject), remarks)
    # Training series, which are read again to be encoded, carry none.
    if isinstance(prepared, Prepared) and remarks:
        return prepared._replace(remarks=(*prepared.remarks, *remarks))
    return prepared


def add_remarks(error: AdestimError, remarks: Sequence[str]) -> AdestimError:
    """Return an error that tells what else was odd about the data, which may be the cause."""
    if not remarks:
        return error
    told = [error.remedy and f"{error.remedy.rstrip('.')}.", "Besides:", *remarks]
    remedy = " ".join(filter(None, told))
    return type(error)(error.rule, error.got, remedy, error.subject)


def readable_raws(frame: pd.DataFrame, read: Callable[[tuple], Any]) -> Iterator[Any]:
    """Yield what is read of the rows that have something; failing ones are told of later."""
    rows = zip(frame.index, frame.itertuples(index=False, name=None), strict=True)
    for subject, cells in rows:
        raw = prepare_subject(read, cells, subject)
        if raw is not None and not isinstance(raw, AdestimError):
            yield raw


def settle_failures(results: Sequence, errors: str) -> list[Prepared | None]:
    """Raise one error about all failing subjects, or warn and count them as missing."""
    failures = [item for item in results if isinstance(item, AdestimError)]
    if len(failures) == 1 and errors == "raise":
        raise failures[0]
    if failures and errors == "raise":
        raise SubjectsError(failures_text(failures), remedy="Mend them, or pass errors='missing'")
    if failures:
        warnings.warn(
            f"{failures_text(failures)} They are treated as missing.", DataWarning, stacklevel=5
        )
    return drop_failures(results)


def drop_failures(results: Sequence) -> list[Prepared | None]:
    """Return results with None in the place of failures."""
    return [None if isinstance(item, AdestimError) else item for item in results]


def failures_text(failures: Sequence[AdestimError]) -> str:
    """Name the failing subjects, the first few with their reasons."""
    shown = " | ".join(str(failure) for failure in failures[:N_FAILURES_SHOWN])
    rest = len(failures) - N_FAILURES_SHOWN
    return f"{len(failures)} subject(s) could not be read: {shown}" + (
        f" | and {rest} more" if rest > 0 else ""
    )
