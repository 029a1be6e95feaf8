"""One anchor's net: what it reads, how it is built, how it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adestim._torch import choose_device
from adestim.backbone.reference import ReferenceBackbone
from adestim.exceptions import InputError
from adestim.fusion import AnchoredFusion, ModalityShape
from adestim.heads import PhaseOne
from adestim.tokens import TokenScaler, TokenTable
from adestim.training import (
    BatchIterator,
    EarlyStop,
    EpochHook,
    FusionData,
    FusionNet,
    warmup_cosine,
)

__all__ = ["AnchorInputs", "build_net", "choose_anchors"]

HEAD_WIDTH = 8
# The gate is one number a modality and must travel far in few steps.
GATE_SPEED = 10
LARGEST_SCORE = 6.0


@dataclass(frozen=True, eq=False)
class AnchorInputs:
    """What was learned on the training subjects about reading tables into nets.

    Parameters
    ----------
    phase_one : PhaseOne
        The fitted phase-1 heads.
    likes : dict of str to TokenTable
        Shape and backbone of every modality's tokens, no subject's data.
    scalers : dict of str to TokenScaler
        Standardisation of every modality's tokens.
    score_scale : ndarray of shape (n_modalities, n_scores)
        Root mean square of every phase-1 score.
    start : str
        How phase-1 heads combine.
    """

    phase_one: PhaseOne
    likes: dict[str, TokenTable]
    scalers: dict[str, TokenScaler]
    score_scale: np.ndarray
    start: str

    def data(
        self,
        anchor: str,
        tables: Mapping[str, TokenTable],
        scores: np.ndarray,
        y: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> FusionData:
        """Return subjects as one anchor's net reads them.

        Parameters
        ----------
        anchor : str
            Name of the anchor.
        tables : mapping of str to TokenTable
            Tokens of every modality.
        scores : ndarray of shape (n_subjects, n_modalities, 2, n_classes - 1)
            Phase-1 scores.
        y : ndarray of shape (n_subjects,), default=None
            Classes as integers; None where they are not known.
        weight : ndarray of shape (n_subjects,), default=None
            Weights in the loss; None for equal ones.

        Returns
        -------
        FusionData
        """
        n_subjects = len(scores)
        y = np.zeros(n_subjects) if y is None else y
        weight = np.ones(n_subjects) if weight is None else weight
        present = np.stack([table.present for table in tables.values()], axis=1)
        return FusionData(
            tokens={
                name: torch.from_numpy(self.scalers[name].transform(table))
                for name, table in tables.items()
            },
            masks={name: torch.from_numpy(table.mask) for name, table in tables.items()},
            scores=torch.from_numpy(net_scores(scores, self.score_scale)),
            present=torch.from_numpy(present),
            base=self.base(anchor, scores),
            y=torch.from_numpy(y.astype(np.int64)),
            weight=torch.from_numpy(weight.astype(np.float32)),
        )

    def base(self, anchor: str, scores: np.ndarray) -> BaseLogits:
        """Return the phase-1 logits from which one anchor's net starts."""
        return BaseLogits(self.phase_one, scores, self.start, anchor)

    def module(self, anchor: str, n_classes: int, params: Mapping[str, Any]) -> AnchoredFusion:
        """Build one anchor's module with fresh weights.

        Parameters
        ----------
        anchor : str
            Name of the anchor.
        n_classes : int
            Number of classes.
        params : mapping
            Parameters of the fusion estimator.

        Returns
        -------
        AnchoredFusion
        """
        shapes = {
            name: ModalityShape(
                n_tokens=like.tokens.shape[1] if like.fixed else 0,
                width=like.tokens.shape[2],
                n_scores=2 * (n_classes - 1),
            )
            for name, like in self.likes.items()
        }
        own, n_heads = shapes[anchor], params["width"] // HEAD_WIDTH
        backbone = ReferenceBackbone(
            own.n_tokens, own.width, params["width"], params["depth"], n_heads, params["dropout"]
        )
        return AnchoredFusion(
            anchor,
            backbone,
            shapes,
            n_classes=n_classes,
            n_queries=params["n_queries"],
            n_heads=n_heads,
            cross_modal=params["cross_modal"],
            dropout=params["dropout"],
        )


