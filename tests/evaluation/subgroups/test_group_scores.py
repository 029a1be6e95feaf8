"""Scores by sex, age, site and the like."""

import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from adestim.evaluation import compare, score_by_group, score_predictions, transfer
from adestim.exceptions import InputError
from tests.evaluation.studies import predictions_of

N = 160
QUICK = {"n_resamples": 50, "n_permutations": 99}


@cache
def study():
    """A comparison of a model that is wrong about one site, and who the subjects are."""
    rng = np.random.default_rng(0)
    index = [f"sub-{place:03d}" for place in range(N)]
    site = rng.choice(["north", "south"], N)
    X = pd.DataFrame(rng.normal(size=(N, 2)), index=index, columns=["mri__a", "csf__tau"])
    sign = np.where(site == "south", -0.3, 2.0)
    y = np.where(sign * X["mri__a"] + rng.normal(size=N) > 0, "AD", "CN")
    people = pd.DataFrame(
        {
            "site": site,
            "sex": np.where(rng.random(N) < 0.1, None, rng.choice(["F", "M"], N)),
            "age_band": pd.cut(rng.uniform(55, 90, N), [0, 65, 75, 120]),
        },
        index=index,
    )
    settings = {"cv": 2, "scoring": ["roc_auc", "brier"], "random_state": 0}
    return compare({"plain": LogisticRegression()}, X, y, **settings), people, X, y


@cache
def judged():
    comparison, people, *_ = study()
    return score_by_group(comparison, people, **QUICK)


def test_every_level_has_scores_with_intervals():
    table = judged().scores.set_index(["attribute", "level"])
    assert list(table.loc["site"].index) == ["north", "south"]
    scored = table[table["status"] == "scored"]
    assert (scored["roc_auc_low"] < scored["roc_auc"]).all()
    assert (scored["roc_auc"] < scored["roc_auc_high"]).all()
    assert table.loc[("all", "all"), "n"] == N == table.loc["age_band", "n"].sum()


def test_unknown_people_are_told_and_not_scored_where_they_are_few():
    row = judged().scores.set_index(["attribute", "level"]).loc[("sex", "not known")]
    assert 0 < row["n"] < 20
    assert row["status"] == "too few people"
    assert np.isnan(row["roc_auc"])
    assert any("sex: not known was not scored" in line for line in judged().describe())


def test_the_site_that_the_model_fails_is_found():
    gaps = judged().gaps.set_index(["attribute", "score"])
    assert gaps.loc[("site", "roc_auc"), "lowest"] == "south"
    assert gaps.loc[("site", "roc_auc"), "p_holm"] == pytest.approx(0.03)
    assert (gaps["p_holm"].dropna() >= gaps["p"].dropna()).all()


def test_calibration_is_among_the_scores():
    assert {"calibration_slope", "calibration_intercept"} <= set(judged().names)


def test_a_level_is_scored_as_its_rows_are():
    comparison, people, *_ = study()
    own = comparison.predictions[comparison.predictions["estimator"] == "plain"]
    own = own[own["subject"].isin(people.index[people["site"] == "north"])]
    brier = np.mean((own["p_AD"] - (own["y"] == "AD")) ** 2)
    row = judged().scores.set_index("level").loc["north"]
    assert row["brier"] == pytest.approx(brier)


def test_the_reference_alone_is_judged_unless_others_are_named():
    comparison, people, *_ = study()
    assert judged().estimators == ["plain"]
    both = score_by_group(
        comparison, people[["site"]], estimators=comparison.estimators, scores=["brier"], **QUICK
    )
    assert both.estimators == comparison.estimators
    assert both.table("mask only").shape == (3, 2)


def test_a_transfer_is_judged_too():
    _, people, X, y = study()
    result = transfer(LogisticRegression().fit(X, y), X, y, n_resamples=20)
    found = score_by_group(result, people["site"], scores=["roc_auc"], **QUICK)
    assert list(found.scores["level"]) == ["all", "north", "south"]


def test_predicted_numbers_are_judged_by_their_scores():
    table = predictions_of(np.linspace(0, 1, 60), np.zeros(60)).drop(columns=["p_CN", "p_AD"])
    table["prediction"] = 0.5
    groups = pd.DataFrame({"sex": ["F", "M"] * 30}, index=table["subject"])
    found = score_by_group(table, groups, scores=["mae"], **QUICK)
    mae = score_predictions(table["y"][::2], table["prediction"][::2], scores=["mae"])["mae"]
    assert found.scores.set_index("level").loc["F", "mae"] == pytest.approx(mae)


def test_levels_that_are_too_small_are_pooled_and_named():
    comparison, people, *_ = study()
    town = pd.DataFrame({"town": np.resize(list("aaaaaabcdefghijk"), N)}, index=people.index)
    found = score_by_group(comparison, town, scores=["brier"], **QUICK)
    assert list(found.scores["level"]) == ["all", "a", "other (pooled)"]
    assert any(line.startswith("town: b, c, d") for line in found.describe())


def test_it_shows_itself_in_text_and_in_a_notebook():
    found = judged()
    assert "GroupScores of 1 estimator(s) by site, sex, age_band" in repr(found)
    assert "site: north" in found._repr_html_()
    assert "| site: north |" in found.to_markdown()
    assert "too few people" in found.to_markdown()
    assert "south to north" in found.gap_table()["lowest to highest"].tolist()


def test_without_resamples_there_are_no_intervals():
    comparison, people, *_ = study()
    found = score_by_group(
        comparison, people["site"], scores=["brier"], n_resamples=0, n_permutations=0
    )
    assert "brier_low" not in found.scores
    assert "[" not in found.to_markdown()
    assert found.gap_table()["p"].tolist() == ["–"]


def test_it_survives_pickling():
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(judged())).scores, judged().scores)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"min_size": 1}, "'min_size' is a whole number from 2"),
        ({"n_permutations": -1}, "'n_permutations' is a whole number from 0"),
        ({"scores": ["auc"]}, "auc"),
        ({"scores": []}, "a score or more"),
        ({"estimators": ["forest"]}, "some of those that were compared.*'forest'"),
        ({"level": 2}, "'level'"),
    ],
)
def test_other_settings_are_refused(settings, words):
    comparison, people, *_ = study()
    with pytest.raises(InputError, match=f"(?s){words}"):
        score_by_group(comparison, people, **settings)


def test_another_estimator_is_refused():
    with pytest.raises(InputError, match="one of those that were judged by group"):
        judged().table("forest")
