"""What displays draw with."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from adestim.inspection.drawing.drawing import choose_ink, draw_map, spread_points, thin_rows


def test_cells_without_a_number_are_hatched_not_written():
    ax = Figure().subplots()
    draw_map(ax, pd.DataFrame([[1.0, np.nan]]), ["#FFFFFF", "#000000"], (0, 1), "{:.1f}")
    assert [text.get_text() for text in ax.texts] == ["1.0"]
    assert [patch.get_hatch() for patch in ax.patches] == ["////"]


def test_ink_stands_out():
    assert choose_ink((1.0, 1.0, 1.0)) == "black"
    assert choose_ink((0.0, 0.0, 0.3)) == "white"


def test_near_points_are_kept_apart_within_their_row():
    heights = spread_points(np.zeros(300), (-1, 1))
    assert len(set(heights.round(9))) == 300
    assert np.abs(heights).max() <= 0.4


def test_points_far_from_others_stay_in_the_middle():
    np.testing.assert_array_equal(spread_points(np.array([-1.0, 0.0, 1.0]), (-1, 1)), 0)


def test_many_points_are_thinned_to_both_ends():
    values = np.random.default_rng(0).normal(size=3000)
    rows = thin_rows(np.arange(3000), values)
    assert len(rows) == len(set(rows)) == 500
    assert {values.argmin(), values.argmax()} <= set(rows)


def test_few_points_are_all_drawn():
    np.testing.assert_array_equal(thin_rows(np.arange(5), np.zeros(5)), np.arange(5))
