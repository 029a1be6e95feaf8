"""Targets of time to event: structured arrays of whether it was seen and when."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from adestim.exceptions import InputError

FIELDS = [("event", np.bool_), ("time", np.float64)]
HOW_TO_MAKE = "Make it by adestim.make_survival(event, time)"


def make_survival(event: ArrayLike, time: ArrayLike) -> np.ndarray:
    """Return targets of time to event, as survival estimators and scores read them.

    Those of scikit-survival are alike, so that its estimators read them too.

    Parameters
    ----------
    event : array-like of shape (n_subjects,)
        Whether the event, as conversion to dementia, was seen: booleans, or 0 and 1. Otherwise
        the subject is censored: it is only known that there was none until then.
    time : array-like of shape (n_subjects,)
        Years from the index date, as the baseline visit, to the event or to the last time at which
        it is known that there was none; above 0.

    Returns
    -------
    ndarray of shape (n_subjects,)
        Structured array with the fields ``event`` (bool) and ``time`` (float).

    Raises
    ------
    InputError
        When lengths differ, events are no booleans, or times are no finite numbers above 0.

    Examples
    --------
    >>> from adestim import make_survival
    >>> y = make_survival([True, False, True], [1.5, 4.0, 0.5])
    >>> y["time"]
    array([1.5, 4. , 0.5])
    >>> int(y["event"].sum())
    2
    """
    events, times = np.asarray(event), np.asarray(time)
    if events.ndim != 1 or events.shape != times.shape:
        raise InputError(
            "Every subject has one event and one time",
            got=f"shapes {events.shape} and {times.shape}",
            remedy="Pass two columns of the same length",
        )
    found = np.empty(len(events), dtype=FIELDS)
    found["event"], found["time"] = read_events(events), read_years(times)
    require_positive_times(found["time"], "make_survival")
    return found


def read_survival(y: Any, owner: str = "The estimator") -> tuple[np.ndarray, np.ndarray]:
    """Return whether events were seen and times in years, or say what is wrong with targets.

    y (n_subjects,) -> event (n_subjects,), time (n_subjects,).
    """
    names = getattr(getattr(y, "dtype", None), "names", None)
    if names is None or len(names) != 2 or y.ndim != 1:
        raise InputError(
            f"{owner} reads times to an event: y must be a one-dimensional structured array with "
            "two fields, a boolean event and a time in years",
            got=describe_target(y),
            remedy=HOW_TO_MAKE,
        )
    event, time = y[names[0]], y[names[1]]
    if event.dtype != np.bool_ or time.dtype.kind != "f":
        raise InputError(
            f"{owner} reads times to an event: of the two fields of y the first must be boolean, "
            "whether the event was seen, and the second a float, the time in years",
            got=f"{names[0]!r} of dtype {event.dtype} and {names[1]!r} of dtype {time.dtype}",
            remedy=HOW_TO_MAKE,
        )
    time = time.astype(np.float64)
    require_positive_times(time, owner)
    return np.ascontiguousarray(event), time


def require_some_events(event: np.ndarray, owner: str) -> None:
    """Refuse targets of which every one is censored."""
    if not event.any():
        raise InputError(
            f"{owner} needs subjects in whom the event was seen",
            got=f"none among {len(event)} subjects",
            remedy="Check the field of events, or the split that left all of them out",
        )


def read_times_within(times: ArrayLike, last: float, owner: str) -> np.ndarray:
    """Return times that are asked for, (n_times,), or say which are not within follow-up."""
    asked = np.asarray(times, dtype=np.float64)
    if asked.ndim != 1 or not len(asked) or not ((asked >= 0) & (asked <= last)).all():
        raise InputError(
            f"Times and horizons of {owner} lie within follow-up, from 0 to {last:.4g} years, "
            "behind which nothing was learned",
            got=describe_times(asked, last),
            remedy="Ask for earlier times, or fit to a cohort that was followed so long",
        )
    return asked


def describe_times(times: np.ndarray, last: float) -> str:
    """Say what is wrong with times that are asked for."""
    if times.ndim != 1 or not len(times):
        return f"an array of shape {times.shape}"
    if np.isnan(times).any():
        return "NaN"
    wrong = times[(times < 0) | (times > last)]
    return ", ".join(f"{time:.4g}" for time in wrong[:3])


def require_positive_times(time: np.ndarray, owner: str) -> None:
    """Refuse times that are no finite numbers above 0."""
    wrong = {
        "missing": int(np.isnan(time).sum()),
        "infinite": int(np.isinf(time).sum()),
        "0": int((time == 0).sum()),
        "below 0": int((time < 0).sum()),
    }
    if any(wrong.values()):
        raise InputError(
            f"Times of {owner} are years after the index date, finite and above 0",
            got=" and ".join(f"{n} that are {what}" for what, n in wrong.items() if n),
            remedy="Leave out subjects whose event came before entry, and those never seen again",
        )


def read_events(event: np.ndarray) -> np.ndarray:
    """Return booleans of booleans, or of numbers that are 0 and 1."""
    known = event.dtype == np.bool_ or event.dtype.kind in "iuf"
    if not known or not np.isin(event, (0, 1)).all():
        raise InputError(
            "Events of make_survival are booleans, or 0 and 1",
            got=f"dtype {event.dtype}" if not known else "other numbers or NaN",
            remedy="Say True where the event was seen, False where the subject is censored",
        )
    return event.astype(np.bool_)


def read_years(time: np.ndarray) -> np.ndarray:
    """Return floats of numbers; dates and texts are none."""
    if time.dtype.kind not in "iuf":
        raise InputError(
            "Times of make_survival are numbers of years",
            got=f"dtype {time.dtype}",
            remedy="Divide days since the index date by 365.25",
        )
    return time.astype(np.float64)


def describe_target(y: Any) -> str:
    """Say what was given instead of a structured array, but not what it holds."""
    if y is None:
        return "None"
    dtype = getattr(y, "dtype", None)
    if dtype is None:
        return f"a {type(y).__name__}"
    return f"an array of shape {y.shape} and dtype {dtype}"
