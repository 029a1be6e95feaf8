"""Scores by group, as reports, cards and checklists tell them."""

import pytest

from adestim.exceptions import InputError
from adestim.inspection import model_card
from adestim.inspection.report.group_tables import (
    check_group_scores,
    list_attributes,
    list_clusters,
    say_largest_gaps,
)
from tests.inspection.reported import compared, grouped, reported


def test_attributes_and_clusters_are_told_apart():
    assert list_attributes(grouped()) == ["sex", "site"]
    assert list_clusters(grouped()) == ["site"]


def test_the_gap_least_likely_to_be_chance_is_said():
    text = say_largest_gaps(grouped(), "fusion", ["site"])
    assert text.startswith("site: ")
    assert "p after Holm 0." in text


def test_an_attribute_without_two_levels_says_so():
    assert "no two groups are large enough" in say_largest_gaps(grouped(), "fusion", ["phase"])


def test_other_things_are_refused():
    with pytest.raises(InputError, match=r"score_by_group returned\. Got a dict"):
        model_card(reported()[0], group_scores={})


def test_scores_of_another_estimator_are_refused():
    class Other:
        """A comparison that has another reference."""

        reference = "forest"
        classes = compared().classes

    with pytest.raises(InputError, match="of the reference of the comparison"):
        check_group_scores(grouped(), Other())
