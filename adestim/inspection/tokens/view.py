"""A table of subjects as one anchor's net reads it, from a fitted fusion or a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from adestim._support.routing import last_step
from adestim.encoding.tables import check_fusion_table, read_later_table
from adestim.encoding.texts import FreeText
from adestim.encoding.tokens import TokenTable
from adestim.exceptions import InputError
from adestim.fusion import AnchoredFusionClassifier, AnchoredFusionRegressor
from adestim.inspection.tokens.free_text import read_free_texts
from adestim.inspection.tokens.words import RecordTexts, collect_texts
from adestim.training.batches import FusionData, to_device
from adestim.training.net import FusionNet


@dataclass(frozen=True, eq=False)
class SubjectsView:
    """Subjects as one anchor's net reads them."""

    fusion: Any
    anchor: str
    index: pd.Index
    tables: dict[str, TokenTable]  # their tokens by modality
    data: FusionData
    texts: dict[str, RecordTexts]  # their records, of modalities that a language model reads
    # their free text, of modalities whose extractor reads any
    notes: dict[str, list[FreeText]]

    @property
    def net(self) -> FusionNet:
        """The anchor's net."""
        return self.fusion.nets_[self.anchor]

    @property
    def present(self) -> np.ndarray:
        """Which modalities every subject has, (n_subjects, n_modalities)."""
        return self.data.present.numpy()

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, dict]]:
        """Yield row numbers and batches on the net's device."""
        for start in range(0, len(self.data), size):
            rows = np.arange(start, min(start + size, len(self.data)))
            batch, _ = self.data.batch(rows)
            yield rows, to_device(batch, self.net.device)


def view_of(estimator: Any, X: Any, anchor: str | None = None) -> SubjectsView:
    """Return a table of subjects as one anchor's net reads it.

    X (n_subjects, n_columns).
    """
    fusion = fusion_of(estimator)
    anchor = choose_anchor(fusion, anchor)
    notes = read_free_texts(estimator, X)
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        X = estimator[:-1].transform(X)
    inputs = fusion.inputs_.keep_nets([anchor])
    subjects = read_later_table(check_fusion_table(fusion, X, reset=False), inputs.likes)
    scores = fusion.phase_one_.scores(subjects.pool_tokens())
    [(_, data)] = inputs.read_by_net(subjects, scores, fusion.device, fusion.precision)
    texts = collect_texts(subjects.cells, inputs.likes)
    return SubjectsView(fusion, anchor, subjects.index, subjects.tables, data, texts, notes)


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


def choose_anchor(fusion: Any, anchor: str | None) -> str:
    """Return the anchor that is named, the first for None."""
    if anchor is None:
        return fusion.anchors_[0]
    if anchor not in fusion.anchors_:
        raise InputError(
            "'anchor' must be one of the fusion's anchors",
            got=repr(anchor),
            remedy=f"Choose from {fusion.anchors_}",
        )
    return anchor


def find_extractor_in(estimator: Any, modality: str) -> Any:
    """Return the fitted extractor of a modality within a pipeline, None where there is none."""
    steps = estimator.steps[:-1] if isinstance(estimator, Pipeline) else []
    for _, step in steps:
        for name, transformer, _ in getattr(step, "transformers_", ()):
            if name == modality:
                return last_step(transformer)
    return None
