"""Which class is the positive one where nobody says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adestim.exceptions import InputError

# As they are left by ``spell``: small letters and digits alone.
CONTROLS = frozenset(
    (
        "cn", "nc", "hc", "nl", "cu", "hv", "ctl", "ctrl", "nci", "smci", "stable", "stablemci",
        "mcis", "normal", "control", "controls", "healthy", "unimpaired", "unaffected",
        "cognitivelynormal", "cognitivelyunimpaired", "normalcontrol", "normalcognition",
        "nondemented", "nodementia", "noncarrier", "nonconverter", "nonprogressor", "nonpd",
        "nonad", "mcinc", "negative",
    )
)  # fmt: skip
HEALTHY = "healthy"


def choose_positive(classes: Sequence[Any]) -> Any:
    """Return the positive class: the patients' of two, who need not come last by name.

    In the order of letters ``"AD"`` stands before ``"CN"`` and ``"pMCI"`` before ``"sMCI"``: the
    last of the sorted two would be the controls, and sensitivity that of finding them.
    """
    healthy = [spell(label).removeprefix(HEALTHY) in CONTROLS | {""} for label in classes]
    return classes[0] if healthy == [False, True] else classes[-1]


def spell(label: Any) -> str:
    """Return a label in small letters, without blanks and hyphens."""
    return "".join(letter for letter in str(label).casefold() if letter.isalnum()) or str(label)


def put_positive_last(classes: Sequence[Any], positive: Any = None) -> tuple:
    """Return classes, of two the positive one last: the one named, or the patients'."""
    classes = tuple(classes)
    if positive is None and len(classes) != 2:
        return classes
    positive = choose_positive(classes) if positive is None else positive
    if len(classes) != 2 or positive not in classes:
        raise InputError(
            "'positive' names one of two classes",
            got=f"{positive!r} of {', '.join(map(repr, classes))}",
        )
    return (*(label for label in classes if label != positive), positive)


def turn_to_positive(
    probabilities: Any, classes: Any, positive: Any = None
) -> tuple[np.ndarray, list]:
    """Return probabilities and classes, of two classes the positive one last.

    probabilities (n_rows, n_classes) -> (n_rows, n_classes).
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(classes).tolist()
    if len(set(labels)) != len(labels) or probabilities.ndim != 2:
        return probabilities, labels
    order = [labels.index(label) for label in put_positive_last(labels, positive)]
    if probabilities.shape[1] != len(order):
        return probabilities, labels
    return probabilities[:, order], [labels[place] for place in order]
