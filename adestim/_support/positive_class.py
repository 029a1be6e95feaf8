"""Which class is the positive one where nobody says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CONTROLS = frozenset(
    ("cn", "nc", "hc", "nl", "smci", "stable", "normal", "control", "controls", "healthy")
)
HEALTHY = "healthy "


def choose_positive(classes: Sequence[Any]) -> Any:
    """Return the positive class: the patients' of two, who need not come last by name.

    In the order of letters ``"AD"`` stands before ``"CN"`` and ``"pMCI"`` before ``"sMCI"``: the
    last of the sorted two would be the controls, and sensitivity that of finding them. Functions
    that are handed a column of probabilities take the last of the sorted two nevertheless, as
    scikit-learn does, since they cannot know which column it is.
    """
    healthy = [str(label).casefold().removeprefix(HEALTHY) in CONTROLS for label in classes]
    return classes[0] if healthy == [False, True] else classes[-1]
