"""Fitted estimators on a cohort that they have never seen."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from adestim.evaluation import delong, holm, score_probabilities, transfer
from adestim.evaluation.comparing.transfer import (
    complete_columns,
    find_absent_columns,
    get_seen_columns,
    warn_of_absent_columns,
)
from adestim.exceptions import DataWarning, InputError, LeakageError
from tests.evaluation.studies import pooled_model, visits
from tests.fusion_tables import COLUMNS, encodings_table, numeric_table, quick

X_TRAIN, Y_TRAIN = numeric_table(60)
X_OTHER, Y_OTHER = numeric_table(30, seed=1)


@pytest.fixture(scope="module")
def models():
    return {
        "pooled": pooled_model().fit(X_TRAIN, Y_TRAIN),
        "weak": pooled_model(C=1e-3).fit(X_TRAIN, Y_TRAIN),
        "mri": make_pipeline(LogisticRegression()).fit(X_TRAIN[["mri__a", "mri__b"]], Y_TRAIN),
    }


def test_scores_are_those_of_the_predictions(models):
    result = transfer(models["pooled"], X_OTHER, Y_OTHER, n_resamples=50)
    probabilities = models["pooled"].predict_proba(X_OTHER)[:, ::-1]
    expected = score_probabilities(Y_OTHER, probabilities, ["CN", "AD"])
    for name, value in expected.items():
        assert result.scores.loc["estimator", (name, "estimate")] == pytest.approx(value)
    block = result.scores["brier"]
    assert (block["low"] < block["estimate"]).all()
    assert (block["estimate"] < block["high"]).all()


def test_predictions_are_tidy(models):
    predictions = transfer(models, X_OTHER, Y_OTHER, n_resamples=5).predictions
    assert len(predictions) == 90
    assert predictions["subject"].tolist()[:30] == list(X_OTHER.index)
    np.testing.assert_allclose(predictions[["p_AD", "p_CN"]].sum(axis=1), 1)


def test_several_estimators_are_compared_in_pairs(models):
    table = transfer(models, X_OTHER, Y_OTHER, n_resamples=5).differences
    pairs = [("pooled", "weak"), ("pooled", "mri"), ("weak", "mri")]
    assert list(zip(table["first"], table["second"], strict=True)) == pairs
    expected = delong(
        Y_OTHER,
        models["pooled"].predict_proba(X_OTHER)[:, 1],
        models["mri"].predict_proba(X_OTHER[["mri__a", "mri__b"]])[:, 1],
    )
    assert table.loc[1, "delong_p"] == pytest.approx(expected.p)
    np.testing.assert_allclose(table["delong_p_holm"], holm(table["delong_p"]))


def test_the_fusion_does_without_an_absent_modality():
    table = encodings_table(X_TRAIN)
    fusion = quick(max_epochs=0).fit(table, Y_TRAIN)
    external = encodings_table(X_OTHER).drop(columns="gene")
    with pytest.warns(DataWarning, match=r"lacks 1 column\(s\), of 'gene'"):
        result = transfer(fusion, external, Y_OTHER, n_resamples=20)
    assert result.absent == {"estimator": ("gene",)}
    assert result.flow.by_modality["all"].to_dict() == {"mri": 30, "csf": 30, "gene": 0}
    expected = fusion.predict_proba(external.assign(gene=None))
    np.testing.assert_allclose(result.predictions[["p_AD", "p_CN"]], expected)


def test_the_order_of_columns_does_not_matter(models):
    first, second = (
        transfer(models["pooled"], table, Y_OTHER, n_resamples=5).predictions
        for table in (X_OTHER, X_OTHER[X_OTHER.columns[::-1]])
    )
    pd.testing.assert_frame_equal(first, second)


def test_who_has_nothing_that_is_known_is_left_out(models):
    table = X_OTHER.copy()
    table.iloc[:3] = np.nan
    y = Y_OTHER.astype(object)
    y[3] = None
    with pytest.warns(DataWarning, match=r"1 with no label, 3 with no modality"):
        result = transfer(models["pooled"], table, y, n_resamples=5)
    assert result.flow.n_analysed == 26


def test_the_positive_class_is_the_one_named(models):
    forward, back = (
        transfer(models["pooled"], X_OTHER, Y_OTHER, n_resamples=5, positive=name).scores
        for name in ("AD", "CN")
    )
    sensitivity = forward["sensitivity", "estimate"]
    np.testing.assert_allclose(sensitivity, back["specificity", "estimate"])


def test_thresholds_are_one_for_all_or_one_each(models):
    pair = {name: models[name] for name in ("pooled", "weak")}
    result = transfer(
        pair, X_OTHER, Y_OTHER, threshold={"pooled": 0.0, "weak": 1.01}, n_resamples=5
    )
    assert result.scores["sensitivity", "estimate"].tolist() == [1, 0]
    result = transfer(pair, X_OTHER, Y_OTHER, threshold=0.0, n_resamples=5)
    assert result.scores["sensitivity", "estimate"].tolist() == [1, 1]


def test_a_cohort_of_one_class_has_the_scores_that_it_can_have(models):
    only = Y_OTHER == "CN"
    scores = transfer(models["pooled"], X_OTHER[only], Y_OTHER[only], n_resamples=5).scores
    assert np.isnan(scores["roc_auc", "estimate"].item())
    assert scores["brier", "estimate"].notna().all()


def test_regressors_transfer():
    model = LinearRegression().fit(X_TRAIN, X_TRAIN["mri__a"] * 2)
    result = transfer(model, X_OTHER, X_OTHER["mri__a"] * 2, n_resamples=5)
    assert result.scores["mae", "estimate"].item() < 1e-6
    assert result.differences.empty


def test_groups_are_resampled_whole(models):
    X, y, groups = visits()
    with pytest.raises(LeakageError, match=r"groups are needed"):
        transfer(models["pooled"], X, y)
    result = transfer(models["pooled"], X, y, groups=groups, n_resamples=5)
    assert result.flow.n_groups == 24


def test_tables_are_written(models):
    result = transfer(models, X_OTHER, Y_OTHER, n_resamples=5)
    assert result.to_markdown(scores=["roc_auc"]).startswith("| Estimator | ROC AUC |")
    assert "\\toprule" in result.to_latex(scores=["roc_auc"], caption="External")
    assert "<table" in result._repr_html_()


# What is refused


def refused(match, fitted, X=X_OTHER, y=Y_OTHER, **settings):
    with pytest.raises(InputError, match=match):
        transfer(fitted, X, y, n_resamples=5, **settings)


def test_estimators_that_are_not_fitted_are_refused(models):
    refused("Got LogisticRegression 'estimator', which is not. Call fit", LogisticRegression())
    refused("needs a fitted estimator. Got none", {})


def test_unknown_classes_are_refused(models):
    y = np.where(np.arange(30) % 2, "AD", "MCI")
    refused("classes seen in fit: 'CN', 'AD'. Got 'MCI'. Map the external", models, y=y)


def test_other_columns_are_refused(models):
    refused("Got besides, 'pet__a'", models, X=X_OTHER.assign(pet__a=1.0))


def test_a_table_without_names_is_refused(models):
    refused("An external cohort is a frame.* Got ndarray", models, X=X_OTHER.to_numpy())


def test_a_rule_of_thresholds_is_refused(models):
    refused("chosen on the training cohort. Got 'youden' for 'pooled'", models, threshold="youden")
    refused("Got None for 'weak'", models, threshold={"pooled": 0.5})


def test_estimators_of_different_kinds_are_refused(models):
    line = LinearRegression().fit(X_TRAIN, X_TRAIN["mri__a"])
    refused("all classifiers or all regressors", {"line": line, **models})
    other = LogisticRegression().fit(X_TRAIN, np.where(Y_TRAIN == "AD", "PD", "CN"))
    refused(
        "know the same classes. Got pooled: AD, CN; .*other: CN, PD", {**models, "other": other}
    )


def test_a_threshold_needs_two_classes():
    X, y = numeric_table(60, n_classes=3)
    refused("Got 3 classes", LogisticRegression().fit(X, y), X=X, y=y, threshold=0.5)


# Columns of another cohort's table


@pytest.fixture(scope="module")
def fits():
    X, y = numeric_table(40)
    return {
        "fusion": quick(max_epochs=0).fit(X, y),
        "mri": LogisticRegression().fit(X[["mri__a", "mri__b"]], y),
    }


def test_columns_are_those_of_fit(fits):
    assert get_seen_columns(fits["fusion"]) == COLUMNS
    X, y = numeric_table(40)
    assert get_seen_columns(LogisticRegression().fit(X.to_numpy(), y)) is None


def test_absent_columns_are_told_by_estimator(fits):
    X = numeric_table(12)[0].drop(columns=["gene__a", "mri__b"])
    assert find_absent_columns(fits, X) == {"fusion": ("mri__b", "gene__a"), "mri": ("mri__b",)}


def test_columns_of_any_of_the_estimators_are_known(fits):
    find_absent_columns(fits, numeric_table(12)[0])
    with pytest.raises(InputError, match=r"or fewer. Got besides, 'pet__a'. Rename or drop them"):
        find_absent_columns(fits, numeric_table(12)[0].assign(pet__a=1.0))


def test_many_other_columns_are_counted(fits):
    X = numeric_table(12)[0].assign(**{f"other{number}": 1.0 for number in range(8)})
    with pytest.raises(InputError, match=r"'other4' and 3 more"):
        find_absent_columns(fits, X)


def test_a_table_is_completed_by_what_holds_nothing(fits):
    X = numeric_table(12)[0].drop(columns="gene__a")
    whole = complete_columns(X[X.columns[::-1]], fits)
    assert list(whole.columns) == COLUMNS
    assert whole["gene__a"].isna().all()
    assert (whole.dtypes == "float64").all()
    pd.testing.assert_frame_equal(whole[X.columns], X)


def test_a_column_of_encodings_is_completed_by_none():
    X, y = numeric_table(40)
    table = encodings_table(X)
    fits = {"fusion": quick(max_epochs=0).fit(table, y)}
    whole = complete_columns(table.drop(columns="gene"), fits)
    assert whole["gene"].tolist() == [None] * 40
    assert fits["fusion"].predict_proba(whole).shape == (40, 2)


def test_modalities_are_named_in_the_note():
    with pytest.warns(DataWarning, match=r"lacks 3 column\(s\), of 'gene', 'csf': they count"):
        warn_of_absent_columns({"a": ("gene__a", "gene__b"), "b": ("gene__a", "csf__tau")})


def test_a_table_without_names_is_of_the_width_of_fit():
    X, y = numeric_table(40)
    fits = {"m": LogisticRegression().fit(X.to_numpy(), y)}
    assert find_absent_columns(fits, X.iloc[:12]) == {"m": ()}
    assert complete_columns(X, fits) is X
    with pytest.raises(
        InputError, match=r"'m' was fitted on 5 columns without names.* Got 4 columns"
    ):
        find_absent_columns(fits, X.iloc[:, :4])


def test_values_are_not_touched(fits):
    X = numeric_table(12)[0]
    before = X.copy()
    complete_columns(X.drop(columns="gene__a"), fits)
    np.testing.assert_array_equal(X, before)


def test_a_transfer_says_who_was_judged_and_the_first_scores(models):
    result = transfer(models, X_OTHER, Y_OTHER, n_resamples=5)
    lines = repr(result).splitlines()
    assert lines[0] == f"Transfer of {len(models)} estimators:"
    assert {line.split("  ")[0] for line in lines[2:]} >= set(models)
