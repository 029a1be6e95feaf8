"""A prediction as a differentiable function, and the lines along which it is integrated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.base import is_regressor
from torch import Tensor

from adestim._support.positive_class import choose_positive
from adestim._support.torch import autocast
from adestim.exceptions import InputError, MissingDependencyError
from adestim.inspection.tokens.forest_path import ForestSteps
from adestim.inspection.tokens.readers import ReaderEnds, follow_readers
from adestim.inspection.tokens.speaking import Speaking
from adestim.inspection.tokens.view import SubjectsView
from adestim.training.batches import ShownInputs
from adestim.training.inputs import LARGEST_SCORE
from adestim.training.nets.own_tokens import OwnTokens
from adestim.training.phase_one.penalised import Heads, standardise

STEP = 1e-2
ROWS_AT_ONCE, NUMBERS_AT_ONCE = 256, 2**24


@dataclass(frozen=True, eq=False)
class ExplainedOutput:
    """The log-odds of a class, or the predicted number: of a whole mixture, or of one anchor.

    Its inputs are, in this order: the standardised tokens of every modality in ``read``; the
    standardised phase-1 features of every modality, (B, n_features, 2) for the separate and the
    joint head; one factor a modality of the heads' intercepts, (B, n_modalities); the log-odds
    (B, n_scores) of every member that reads columns; and the embedded tokens of every net whose
    anchor is a foundation model.
    """

    nets: dict[str, tuple[Any, ...]]  # the nets of every anchor that has some, one an inner fold
    heads: Heads
    speaking: Speaking  # what members make of the heads' scores, of readers and of nets
    # what members that read columns say of the view's subjects
    readers: dict[str, ForestSteps | ReaderEnds]
    score_scale: np.ndarray  # (n_modalities, n_scores); what the nets' scores are divided by
    read: tuple[str, ...]  # modalities whose tokens some net reads
    target: int  # place of the output
    unit: tuple[float, float] | None  # mean and scale of a regression's target; None for classes
    device: torch.device
    precision: str

    @classmethod
    def of(cls, view: SubjectsView, target: int) -> ExplainedOutput:
        """Return the output that a view looks into."""
        fusion = view.fusion
        speaking = Speaking.of(view)
        return cls(
            nets={name: tuple(net.module_.eval().folds) for name, net in view.nets.items()},
            heads=fusion.phase_one_,
            speaking=speaking,
            readers=follow_readers(view, speaking.readers),
            score_scale=fusion.inputs_.score_scale,
            read=tuple(view.data.tokens),
            target=target,
            unit=(fusion.target_mean_, fusion.target_scale_) if is_regressor(fusion) else None,
            device=view.device,
            precision=fusion.precision,
        )

    @property
    def embedders(self) -> list[tuple[str, Any]]:
        """The anchor and the net of all nets that embed their anchor's inputs."""
        return [
            (name, net)
            for name, nets in self.nets.items()
            for net in nets
            if not net.backbone.needs_summary
        ]

    def __call__(self, *values: Tensor) -> Tensor:
        """Return outputs (B,) of the inputs, then present, rows and masks, and own masks."""
        parts = self.split(list(values))
        scores = self.scores(parts.features, parts.factor)
        batch = {
            "tokens": dict(zip(self.read, parts.tokens, strict=True)),
            "masks": dict(zip(self.read, parts.masks, strict=True)),
            "scores": self.net_scores(scores),
            "present": parts.present,
        }
        said = [scores.flatten(1), *parts.odds, *self.ask_nets(batch, parts)]
        odds = Numerically.apply(torch.cat(said, 1), parts.present, parts.rows, self.speaking)
        return self.output(odds)

    def split(self, values: list[Tensor]) -> LineInputs:
        """Return what the inputs and the others are, in their order."""
        n_own = len(self.embedders)
        tokens = take(values, len(self.read))
        features = take(values, len(self.heads.modalities))
        [factor] = take(values, 1)
        odds, own = take(values, len(self.readers)), take(values, n_own)
        present, rows = take(values, 2)
        masks, own_masks = take(values, len(self.read)), take(values, n_own)
        return LineInputs(
            tokens, features, factor, odds, list(zip(own, own_masks, strict=True)),
            present, rows, masks,
        )  # fmt: skip

    def ask_nets(self, batch: dict, parts: LineInputs) -> list[Tensor]:
        """Return what every anchor's nets add to their start on average, (B, n_outputs) each."""
        own = iter(parts.own)
        found = []
        for nets in self.nets.values():
            added = [
                self.add(net, batch, None if net.backbone.needs_summary else next(own))
                for net in nets
            ]
            found.append(torch.stack(added).mean(dim=0))
        return found

    def add(self, net: Any, batch: dict, own: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return what a net adds to its start, its own tokens given if it embeds its inputs."""
        batch, backbone = batch | {"base": torch.zeros(())}, net.backbone
        if own is not None:
            shown = batch["present"][:, net.modalities.index(net.anchor)]
            values = (own[0][shown], own[1][shown]) if shown.any() else None
            batch["inputs"] = ShownInputs(values, len(shown), shown.nonzero()[:, 0])
            backbone = Embedded(own[0].shape[1])
        with autocast(self.device, self.precision):
            tokens, log_mask, mask = net.join(batch, backbone)
            encoded = net.backbone.encode(tokens, log_mask, mask.shape[1])
            pooled = net.backbone.pool(encoded, mask)
            return net.classify(batch, pooled.to(net.pooled_mean.dtype)).float()

    def scores(self, features: list[Tensor], factor: Tensor) -> Tensor:
        """Return the heads' scores (B, n_modalities, 2, n_scores)."""
        parts = []
        for place, values in enumerate(features):
            pair = (self.heads.separate[place], self.heads.joint[place])
            coef = [send(head.coef, values) for head in pair]
            intercept = send(self.heads.intercepts[place], values)
            separate = values[..., 0] @ coef[0] + factor[:, place, None] * intercept
            parts.append(torch.stack([separate, values[..., 1] @ coef[1]], dim=1))
        return torch.stack(parts, dim=1)

    def net_scores(self, scores: Tensor) -> Tensor:
        """Return scores as the nets read them, (B, n_modalities, 2 n_scores)."""
        scale = send(self.score_scale, scores)
        return (scores.flatten(2) / scale).clamp(-LARGEST_SCORE, LARGEST_SCORE)

    def output(self, odds: Tensor) -> Tensor:
        """Return log-odds of the class against all others, or the number in the user's units."""
        if self.unit is not None:
            return odds[:, 0] * self.unit[1] + self.unit[0]
        logits = torch.nn.functional.pad(odds, (1, 0))
        others = torch.cat([logits[:, : self.target], logits[:, self.target + 1 :]], dim=1)
        return logits[:, self.target] - others.logsumexp(dim=1)


@dataclass(frozen=True, eq=False)
class LineInputs:
    """The inputs of an explained output at some points of its lines, and what stays the same."""

    tokens: list[Tensor]  # (B, n_tokens, width); by modality that is read
    features: list[Tensor]  # (B, n_features, 2); by modality
    factor: Tensor  # (B, n_modalities)
    odds: list[Tensor]  # (B, n_scores); by reader
    own: list[tuple[Tensor, Tensor]]  # tokens (B, n_tokens, width) and masks by embedding net
    present: Tensor  # (B, n_modalities)
    rows: Tensor  # (B,)
    masks: list[Tensor]  # (B, n_tokens); by modality that is read


def send(values: np.ndarray, like: Tensor) -> Tensor:
    """Return an array as a tensor beside another; a GPU goes on meanwhile."""
    return torch.from_numpy(values).to(like, non_blocking=True)


def take(values: list[Tensor], number: int) -> list[Tensor]:
    """Return the first of some values, which are taken off them."""
    taken = values[:number]
    del values[:number]
    return taken


@dataclass(frozen=True)
class Embedded:
    """Answers for a foundation model whose tokens are embedded already."""

    n_stand_in: int

    @staticmethod
    def embed(values: tuple[Tensor, Tensor]) -> Tensor:
        """Return the tokens."""
        return values[0]

    @staticmethod
    def own_mask(values: tuple[Tensor, Tensor]) -> Tensor:
        """Return which are real."""
        return values[1]


# Takes values (n, n_values), a presence table and row numbers, all arrays; returns (n, n_outputs).
Judge = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class Numerically(torch.autograd.Function):
    """What members say, which is numpy, with a gradient by central differences."""

    @staticmethod
    def forward(ctx, values, present, rows, judge: Judge):
        """Return outputs (B, n_outputs) of values (B, n_values)."""
        ctx.judge = judge
        ctx.save_for_backward(values, present, rows)
        return evaluate(judge, values, present, rows).to(values)

    @staticmethod
    def backward(ctx, gradient):
        """Return the gradient of the values; all steps of all of them are judged at once."""
        values, present, rows = ctx.saved_tensors
        n_values, exact = values.shape[1], values.double()
        steps = STEP * torch.eye(n_values, dtype=exact.dtype, device=exact.device)
        moved = exact + torch.cat([steps, -steps])[:, None]
        n_moves = len(moved)
        found = evaluate(
            ctx.judge, moved.flatten(0, 1), present.repeat(n_moves, 1), rows.repeat(n_moves)
        ).view(2, n_values, len(values), -1)
        slopes = (found[0] - found[1]) / (2 * STEP)
        return (slopes * gradient.to(slopes)).sum(dim=2).T.to(values), None, None, None


def evaluate(judge: Judge, values: Tensor, present: Tensor, rows: Tensor) -> Tensor:
    """Return what is said as a tensor of double precision."""
    arrays = (value.detach().cpu().numpy() for value in (values.double(), present, rows))
    return torch.from_numpy(judge(*arrays)).to(values.device)


def standardise_features(table: Any, heads: Heads, place: int) -> np.ndarray:
    """Return phase-1 features as the separate and the joint head read them.

    -> (n_subjects, n_features, 2).
    """
    pair = (heads.separate[place], heads.joint[place])
    pooled = table.pooled()
    parts = [standardise(pooled, head.mean, head.scale) for head in pair]
    return np.stack(parts, axis=2).astype(np.float32)


def integrate_gradients(
    output: Callable[..., Tensor],
    inputs: tuple[Tensor, ...],
    baselines: tuple[Tensor, ...],
    others: tuple[Tensor, ...],
    n_steps: int,
) -> tuple[Tensor, ...]:
    """Integrate gradients along the straight line from baselines to inputs.

    inputs, baselines (B, ...), others (B, ...).
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise MissingDependencyError(
            "Integrated gradients need the package captum",
            remedy="Run: pip install 'adestim[explain]'",
        ) from error
    method = IntegratedGradients(output)
    return method.attribute(
        inputs,
        baselines,
        additional_forward_args=others,
        n_steps=n_steps,
        internal_batch_size=count_rows_at_once(inputs),
    )


def count_rows_at_once(inputs: tuple[Tensor, ...]) -> int:
    """Return how many points of the lines are computed at once: what memory holds, one a line."""
    a_row = sum(value[0].numel() for value in inputs)
    return max(len(inputs[0]), min(ROWS_AT_ONCE, NUMBERS_AT_ONCE // a_row))


def find_target(classes: np.ndarray | None, target: Any) -> int:
    """Return the place of the output that is explained; a regressor has no classes."""
    if classes is None:
        if target is not None:
            raise InputError(
                "'target' names a class, and a regressor has none",
                got=repr(target),
                remedy="Leave target out",
            )
        return 0
    places: Mapping = {label: place for place, label in enumerate(classes.tolist())}
    if target is None:
        return places[choose_positive([*places])]
    if target not in places:
        raise InputError(
            "'target' must be one of the classes",
            got=repr(target),
            remedy=f"Choose from {[*places]}",
        )
    return places[target]


def make_line_end(
    output: ExplainedOutput,
    view: SubjectsView,
    batch: dict,
    features: list[np.ndarray],
    rows: np.ndarray,
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the subjects' inputs, and what else the output needs.

    features (B, n_features, 2).
    """
    present = batch["present"]
    device = present.device
    inputs = [batch["tokens"][name] for name in output.read]
    inputs += [torch.from_numpy(block).to(device) for block in features]
    inputs.append(torch.ones(present.shape, device=device))
    inputs += [make_input(reader.end[rows], device) for reader in output.readers.values()]
    others = [present, torch.from_numpy(rows).to(device)]
    others += [batch["masks"][name] for name in output.read]
    own = embed_own_tokens(output, view, batch, rows)
    inputs += [each.tokens.float() for each in own]
    others += [each.mask for each in own]
    return tuple(inputs), tuple(others)


def make_input(values: np.ndarray, device: torch.device) -> Tensor:
    """Return numbers as the nets' other inputs are kept."""
    return torch.from_numpy(values.astype(np.float32)).to(device)


@torch.no_grad()
def embed_own_tokens(
    output: ExplainedOutput, view: SubjectsView, batch: dict, rows: np.ndarray
) -> list[OwnTokens]:
    """Return the embedded tokens of every net that embeds its anchor's inputs."""
    inputs = {name: view.inputs_of(name, rows) for name in view.own}
    return [
        net.own(net.backbone, batch | {"inputs": inputs[name]}, name, net.modalities.index(name))
        for name, net in output.embedders
    ]


def average_own_tokens(view: SubjectsView, output: ExplainedOutput, size: int) -> list[Tensor]:
    """Return by embedding net the mean tokens of those who have its anchor, (n_tokens, width)."""
    seen: list[list[tuple[Tensor, int]]] = [[] for _ in output.embedders]
    for rows, batch in view.batches(size) if seen else ():
        own = embed_own_tokens(output, view, batch, rows)
        for parts, (name, net), each in zip(seen, output.embedders, own, strict=True):
            shown = batch["present"][:, net.modalities.index(name)]
            if shown.any():
                parts.append(sum_tokens(each, shown, are_words=name in view.texts))
    return [sum(total for total, _ in parts) / sum(n for _, n in parts) for parts in seen]


def sum_tokens(own: OwnTokens, shown: Tensor, are_words: bool) -> tuple[Tensor, int]:
    """Return the sum of those shown, (n_tokens, width), and their number; of words, one sum."""
    tokens = own.tokens[shown].float()
    if are_words:
        # Texts differ in length, and their words in place.
        tokens = tokens[own.mask[shown]][:, None]
    return tokens.sum(dim=0), len(tokens)


def make_line_start(
    output: ExplainedOutput,
    inputs: tuple[Tensor, ...],
    present: Tensor,
    rows: np.ndarray,
    baseline: str,
    means: list[Tensor],
) -> tuple[Tensor, ...]:
    """Return the baseline's inputs: zeros, which are means, and intercepts for ``"mean"``.

    Members that read columns start from what they say of means.

    present (B, n_modalities).
    """
    start = [torch.zeros_like(value) for value in inputs]
    factor = len(output.read) + len(output.heads.modalities)
    if baseline == "mean":
        start[factor] = torch.ones_like(inputs[factor])
    for place, reader in enumerate(output.readers.values(), factor + 1):
        start[place] = make_input(reader.start[rows], present.device)
    first = factor + 1 + len(output.readers)
    for number, (name, net) in enumerate(output.embedders):
        shown = present[:, net.modalities.index(name)]
        value = inputs[first + number]
        stand_in = means[number] if means else (net.own.stand_in * net.own.rms).detach()
        start[first + number] = torch.where(shown[:, None, None], stand_in.to(value), value)
    return tuple(start)
