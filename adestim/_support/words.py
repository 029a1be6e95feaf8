"""Words for messages."""

from collections.abc import Iterable


def first_names(names: Iterable[object], limit: int = 5) -> str:
    """Return the first few names, quoted, and how many there are."""
    every = [repr(str(name)) for name in names]
    rest = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + rest
