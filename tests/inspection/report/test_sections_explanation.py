"""Sections about modalities, anchors, tokens and single subjects."""

import numpy as np
import pytest

from adestim.inspection.report.gather import gather_material
from adestim.inspection.report.sections_explanation import (
    say_strongest_pair,
    write_anchors,
    write_modalities,
    write_subjects,
    write_tokens,
)
from tests.inspection.fitted import fitted, fitted_regressor
from tests.inspection.reported import reported


def gathered(**settings):
    """Material of a small fusion, few of whose subjects are explained."""
    return gather_material(*reported(), **({"max_subjects": 12} | settings))


@pytest.fixture(scope="module")
def modalities():
    """The section on modalities, of visits of 24 subjects."""
    return write_modalities(gathered(groups=np.arange(80) // 2))


@pytest.fixture(scope="module")
def tokens():
    """The section on tokens, of the whole prediction."""
    return write_tokens(gathered())


def test_modalities_are_explained_by_bars_points_and_pairs(modalities):
    assert modalities.count("<img") == 3
    assert "decisions that change" in modalities
    assert "Not shown" not in modalities


def test_who_is_explained_is_told(modalities):
    assert "Of 12 of 80 subjects, drawn at random." in modalities


def test_the_strongest_pair_is_told():
    import pandas as pd

    matrix = pd.DataFrame([[np.nan, -0.5], [-0.5, np.nan]], index=list("ab"), columns=list("ab"))
    assert say_strongest_pair(matrix) == "Strongest: a and b, -0.50."
    assert say_strongest_pair(matrix * np.nan) == "No subject has two modalities."


def test_anchors_are_told():
    html = write_anchors(gathered())
    assert "Agreement of anchors. mri decides for" in html


def test_tokens_have_attention_attribution_and_a_table_a_modality(tokens):
    assert "Not shown" not in tokens
    for name in ("mri", "csf", "gene"):
        assert f"<h3>Columns and words: {name}</h3>" in tokens


def test_the_prediction_is_explained_or_the_anchor_that_is_named(tokens):
    of_gene = write_tokens(gathered(anchor="gene"))
    assert "what the anchor &#x27;gene&#x27; rests on" in of_gene
    assert "What the queries of gene read most." in of_gene
    assert "what the prediction rests on" in tokens


def test_without_nets_there_is_neither_attention_nor_a_deciding_anchor():
    fusion, X = fitted(max_epochs=0)
    y = np.resize(["AD", "CN"], len(X))
    material = gather_material(fusion, X, y, max_subjects=6, subjects=["sub-002"])
    assert "No attention is shown. No net was trained (max_epochs=0)" in write_tokens(material)
    assert "No anchor decides. No net was trained" in write_anchors(material)
    assert "decides, with weight" not in write_subjects(material)


def test_attributions_have_their_unit(tokens):
    assert "that add most, 2 of 2; log-odds of AD" in tokens


def test_a_missing_extra_is_told_on_the_page(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "captum.attr", None)
    html = write_tokens(gathered())
    assert "Not shown." in html
    assert "What the queries of mri read most" in html


def test_nobody_is_shown_unless_asked_for():
    assert "None were asked for" in write_subjects(gathered())


@pytest.mark.parametrize("show_ids", [False, True])
def test_subjects_are_numbered_unless_names_are_asked_for(show_ids):
    html = write_subjects(gathered(subjects=["sub-003", "sub-007"], show_ids=show_ids))
    assert ("sub-003" in html) is show_ids
    assert ("Subject 2" in html) is not show_ids
    assert html.count("<details>") == 2


def test_first_tokens_of_a_subject_are_those_it_has():
    html = write_subjects(gathered(subjects=["sub-001"]))
    assert "Attributions that are largest, 2 of 2" in html


def test_what_a_subject_lacks_contributes_nothing():
    fusion, X, y = reported()
    html = write_subjects(gather_material(fusion, X, y, subjects=["sub-001"]))
    assert '<th scope="row">csf</th><td class="text">no</td><td>–</td><td>–</td>' in html


def test_a_number_is_explained_too():
    fusion, X = fitted_regressor()
    material = gather_material(
        fusion, X, np.linspace(80, 120, 80), subjects=[X.index[0]], max_subjects=8
    )
    assert "Change of the predicted number" in write_modalities(material)
    assert "Predicted " in write_subjects(material)
