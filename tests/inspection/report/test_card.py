"""Model cards."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from adestim.exceptions import InputError
from adestim.inspection import model_card
from adestim.inspection.report.card import count_overlaps, render_markdown
from adestim.inspection.report.provenance import digest_splits
from tests.fusion_tables import quick
from tests.inspection.fitted import fitted_regressor
from tests.inspection.reported import compared, grouped, reported

HEADINGS = [
    "Model", "Columns", "Loading", "Intended use", "Data", "Backbones", "Splits and leak checks",
    "Scores", "Scores by pattern of modalities", "For whom it holds",
    "Limits", "Versions and seeds", "Citation",
]  # fmt: skip


def headings(card):
    return [line.removeprefix("## ") for line in card.splitlines() if line.startswith("## ")]


def test_a_card_without_anything_says_what_is_not_told():
    card = model_card(reported()[0])
    assert headings(card) == HEADINGS
    for words in ("Licence: not told", "Splits: not told", "None of unseen subjects were given"):
        assert words in card


def test_a_card_of_a_comparison_has_scores_and_checks():
    card = model_card(
        reported()[0], n_resamples=20, comparison=compared(), cohort="ADNI", licence="CC-BY-4.0"
    )
    for words in (
        "* Folds: 2",
        "* Rows tested twice in a repeat: 0",
        "* Who has which modalities tells alone: ",
        "mri no, csf no, gene no",
        "| ROC AUC |",
        "| pattern | n | ROC AUC |",
        "Licence: CC-BY-4.0",
        "Cohort: ADNI.",
    ):
        assert words in card


def test_names_of_subjects_are_not_in_it():
    assert "sub-" not in model_card(reported()[0], n_resamples=20, comparison=compared())


def test_splits_are_told_by_their_digest():
    splits = [(np.arange(24), np.arange(24, 80)), (np.arange(24, 80), np.arange(24))]
    card = model_card(reported()[0], splits=iter(splits), groups=np.arange(80) // 2)
    assert f"* Test rows, SHA-256: {digest_splits(splits)}" in card
    assert "* Folds with a group on both sides: 0 of 2" in card


def test_leaks_across_splits_are_counted():
    splits = [([0, 1], [1, 2]), ([0], [3])]
    assert list(count_overlaps(splits, ["a", "b", "c", "a"])) == [
        "* Folds with a row on both sides: 1 of 2",
        "* Folds with a group on both sides: 2 of 2",
    ]


def test_a_regressor_has_a_card():
    card = model_card(fitted_regressor()[0])
    assert "AnchoredFusionRegressor" in card
    assert "Classes" not in card


def test_cells_of_a_table_cannot_break_it():
    table = pd.DataFrame({"a": ["x|y", None]}, index=["1\n2", "3"])
    assert render_markdown(table).splitlines()[2:] == ["| 1 2 | x\\|y |", "| 3 | – |"]


def test_a_cohort_without_a_name_is_refused():
    with pytest.raises(InputError, match="A cohort is told by its name"):
        model_card(reported()[0], cohort={})


def test_what_is_no_comparison_is_refused():
    with pytest.raises(InputError, match=r"must be what adestim\.evaluation\.compare returned"):
        model_card(reported()[0], comparison=3)


def test_an_unfitted_estimator_is_refused():
    with pytest.raises(NotFittedError):
        model_card(quick())


def test_scores_by_group_are_in_it():
    settings = {"comparison": compared(), "group_scores": grouped(), "n_resamples": 20}
    card = model_card(reported()[0], **settings)
    assert "| sex: F | 40 |" in card
    assert "site: west was not scored: too few people (5)." in card
    assert "were not given" in model_card(reported()[0])
