"""Subjects as batches of tensors, gathered by row number."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from adestim.encoding import read_array
from adestim.tokens import TokenScaler, TokenTable

__all__ = [
    "AnchorBatches",
    "BatchIterator",
    "FusionData",
    "GatheredTokens",
    "ShownInputs",
    "to_device",
]

Base = Callable[[np.ndarray, np.ndarray], np.ndarray]


class FusionData(Dataset):
    """Subjects as tensors, from which batches are gathered by row number.

    Parameters
    ----------
    tokens : mapping of str to Tensor or GatheredTokens of shape (n_subjects, n_tokens, width)
        Standardised tokens by modality.
    masks : mapping of str to Tensor of shape (n_subjects, n_tokens), dtype bool
        True where a token is real.
    scores : Tensor of shape (n_subjects, n_modalities, n_scores)
        Phase-1 scores as the module reads them.
    present : Tensor of shape (n_subjects, n_modalities), dtype bool
        Which modalities a subject has.
    base : callable
        Takes row numbers and a presence table, returns phase-1 logits (n_rows, n_classes).
    y : Tensor of shape (n_subjects,), dtype int64
        Classes.
    weight : Tensor of shape (n_subjects,)
        Weights of the subjects in the loss.
    rows : ndarray of int, default=None
        The rows this view holds; None for all.
    inputs : AnchorBatches, default=None
        Inputs of the anchor's foundation model; None for a reference backbone, which reads its
        tokens.
    """

    def __init__(
        self,
        tokens: Mapping[str, Tensor | GatheredTokens],
        masks: Mapping[str, Tensor],
        scores: Tensor,
        present: Tensor,
        base: Base,
        y: Tensor,
        weight: Tensor,
        rows: np.ndarray | None = None,
        inputs: AnchorBatches | None = None,
    ):
        self.tokens = tokens
        self.masks = masks
        self.scores = scores
        self.present = present
        self.base = base
        self.y = y
        self.weight = weight
        self.rows = np.arange(len(y)) if rows is None else np.asarray(rows)
        self.inputs = inputs
        self.base_logits = torch.from_numpy(base(np.arange(len(y)), present.numpy()))

    def __len__(self) -> int:
        return len(self.rows)

    def view(self, rows: np.ndarray) -> FusionData:
        """Return the same subjects' data, restricted to some rows."""
        other = copy.copy(self)
        other.rows = np.asarray(rows)
        return other

    def rebased(self, base: Base, inputs: AnchorBatches | None = None) -> FusionData:
        """Return the same subjects upon other phase-1 logits, with another anchor's inputs."""
        other = copy.copy(self)
        other.base = base
        other.inputs = inputs
        other.base_logits = torch.from_numpy(base(np.arange(len(self.y)), self.present.numpy()))
        return other

    def batch(self, rows: np.ndarray, dropout: float = 0.0) -> tuple[dict, Tensor]:
        """Gather some rows, each modality dropped with probability ``dropout``.

        Returns
        -------
        batch : dict
            What :class:`~adestim.fusion.AnchoredFusion` reads, and ``weight``.
        y : Tensor of shape (n_rows,)
        """
        index = torch.from_numpy(rows)
        present, base = self.present[index], self.base_logits[index]
        if dropout > 0 and present.shape[1] > 1:
            kept = drop_modalities(present, dropout)
            touched = (kept != present).any(dim=1)
            base = base.clone()
            base[touched] = torch.from_numpy(
                self.base(rows[touched.numpy()], kept[touched].numpy())
            )
            present = kept
        read = self.tokens.keys() - self._unread()
        places = {name: place for place, name in enumerate(self.masks)}
        batch = {
            "tokens": {name: self.tokens[name][index] for name in read},
            "masks": {
                name: self.masks[name][index] & present[:, places[name], None] for name in read
            },
            "scores": self.scores[index],
            "present": present,
            "base": base,
            "weight": self.weight[index],
        }
        if self.inputs is not None:
            batch["inputs"] = self.inputs.batch(rows, present.numpy())
        return batch, self.y[index]

    def _unread(self) -> set[str]:
        """Return the modality whose tokens nobody reads: a foundation model reads its inputs."""
        return set() if self.inputs is None else {self.inputs.anchor}


