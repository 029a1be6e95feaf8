"""Phase 1 on the training rows of an extractor: who takes part, with which labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from adestim._support.labels import find_missing_labels, read_column
from adestim._support.sklearn import draw_seeds
from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError
from adestim.training.adaptation import Adaptation, AdaptationSettings, adapt_backbone
from adestim.training.phase_one.logistic import inner_folds

SMALLEST = 1e-12
# Kind, smallest and largest value of each option, and the same in words.
RULES: dict[str, tuple[type, float, float, str]] = {
    "max_epochs": (Integral, 1, np.inf, "at least 1"),
    "batch_size": (Integral, 1, np.inf, "at least 1"),
    "patience": (Integral, 1, np.inf, "at least 1"),
    "n_folds": (Integral, 2, np.inf, "at least 2"),
    "lora_rank": (Integral, 1, np.inf, "at least 1"),
    "validation_fraction": (Real, SMALLEST, 0.5, "above 0 and at most 0.5"),
    "learning_rate": (Real, SMALLEST, np.inf, "above 0"),
    "body_learning_rate": (Real, SMALLEST, np.inf, "above 0"),
    "weight_decay": (Real, 0, np.inf, "at least 0"),
    "dropout": (Real, 0, 1 - SMALLEST, "from 0, below 1"),
}


@dataclass(frozen=True)
class AdaptationRequest:
    """What phase 1 is asked to do, as the parameters of an extractor say it."""

    owner: str  # name of the extractor's class, for messages
    kind: str  # "head", "lora" or "full"
    params: Mapping[str, Any] | None = None  # the ``adapt_params``
    device: str = "auto"
    precision: str = "float32"
    random_state: Any = None

    def settings(self) -> AdaptationSettings:
        """Return how phase 1 is trained, or say which options there are."""
        given = dict(self.params or {})
        known = [field.name for field in fields(AdaptationSettings)]
        unknown = sorted(given.keys() - set(known))
        if unknown:
            raise InputError(
                f"The 'adapt_params' parameter of {self.owner} must name options of phase 1",
                got=", ".join(map(repr, unknown)),
                remedy=f"Choose from {known}",
            )
        settings = AdaptationSettings(**given)
        require_sizes(settings, self.owner)
        settings.lora(self.kind)
        return settings

    def seed(self) -> int:
        """Draw a seed."""
        return draw_seeds(self.random_state, 1)[0]


def adapt_to_rows(
    request: AdaptationRequest,
    spec: BackboneSpec,
    inputs: Sequence[np.ndarray | None],
    y: Any,
    groups: np.ndarray,
) -> Adaptation:
    """Fit a model to the training rows that have its modality.

    y (n_subjects,), groups (n_subjects,).
    """
    having = rows_having(inputs)
    labels = require_labels(request, y, len(inputs))[having]
    if len(np.unique(labels)) < 2:
        raise InputError(
            f"adapt={request.kind!r} of {request.owner} needs subjects of at least 2 classes who "
            "have the modality",
            got=f"{len(np.unique(labels))} among {len(labels)} subjects",
            remedy="Pass adapt=None, or train on a fold in which more of them have it",
        )
    return adapt_backbone(
        spec,
        [inputs[row] for row in having],
        labels,
        groups[having],
        kind=request.kind,
        settings=request.settings(),
        device=request.device,
        precision=request.precision,
        seed=request.seed(),
    )


def adaptation_folds(
    request: AdaptationRequest, inputs: Sequence[np.ndarray | None], y: Any, groups: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return folds of the training rows that have the modality, groups kept whole.

    y (n_subjects,), groups (n_subjects,).
    """
    having = rows_having(inputs)
    codes = np.unique(require_labels(request, y, len(inputs))[having], return_inverse=True)[1]
    seed = request.seed()
    folds = inner_folds(codes, groups[having], seed, request.settings().n_folds)
    if sum(len(test) for _, test in folds) < len(having):
        raise InputError(
            f"cross_fit=True of {request.owner} needs folds with every class in each training part",
            got="a class of too few groups",
            remedy="Pass cross_fit=False",
        )
    return [(having[train], having[test]) for train, test in folds]


def rows_having(inputs: Sequence[np.ndarray | None]) -> np.ndarray:
    """Return the numbers of the rows that have the modality."""
    return np.flatnonzero([item is not None for item in inputs])


def require_labels(request: AdaptationRequest, y: Any, n_subjects: int) -> np.ndarray:
    """Return the class labels, or say what is wrong with them."""
    if y is None:
        raise InputError(
            f"adapt={request.kind!r} of {request.owner} needs the class labels",
            got="y=None",
            remedy="Pass y to fit, as a pipeline does, or adapt=None",
        )
    labels = read_column(y)
    n_unknown = int(find_missing_labels(labels).sum())
    if n_unknown:
        raise InputError(
            f"adapt={request.kind!r} of {request.owner} needs a label of every subject",
            got=f"{n_unknown} missing",
            remedy="Drop the rows without a label, or pass adapt=None",
        )
    check_classification_targets(labels)
    if len(labels) != n_subjects:
        raise InputError(
            "X and y must have as many rows as each other",
            got=f"{n_subjects} and {len(labels)}",
            remedy="Pass one label a subject",
        )
    return labels


def require_sizes(settings: AdaptationSettings, owner: str) -> None:
    """Refuse options of phase 1 that no training can have."""
    for name, (kind, low, high, rule) in RULES.items():
        value: Any = getattr(settings, name)
        if name == "body_learning_rate" and value is None:
            continue
        is_number = isinstance(value, kind) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise InputError(
                f"{name!r} in the 'adapt_params' parameter of {owner} must be {rule}",
                got=repr(value),
                remedy=f"Leave it out for {getattr(AdaptationSettings, name)!r}",
            )
