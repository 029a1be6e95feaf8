import matplotlib.pyplot as plt
import pandas as pd

from adestim.inspection import AttributionDisplay, QueryAttentionDisplay
from adestim.inspection.drawing.token_displays import draw_token_bars, shorten_names
from tests.inspection.fitted import fitted, fitted_regressor


def labels(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def test_paths_are_told_apart_without_colour():
    ax = QueryAttentionDisplay.from_estimator(*fitted(), n_top=3).ax_
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "own queries", "cross-modal",
    ]  # fmt: skip
    assert [group[0].get_hatch() for group in ax.containers] == ["", "///"]
    assert len(labels(ax)) == 3


def test_attributions_are_drawn_largest_first():
    fusion, X = fitted_regressor()
    display = AttributionDisplay.from_estimator(fusion, X.iloc[:12], n_steps=4, n_top=2)
    assert labels(display.ax_)[-1] == "mri: b"
    assert display.ax_.get_title() == "The prediction"
    assert "units of the target" in display.ax_.get_xlabel()
    assert display.figure_ is display.ax_.figure


def test_one_subject_is_drawn_with_signs():
    fusion, X = fitted()
    display = AttributionDisplay.from_estimator(fusion, X.iloc[:4], n_steps=2)
    assert "sub-002" in display.plot(subject="sub-002").ax_.get_title()


def test_negative_bars_are_hatched_and_long_names_cut():
    _, ax = plt.subplots()
    draw_token_bars(ax, pd.Series([1.0, -2.0], ["a" * 60, "b"]), 5)
    assert len(labels(ax)[0]) == 32
    assert [bar.get_hatch() for group in ax.containers for bar in group] == ["", "///"]


def test_sides_and_numbers_at_the_end_of_long_names_are_kept():
    names = [f"smri: Left-and-Right Hippocampal Formation, {side}" for side in ("left", "right")]
    short = shorten_names(names)
    assert [len(name) for name in short] == [32, 32]
    assert short[0].endswith("left")
    assert short[1].endswith("right")


def test_no_two_names_are_cut_into_one():
    names = [f"smri: {'Brodmann area ' * 2}{number}{' of the mantle' * 2}" for number in (4, 6)]
    assert shorten_names([*names, "b"]) == [*names, "b"]
