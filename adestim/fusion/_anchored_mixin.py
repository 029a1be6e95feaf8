"""What anchored fusions have in common: their parameters, their anchors, their modules."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

from adestim._support.ranges import Choice, Range
from adestim._support.sklearn import Interval, StrOptions
from adestim.encoding.tables import read_modalities
from adestim.exceptions import DataWarning
from adestim.fusion._aggregation import Aggregation, Mean, Validated
from adestim.fusion._anchor_inputs import choose_anchors
from adestim.fusion._base import (
    TRAINER_CONSTRAINTS,
    TRAINER_NOT_SEARCHED,
    TRAINER_SPACE,
    presence,
)

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


class AnchoredMixin:
    """A net for every anchor."""

    anchor: Any
    start: str
    aggregation_: Aggregation
    _names: list[str]

    @property
    def anchors_(self) -> list[str]:
        """Modalities that were anchor."""
        return self._names

    def _net_names(self, modalities):
        return choose_anchors(self.anchor, modalities, type(self).__name__)

    def _prepared_nets(self, names, *args):
        # Before the first anchor is trained, not after hours of it.
        self._inputs.require_depth(names, self.get_params(deep=False))
        yield from super()._prepared_nets(names, *args)

    def _module(self, name):
        return self._inputs.module(name, self.get_params(deep=False))

    def _start_of(self, name):
        return self.start, name

    def _anchor_batches(self, name, cells):
        return self._inputs.anchor_batches(name, cells, self.get_params(deep=False))

    def _remember(self, tables, scores):
        super()._remember(tables, scores)
        # Copies that callbacks get before training has ended take the mean of their anchors.
        self.aggregation_ = Mean()

    def _of_anchors(self, present):
        """Return which anchors every subject has, (n_subjects, n_anchors)."""
        return present[:, [self.modalities_.index(name) for name in self.anchors_]]

    def _validated(self, data, tables, scores, split):
        """Return the nets' outputs on the inner validation split, None with a word without one."""
        if split is None:
            warnings.warn(
                "There is no inner validation split (max_epochs=0, or a class has a single "
                "group), so neither the anchors' weights nor a temperature can be learned on it: "
                "the anchors count alike, and the temperature is 1.",
                DataWarning,
                stacklevel=6,
            )
            return None
        rows = split[1]
        by_net = self._data_by_net(read_modalities(data.frame), tables, scores)
        outputs = self._outputs_of((name, each.view(rows)) for name, each in by_net)
        present = self._of_anchors(presence(tables))[rows]
        return Validated(outputs, present, data.targets[rows], data.weight[rows])
