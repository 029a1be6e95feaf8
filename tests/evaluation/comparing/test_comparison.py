"""Summaries, paired differences and tables of a comparison."""

import numpy as np
import pandas as pd
import pytest

from adestim.evaluation import Comparison, cohort_flow, compare, corrected_t_test, delong, holm
from adestim.exceptions import InputError
from tests.evaluation.studies import pooled_model, predictions_of, small_study, visits


@pytest.fixture(scope="module")
def comparison():
    X, y = small_study(60)
    models = {"strong": pooled_model(), "weak_1": pooled_model(C=1e-3)}
    scoring = ["roc_auc", "accuracy", "brier"]
    return compare(models, X, y, cv=3, n_repeats=2, scoring=scoring, positive="AD")


# Summary


def test_the_summary_has_a_mean_over_folds(comparison):
    summary = comparison.summary(n_resamples=5)
    by_fold = comparison.folds.groupby("estimator")["brier"].mean()
    np.testing.assert_allclose(summary["brier", "mean"], by_fold[summary.index])
    assert summary["folds", "ok"].tolist() == [6, 6, 6]


def test_the_estimate_is_that_of_all_predictions_and_lies_in_its_interval(comparison):
    summary = comparison.summary(n_resamples=200)
    own = comparison.predictions.query("estimator == 'strong'")
    p, y = own["p_AD"], own["y"] == "AD"
    expected = ((p - y) ** 2).groupby(own["repeat"]).mean().mean()
    assert summary.loc["strong", ("brier", "estimate")] == pytest.approx(expected)
    for score in comparison.scores:
        block = summary[score]
        assert (block["low"] <= block["estimate"]).all()
        assert (block["estimate"] <= block["high"]).all()


