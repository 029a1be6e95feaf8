"""One anchor's output as a differentiable function, and the lines along which it is integrated."""

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
from adestim.inspection.tokens.forest_path import ForestSteps, follow_lines
from adestim.inspection.tokens.view import SubjectsView
from adestim.training.batches import ShownInputs
from adestim.training.inputs import LARGEST_SCORE
from adestim.training.phase_one.members import FOREST
from adestim.training.phase_one.penalised import Heads, standardise

STEP = 1e-2
ROWS_AT_ONCE, NUMBERS_AT_ONCE = 256, 2**24


@dataclass(frozen=True, eq=False)
class ExplainedOutput:
    """The log-odds of a class, or the predicted number, of one anchor.

    Its inputs are, in this order: the standardised tokens of every modality in ``read``; the
    standardised phase-1 features of every modality, (B, n_features, 2) for the separate and the
    joint head; one factor a modality of the heads' intercepts, (B, n_modalities); the forest's
    log-odds (B, n_scores), where there is a forest; and the anchor's embedded tokens, where it is a
    foundation model.
    """

    module: Any
    heads: Heads
    base: PhaseOneOutputs  # what phase 1 makes of the heads' scores and the forest's log-odds
    # what the forest says of the view's subjects, None where there is none
    forest: ForestSteps | None
    score_scale: np.ndarray  # (n_modalities, n_scores); what the net's scores are divided by
    read: tuple[str, ...]  # modalities whose tokens the net reads
    target: int  # place of the output
    unit: tuple[float, float] | None  # mean and scale of a regression's target; None for classes
    device: str
    precision: str

    @classmethod
    def of(cls, view: SubjectsView, target: int) -> ExplainedOutput:
        """Return the output of a view's anchor."""
        fusion = view.fusion
        numbers = is_regressor(fusion)
        return cls(
            module=view.net.module_.eval(),
            heads=fusion.phase_one_,
            base=PhaseOneOutputs.of(view),
            forest=follow_forest(view),
            score_scale=fusion.inputs_.score_scale,
            read=tuple(view.data.gather(np.arange(1)).tokens),
            target=target,
            unit=(fusion.target_mean_, fusion.target_scale_) if numbers else None,
            device=view.net.device,
            precision=view.net.precision,
        )

    def __call__(self, *values: Tensor) -> Tensor:
        """Return outputs (B,) of the inputs, then present, rows and masks, and own mask."""
        n_read, n_modalities = len(self.read), len(self.heads.modalities)
        tokens, values = values[:n_read], values[n_read:]
        features, (factor, *others) = values[:n_modalities], values[n_modalities:]
        scores = self.scores(features, factor)
        odds = others.pop(0) if self.forest is not None else factor[:, :0]
        own = others.pop(0) if self.reads_inputs else None
        present, rows, *masks = others
        base = OfPhaseOne.apply(scores, odds, present, rows, self.base)
        batch = {
            "tokens": dict(zip(self.read, tokens, strict=True)),
            "masks": dict(zip(self.read, masks[:n_read], strict=True)),
            "scores": self.net_scores(scores),
            "present": present,
            "base": base,
        }
        with autocast(torch.device(self.device), self.precision):
            logits = self.logits(batch, own, masks[n_read:])
        return self.output(logits.float())

    @property
    def reads_inputs(self) -> bool:
        """Whether the anchor is a foundation model."""
        return self.module.anchor not in self.read

    def scores(self, features: tuple[Tensor, ...], factor: Tensor) -> Tensor:
        """Return the heads' scores (B, n_modalities, 2, n_scores)."""
        parts = []
        for place, values in enumerate(features):
            pair = (self.heads.separate[place], self.heads.joint[place])
            coef = [torch.from_numpy(head.coef).to(values) for head in pair]
            intercept = torch.from_numpy(self.heads.intercepts[place]).to(values)
            separate = values[..., 0] @ coef[0] + factor[:, place, None] * intercept
            parts.append(torch.stack([separate, values[..., 1] @ coef[1]], dim=1))
        return torch.stack(parts, dim=1)

    def net_scores(self, scores: Tensor) -> Tensor:
        """Return scores as the nets read them, (B, n_modalities, 2 n_scores)."""
        scale = torch.from_numpy(self.score_scale).to(scores)
        return (scores.flatten(2) / scale).clamp(-LARGEST_SCORE, LARGEST_SCORE)

    def logits(self, batch: dict, own: Tensor | None, own_mask: list[Tensor]) -> Tensor:
        """Return the module's outputs, its own tokens given where it is a foundation model."""
        backbone = self.module.backbone
        if own is not None:
            shown = batch["present"][:, self.module.modalities.index(self.module.anchor)]
            values = (own[shown], own_mask[0][shown]) if shown.any() else None
            batch["inputs"] = ShownInputs(values, len(own))
            backbone = Embedded(own.shape[1])
        tokens, log_mask, mask = self.module.join(batch, backbone)
        encoded = self.module.backbone.encode(tokens, log_mask, mask.shape[1])
        pooled = self.module.backbone.pool(encoded, mask)
        return self.module.classify(batch, pooled.to(self.module.pooled_mean.dtype))

    def output(self, logits: Tensor) -> Tensor:
        """Return log-odds of the class against all others, or the number in the user's units."""
        if self.unit is not None:
            return logits[:, 0] * self.unit[1] + self.unit[0]
        others = torch.arange(logits.shape[1], device=logits.device) != self.target
        return logits[:, self.target] - logits[:, others].logsumexp(dim=1)


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


