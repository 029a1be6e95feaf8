"""Games: what every player, and every pair of players, adds to the worth of a coalition."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np


def shapley_values(worth: np.ndarray) -> np.ndarray:
    """Return Shapley values (n_subjects, n_players) of games.

    worth (n_subjects, 2 ** n_players) -> (n_subjects, n_players).

    L. S. Shapley, "A value for n-person games", Contributions to the Theory of Games II, 1953.
    """
    n_players = int(worth.shape[1]).bit_length() - 1
    subsets = np.arange(worth.shape[1])
    size = np.bitwise_count(subsets)
    values = np.empty((len(worth), n_players))
    for player in range(n_players):
        bit = 1 << player
        without = subsets[(subsets & bit) == 0]
        weight = np.array([1 / (n_players * comb(n_players - 1, n)) for n in size[without]])
        values[:, player] = (worth[:, without | bit] - worth[:, without]) @ weight
    return values


def interaction_indices(worth: np.ndarray) -> np.ndarray:
    """Return Shapley interaction indices (n_subjects, n_players, n_players) of games.

    worth (n_subjects, 2 ** n_players) -> (n_subjects, n_players, n_players).

    Grabisch and Roubens, "An axiomatic approach to the concept of interaction among players in
    cooperative games", International Journal of Game Theory 28, 1999.
    """
    n_players = int(worth.shape[1]).bit_length() - 1
    subsets = np.arange(worth.shape[1])
    size = np.bitwise_count(subsets)
    indices = np.zeros((len(worth), n_players, n_players))
    for one, other in combinations(range(n_players), 2):
        a, b = 1 << one, 1 << other
        rest = subsets[(subsets & (a | b)) == 0]
        weight = np.array([1 / ((n_players - 1) * comb(n_players - 2, n)) for n in size[rest]])
        excess = worth[:, rest | a | b] - worth[:, rest | a] - worth[:, rest | b] + worth[:, rest]
        indices[:, one, other] = indices[:, other, one] = excess @ weight
    return indices
