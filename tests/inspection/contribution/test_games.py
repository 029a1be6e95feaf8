"""Shapley values and interactions of games that are known."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adestim.inspection.contribution.games import interaction_indices, shapley_values

SIZES = st.sampled_from([(2, 2), (2, 4), (1, 8), (2, 16)])
GAMES = SIZES.flatmap(lambda shape: arrays(float, shape, elements=st.floats(-10, 10)))


@given(GAMES)
def test_values_share_out_the_worth_of_all(worth):
    np.testing.assert_allclose(
        shapley_values(worth).sum(axis=1), worth[:, -1] - worth[:, 0], atol=1e-9
    )


@given(arrays(float, (1, 4), elements=st.floats(-10, 10)))
def test_a_player_who_adds_nothing_gets_nothing_and_changes_nobody(worth):
    with_dummy = np.concatenate([worth, worth], axis=1)
    values, pairs = shapley_values(with_dummy), interaction_indices(with_dummy)
    np.testing.assert_allclose(values[:, 2], 0, atol=1e-9)
    np.testing.assert_allclose(values[:, :2], shapley_values(worth), atol=1e-9)
    np.testing.assert_allclose(pairs[:, :2, :2], interaction_indices(worth), atol=1e-9)
    np.testing.assert_allclose(pairs[:, 2], 0, atol=1e-9)


def test_glove_game_gives_the_single_left_glove_two_thirds():
    # Players 0 and 1 hold right gloves, player 2 a left one; a pair is worth 1.
    worth = np.array([[0, 0, 0, 0, 0, 1, 1, 1]], dtype=float)
    np.testing.assert_allclose(shapley_values(worth), [[1 / 6, 1 / 6, 2 / 3]])


def test_glove_game_has_rivals_and_partners():
    worth = np.array([[0, 0, 0, 0, 0, 1, 1, 1]], dtype=float)
    pairs = interaction_indices(worth)[0]
    np.testing.assert_allclose(pairs, [[0, -0.5, 0.5], [-0.5, 0, 0.5], [0.5, 0.5, 0]])


def test_additive_games_have_no_interactions():
    worth = np.array([[0, 1, 2, 3, 4, 5, 6, 7]], dtype=float)
    np.testing.assert_allclose(shapley_values(worth), [[1, 2, 4]])
    np.testing.assert_allclose(interaction_indices(worth), 0, atol=1e-12)


def test_a_single_player_gets_all():
    worth = np.array([[1.0, 3.0]])
    assert shapley_values(worth).item() == 2
    assert interaction_indices(worth).item() == 0
