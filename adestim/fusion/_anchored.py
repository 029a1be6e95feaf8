"""What anchored fusions have in common: their parameters, their anchors, their modules."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from adestim._support.ranges import Choice, Range
from adestim._support.sklearn import Interval, StrOptions
from adestim.exceptions import DataWarning, InputError
from adestim.fusion._base import (
    TRAINER_CONSTRAINTS,
    TRAINER_NOT_SEARCHED,
    TRAINER_SPACE,
    BaseFusion,
    FitStart,
)
from adestim.training.aggregation import Aggregation, Mean, Validated
from adestim.training.anchored_nets import AnchoredSettings, build_anchored_net, require_depth
from adestim.training.inputs import Start

ANCHORED_CONSTRAINTS: dict = {
    "anchor": [str, list],
    "n_queries": [Interval(Integral, 0, None, closed="left")],
    "cross_modal": ["boolean"],
    "interaction_depth": [Interval(Integral, 0, None, closed="left"), StrOptions({"output"})],
    "gate": [StrOptions({"learned", "open", "closed"})],
    "start": [StrOptions({"stacked", "average", "anchor"})],
    "width": [Interval(Integral, 8, None, closed="left")],
    "depth": [Interval(Integral, 1, None, closed="left")],
    "qformer_width": [Interval(Integral, 8, None, closed="left"), None],
    "lora_rank": [Interval(Integral, 0, None, closed="left")],
    "lora_params": [dict, None],
    "gradient_checkpointing": ["boolean"],
    **TRAINER_CONSTRAINTS,
}
ANCHORED_SPACE: dict = {
    **TRAINER_SPACE,
    "width": Range(16, 64, step=16),
    "depth": Range(1, 4),
    "lora_rank": Range(2, 32, log=True, on_request=True),
    "n_queries": Range(2, 32, log=True),
    "cross_modal": Choice((True, False)),
    "interaction_depth": Choice((0, "output")),
    "start": Choice(("stacked", "average", "anchor")),
    # Counts before a foundation model alone.
    "qformer_width": Choice((None, 64, 128, 256), on_request=True),
}
ANCHORED_NOT_SEARCHED: dict = {
    **TRAINER_NOT_SEARCHED,
    "lora_params": "a dict; its rank can be searched on request",
    "gradient_checkpointing": "trades time for memory alone",
    "anchor": "names the cohort's modalities; steps of pruning count the anchors",
    "gate": "for ablations",
}


class AnchoredBase(BaseFusion):
    """Base of the fusions that have a net for every anchor."""

    anchor: Any
    n_queries: int
    cross_modal: bool
    interaction_depth: int | str
    gate: str
    start: str
    depth: int
    qformer_width: int | None
    lora_rank: int
    lora_params: dict | None
    gradient_checkpointing: bool
    aggregation_: Aggregation

    @property
    def anchors_(self) -> list[str]:
        """Modalities that were anchor."""
        return list(self.inputs_.starts)

    def _starts(self, modalities):
        anchors = choose_anchors(self.anchor, modalities, type(self).__name__)
        return {name: Start(self.start, name) for name in anchors}

    def _fit_phase_one(self, *args):
        scores = super()._fit_phase_one(*args)
        # Before the first anchor is trained, not after hours of it.
        require_depth(self.inputs_.starts, self.inputs_.likes, self._net_settings())
        # Copies that callbacks get before training has ended take the mean of their anchors.
        self.aggregation_ = Mean()
        return scores

    def _module(self, name):
        return build_anchored_net(name, self.inputs_, self._net_settings())

    def _net_settings(self) -> AnchoredSettings:
        """Return how nets are built."""
        return AnchoredSettings(
            n_queries=self.n_queries,
            cross_modal=self.cross_modal,
            interaction_depth=self.interaction_depth,
            gate=self.gate,
            width=self.width,
            depth=self.depth,
            qformer_width=self.qformer_width,
            lora_rank=self.lora_rank,
            lora_params=self.lora_params,
            gradient_checkpointing=self.gradient_checkpointing,
            dropout=self.dropout,
            device=self.device,
            precision=self.precision,
        )

    def _outputs_by_anchor(self, X) -> dict[str, np.ndarray]:
        """Return every anchor's outputs (n_subjects, n_outputs)."""
        check_is_fitted(self, "nets_")
        outputs, _ = self._outputs_by_net(X)
        return dict(zip(self.anchors_, np.moveaxis(outputs, 1, 0), strict=True))

    def _of_anchors(self, present):
        """Return which anchors every subject has, (n_subjects, n_anchors)."""
        return present[:, [list(self.inputs_.likes).index(name) for name in self.anchors_]]

    def _judge_validation(self, start: FitStart) -> Validated | None:
        """Return the nets' outputs on the inner validation split, None with a word without one."""
        if start.split is None:
            warnings.warn(
                "There is no inner validation split (max_epochs=0, or a class has a single "
                "group), so neither the anchors' weights nor a temperature can be learned on it: "
                "the anchors count alike, and the temperature is 1.",
                DataWarning,
                stacklevel=6,
            )
            return None
        rows, data = start.split[1], start.data
        outputs = self._outputs_of(
            (name, each.view(rows)) for name, each in self._read_by_net(start)
        )
        present = self._of_anchors(start.subjects.present)[rows]
        return Validated(outputs, present, data.targets[rows], data.weight[rows])


def choose_anchors(
    anchor: str | Sequence[str], modalities: Sequence[str], estimator: str
) -> list[str]:
    """Return the anchors' names, or say which modality is not there."""
    if isinstance(anchor, str) and anchor == "all":
        return list(modalities)
    anchors = [anchor] if isinstance(anchor, str) else list(anchor)
    unknown = [name for name in anchors if name not in modalities]
    if unknown or not anchors:
        raise InputError(
            f"The 'anchor' parameter of {estimator} must name modalities that some training "
            "subject has",
            got=repr(anchor),
            remedy=f"Choose from {list(modalities)}, or write anchor='all'",
        )
    return anchors
