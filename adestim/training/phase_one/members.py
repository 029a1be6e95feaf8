"""Phase 1 as members weighed by what they are worth on subjects that they have not seen.

Members are the joint head, combinations of the separate heads, a forest, and whatever estimators
the user names. A member without a share is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self, TypeVar, cast

import numpy as np

from adestim.training.phase_one.forest import Grower, grow_forest
from adestim.training.phase_one.judges import ColumnOdds, Combiner, Reader, ScoreOdds
from adestim.training.phase_one.penalised import Fits, Folds, Heads, Judge, Problem, Scores
from adestim.training.phase_one.pooled import fit_pooled, fit_pooled_on_folds
from adestim.training.phase_one.shares import Loss, choose_shares
from adestim.training.phase_one.stack import CentredStack

JOINT, FOREST, LATE = "joint", "forest", "late"


@dataclass(frozen=True, eq=False)
class MemberHeads(Heads):
    """All linear heads of one training set, and the members that combine or join them."""

    combiners: Mapping[str, Combiner]  # members that combine the separate heads
    readers: Mapping[str, Reader]  # members that read columns
    shares: Mapping[str, float]  # shares of the members in ``start="stacked"``, of sum 1

    @property
    def forest(self) -> Any:
        """The forest, None where it is no member."""
        return self.readers.get(FOREST)

    def scores(self, features: Sequence[np.ndarray]) -> Scores:
        """Return every modality's separate and joint scores, and what gives members' odds.

        features (n_subjects, n_features).
        """
        scores = super().scores(features)
        judges: dict[str, Judge] = {name: ScoreOdds(own) for name, own in self.combiners.items()}
        for name, reader in self.readers.items():
            judges[name] = ColumnOdds([(reader, scores.rows)], features, scores.values.shape[3])
        return scores._replace(judges=judges)

    def member_odds(self, scores: Scores, present: np.ndarray) -> dict[str, np.ndarray]:
        """Return every member's odds (n_subjects, n_scores) of whatever is shown.

        present (n_subjects, n_modalities).
        """
        return {
            name: self.joint_scores(scores, present)
            if name == JOINT
            else scores.judges[name](scores, present)
            for name in self.shares
        }

    def mix(self, scores: Scores, present: np.ndarray) -> np.ndarray:
        """Return the members' odds weighed by their shares, (n_subjects, n_scores).

        present (n_subjects, n_modalities).
        """
        odds = self.member_odds(scores, present)
        start = np.zeros((len(scores.values), scores.values.shape[3]))
        return sum((share * odds[name] for name, share in self.shares.items()), start)

    def keep(self, names: Collection[str]) -> Self:
        """Return the same with some of the members, whose shares sum to 1; others are let go."""
        total = sum(self.shares[name] for name in self.shares if name in names)
        return replace(
            self,
            combiners={name: own for name, own in self.combiners.items() if name in names},
            readers={name: own for name, own in self.readers.items() if name in names},
            shares={name: own / total for name, own in self.shares.items() if name in names},
        )


AnyHeads = TypeVar("AnyHeads", bound=MemberHeads)


class Recipe(NamedTuple):
    """What members are fitted to, and how."""

    problem: Problem  # targets and weights
    n_classes: int | None  # None for numbers
    names: Collection[str]  # members that may join
    # fits a combination by its name: of scores (n, n_modalities, n_scores), present, y, weight and
    # folds
    combinations: Mapping[str, Callable[..., Combiner]]
    loss: Callable[[np.ndarray, np.ndarray], Loss]  # takes members' unseen odds and rows
    grower: Grower | None = None
    others: Sequence[tuple[str, Any]] = ()  # the user's estimators by name

    @property
    def grows(self) -> bool:
        """Whether a forest joins."""
        return FOREST in self.names and self.grower is not None and self.grower.n_trees > 0

    @property
    def seed(self) -> int:
        """Seed of estimators that draw."""
        return 0 if self.grower is None else self.grower.seed

    def combine(self, name, fits: Fits, rows: np.ndarray, folds: Folds) -> Combiner:
        """Fit a combination to what unseen heads say of some rows."""
        scores, present = fits.unseen[rows][:, :, 0], fits.present[rows]
        y, weight = self.problem.y[rows], self.problem.weight[rows]
        if name == LATE:
            problem = replace(self.problem, y=y, weight=weight)
            return CentredStack.learn(scores, present, problem, folds)
        return self.combinations[name](scores, present, y, weight, folds)


@dataclass(frozen=True, eq=False)
class Joined:
    """The members of one training set, and what gives their odds of subjects they have not seen."""

    combiners: dict[str, Combiner] = field(default_factory=dict)
    readers: dict[str, Reader] = field(default_factory=dict)
    judges: dict[str, Judge] = field(default_factory=dict)


def join_members(fits: Fits, recipe: Recipe, folds: Folds) -> Joined:
    """Fit all members but the joint head, and cross-fit them."""
    joined = Joined()
    for name in (*recipe.combinations, LATE):
        if name in recipe.names:
            join_combiner(joined, name, fits, recipe, folds)
    if folds and recipe.grows:
        join_forest(joined, fits, recipe, folds)
    for name, estimator in recipe.others if folds else ():
        join_estimator(joined, name, estimator, fits, recipe, folds)
    return joined


def join_combiner(joined: Joined, name: str, fits: Fits, recipe: Recipe, folds: Folds) -> None:
    """Fit a combination of the separate heads, and one a fold that has not seen it."""
    whole = recipe.combine(name, fits, np.arange(len(fits.present)), folds)
    parts = [
        (recipe.combine(name, fits, train, nest_folds(folds, place)), test)
        for place, (train, test) in enumerate(folds)
    ]
    joined.combiners[name], joined.judges[name] = whole, ScoreOdds(whole, parts)


def join_forest(joined: Joined, fits: Fits, recipe: Recipe, folds: Folds) -> None:
    """Grow the forest, every tree without a fold."""
    given = fits.features, fits.distinct, recipe.problem, recipe.n_classes
    forest = grow_forest(*given, folds, cast(Grower, recipe.grower))
    joined.readers[FOREST] = forest
    joined.judges[FOREST] = ColumnOdds(forest.parts(), fits.features, recipe.problem.n_scores)


def join_estimator(
    joined: Joined, name: str, estimator: Any, fits: Fits, recipe: Recipe, folds: Folds
) -> None:
    """Fit a user's estimator, and one a fold that has not seen it."""
    given = estimator, fits.features, recipe.problem, recipe.n_classes
    parts = fit_pooled_on_folds(*given, folds, recipe.seed)
    joined.readers[name] = fit_pooled(*given, np.arange(len(fits.present)), recipe.seed)
    joined.judges[name] = ColumnOdds(parts, fits.features, recipe.problem.n_scores)