@dataclass(frozen=True, eq=False)
class PhaseOneOutputs:
    """What phase 1 makes of its heads' scores and its forest's log-odds."""

    # takes scores (n, n_modalities, 2, n_scores), log-odds (n, n_scores), of no columns where there
    # is no forest, a presence table and row numbers, all arrays; returns outputs
    logits: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]

    @classmethod
    def of(cls, view: SubjectsView) -> PhaseOneOutputs:
        """Return the outputs from which a view's net starts."""
        base: Any = view.data.base

        def logits(values, odds, present, rows):
            judges = dict(base.scores.judges)
            if odds.shape[1]:
                judges[FOREST] = lambda scores, present: odds
            shown = base.scores._replace(values=values, rows=rows, judges=judges)
            return base.phase_one.logits(shown, present, base.start, base.anchor)

        return cls(logits)


class OfPhaseOne(torch.autograd.Function):
    """Phase 1's combination, which is numpy, with a gradient by central differences."""

    @staticmethod
    def forward(ctx, scores, odds, present, rows, outputs):
        """Return outputs (B, n_outputs)."""
        ctx.outputs = outputs
        ctx.save_for_backward(scores, odds, present, rows)
        return evaluate_phase_one(outputs, scores, odds, present, rows)

    @staticmethod
    def backward(ctx, gradient):
        """Return the gradients of scores and log-odds."""
        scores, odds, present, rows = ctx.saved_tensors
        both = torch.cat([scores.flatten(1), odds], dim=1)
        found = torch.zeros_like(both)
        for place in range(both.shape[1]):
            step = torch.zeros_like(both)
            step[:, place] = STEP
            up, down = (
                evaluate_phase_one(ctx.outputs, *split_outputs(moved, scores), present, rows)
                for moved in (both + step, both - step)
            )
            found[:, place] = ((up - down) / (2 * STEP) * gradient).sum(dim=1)
        return *split_outputs(found, scores), None, None, None


