"""A table of subjects as a fusion's members read it, from a fitted fusion or a pipeline."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from adestim._support.routing import last_step
from adestim._support.torch import choose_device
from adestim.encoding.tables import Subjects, check_fusion_table, read_later_table
from adestim.encoding.texts import FreeText
from adestim.encoding.tokens import TokenTable
from adestim.exceptions import InputError
from adestim.fusion import AnchoredFusionClassifier, AnchoredFusionRegressor
from adestim.inspection.tokens.free_text import read_free_texts
from adestim.inspection.tokens.words import RecordTexts, collect_texts
from adestim.training.batches import FusionData, to_device
from adestim.training.inputs import Start
from adestim.training.net import FusionNet
from adestim.training.phase_one.penalised import Scores

# What tokens are read for that no anchor has as its own; the phase-1 outputs in it are not used.
SHARED = "shared"
REMEDY_NO_NET = (
    "Fit with max_epochs above 0, on more subjects, or with members=() so that nets must count; "
    "token_attribution explains the prediction without a net too"
)


@dataclass(frozen=True, eq=False)
class SubjectsView:
    """Subjects as the members of a fusion read them."""

    fusion: Any
    anchor: str | None  # the anchor that is looked into, None for the whole prediction
    index: pd.Index
    tables: dict[str, TokenTable]  # their tokens by modality
    scores: Scores  # what phase 1 says of them
    nets: dict[str, FusionNet]  # the nets that are looked into, by anchor
    # tokens that some of these nets read, and the inputs of anchors that are foundation models
    data: FusionData
    own: dict[str, FusionData]
    texts: dict[str, RecordTexts]  # their records, of modalities that a language model reads
    # their free text, of modalities whose extractor reads any
    notes: dict[str, list[FreeText]]

    @property
    def present(self) -> np.ndarray:
        """Which modalities every subject has, (n_subjects, n_modalities)."""
        return self.data.present.numpy()

    @property
    def device(self) -> torch.device:
        """Where nets compute."""
        for net in self.nets.values():
            return torch.device(net.device)
        return choose_device(self.fusion.device)

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, dict]]:
        """Yield row numbers and batches on the nets' device."""
        for start in range(0, len(self.data), size):
            rows = np.arange(start, min(start + size, len(self.data)))
            batch, _ = self.data.batch(rows)
            yield rows, to_device(batch, self.device)

    def batches_of(self, anchor: str, size: int) -> Iterator[dict]:
        """Yield batches as an anchor's net reads them."""
        data = self.own.get(anchor, self.data)
        for start in range(0, len(data), size):
            batch, _ = data.batch(np.arange(start, min(start + size, len(data))))
            yield to_device(batch, self.device)

    def inputs_of(self, anchor: str, rows: np.ndarray) -> Any:
        """Return what an anchor's foundation model reads of some subjects, on its device."""
        batch, _ = self.own[anchor].batch(rows)
        return to_device(batch["inputs"], self.device)


def view_of(estimator: Any, X: Any, anchor: str | None = None) -> SubjectsView:
    """Return a table of subjects as an anchor's net reads it, or as all members do for None.

    X (n_subjects, n_columns).
    """
    fusion = fusion_of(estimator)
    check_anchor(fusion, anchor)
    notes = read_free_texts(estimator, X)
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        X = estimator[:-1].transform(X)
    likes = fusion.inputs_.likes
    subjects = read_later_table(check_fusion_table(fusion, X, reset=False), likes)
    scores = fusion.phase_one_.scores(subjects.pool_tokens())
    nets = {name: net for name, net in fusion.nets_.items() if anchor in (None, name)}
    shared, own = read_for_nets(fusion, subjects, scores, nets)
    return SubjectsView(
        fusion=fusion,
        anchor=anchor,
        index=subjects.index,
        tables=subjects.tables,
        scores=scores,
        nets=nets,
        data=shared,
        own=own,
        texts=collect_texts(subjects.cells, likes),
        notes=notes,
    )


def read_for_nets(
    fusion: Any, subjects: Subjects, scores: Scores, nets: Mapping[str, FusionNet]
) -> tuple[FusionData, dict[str, FusionData]]:
    """Return the tokens that nets read, and by anchor the inputs of foundation models."""
    likes = fusion.inputs_.likes
    own = [name for name in nets if likes[name].backbone.is_foundation]
    inputs = replace(
        fusion.inputs_,
        starts={SHARED: Start("average", None)}
        | {name: fusion.inputs_.starts[name] for name in own},
    )
    read = dict(inputs.read_by_net(subjects, scores, fusion.device, fusion.precision))
    shared = copy.copy(read.pop(SHARED))
    # A foundation model reads inputs; its tokens are for the nets of other anchors.
    shared.tokens = {
        name: tokens
        for name, tokens in shared.tokens.items()
        if any(name != anchor or anchor not in own for anchor in nets)
    }
    return shared, read


def fusion_of(estimator: Any) -> Any:
    """Return the fitted fusion that an estimator is or ends in."""
    fusion = last_step(estimator)
    if not isinstance(fusion, AnchoredFusionClassifier | AnchoredFusionRegressor):
        raise InputError(
            "An anchored fusion, or a pipeline that ends in one, can be looked into",
            got=type(fusion).__name__,
            remedy="Pass a fitted AnchoredFusionClassifier or AnchoredFusionRegressor",
        )
    check_is_fitted(fusion, "nets_")
    return fusion


def check_anchor(fusion: Any, anchor: str | None) -> str | None:
    """Return a fusion's anchor, or None for none; refuse what is no anchor of it."""
    if anchor is not None and anchor not in fusion.anchors_:
        raise InputError(
            "'anchor' must be one of the fusion's anchors",
            got=repr(anchor),
            remedy=f"Choose from {fusion.anchors_}",
        )
    return anchor


def choose_net(fusion: Any, anchor: str | None) -> str:
    """Return the anchor whose net is looked into, for None that of the largest share."""
    check_anchor(fusion, anchor)
    if not fusion.nets_:
        raise InputError(
            "Only a fusion with a net has attention to look into",
            got=explain_no_net(fusion),
            remedy=REMEDY_NO_NET,
        )
    if anchor is None:
        # Of equal shares, the first in the user's order.
        return max(fusion.nets_, key=fusion.interaction_.__getitem__)
    if anchor not in fusion.nets_:
        raise InputError(
            f"The anchor {anchor!r} has no net: it has no share in the mixture",
            got=f"nets of {list(fusion.nets_)}",
            remedy="Choose one of these; token_attribution explains the whole prediction",
        )
    return anchor


def explain_no_net(fusion: Any) -> str:
    """Say why a fusion has no net at all."""
    if fusion.max_epochs == 0:
        return "max_epochs=0, so that none was trained"
    return "none whose share in the mixture is above 0, since none gained on phase 1"


def find_extractor_in(estimator: Any, modality: str) -> Any:
    """Return the fitted extractor of a modality within a pipeline, None where there is none."""
    steps = estimator.steps[:-1] if isinstance(estimator, Pipeline) else []
    for _, step in steps:
        for name, transformer, _ in getattr(step, "transformers_", ()):
            if name == modality:
                return last_step(transformer)
    return None
