"""What of an estimator is searched, and among which values; what is not, and why.

Every class says it beside its ``_parameter_constraints``: ``_search_space`` holds ranges around
the defaults, which are part of them, and ``_not_searched`` a reason for every other parameter.
"""

from __future__ import annotations

from adestim._support.ranges import Choice, Range

Space = dict[str, Range | Choice]
Reasons = dict[str, str]


def read_space(kind: type) -> Space:
    """Return what may be searched of a class, or of the class of ours that it is a kind of."""
    return dict(getattr(kind, "_search_space", {}))


def read_reasons(kind: type) -> Reasons:
    """Return why the other parameters of a class are not searched."""
    return dict(getattr(kind, "_not_searched", {}))
