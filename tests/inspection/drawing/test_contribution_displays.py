"""Pictures of contributions, interactions and anchors."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from adestim.exceptions import InputError
from adestim.inspection import (
    AnchorsDisplay,
    ContributionsDisplay,
    SynergyDisplay,
    deciding_anchor,
    modality_contributions,
)
from adestim.inspection.drawing.contribution_displays import describe_output
from tests.fusion_tables import numeric_table, with_missing
from tests.inspection.rules import (
    classes_of,
    exclusive,
    fitted_classifier,
    fitted_regressor,
    follow,
    signs,
)


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def found():
    X = signs((0, "b__x"))
    return modality_contributions(
        follow(exclusive, X), X, output="probability", baseline=[0.5, 0.5]
    )


def test_bars_are_the_mean_absolute_contributions(found, ax):
    display = ContributionsDisplay(found).plot(ax)
    lengths = sorted(bar.get_width() for bar in ax.patches)
    np.testing.assert_allclose(lengths, sorted(found.summary()["mean_absolute"]))
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


def test_labels_tell_who_has_the_modality(found, ax):
    ContributionsDisplay(found).plot(ax)
    labels = {label.get_text() for label in ax.get_yticklabels()}
    assert labels == {"a", "b\n7 of 8 have it", "c"}


def test_the_largest_is_on_top(found, ax):
    ContributionsDisplay(found).plot(ax)
    assert ax.get_yticklabels()[0].get_text() == "c"
    assert ax.get_yticklabels()[-1].get_text().startswith("b")


def test_strip_has_a_point_for_everybody_who_has_the_modality(found, ax):
    ContributionsDisplay(found, kind="strip").plot(ax)
    points = np.concatenate([np.asarray(each.get_offsets()) for each in ax.collections])
    assert np.isfinite(points).all()
    assert len(points) == found.present.to_numpy().sum()


def test_marks_of_a_strip_differ_in_more_than_colour(found, ax):
    ContributionsDisplay(found, kind="strip").plot(ax)
    shapes = {len(each.get_paths()[0].vertices) for each in ax.collections}
    assert len(shapes) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "above the baseline",
        "below the baseline",
    ]


def test_axis_names_what_is_explained(found):
    assert describe_output(found) == "the probability of 1"
    assert describe_output(SimpleNamespace(output="logit", target="AD")) == "the log-odds of AD"
    assert describe_output(SimpleNamespace(output="number", target=None)) == "the predicted number"


def test_an_unknown_kind_is_refused_before_anything_is_computed(found):
    with pytest.raises(InputError, match=r"'kind' must be 'bar' or 'strip'\. Got 'pie'\."):
        ContributionsDisplay.from_estimator(None, None, kind="pie")
    with pytest.raises(InputError, match="Got 'pie'"):
        ContributionsDisplay(found, kind="pie").plot()


def test_a_map_of_interactions_has_a_number_in_every_cell_but_the_diagonal(found, ax):
    SynergyDisplay(found).plot(ax)
    matrix = found.interactions()
    assert len(ax.texts) == 6
    assert ax.texts[0].get_text() == f"{matrix.loc['a', 'b']:+.2f}"
    assert len(ax.patches) == 3


def test_anchors_are_drawn_with_their_counts(ax):
    model = fitted_classifier(members=(), aggregate="mean")
    decided = deciding_anchor(model, classes_of()[0])
    AnchorsDisplay(decided).plot(ax)
    row = decided.summary().loc["mri"]
    text = f"mri\ndecides for {row['n_decides']:.0f} of {row['n_judged']:.0f}"
    assert ax.get_yticklabels()[0].get_text() == text
    assert len(ax.texts) == 6
    assert len(ax.patches) == 3


def test_anchors_of_a_number_are_correlated(ax):
    X = with_missing(numeric_table(48)[0])
    AnchorsDisplay.from_estimator(fitted_regressor(), X, ax=ax)
    assert ax.get_title().startswith("correlation")


@pytest.mark.parametrize("display", [ContributionsDisplay, SynergyDisplay])
def test_displays_compute_what_they_draw(display, ax):
    X = classes_of()[0]
    drawn = display.from_estimator(fitted_classifier(), X, target="AD", output="probability", ax=ax)
    expected = modality_contributions(fitted_classifier(), X, target="AD", output="probability")
    pd.testing.assert_frame_equal(drawn.contributions.values, expected.values)
    assert drawn.ax_ is ax


def test_two_of_a_kind_can_be_drawn_side_by_side(found):
    axes = Figure(layout="constrained").subplots(1, 2)
    ContributionsDisplay(found).plot(axes[0])
    SynergyDisplay(found).plot(axes[1])
    axes[0].figure.draw_without_rendering()