class BaseLogits:
    """Phase-1 logits of some rows when only some of their modalities are shown."""

    def __init__(self, phase_one: PhaseOne, scores: np.ndarray, start: str, anchor: str):
        self.phase_one = phase_one
        self.scores = scores
        self.start = start
        self.anchor = anchor

    def __call__(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return logits (n_rows, n_classes)."""
        return self.phase_one.logits(self.scores[rows], present, self.start, self.anchor)


def build_net(
    module: torch.nn.Module,
    n_train: int,
    validation: FusionData | None,
    hook: Callable[[dict], bool] | None,
    params: Mapping[str, Any],
) -> FusionNet:
    """Wrap a module in a skorch net: AdamW, warm-up, cosine decay, early stop.

    Parameters
    ----------
    module : torch.nn.Module
        The anchor's module.
    n_train : int
        Number of training subjects, from which the schedule's length follows.
    validation : FusionData or None
        Inner validation subjects.
    hook : callable or None
        Called with every epoch's record; training stops where it returns True.
    params : mapping
        Parameters of the fusion estimator.

    Returns
    -------
    FusionNet
    """
    n_steps = max(1, params["max_epochs"]) * -(-n_train // params["batch_size"])
    return FusionNet(
        module,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=params["weight_decay"],
        optimizer__param_groups=[("log_gate", {"lr": GATE_SPEED * params["learning_rate"]})],
        lr=params["learning_rate"],
        max_epochs=params["max_epochs"],
        batch_size=params["batch_size"],
        iterator_train=BatchIterator,
        iterator_train__shuffle=True,
        iterator_train__modality_dropout=params["modality_dropout"],
        iterator_valid=BatchIterator,
        train_split=None,
        precision=params["precision"],
        device=str(choose_device(params["device"])),
        callbacks=[
            ("schedule", warmup_cosine(n_steps)),
            ("early_stop", EarlyStop(validation, params["patience"])),
            ("epoch_hook", EpochHook(hook)),
        ],
        callbacks__print_log=None,
        callbacks__valid_loss=None,
        verbose=0,
    )


def choose_anchors(anchor: str | Sequence[str], modalities: Sequence[str]) -> list[str]:
    """Return the anchors' names, or say which modality is not there.

    Parameters
    ----------
    anchor : str or sequence of str
        One name, several, or ``"all"``.
    modalities : sequence of str
        Modalities that some training subject has.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        When a name is not among the modalities.
    """
    if isinstance(anchor, str) and anchor == "all":
        return list(modalities)
    anchors = [anchor] if isinstance(anchor, str) else list(anchor)
    unknown = [name for name in anchors if name not in modalities]
    if unknown or not anchors:
        raise InputError(
            "The 'anchor' parameter of AnchoredFusionClassifier must name modalities that some "
            "training subject has",
            got=repr(anchor),
            remedy=f"Choose from {list(modalities)}, or write anchor='all'",
        )
    return anchors


def require_whole_heads(width: int) -> None:
    """Refuse a width that does not split into heads."""
    if width % HEAD_WIDTH:
        raise InputError(
            f"The 'width' parameter of AnchoredFusionClassifier must be a multiple of {HEAD_WIDTH}",
            got=str(width),
        )


def score_scale(scores: np.ndarray) -> np.ndarray:
    """Return the root mean square of every phase-1 score, over subjects who have it."""
    flat = scores.reshape(len(scores), scores.shape[1], -1)
    known = np.maximum((flat != 0).sum(axis=0), 1)
    return np.maximum(np.sqrt((flat**2).sum(axis=0) / known), 1e-3)


def net_scores(scores: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return phase-1 scores as the nets read them, shape (n, n_modalities, n_scores)."""
    flat = scores.reshape(len(scores), *scale.shape) / scale
    return np.clip(flat, -LARGEST_SCORE, LARGEST_SCORE).astype(np.float32)
