"""What displays draw with."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from adestim.inspection.drawing.drawing import draw_map, readable_on, swarm, thinned


def test_cells_without_a_number_are_hatched_not_written():
    ax = Figure().subplots()
    draw_map(ax, pd.DataFrame([[1.0, np.nan]]), ["#FFFFFF", "#000000"], (0, 1), "{:.1f}")
    assert [text.get_text() for text in ax.texts] == ["1.0"]
    assert [patch.get_hatch() for patch in ax.patches] == ["////"]


def test_ink_stands_out():
    assert readable_on((1.0, 1.0, 1.0)) == "black"
    assert readable_on((0.0, 0.0, 0.3)) == "white"


def test_near_points_are_kept_apart_within_their_row():
    heights = swarm(np.zeros(300), (-1, 1))
    assert len(set(heights.round(9))) == 300
    assert np.abs(heights).max() <= 0.4


def test_points_far_from_others_stay_in_the_middle():
    np.testing.assert_array_equal(swarm(np.array([-1.0, 0.0, 1.0]), (-1, 1)), 0)


def test_many_points_are_thinned_to_both_ends():
    values = np.random.default_rng(0).normal(size=3000)
    rows = thinned(np.arange(3000), values)
    assert len(rows) == len(set(rows)) == 500
    assert {values.argmin(), values.argmax()} <= set(rows)


def test_few_points_are_all_drawn():
    np.testing.assert_array_equal(thinned(np.arange(5), np.zeros(5)), np.arange(5))