def split_outputs(both: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores, of their shape, and log-odds from one table of both."""
    n_scores = scores[0].numel()
    return both[:, :n_scores].view_as(scores), both[:, n_scores:]


def evaluate_phase_one(
    outputs: PhaseOneOutputs, scores: Tensor, odds: Tensor, present: Tensor, rows: Tensor
) -> Tensor:
    """Return phase 1's outputs as a tensor."""
    values = (scores.double(), odds.double(), present, rows)
    arrays = (value.detach().cpu().numpy() for value in values)
    return torch.from_numpy(outputs.logits(*arrays)).to(scores)


def follow_forest(view: SubjectsView) -> ForestSteps | None:
    """Return what the forest of phase 1 says, from subjects of training means to the view's."""
    forest = getattr(view.fusion.phase_one_, "forest", None)
    if forest is None:
        return None
    means = [head.mean[None] for head in view.fusion.phase_one_.separate]
    columns = forest.select([table.pooled() for table in view.tables.values()])
    columns[~view.present[:, forest.places]] = np.nan
    start = np.where(np.isnan(columns), columns, forest.select(means))
    return follow_lines(forest, start, columns)


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
    output: ExplainedOutput, batch: dict, features: list[np.ndarray], rows: np.ndarray
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the subjects' inputs, and what else the output needs.

    features (B, n_features, 2).
    """
    present = batch["present"]
    device = present.device
    inputs = [batch["tokens"][name] for name in output.read]
    inputs += [torch.from_numpy(block).to(device) for block in features]
    inputs.append(torch.ones(present.shape, device=device))
    if output.forest is not None:
        inputs.append(make_input(output.forest.end[rows], device))
    others = [present, torch.from_numpy(rows).to(device)]
    others += [batch["masks"][name] for name in output.read]
    if output.reads_inputs:
        own = embed_own_tokens(output, batch)
        inputs.append(own.tokens.float())
        others.append(own.mask)
    return tuple(inputs), tuple(others)


def make_input(values: np.ndarray, device: torch.device) -> Tensor:
    """Return numbers as the net's other inputs are kept."""
    return torch.from_numpy(values.astype(np.float32)).to(device)


@torch.no_grad()
def embed_own_tokens(output: ExplainedOutput, batch: dict) -> Any:
    """Return the embedded tokens of a foundation model."""
    module = output.module
    place = module.modalities.index(module.anchor)
    return module.own(module.backbone, batch, module.anchor, place)


def average_own_tokens(view: SubjectsView, output: ExplainedOutput, size: int) -> Tensor | None:
    """Return the mean embedded tokens of the subjects who have the anchor.

    -> (n_tokens, width).
    """
    place = list(view.tables).index(view.anchor)
    total, count = 0.0, 0
    for _, batch in view.batches(size):
        shown = batch["present"][:, place]
        if shown.any():
            own = embed_own_tokens(output, batch)
            tokens = own.tokens[shown].float()
            if view.anchor in view.texts:
                # Texts differ in length, and their words in place.
                tokens = tokens[own.mask[shown]][:, None]
            total = total + tokens.sum(dim=0)
            count += len(tokens)
    return total / count if count else None


def make_line_start(
    output: ExplainedOutput,
    inputs: tuple[Tensor, ...],
    present: Tensor,
    rows: np.ndarray,
    baseline: str,
    mean: Tensor | None,
) -> tuple[Tensor, ...]:
    """Return the baseline's inputs: zeros, which are means, and intercepts for ``"mean"``.

    A forest starts from what it says of means.

    present (B, n_modalities).
    """
    start = [torch.zeros_like(value) for value in inputs]
    factor = len(output.read) + len(output.heads.modalities)
    if baseline == "mean":
        start[factor] = torch.ones_like(inputs[factor])
    if output.forest is not None:
        start[factor + 1] = make_input(output.forest.start[rows], present.device)
    if output.reads_inputs:
        module = output.module
        shown = present[:, module.modalities.index(module.anchor)]
        stand_in = (module.own.stand_in * module.own.rms).detach() if mean is None else mean
        start[-1] = torch.where(shown[:, None, None], stand_in.to(inputs[-1]), inputs[-1])
    return tuple(start)
