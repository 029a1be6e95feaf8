"""Sections about modalities, anchors, tokens and single subjects."""

import numpy as np
import pytest

from adestim.inspection.report.gather import gather
from adestim.inspection.report.sections_explanation import (
    anchors_body,
    modalities_body,
    strongest_pair,
    subjects_body,
    tokens_body,
)
from tests.inspection.fitted import fitted_regressor
from tests.inspection.reported import reported


def gathered(**settings):
    """Material of a small fusion, few of whose subjects are explained."""
    return gather(*reported(), **({"max_subjects": 12} | settings))


def test_modalities_are_explained_by_bars_points_and_pairs():
    html = modalities_body(gathered(groups=np.arange(48) // 2))
    assert html.count("<img") == 3
    assert "decisions that change" in html
    assert "Not shown" not in html


def test_who_is_explained_is_told():
    assert "Of 12 of 48 subjects, drawn at random." in modalities_body(gathered())


def test_the_strongest_pair_is_told():
    import pandas as pd

    matrix = pd.DataFrame([[np.nan, -0.5], [-0.5, np.nan]], index=list("ab"), columns=list("ab"))
    assert strongest_pair(matrix) == "Strongest: a and b, -0.50."
    assert strongest_pair(matrix * np.nan) == "No subject has two modalities."


def test_anchors_are_told():
    html = anchors_body(gathered())
    assert "Agreement of anchors. mri decides for" in html


def test_tokens_have_attention_attribution_and_a_table_a_modality():
    html = tokens_body(gathered())
    assert "Not shown" not in html
    for name in ("mri", "csf", "gene"):
        assert f"<h3>Columns and words: {name}</h3>" in html


def test_tokens_are_explained_through_the_anchor_that_is_named():
    assert "Read by the anchor &#x27;csf&#x27;" in tokens_body(gathered(anchor="csf"))
    assert "Read by the anchor &#x27;mri&#x27;" in tokens_body(gathered())


def test_a_missing_extra_is_told_on_the_page(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "captum.attr", None)
    html = tokens_body(gathered())
    assert "Not shown." in html
    assert "What the queries read most" in html


def test_nobody_is_shown_unless_asked_for():
    assert "None were asked for" in subjects_body(gathered())


@pytest.mark.parametrize("show_ids", [False, True])
def test_subjects_are_numbered_unless_names_are_asked_for(show_ids):
    html = subjects_body(gathered(subjects=["sub-003", "sub-007"], show_ids=show_ids))
    assert ("sub-003" in html) is show_ids
    assert ("Subject 2" in html) is not show_ids
    assert html.count("<details>") == 2


def test_first_tokens_of_a_subject_are_those_it_has():
    html = subjects_body(gathered(subjects=["sub-001"]))
    assert "Attributions that are largest, 2 of 2" in html


def test_what_a_subject_lacks_contributes_nothing():
    fusion, X, y = reported()
    html = subjects_body(gather(fusion, X, y, subjects=["sub-001"]))
    assert '<th scope="row">csf</th><td class="text">no</td><td>–</td><td>–</td>' in html


def test_a_number_is_explained_too():
    fusion, X = fitted_regressor()
    material = gather(fusion, X, np.linspace(80, 120, 48), subjects=[X.index[0]], max_subjects=8)
    assert "Change of the predicted number" in modalities_body(material)
    assert "Predicted " in subjects_body(material)
