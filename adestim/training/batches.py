"""Subjects as batches of tensors, gathered by row number."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from adestim.encoding import read_array
from adestim.encoding.tokens import TokenScaler, TokenTable

Base = Callable[[np.ndarray, np.ndarray], np.ndarray]

N_AHEAD = 2
# Numbers of a batch that is only predicted: 32 MB of them.
LARGEST_BATCH = 2**23


class Gathered(NamedTuple):
    """What a batch needs that may lie in files; nothing random is in it."""

    # (n_rows, n_tokens, width); standardised tokens of the modalities that are read
    tokens: dict[str, Tensor]
    # the anchor's inputs, hidden or not; empty where nobody reads them
    inputs: list[np.ndarray | None]


class FusionData(Dataset):
    """Subjects as tensors, from which batches are gathered by row number.

    tokens (n_subjects, n_tokens, width), masks (n_subjects, n_tokens), scores (n_subjects,
    n_modalities, n_scores), present (n_subjects, n_modalities), y (n_subjects,), weight
    (n_subjects,).
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
        # Views share it.
        self.remembered: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def view(self, rows: np.ndarray) -> FusionData:
        """Return the same subjects' data, restricted to some rows."""
        other = copy.copy(self)
        other.rows = np.asarray(rows)
        return other

    def count_at_once(self, wanted: int) -> int:
        """Return of how many subjects a batch has room for the tokens, up to those wanted."""
        numbers = sum(math.prod(self.tokens[name].shape[1:]) for name in self._read())
        return max(1, min(wanted, LARGEST_BATCH // max(numbers, 1)))

    @property
    def in_files(self) -> bool:
        """Whether some of what batches need is read from files."""
        if self.inputs is not None and any(map(is_in_file, self.inputs.inputs)):
            return True
        return any(getattr(self.tokens[name], "in_files", False) for name in self._read())

    def gather(self, rows: np.ndarray) -> Gathered:
        """Read what a batch of some rows needs; this draws no random numbers."""
        index = torch.from_numpy(rows)
        inputs = () if self.inputs is None else [self.inputs.inputs[row] for row in rows]
        return Gathered(
            {name: self.tokens[name][index] for name in self._read()},
            [read_array(item) for item in inputs],
        )

    def batch(
        self,
        rows: np.ndarray,
        dropout: float = 0.0,
        gathered: Gathered | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[dict, Tensor]:
        """Return a batch of some rows, each modality dropped with probability ``dropout``.

        Random numbers are those of the generator, torch's own for None. -> y (n_rows,).
        """
        gathered = self.gather(rows) if gathered is None else gathered
        index = torch.from_numpy(rows)
        present, base = self._shown(rows, dropout, generator)
        places = {name: place for place, name in enumerate(self.masks)}
        batch = {
            "tokens": gathered.tokens,
            "masks": {
                name: self.masks[name][index] & present[:, places[name], None]
                for name in gathered.tokens
            },
            "scores": self.scores[index],
            "present": present,
            "base": base,
            "weight": self.weight[index],
        }
        if self.inputs is not None:
            batch["inputs"] = self.inputs.collate_shown(rows, gathered.inputs, present.numpy())
        return batch, self.y[index]

    def _shown(
        self, rows: np.ndarray, dropout: float, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Return which modalities are shown of some rows, and the phase-1 logits upon these."""
        index = torch.from_numpy(rows)
        present, base = self.present[index], self.base_logits[index]
        if dropout == 0 or present.shape[1] == 1:
            return present, base
        kept = drop_modalities(present, dropout, generator)
        alone = getattr(self.base, "reads_alone", None)
        if alone is not None:
            lost = (kept != present)[:, list(self.masks).index(alone), None]
            return kept, torch.where(lost, self._base_of_nobody()[index], base)
        touched = (kept != present).any(dim=1)
        base = base.clone()
        base[touched] = torch.from_numpy(self.base(rows[touched.numpy()], kept[touched].numpy()))
        return kept, base

    def _base_of_nobody(self) -> Tensor:
        """Return the phase-1 logits (n_subjects, n_outputs) of who shows no modality."""
        if not self.remembered:
            shown = np.zeros(self.present.shape, dtype=bool)
            self.remembered["nobody"] = torch.from_numpy(self.base(np.arange(len(shown)), shown))
        return self.remembered["nobody"]

    def _read(self) -> list[str]:
        """Return the modalities whose tokens are read: a foundation model reads its inputs."""
        return [name for name in self.tokens if self.inputs is None or name != self.inputs.anchor]


def is_in_file(item: Any) -> bool:
    """Tell whether what stands for an array reads it from a file."""
    return hasattr(item, "read")


@dataclass(frozen=True, eq=False)
class GatheredTokens:
    """Standardised tokens that are gathered, and may be read from files, batch by batch."""

    table: TokenTable
    scaler: TokenScaler

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all tokens, (n_subjects, n_tokens, width)."""
        return self.table.tokens.shape

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return the tokens of some subjects, (n_rows, n_tokens, width)."""
        rows = index.numpy()
        part = replace(self.table, tokens=self.table.tokens[rows], mask=self.table.mask[rows])
        return torch.from_numpy(self.scaler.transform(part))

    @property
    def in_files(self) -> bool:
        """Whether some of them are read from files."""
        cells = getattr(self.table.tokens, "cells", ())
        return any(is_in_file(cell.unread("tokens")) for cell in cells if cell is not None)


@dataclass(frozen=True, eq=False)
class AnchorBatches:
    """The inputs of an anchor's foundation model."""

    anchor: str  # name of the anchor
    place: int  # its place among the modalities
    # one a subject; those in a file are read when a batch asks for them
    inputs: Sequence[np.ndarray | None]
    # makes one tensor of the inputs of several subjects
    collate: Callable[[Sequence[np.ndarray]], Tensor]

    def collate_shown(
        self, rows: np.ndarray, arrays: Sequence[np.ndarray | None], present: np.ndarray
    ) -> ShownInputs:
        """Return the inputs of those of some rows whose anchor is shown.

        present (n_rows, n_modalities).
        """
        places = np.flatnonzero(present[:, self.place]).tolist()
        if not places:
            return ShownInputs(None, len(rows), None)
        values = self.collate([arrays[place] for place in places])
        sources = tuple(self.inputs[row] for row in rows[places])
        return ShownInputs(values, len(rows), torch.tensor(places), sources)


@dataclass(frozen=True, eq=False)
class ShownInputs:
    """The inputs of those subjects of a batch whose anchor is shown."""

    values: Tensor | None  # (n_shown, ...); collated inputs; None where nobody's anchor is shown
    n_subjects: int  # subjects in the batch
    # (n_shown,); which of them these are. A GPU that had to count them would be waited for
    places: Tensor | None
    # what each of the values was made of, by which a frozen body knows a subject again. Whoever
    # changes values leaves it empty
    sources: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return self.n_subjects

    def to(self, device: torch.device, non_blocking: bool = False) -> ShownInputs:
        """Move the inputs to a device."""
        if self.values is None:
            return self
        return self._map(lambda value: value.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> ShownInputs:
        """Put the inputs where a GPU can fetch them while it computes."""
        return self if self.values is None else self._map(Tensor.pin_memory)

    def _map(self, move: Callable[[Tensor], Tensor]) -> ShownInputs:
        """Return the same inputs elsewhere."""
        return replace(self, values=move(self.values), places=move(self.places))


def drop_modalities(
    present: Tensor, dropout: float, generator: torch.Generator | None = None
) -> Tensor:
    """Drop modalities at random; who would be left with none keeps all."""
    kept = present & (torch.rand(present.shape, generator=generator) >= dropout)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


class BatchIterator:
    """Batches of a :class:`FusionData`, in random order where asked."""

    def __init__(
        self,
        dataset: FusionData,
        batch_size: int,
        shuffle: bool = False,
        modality_dropout: float = 0.0,
        ahead: bool | None = None,
        pin_memory: bool = False,
    ):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.modality_dropout = modality_dropout
        self.ahead = ahead
        self.pin_memory = pin_memory

    def __len__(self) -> int:
        return math.ceil(len(self.dataset) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[dict, Tensor]]:
        rows = self.dataset.rows
        if self.shuffle:
            rows = rows[torch.randperm(len(rows)).numpy()]
        starts = range(0, len(rows), self.batch_size)
        parts = [rows[start : start + self.batch_size] for start in starts]
        ahead = self.dataset.in_files if self.ahead is None else self.ahead
        gather = read_ahead if ahead else map
        for part, gathered in zip(parts, gather(self._gather, parts), strict=True):
            batch, y = self.dataset.batch(part, self.modality_dropout, gathered)
            yield (pin_batch(batch), y.pin_memory()) if self.pin_memory else (batch, y)

    def _gather(self, rows: np.ndarray) -> Gathered:
        """Read what a batch needs; tokens, which are the most of it, are pinned by the reader."""
        gathered = self.dataset.gather(rows)
        if not self.pin_memory:
            return gathered
        return gathered._replace(tokens=pin_batch(gathered.tokens))


def read_ahead(read: Callable[[Any], Any], parts: Iterable[Any]) -> Iterator[Any]:
    """Yield what is read of every part, in order; a thread reads the next few meanwhile."""
    thread = ThreadPoolExecutor(1)
    coming: deque = deque()
    try:
        for part in parts:
            coming.append(thread.submit(read, part))
            if len(coming) > N_AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)


def pin_batch(value: Any) -> Any:
    """Put a nested batch where a GPU can fetch it while it computes."""
    if isinstance(value, Mapping):
        return {key: pin_batch(item) for key, item in value.items()}
    return value.pin_memory()


def to_device(value: Any, device: torch.device) -> Any:
    """Move a nested batch to a device."""
    if isinstance(value, Mapping):
        return {key: to_device(item, device) for key, item in value.items()}
    return value.to(device, non_blocking=True)
