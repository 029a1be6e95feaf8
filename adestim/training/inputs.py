"""What nets read: subjects' tokens and phase-1 scores, scaled as was learned in training."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from adestim._support.torch import choose_device
from adestim.backbone.loading import PRECISIONS, load_backbone
from adestim.encoding import Encoding
from adestim.encoding.tables import Subjects
from adestim.encoding.tokens import TokenScaler, TokenTable, drop_rows
from adestim.training.batches import AnchorBatches, FusionData, GatheredTokens
from adestim.training.nets import ModalityShape
from adestim.training.phase_one.logistic import PhaseOne
from adestim.training.phase_one.penalised import Scores
from adestim.training.phase_one.ridge import RidgePhaseOne

LARGEST_SCORE = 6.0
# Patterns of hidden modalities whose outputs are remembered.
N_PATTERNS = 256


class Start(NamedTuple):
    """The phase-1 prediction that a net starts from."""

    combination: str  # how the heads combine
    anchor: str | None  # the modality whose model the net is, None for a net of all alike


@dataclass(frozen=True, eq=False)
class NetInputs:
    """What was learned on the training subjects about reading tables into nets."""

    phase_one: PhaseOne | RidgePhaseOne  # the fitted phase-1 heads
    likes: dict[str, TokenTable]  # shape and backbone of every modality's tokens, no subject's data
    scalers: dict[str, TokenScaler]  # standardisation of every modality's tokens
    score_scale: np.ndarray  # (n_modalities, n_scores); root mean square of every phase-1 score
    n_outputs: int  # number of outputs of a net
    starts: dict[str, Start]  # by name of a net

    @classmethod
    def learn(
        cls,
        tables: Mapping[str, TokenTable],
        phase_one: PhaseOne | RidgePhaseOne,
        scores: Scores,
        n_outputs: int,
        starts: Mapping[str, Start],
    ) -> NetInputs:
        """Learn scales from the training subjects' tokens and their scores by unseen heads."""
        return cls(
            phase_one=phase_one,
            likes={name: drop_rows(table) for name, table in tables.items()},
            scalers={name: TokenScaler.fit(table) for name, table in tables.items()},
            score_scale=scale_of_scores(scores.values),
            n_outputs=n_outputs,
            starts=dict(starts),
        )

    def keep_nets(self, names: Collection[str]) -> NetInputs:
        """Return the same for some of the nets."""
        return replace(self, starts={name: self.starts[name] for name in names})

    def shapes(self) -> dict[str, ModalityShape]:
        """Return what a fusion knows of every modality."""
        n_scores = self.score_scale.shape[1]
        return {name: shape_of(like, n_scores) for name, like in self.likes.items()}

    def read_by_net(
        self,
        subjects: Subjects,
        scores: Scores,
        device: str,
        precision: str,
        targets: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> Iterator[tuple[str, FusionData]]:
        """Yield every net's name and the subjects as it reads them; tokens are shared.

        targets (n_subjects,), weight (n_subjects,).
        """
        shared = self._read_shared(subjects, scores, targets, weight)
        for name, start in self.starts.items():
            yield (
                name,
                FusionData(
                    **shared,
                    base=BaseOutputs(self.phase_one, scores, subjects.present, *start),
                    inputs=self._anchor_batches(start.anchor, subjects.cells, device, precision),
                ),
            )

    def _read_shared(self, subjects, scores, targets, weight) -> dict[str, Any]:
        """Return what all nets read alike."""
        n_subjects, tables = len(scores.values), subjects.tables
        targets = np.zeros(n_subjects, dtype=np.int64) if targets is None else targets
        weight = np.ones(n_subjects) if weight is None else weight
        return {
            "tokens": {
                name: standardise_tokens(table, self.scalers[name])
                for name, table in tables.items()
            },
            "masks": {name: torch.from_numpy(table.mask) for name, table in tables.items()},
            "scores": torch.from_numpy(scale_scores(scores.values, self.score_scale)),
            "present": torch.from_numpy(subjects.present),
            "y": torch.from_numpy(as_targets(targets)),
            "weight": torch.from_numpy(weight.astype(np.float32)),
        }

    def _anchor_batches(
        self,
        anchor: str | None,
        cells: Mapping[str, Sequence[Encoding | None]],
        device: str,
        precision: str,
    ) -> AnchorBatches | None:
        """Return what an anchor's foundation model reads, None where a net reads tokens."""
        if anchor is None or not self.likes[anchor].backbone.is_foundation:
            return None
        inputs = [None if cell is None else cell.unread("inputs") for cell in cells[anchor]]
        # Whoever encoded the subjects knows where the model's weights are now.
        known = (cell.backbone for cell in cells[anchor] if cell is not None)
        spec, place = next(known, self.likes[anchor].backbone), list(self.likes).index(anchor)
        model = load_backbone(spec, choose_device(device), PRECISIONS[precision])
        return AnchorBatches(anchor, place, inputs, model.collate)


class BaseOutputs:
    """Phase-1 outputs of some rows when only some of their modalities are shown.

    Training hides modalities over and over, so that what is hidden again is computed once.
    """

    def __init__(
        self,
        phase_one: PhaseOne | RidgePhaseOne,
        scores: Scores,
        known: np.ndarray,
        start: str,
        anchor: str | None,
    ):
        self.phase_one = phase_one
        self.scores = scores
        self.known = known
        self.start = start
        self.anchor = anchor
        self._by_hidden: dict[bytes, np.ndarray] = {}

    @property
    def reads_alone(self) -> str | None:
        """The only modality that outputs depend on, None where they may depend on all."""
        return self.anchor if self.start == "anchor" else None

    def __call__(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return outputs (n_rows, n_outputs)."""
        hidden = self.known[rows] & ~present
        patterns, pattern_of = np.unique(hidden, axis=0, return_inverse=True)
        outputs = self._hiding(np.zeros(hidden.shape[1], dtype=bool))[rows]
        for number, pattern in enumerate(patterns):
            asked = np.flatnonzero(pattern_of.ravel() == number)
            outputs[asked] = self._hiding(pattern)[rows[asked]]
        return outputs

    def _hiding(self, hidden: np.ndarray) -> np.ndarray:
        """Return the outputs of all rows where some modalities are hidden."""
        key = hidden.tobytes()
        if key not in self._by_hidden:
            if len(self._by_hidden) >= N_PATTERNS:
                self._by_hidden.clear()
            shown = self.known & ~hidden
            self._by_hidden[key] = self.phase_one.logits(
                self.scores, shown, self.start, self.anchor
            )
        return self._by_hidden[key]


def standardise_tokens(table: TokenTable, scaler: TokenScaler) -> torch.Tensor | GatheredTokens:
    """Return tokens as nets read them, at once where they are in memory."""
    if isinstance(table.tokens, np.ndarray):
        return torch.from_numpy(scaler.transform(table))
    return GatheredTokens(table, scaler)


def shape_of(like: TokenTable, n_scores: int) -> ModalityShape:
    """Return what the fusion knows of a modality."""
    return ModalityShape(
        n_tokens=like.tokens.shape[1] if like.fixed else 0,
        width=like.tokens.shape[2],
        n_scores=n_scores,
    )


def scale_of_scores(scores: np.ndarray) -> np.ndarray:
    """Return the root mean square of every phase-1 score, over subjects who have it."""
    flat = scores.reshape(len(scores), scores.shape[1], -1)
    known = np.maximum((flat != 0).sum(axis=0), 1)
    return np.maximum(np.sqrt((flat**2).sum(axis=0) / known), 1e-3)


def as_targets(targets: np.ndarray) -> np.ndarray:
    """Return targets as torch wants them: classes as int64, numbers as float32."""
    is_class = np.issubdtype(targets.dtype, np.integer)
    return targets.astype(np.int64 if is_class else np.float32)


def scale_scores(scores: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return phase-1 scores as the nets read them, shape (n, n_modalities, n_scores)."""
    flat = scores.reshape(len(scores), *scale.shape) / scale
    return np.clip(flat, -LARGEST_SCORE, LARGEST_SCORE).astype(np.float32)
