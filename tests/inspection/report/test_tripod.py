"""The checklist of TRIPOD+AI, filled by a report."""

import re
from functools import cache

import pandas as pd
import pytest

from adestim.evaluation import cohort_flow
from adestim.exceptions import InputError
from adestim.inspection import FusionReport
from adestim.inspection.report.gather import gather_material
from adestim.inspection.report.page import HEADINGS
from adestim.inspection.report.tripod import NOT_ANSWERED, write_tripod
from tests.inspection.fitted import fitted_regressor
from tests.inspection.reported import compared, grouped, reported


@cache
def report():
    fusion, X, y = reported()
    who = pd.DataFrame({"age": range(len(X))}, index=X.index)
    return FusionReport(
        fusion, X, y, comparison=compared(), n_resamples=20, cohort="ADNI", characteristics=who
    )


@cache
def checklist():
    return report().to_tripod().set_index("item")


@cache
def apparent_checklist():
    return FusionReport(*reported()).to_tripod().set_index("item")


def test_every_item_has_an_answer_or_says_whose_it_is():
    table = checklist()
    assert len(table) == 52
    assert set(table["answered"]) == {"yes", "in part", "by the authors"}
    by_authors = table["answered"] == "by the authors"
    assert (table.loc[by_authors, "answer"] == NOT_ANSWERED).all()
    assert (table.loc[by_authors, "where"] == "").all()
    assert set(table.loc[~by_authors, "where"]) <= set(HEADINGS.values())
    assert (table["answer"].str.len() > 10).all()


@pytest.mark.parametrize(
    "item", ["1", "2", "3a", "3c", "5b", "6a", "8b", "14", "17", "18a", "18b", "18e", "19", "25"]
)
def test_what_no_library_knows_is_left_to_the_authors(item):
    assert checklist().loc[item, "answered"] == "by the authors"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("5a", "ADNI"),
        ("6b", "Left out|No row was left out"),
        ("8a", "AD is positive"),
        ("9b", r"mri \(\d+\)"),
        ("10", r"\d+ subjects are analysed: \d+ CN, \d+ AD"),
        ("11", r"csf \d+%"),
        ("12a", "2-fold cross-validation"),
        ("12c", "AnchoredFusionClassifier"),
        ("12e", "ROC AUC, .*Wilson"),
        ("12g", "predict_proba of the fitted AnchoredFusionClassifier, adestim"),
        ("15", "threshold chosen on training rows"),
        ("18f", "scikit-learn"),
        ("20a", r"rows in the table.*analysed"),
        ("20b", "age by class"),
        ("21", "development .* a fold; evaluation .* a fold"),
        ("22", "SHA-256"),
        ("23a", r"ROC AUC \d\.\d+ \[\d\.\d+, \d\.\d+\]"),
    ],
)
def test_what_the_library_knows_is_told(item, words):
    assert re.search(words, checklist().loc[item, "answer"])


def test_performance_without_intervals_is_said_to_be_so():
    assert "Apparent, without intervals" in apparent_checklist().loc["23a", "answer"]
    assert apparent_checklist().loc["16", "answered"] == "by the authors"
    assert apparent_checklist().loc["4", "answered"] == "in part"


def test_a_regression_has_a_checklist():
    fusion, X = fitted_regressor()
    table = FusionReport(fusion, X, fusion.predict(X)).to_tripod().set_index("item")
    assert table.loc["15", "answer"] == "A number."
    assert table.loc["13", "answered"] == "by the authors"


def test_intervals_that_were_left_out_are_not_told():
    table = FusionReport(*reported(), comparison=compared(), n_resamples=0).to_tripod()
    answers = table.set_index("item")["answer"]
    assert "Without intervals: ROC AUC" in answers["23a"]
    assert "intervals" not in answers["12e"]


def test_a_flow_without_a_comparison_is_told():
    fusion, X, y = reported()
    flow = cohort_flow(pd.DataFrame({"mri": [True] * len(X)}), y, left_out=[("no label", 3)])
    table = FusionReport(fusion, X, y, flow=flow).to_tripod().set_index("item")
    assert "3 left out (no label)" in table.loc["20a", "answer"]
    assert "3 no label" in table.loc["11", "answer"]


def test_nobody_is_named_in_it():
    assert not checklist()["answer"].str.contains("sub-").any()


def test_the_page_links_every_answer_to_its_section():
    settings = {"comparison": compared(), "n_resamples": 20}
    text = write_tripod(gather_material(*reported(), **settings))
    links = set(re.findall(r'href="#(\w+)"', text))
    assert {"cohort", "performance", "limits", "provenance"} <= links <= set(HEADINGS)
    assert "Of 52 items" in text


@pytest.mark.parametrize("ending", ["md", "csv", "html"])
def test_it_is_written_by_the_ending_of_its_file(tmp_path, ending):
    path = report().save_tripod(tmp_path / f"tripod.{ending}")
    text = path.read_text(encoding="utf-8")
    assert NOT_ANSWERED in text
    assert "23a" in text
    if ending == "csv":
        pd.testing.assert_frame_equal(
            pd.read_csv(path, dtype=str, keep_default_na=False).set_index("item"), checklist()
        )


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.md, \.csv, \.html\. Got 'tripod\.pdf'"):
        report().save_tripod(tmp_path / "tripod.pdf")


def test_scores_by_group_answer_for_whom_it_holds():
    settings = {"comparison": compared(), "group_scores": grouped(), "n_resamples": 20}
    table = FusionReport(*reported(), **settings).to_tripod().set_index("item")
    answered = table.loc[["14", "12d", "23a", "23b"], "answered"]
    assert answered.tolist() == ["in part", "in part", "yes", "yes"]
    assert "levels of sex" in table.loc["14", "answer"]
    assert table.loc["23b", "where"] == "For whom it holds"
    assert "site: " in table.loc["23b", "answer"]
