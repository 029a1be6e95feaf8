"""One mixture of members: those of phase 1, and the anchored nets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from adestim.training.phase_one.shares import (
    Loss,
    Mixture,
    choose_shares,
    drop_small,
    mix_members,
)

ANCHORED = "anchored"
# What anchored nets count for before anything is known of them; members of phase 1 share the rest.
ANCHORED_PRIOR = 0.4
SHARPNESS_DRAW = 10.0
# Squared standard errors by which a squared gain is taken to be too large. Chosen on three sets of
# people (CSF proteins, omics, voices), complete and with blocks missing.
DOUBT = 2.0


class Doubt(NamedTuple):
    """Members that repeat the others, but for a correction that must be shown to be one."""

    names: Collection[str]
    groups: np.ndarray  # (n_subjects,); of the subjects by whom members are judged


class Said(NamedTuple):
    """What members say of some subjects."""

    odds: Mapping[str, np.ndarray]  # (n_subjects, n_scores); by member
    # (n_subjects,); by anchored member: whether it judges a subject, as who has the anchor
    judged: Mapping[str, np.ndarray]

    def take(self, rows: np.ndarray) -> Said:
        """Return what is said of some of the subjects."""
        return Said(
            {name: odds[rows] for name, odds in self.odds.items()},
            {name: judged[rows] for name, judged in self.judged.items()},
        )


@dataclass(frozen=True, eq=False)
class MemberMixture:
    """A weighted sum of what members say.

    An anchored member leaves its share to the others of its kind where a subject lacks its anchor.
    """

    shares: Mapping[str, float]  # by member; of sum 1
    anchored: frozenset[str]  # members that are anchored nets
    sharpness: float = 1.0  # what the sum is multiplied by

    @classmethod
    def start(cls, members: Sequence[str], anchored: Sequence[str]) -> MemberMixture:
        """Return the shares that are known before any evidence."""
        whole = ANCHORED_PRIOR if members else 1.0
        own = dict.fromkeys(anchored, whole / max(len(anchored), 1))
        left = 1.0 - sum(own.values())
        shares = dict.fromkeys(members, left / max(len(members), 1)) | own
        return cls(shares, frozenset(anchored))

    def learn(
        self, said: Said, loss: Loss, calibrated: bool, doubt: Doubt | None = None
    ) -> MemberMixture:
        """Return shares of least loss, drawn to these; ``calibrated`` frees the sharpness too.

        Members in doubt have the part of their share that their gain is certain by.
        """
        learned = self._weigh(said, loss, calibrated)
        if doubt is None or not any(learned.shares.get(name) for name in doubt.names):
            return learned
        without = self._leave_out(doubt.names)._weigh(said, loss, calibrated)
        losses = [loss.by_subject(each.combine(said)) for each in (without, learned)]
        return learned._draw_to(without, measure_trust(losses[0] - losses[1], doubt.groups))

    def _weigh(self, said: Said, loss: Loss, calibrated: bool) -> MemberMixture:
        """Return shares of least loss, drawn to these."""
        outputs, counts, kinds = self._stack(said)
        prior = np.array([*self.shares.values()])
        drawn = SHARPNESS_DRAW if calibrated else None
        found = choose_shares(outputs, loss, prior, counts, kinds, sharpness_draw=drawn)
        shares = dict(zip(self.shares, found.shares.tolist(), strict=True))
        return replace(self, shares=shares, sharpness=found.sharpness)

    def _leave_out(self, names: Collection[str]) -> MemberMixture:
        """Return the same without some members, whose shares go to all others."""
        left = {name: own for name, own in self.shares.items() if name not in names}
        total = sum(left.values())
        return replace(self, shares={name: own / total for name, own in left.items()})

    def _draw_to(self, other: MemberMixture, trust: float) -> MemberMixture:
        """Return the mixture between this one, at a trust of 1, and another of its members."""
        shares = np.array([*self.shares.values()])
        others = np.array([other.shares.get(name, 0.0) for name in self.shares])
        drawn = drop_small(trust * shares + (1 - trust) * others)
        sharpness = self.sharpness**trust * other.sharpness ** (1 - trust)
        named = dict(zip(self.shares, drawn.tolist(), strict=True))
        return replace(self, shares=named, sharpness=sharpness)

    def combine(self, said: Said) -> np.ndarray:
        """Return the mixture's odds (n_subjects, n_scores)."""
        weighing = Mixture(np.array([*self.shares.values()]), self.sharpness)
        outputs, counts, kinds = self._stack(said)
        return mix_members(outputs, weighing, counts, kinds)

    def drop_unused(self) -> MemberMixture:
        """Return the same without members of share 0."""
        return replace(self, shares={name: own for name, own in self.shares.items() if own > 0})

    def _stack(self, said: Said) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return odds, who judges whom, and kinds, as the shares' solver takes them."""
        outputs = np.stack([said.odds[name] for name in self.shares])
        everybody = np.ones(outputs.shape[1], dtype=bool)
        counts = np.stack([said.judged.get(name, everybody) for name in self.shares])
        kinds = [-1 if name in self.anchored else place for place, name in enumerate(self.shares)]
        return outputs, counts, np.array(kinds)


def name_anchored(anchor: str) -> str:
    """Return the name, as a member, of an anchor's net."""
    return f"{ANCHORED} {anchor}"


def measure_trust(gains: np.ndarray, groups: np.ndarray) -> float:
    """Return how far a gain is certain: 0 where it is within its error over groups, at most 1.

    W. James and C. Stein, "Estimation with Quadratic Loss", 4th Berkeley Symposium, 1961: its
    positive part, of a single mean.

    gains (n_subjects,), groups (n_subjects,).
    """
    by_group = np.bincount(np.unique(groups, return_inverse=True)[1], gains)
    gain, error = by_group.sum(), by_group.std() * np.sqrt(len(by_group))
    return max(0.0, 1 - DOUBT * float(error / gain) ** 2) if gain > 0 else 0.0
