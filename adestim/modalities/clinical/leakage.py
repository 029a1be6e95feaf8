"""What a clinical table does about columns that make the diagnosis, or follow from it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from adestim._support.diagnostic_columns import diagnostic_columns
from adestim.exceptions import LeakageWarning, TableError


def guard_columns(names: Sequence[str], diagnostic: str, owner: str) -> dict[str, str]:
    """Return the diagnostic columns of a table, warning of them or making sure others are left."""
    found = diagnostic_columns(names)
    listed = "; ".join(f"{name!r} ({reason})" for name, reason in found.items())
    if found and diagnostic == "warn":
        warnings.warn(
            f"{owner} reads {len(found)} column(s) that make the diagnosis or follow from it: "
            f"{listed}. Pass diagnostic='exclude' to drop them, or diagnostic='allow' if that "
            "is meant.",
            LeakageWarning,
            stacklevel=7,
        )
    if len(found) == len(names) and diagnostic == "exclude":
        raise TableError(
            f"{owner}(diagnostic='exclude') must leave at least one column",
            got=f"only diagnostic ones: {listed}",
            remedy="Add other columns, or pass diagnostic='allow'",
        )
    return found
