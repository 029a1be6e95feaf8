"""People who are measured step by step, and judged after every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from adestim.evaluation.measuring.alike import Reference
from adestim.evaluation.missing.dropout import hide_modalities
from adestim.evaluation.scores.metrics import score_probabilities

EVERYTHING = "everything"

#: Takes a table, what is known and what may be measured; returns a modality's place for every row.
Choose = Callable[[pd.DataFrame, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class State:
    """What is known of everyone after some measurements, and what is predicted of it."""

    known: np.ndarray  # (n_subjects, n_modalities)
    probabilities: np.ndarray  # (n_subjects, n_classes)
    sets: np.ndarray  # (n_subjects, n_classes)
    order: tuple[tuple[int, ...], ...]  # modalities that each was given, in their order

    @property
    def decided(self) -> np.ndarray:
        """Whose set has one class, (n_subjects,)."""
        return self.sets.sum(axis=1) == 1


@dataclass(frozen=True, eq=False)
class Walk:
    """People who are measured step by step."""

    reference: Reference
    table: pd.DataFrame
    present: np.ndarray  # (n_subjects, n_modalities); what could be measured at all
    begun: np.ndarray  # (n_modalities,); what everyone begins with
    prices: np.ndarray  # (n_modalities,)

    @property
    def can_measure(self) -> np.ndarray:
        """What may be measured of whom, (n_subjects, n_modalities)."""
        return self.present & ~self.begun & np.isfinite(self.prices)

    @property
    def n_steps(self) -> int:
        """Most measurements that a person may be given."""
        return int(self.can_measure.sum(axis=1).max())

    def look(self, known: np.ndarray, order: Any) -> State:
        """Return what is predicted of people of whom so much is known."""
        seen = self.show(known)
        fitted = self.reference.fitted
        return State(known, self.reference.predict(seen), fitted.predict_set(seen), tuple(order))

    def show(self, known: np.ndarray) -> pd.DataFrame:
        """Return the table with what is known alone."""
        return hide_modalities(self.table, ~known, self.reference.columns)

    def take_steps(self, choose: Choose) -> Iterator[State]:
        """Yield people after none, one, two measurements and so on, until all are settled."""
        state = self.look(self.present & self.begun, [()] * len(self.table))
        yield state
        for _ in range(self.n_steps):
            rows = np.flatnonzero(~state.decided)
            options = (self.can_measure & ~state.known)[rows]
            rows, options = rows[options.any(axis=1)], options[options.any(axis=1)]
            if len(rows):
                chosen = choose(self.show(state.known).iloc[rows], state.known[rows], options)
                state = self.measure(state, rows, chosen)
            yield state

    def measure(self, state: State, rows: np.ndarray, chosen: np.ndarray) -> State:
        """Return people after one more measurement of some."""
        known, order = state.known.copy(), list(state.order)
        known[rows, chosen] = True
        for row, place in zip(rows, chosen, strict=True):
            order[row] = (*order[row], int(place))
        return self.look(known, order)


@dataclass(frozen=True, eq=False)
class Judge:
    """What is known of the truth, and how people are judged by it."""

    fitted: Any
    y: np.ndarray  # (n_subjects,); labels
    codes: np.ndarray  # (n_subjects,); their positions among the classes
    scores: Sequence[str]
    walk: Walk

    def follow(self, policy: str, rules: Sequence[Choose]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the curve of a policy, averaged over its rules, and where everyone ends."""
        curves, ends = [], []
        for draw, choose in enumerate(rules):
            states = list(self.walk.take_steps(choose))
            curves.append(pd.DataFrame([self.rate(state) for state in states]))
            ends.append(self.list_subjects(states[-1], policy, draw))
        mean = pd.concat(curves).groupby(level=0).mean()
        mean.insert(0, "n_measured", range(len(mean)))
        mean.insert(0, "policy", policy)
        return mean, pd.concat(ends, ignore_index=True)

    def measure_all(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return how people are predicted with all that they have."""
        walk = self.walk
        order = [tuple(np.flatnonzero(row).tolist()) for row in walk.can_measure]
        state = walk.look((walk.present & walk.begun) | walk.can_measure, order)
        head = {"policy": EVERYTHING, "n_measured": walk.n_steps}
        return pd.DataFrame([head | self.rate(state)]), self.list_subjects(state, EVERYTHING, 0)

    def rate(self, state: State) -> dict[str, float]:
        """Return costs and scores."""
        covered = state.sets[np.arange(len(self.codes)), self.codes]
        scored = score_probabilities(
            self.y, state.probabilities, self.fitted.classes_, scores=self.scores
        )
        told = {"decided": float(state.decided.mean()), "covered": float(covered.mean())}
        return {"cost": float(self.add_costs(state).mean())} | told | dict(scored)

    def add_costs(self, state: State) -> np.ndarray:
        """Return what everyone's measurements cost, (n_subjects,)."""
        return np.array([self.walk.prices[list(places)].sum() for places in state.order])

    def list_subjects(self, state: State, policy: str, draw: int) -> pd.DataFrame:
        """Return everyone's measurements and prediction."""
        names = np.array(self.walk.reference.modalities, dtype=object)
        return pd.DataFrame(
            {
                "policy": policy,
                "draw": draw,
                "subject": self.walk.table.index,
                "order": [", ".join(names[list(places)]) for places in state.order],
                "cost": self.add_costs(state),
                "decided": state.decided,
                "predicted": np.asarray(self.fitted.classes_)[state.probabilities.argmax(axis=1)],
                "y": self.y,
            }
        )