def weigh_members(
    phase_one: AnyHeads, scores: Scores, present: np.ndarray, recipe: Recipe, folds: Folds
) -> AnyHeads:
    """Return phase 1 with shares by the loss of subjects that members have not seen.

    present (n_subjects, n_modalities).
    """
    if not folds or len(phase_one.shares) < 2:
        return phase_one
    rows = np.sort(np.concatenate([test for _, test in folds]))
    odds = np.stack(list(phase_one.member_odds(scores.take(rows), present[rows]).values()))
    mixture = choose_shares(odds, recipe.loss(odds, rows))
    shares = dict(zip(phase_one.shares, mixture.shares.tolist(), strict=True))
    kept = [name for name, share in shares.items() if share > 0]
    return replace(phase_one, shares=shares).keep(kept)


def name_members(joined: Joined, recipe: Recipe) -> dict[str, float]:
    """Return all members that were fitted, of equal shares."""
    names = [JOINT] if JOINT in recipe.names else []
    names += [*joined.combiners, *joined.readers]
    return dict.fromkeys(names, 1 / max(len(names), 1))


def nest_folds(folds: Folds, place: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the other folds within the training part of one, as places in that part."""
    train = folds[place][0]
    found = []
    for number, (other, test) in enumerate(folds):
        inner = np.flatnonzero(np.isin(train, other)), np.flatnonzero(np.isin(train, test))
        if number != place and all(map(len, inner)):
            found.append(inner)
    return found