def test_intervals_are_the_same_in_every_call(comparison):
    first, second = (comparison.summary(n_resamples=20) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_a_higher_level_gives_a_wider_interval(comparison):
    def width(level):
        block = comparison.summary(level=level, n_resamples=100)["roc_auc"]
        return block["high"] - block["low"]

    assert (width(0.95) > width(0.5)).all()


def test_intervals_can_be_left_out(comparison):
    summary = comparison.summary(n_resamples=0, scores=["brier"])
    assert summary["brier", "low"].isna().all()
    assert list(summary.columns.get_level_values(0).unique()) == ["brier", "folds"]


def test_groups_are_resampled_whole():
    y = np.repeat(["AD", "CN"], 20)
    p = np.tile([0.9, 0.1, 0.8, 0.3], 10)
    narrow, wide = (
        comparison_of(predictions_of(y, p, groups=groups)).summary(n_resamples=300)
        for groups in (None, np.repeat(np.arange(8), 5))
    )
    width = [table["accuracy", "high"] - table["accuracy", "low"] for table in (narrow, wide)]
    assert width[1].item() != width[0].item()


def comparison_of(predictions, scores=("accuracy",), reference="a"):
    keys = predictions.groupby(["estimator", "repeat", "fold"], sort=False)
    folds = keys.size().rename("n_test").reset_index()
    folds = folds.assign(
        n_train=20, status="ok", error="", seconds=0.0, **dict.fromkeys(scores, 0.5)
    )
    present = pd.DataFrame({"mri": True}, index=predictions["row"].unique())
    flow = cohort_flow(present)
    return Comparison(folds, predictions, present, flow, ("CN", "AD"), tuple(scores), reference)


# Differences


def test_differences_are_those_of_paired_folds(comparison):
    table = comparison.differences("brier")
    wide = comparison.folds.pivot(index=["repeat", "fold"], columns="estimator", values="brier")
    expected = corrected_t_test(wide["strong"] - wide["weak_1"], 1 / 3)
    row = table.loc["weak_1"]
    assert row["reference"] == "strong"
    assert row["n_folds"] == 6
    np.testing.assert_allclose(row[["mean", "low", "high", "p"]].astype(float), expected)
    assert "delong" not in table


def test_p_values_are_adjusted_for_the_number_of_rivals(comparison):
    table = comparison.differences()
    assert list(table.index) == ["weak_1", "mask only"]
    np.testing.assert_allclose(table["p_holm"], holm(table["p"]))
    np.testing.assert_allclose(table["delong_p_holm"], holm(table["delong_p"]))


def test_delong_is_that_of_averaged_probabilities(comparison):
    mean = comparison.predictions.pivot_table(index="row", columns="estimator", values="p_AD")
    y = comparison.predictions.drop_duplicates("row").set_index("row")["y"][mean.index]
    expected = delong(y, mean["strong"], mean["mask only"], positive="AD")
    row = comparison.differences().loc["mask only"]
    assert row["delong"] == pytest.approx(expected.difference)
    assert row["delong_p"] == pytest.approx(expected.p)


def test_another_reference_turns_the_difference_round(comparison):
    forward = comparison.differences("brier").loc["weak_1", "mean"]
    back = comparison.differences("brier", reference="weak_1").loc["strong", "mean"]
    assert forward == pytest.approx(-back)


def test_only_rows_that_both_predict_are_compared():
    y = np.where(np.arange(40) % 4 < 2, "AD", "CN")
    p = np.where(y == "AD", 0.9, 0.1)
    wrong = p.copy()
    wrong[30:] = 1 - wrong[30:]
    tables = [predictions_of(y, wrong), predictions_of(y, p, "b").iloc[:30]]
    row = comparison_of(pd.concat(tables)).differences("accuracy").loc["b"]
    assert (row["mean"], row["p"]) == (0, 1)


def test_visits_of_one_subject_are_no_independent_rows_of_delong():
    X, y, groups = visits()
    models = {"a": pooled_model(), "b": pooled_model(C=0.01)}
    table = compare(models, X, y, groups=groups, cv=2, controls=False).differences()
    assert table["p"].notna().all()
    assert table["delong_p"].isna().all()


@pytest.mark.parametrize("score", ["auc", "mae"])
def test_a_score_that_was_not_computed_is_refused(comparison, score):
    with pytest.raises(InputError, match=f"were computed can be shown. Got '{score}'. Choose from"):
        comparison.differences(score)


def test_a_reference_that_was_not_compared_is_refused(comparison):
    with pytest.raises(InputError, match=r"The reference is one of the estimators. Got 'x'"):
        comparison.differences(reference="x")


# Patterns and tables


def test_scores_by_pattern_count_every_subject(comparison):
    table = comparison.by_pattern(n_resamples=0, scores=["accuracy"])
    assert set(table["estimator"]) == {"strong", "weak_1", "mask only"}
    whole = table.query("estimator == 'strong' and pattern == 'all'")
    parts = table.query("estimator == 'strong' and pattern != 'all'")
    assert whole["n"].item() == parts["n"].sum() == 60


def test_visits_are_told_apart_by_pattern():
    X, y, groups = visits()
    X.iloc[::2, 2:4] = np.nan
    result = compare({"a": pooled_model()}, X, y, groups=groups, cv=2, controls=False)
    table = result.by_pattern(n_resamples=0).set_index("pattern")
    assert table["n"].to_dict() == {"all": 48, "mri+csf+gene": 24, "mri+gene": 24}


def test_markdown_names_the_positive_class_and_what_failed(comparison):
    text = comparison.to_markdown(n_resamples=20, scores=["roc_auc"])
    lines = text.splitlines()
    assert lines[0] == "| Estimator | ROC AUC |"
    assert lines[2].startswith("| strong | **0.9")
    assert "| weak\\_1 |" in text
    assert lines[-1] == (
        "Scores of out-of-fold predictions, averaged over repeats [95% intervals over subjects: "
        "Wilson's of proportions, bootstrapped ones of all else]. The positive class is AD."
    )


def test_failures_stand_under_the_table():
    y = np.where(np.arange(20) % 4 < 2, "AD", "CN")
    result = comparison_of(predictions_of(y, np.linspace(0, 1, 20)))
    result.folds.loc[0, "status"] = "failed"
    assert result.to_markdown(n_resamples=0).endswith(
        "The positive class is AD. 1 folds of a failed."
    )


def test_latex_escapes_names_and_the_note(comparison):
    text = comparison.to_latex(n_resamples=20, label="tab:all")
    assert "weak\\_1 & " in text
    assert "[95\\% intervals" in text
    assert "\\label{tab:all}" in text
    assert text.count("{") == text.count("}")


def test_a_notebook_shows_scores_without_intervals(comparison):
    text = comparison._repr_html_()
    assert "<table" in text
    assert "weak_1" in text
    assert "[" not in text.split("<p>")[0]


def test_a_comparison_says_what_was_compared_and_the_means_over_folds(comparison):
    lines = repr(comparison).splitlines()
    assert lines[0].startswith(f"Comparison of {len(comparison.estimators)} estimators")
    for name in comparison.estimators:
        mean = comparison.folds.set_index("estimator").loc[name, comparison.scores[0]].mean()
        assert any(line.startswith(name) and f"{mean:.3f}" in line for line in lines)


def test_patterns_of_one_estimator_are_those_of_all(comparison):
    table = comparison.by_pattern(["weak_1"], n_resamples=0)
    both = comparison.by_pattern(n_resamples=0)
    expected = both[both["estimator"] == "weak_1"].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, expected)
