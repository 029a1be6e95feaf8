"""Section on what the prediction rests on."""

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from adestim.inspection.report.gather import gather_material
from adestim.inspection.report.sections_members import (
    describe_member,
    explain_silence,
    say_dropped,
    say_interaction,
    write_members,
)
from tests.inspection.fitted import fitted, fitted_regressor
from tests.inspection.reported import reported


@pytest.fixture(scope="module")
def section():
    return write_members(gather_material(*reported()))


def test_all_members_are_told_with_their_shares(section):
    for name, share in reported()[0].shares_.items():
        assert f'<th scope="row">{name}</th><td>{share:.3f}</td>' in section
    assert section.count("<img") == 1
    assert "nets of the anchor mri" in section


def test_interaction_is_told_in_a_sentence_and_by_anchor(section):
    fusion = reported()[0]
    total = sum(fusion.interaction_.values())
    assert (
        f"{100 * total:.0f} % of the prediction comes of phase 2, nets in which modalities"
        in section
    )
    for name, share in fusion.interaction_.items():
        assert f'<th scope="row">{name}</th><td>{share:.3f}</td></tr>' in section


def test_members_without_a_share_are_named():
    fusion, X, y = reported()
    kept = [name for name in fusion.shares_ if name in ("joint", "discriminant", "late")]
    assert kept
    without = copy.copy(fusion)
    shares = {name: share for name, share in fusion.shares_.items() if name != kept[0]}
    without.mixture_ = replace(fusion.mixture_, shares=shares)
    section = write_members(gather_material(without, X, y))
    lost = [name for name in ("joint", "discriminant", "late") if name not in shares]
    assert f"Members without a share: {', '.join(lost)}." in section


def test_what_was_not_asked_for_is_not_called_dropped():
    fusion, _ = fitted(members=("joint",))
    assert say_dropped(fusion) == []
    assert not any("forest" in line for line in say_dropped(fitted()[0]))


def test_dropped_anchors_are_named():
    fusion, _ = fitted(anchor="all")
    assert re.search(r"anchored csf$", say_dropped(fusion)[0])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_epochs": 0}, "Phase 2, nets.*, was not trained.* phase 1 alone"),
        (
            {"members": ()},
            "The whole prediction comes of phase 2, nets in which modalities read",
        ),
        ({"gate": "closed", "members": ()}, "nets of one modality each"),
    ],
)
def test_the_sentence_fits_what_there_is(settings, words):
    assert re.search(words, say_interaction(fitted(**settings)[0]))


def test_a_member_of_the_user_is_told_as_such():
    boosting = HistGradientBoostingClassifier(max_iter=5)
    fusion, _ = fitted(members=("joint", ("boosting", boosting)), max_epochs=0)
    assert describe_member(fusion, "boosting") == "estimator given by the user"


def test_numbers_have_members_too():
    fusion, X = fitted_regressor()
    html = write_members(gather_material(fusion, X, np.arange(len(X), dtype=float)))
    assert "What the prediction rests on." in html


class Silent:
    """What says whether modalities of a fusion read each other."""

    def __init__(self, **settings):
        usual = {"modalities_": ["mri", "csf"], "n_queries": 2, "gate": "learned", "max_epochs": 5}
        self.__dict__.update(usual | {"interaction_": {"mri": 0.0, "csf": 0.0}} | settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"modalities_": ["mri"]}, "one modality alone"),
        ({"n_queries": 0, "interaction_": {"mri": 0.5}}, "n_queries=0"),
        ({"gate": "closed", "interaction_": {"mri": 0.5}}, "gate='closed'"),
        ({"max_epochs": 0}, "max_epochs=0"),
        ({}, "were trained and have no share"),
    ],
)
def test_why_no_interaction_counts_is_told(settings, words):
    assert words in explain_silence(Silent(**settings))


def test_an_interaction_that_counts_is_shown():
    assert explain_silence(Silent(interaction_={"mri": 0.1, "csf": 0.0})) == ""
