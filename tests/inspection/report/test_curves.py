"""Curves, and what they say in words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim._support.predictions import Predictions
from adestim._support.scores import average_precision
from adestim.exceptions import InputError
from adestim.inspection.report.curves import (
    draw_calibration,
    draw_confusion,
    draw_decision_curve,
    draw_observed,
    draw_precision_recall,
    draw_roc,
    net_benefit,
)
from adestim.inspection.report.page import make_axes


def outcomes(n_classes=2, n_subjects=60):
    """Predictions whose probabilities tell the class."""
    rng = np.random.default_rng(0)
    places = np.arange(n_subjects) % n_classes
    classes = ("CN", "AD", "MCI")[:n_classes]
    values = rng.dirichlet(np.ones(n_classes), n_subjects) + 2 * np.eye(n_classes)[places]
    values /= values.sum(axis=1, keepdims=True)
    return Predictions(np.array(classes)[places], values, classes)


def axes():
    return make_axes((4, 4))


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_at_threshold_0_net_benefit_is_the_prevalence(pairs):
    members, values = map(np.asarray, zip(*pairs, strict=True))
    assert net_benefit(members, values, 0)[0] == pytest.approx(members.mean())


def test_a_perfect_model_is_worth_the_prevalence_at_every_threshold():
    members = np.arange(10) < 3
    np.testing.assert_allclose(net_benefit(members, members, [0.1, 0.5, 0.9]), 0.3)


def test_net_benefit_weighs_false_positives_by_the_odds():
    # Two of four act: one rightly, one wrongly, at odds of 1 to 4.
    found = net_benefit([True, False, False, True], [0.5, 0.5, 0.1, 0.1], [0.2])
    assert found[0] == pytest.approx(1 / 4 - 1 / 4 * 0.25)


def test_thresholds_outside_are_refused():
    with pytest.raises(InputError, match=r"at least 0 and below 1\. Got 1 to 1"):
        net_benefit([True], [0.5], [1.0])


def test_net_benefit_of_nobody_is_refused():
    with pytest.raises(InputError, match="Everybody needs a truth and a probability"):
        net_benefit([], [], [0.5])


def test_roc_curve_tells_its_area():
    assert draw_roc(axes(), outcomes()) == "ROC curve. Area under it: AD 1.00."


def test_roc_has_a_line_a_class_told_apart_without_colour():
    ax = axes()
    draw_roc(ax, outcomes(3))
    assert len({line.get_linestyle() for line in ax.lines[:3]}) == 3


def test_precision_and_recall_tell_average_precision():
    assert "Average precision: AD 1.00." in draw_precision_recall(axes(), outcomes())


def test_the_area_under_precision_and_recall_is_what_is_told():
    ax, rng = axes(), np.random.default_rng(0)
    p = rng.random(60)
    found = Predictions(np.where(rng.random(60) < p, "AD", "CN"), np.c_[1 - p, p], ("CN", "AD"))
    draw_precision_recall(ax, found)
    recall, precision = ax.lines[0].get_xydata().T
    assert ax.lines[0].get_drawstyle() == "steps-post"
    area = -np.sum(np.diff(recall) * precision[:-1])
    assert area == pytest.approx(average_precision(found.contrasts[0][1]))


def test_calibration_tells_the_mean_gap():
    found = outcomes()
    words = draw_calibration(axes(), found)
    gap = found.values[:, 1].mean() - 0.5
    assert "in 10 groups" in words
    assert f"AD {gap:.2f}" in words


def test_confusion_counts_are_drawn_and_told():
    ax = axes()
    words = draw_confusion(ax, outcomes(3))
    assert words == (
        "Confusion matrix: of 20 CN 20 are recognised; of 20 AD 20 are recognised; "
        "of 20 MCI 20 are recognised."
    )
    assert ax.texts[0].get_text() == "20\n100%"


def test_decision_curve_tells_where_the_model_helps():
    assert "Better than acting for all or nobody from" in draw_decision_curve(axes(), outcomes())


def test_decision_curve_of_a_useless_model_says_so():
    found = outcomes()
    useless = Predictions(found.y, np.full((60, 2), 0.5), found.classes)
    assert "at no threshold" in draw_decision_curve(axes(), useless)


def test_numbers_are_drawn_against_their_predictions():
    found = Predictions(np.arange(4.0), np.arange(4.0) + 0.5, ())
    assert draw_observed(axes(), found).endswith("4 subjects; mean error 0.5.")
