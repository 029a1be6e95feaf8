"""Words for messages."""

import re
from collections.abc import Iterable

# What makes markup in Markdown, and in tables and formulas of GitHub; a bracket does where another
# follows.
MARKUP = re.compile(r"[\\`*_|$~]|(?<=\])[(\[]")
OF_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def first_names(names: Iterable[object], limit: int = 5) -> str:
    """Return the first few names, quoted, and how many there are."""
    every = [repr(str(name)) for name in names]
    rest = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + rest


def escape_markdown(text: object) -> str:
    """Return text that Markdown shows as it is, on one line."""
    marked = MARKUP.sub(r"\\\g<0>", " ".join(str(text).split()))
    return re.sub("[&<>]", lambda found: OF_HTML[found.group()], marked)