@dataclass(frozen=True, eq=False)
class GatheredTokens:
    """Standardised tokens that are gathered, and may be read from files, batch by batch.

    Parameters
    ----------
    table : TokenTable
        The subjects' tokens.
    scaler : TokenScaler
        Their standardisation.
    """

    table: TokenTable
    scaler: TokenScaler

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return the tokens of some subjects, (n_rows, n_tokens, width)."""
        rows = index.numpy()
        part = replace(self.table, tokens=self.table.tokens[rows], mask=self.table.mask[rows])
        return torch.from_numpy(self.scaler.transform(part))


@dataclass(frozen=True, eq=False)
class AnchorBatches:
    """The inputs of an anchor's foundation model.

    Parameters
    ----------
    anchor : str
        Name of the anchor.
    place : int
        Its place among the modalities.
    inputs : sequence of (ndarray, StoredArray or None)
        One a subject; those in a file are read when a batch asks for them.
    collate : callable
        Makes one tensor of the inputs of several subjects.
    """

    anchor: str
    place: int
    inputs: Sequence[np.ndarray | None]
    collate: Callable[[Sequence[np.ndarray]], Tensor]

    def batch(self, rows: np.ndarray, present: np.ndarray) -> ShownInputs:
        """Return the inputs of those of some rows whose anchor is shown."""
        shown = [read_array(self.inputs[row]) for row in rows[present[:, self.place]]]
        return ShownInputs(self.collate(shown) if shown else None, len(rows))


@dataclass(frozen=True, eq=False)
class ShownInputs:
    """The inputs of those subjects of a batch whose anchor is shown.

    Parameters
    ----------
    values : Tensor of shape (n_shown, ...) or None
        Collated inputs; None where nobody's anchor is shown.
    n_subjects : int
        Subjects in the batch.
    """

    values: Tensor | None
    n_subjects: int

    def __len__(self) -> int:
        return self.n_subjects

    def to(self, device: torch.device, non_blocking: bool = False) -> ShownInputs:
        """Move the inputs to a device."""
        if self.values is None:
            return self
        return ShownInputs(self.values.to(device, non_blocking=non_blocking), self.n_subjects)


def drop_modalities(present: Tensor, dropout: float) -> Tensor:
    """Drop modalities at random; who would be left with none keeps all."""
    kept = present & (torch.rand(present.shape) >= dropout)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


class BatchIterator:
    """Batches of a :class:`FusionData`, in random order where asked.

    Parameters
    ----------
    dataset : FusionData
        The subjects.
    batch_size : int
        Subjects a batch.
    shuffle : bool, default=False
        Whether to permute the rows before every epoch.
    modality_dropout : float, default=0.0
        Probability with which each modality of each subject is hidden.
    """

    def __init__(
        self,
        dataset: FusionData,
        batch_size: int,
        shuffle: bool = False,
        modality_dropout: float = 0.0,
    ):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.modality_dropout = modality_dropout

    def __len__(self) -> int:
        return math.ceil(len(self.dataset) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[dict, Tensor]]:
        rows = self.dataset.rows
        if self.shuffle:
            rows = rows[torch.randperm(len(rows)).numpy()]
        for start in range(0, len(rows), self.batch_size):
            yield self.dataset.batch(rows[start : start + self.batch_size], self.modality_dropout)


def to_device(value: Any, device: torch.device) -> Any:
    """Move a nested batch to a device."""
    if isinstance(value, Mapping):
        return {key: to_device(item, device) for key, item in value.items()}
    return value.to(device, non_blocking=True)
