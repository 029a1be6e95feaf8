"""What the members of a fusion say together, as a function of what each of them has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import is_regressor

from adestim.inspection.tokens.view import SubjectsView
from adestim.training.inputs import Start
from adestim.training.mixture import ANCHORED, MemberMixture, Said, name_anchored
from adestim.training.phase_one.penalised import Scores
from adestim.training.task import Classification, Regression


@dataclass(frozen=True, eq=False)
class Speaking:
    """The odds of a whole mixture, or of one anchor, from what is said one by one.

    Values are, side by side: the heads' scores, (n_modalities, 2, n_scores); the odds of every
    member that reads columns; and what every anchor's nets add to their start.
    """

    phase_one: Any
    scores: Scores  # those of the view's subjects, whose judges are asked about other scores
    task: Classification | Regression
    mixture: MemberMixture
    aggregation: Any  # makes one member of all anchors, None where each is one
    starts: Mapping[str, Start]  # of all anchors
    nets: tuple[str, ...]  # the anchors that have nets
    readers: tuple[str, ...]  # the members that read columns

    @classmethod
    def of(cls, view: SubjectsView) -> Speaking:
        """Return what a view looks into: the mixture, or a single anchor as all of one."""
        fusion, anchor = view.fusion, view.anchor
        starts, mixture = fusion.inputs_.starts, fusion.mixture_
        aggregation = None if fusion.aggregate == "mixture" else fusion.aggregation_
        if anchor is not None:
            starts, aggregation = {anchor: starts[anchor]}, None
            mixture = MemberMixture.start([], [name_anchored(anchor)])
        heard = hears_readers(mixture, starts)
        return cls(
            phase_one=fusion.phase_one_,
            scores=view.scores,
            task=task_of(fusion),
            mixture=mixture,
            aggregation=aggregation,
            starts=starts,
            nets=tuple(view.nets),
            readers=tuple(fusion.phase_one_.readers) if heard else (),
        )

    def __call__(self, values: np.ndarray, present: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return odds (n, n_scores).

        values (n, n_values), present (n, n_modalities), rows (n,).
        """
        scores, added = self.split(values, rows)
        outputs = np.stack(
            [
                self.phase_one.logits(scores, present, *start) + added.get(name, 0)
                for name, start in self.starts.items()
            ],
            axis=1,
        )
        return self.mixture.combine(self.hear(scores, present, outputs))

    def split(self, values: np.ndarray, rows: np.ndarray) -> tuple[Scores, dict[str, np.ndarray]]:
        """Return scores, the readers' odds among their judges, and what nets add by anchor."""
        _, n_modalities, _, n_scores = self.scores.values.shape
        sizes = [n_modalities * 2 * n_scores, *[n_scores] * len(self.readers)]
        sizes += [self.task.n_outputs] * len(self.nets)
        first, *parts = np.split(values, np.cumsum(sizes)[:-1], axis=1)
        odds = dict(zip(self.readers, parts, strict=False))
        judges = {name: answer_with(value) for name, value in odds.items()}
        scores = self.scores._replace(
            values=first.reshape(-1, n_modalities, 2, n_scores),
            rows=rows,
            judges={**self.scores.judges, **judges},
        )
        return scores, dict(zip(self.nets, parts[len(odds) :], strict=True))

    def hear(self, scores: Scores, present: np.ndarray, outputs: np.ndarray) -> Said:
        """Return what all members say; outputs (n, n_anchors, n_outputs)."""
        modalities = list(self.phase_one.modalities)
        shown = present[:, [modalities.index(name) for name in self.starts]]
        alone = self.mixture.shares.keys() <= self.mixture.anchored
        odds = {} if alone else self.phase_one.member_odds(scores, present)
        if self.aggregation is not None:
            values = outputs if isinstance(self.task, Regression) else softmax(outputs, axis=2)
            combined = self.aggregation.combine(values, shown)
            odds[ANCHORED] = self.task.odds_of_values(combined)
            return Said(odds, {})
        judged = {}
        for place, name in enumerate(map(name_anchored, self.starts)):
            odds[name] = self.task.odds_of_outputs(outputs[:, place].astype(float))
            judged[name] = shown[:, place]
        return Said(odds, judged)


def hears_readers(mixture: MemberMixture, starts: Mapping[str, Start]) -> bool:
    """Tell whether members that read columns have a say, themselves or in a start."""
    stacked = any(start.combination == "stacked" for start in starts.values())
    return stacked or bool(mixture.shares.keys() - mixture.anchored)


def answer_with(odds: np.ndarray) -> Any:
    """Return a judge whose answer is known."""
    return lambda scores, present: odds


def task_of(fusion: Any) -> Classification | Regression:
    """Return what a fitted fusion predicts."""
    if is_regressor(fusion):
        return Regression(fusion.target_mean_, fusion.target_scale_, fusion.loss)
    return Classification(fusion.classes_)
