"""Estimators on the same splits, beside controls; failures, resumption, settings refused."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import ShuffleSplit, StratifiedKFold
from sklearn.svm import LinearSVC

from adestim import ClinicalExtractor, ModalityUnion
from adestim.evaluation import REGRESSION_SCORES, SCORES, compare
from adestim.exceptions import DataWarning, InputError, LeakageError
from tests.evaluation.studies import (
    FailsWhere,
    Interrupted,
    Recorder,
    pooled_model,
    small_study,
    visits,
)
from tests.fusion_tables import numeric_table, quick


@pytest.fixture(scope="module")
def comparison():
    X, y = small_study()
    models = {"weak": pooled_model(C=1e-3), "strong": pooled_model()}
    return compare(models, X, y, cv=3, n_repeats=2)


def simple(**settings):
    X, y = numeric_table(40)
    return compare(
        {"model": LogisticRegression()}, X, y, **({"cv": 2, "controls": False} | settings)
    )


def test_folds_have_a_row_for_each_estimator_repeat_and_fold(comparison):
    folds = comparison.folds
    assert len(folds) == 3 * 2 * 3
    assert list(folds["estimator"].unique()) == ["weak", "strong", "mask only"]
    assert (folds["status"] == "ok").all()
    assert (folds["n_train"] + folds["n_test"] == 48).all()
    assert set(SCORES) <= set(folds.columns)


def test_estimators_are_judged_on_the_same_rows(comparison):
    columns = ["repeat", "fold", "row", "subject", "y"]
    tables = [table[columns] for _, table in comparison.predictions.groupby("estimator")]
    for table in tables[1:]:
        np.testing.assert_array_equal(table.to_numpy(), tables[0].to_numpy())


def test_every_row_is_predicted_once_a_repeat(comparison):
    counts = comparison.predictions.groupby(["estimator", "repeat", "row"]).size()
    assert (counts == 1).all()
    assert len(counts) == 3 * 2 * 48


def test_repeats_differ(comparison):
    table = comparison.predictions.query("estimator == 'weak'").sort_values("row")
    first, second = (table[table["repeat"] == repeat]["fold"].to_numpy() for repeat in (0, 1))
    assert (first != second).any()


def test_probabilities_sum_to_one_and_classes_are_named(comparison):
    assert comparison.classes == ("CN", "AD")
    np.testing.assert_allclose(comparison.predictions[["p_AD", "p_CN"]].sum(axis=1), 1)


def test_the_mask_alone_knows_only_who_has_what():
    X, y = numeric_table(60)
    y = np.where(np.arange(60) % 3 > 0, "CN", "AD")
    X.loc[y == "AD", ["csf__a", "csf__b"]] = np.nan
    folds = compare({"model": pooled_model()}, X, y, cv=2, scoring="accuracy").folds
    assert (folds.query("estimator == 'mask only'")["accuracy"] == 1).all()


def test_covariates_are_a_control_of_their_own():
    X, y = numeric_table(40)
    rng = np.random.default_rng(0)
    covariates = pd.DataFrame({"age": rng.normal(size=40), "sex": np.where(y == "AD", "F", "M")})
    covariates = covariates.set_axis(X.index).sample(frac=1, random_state=0)
    result = compare({"m": LogisticRegression()}, X, y, cv=2, covariates=covariates)
    assert result.estimators == ["m", "mask only", "age and sex"]
    assert result.summary(n_resamples=0).loc["age and sex", ("accuracy", "mean")] == 1


def test_the_same_seed_gives_the_same_comparison():
    first, second, third = (simple(random_state=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    assert not first.predictions.equals(third.predictions)


def test_global_generators_are_left_as_found():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    simple()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_an_array_is_a_table_too():
    X, y = numeric_table(40)
    result = compare({"m": LogisticRegression()}, X.to_numpy(), y, cv=2)
    assert result.predictions["subject"].max() == 39


def test_raw_cells_are_read_by_pipelines_and_counted_by_modality():
    rng = np.random.default_rng(0)
    y = np.where(np.arange(40) % 2, "AD", "CN")
    X = pd.DataFrame(
        {"age": rng.normal(70, 5, 40), "sex": np.where(rng.random(40) < 0.5, "F", "M")}
    )
    X["gds"] = np.where(np.arange(40) % 4, rng.normal(size=40), np.nan)
    union = ModalityUnion(
        [("who", ClinicalExtractor(), ["age", "sex"]), ("mood", ClinicalExtractor(), ["gds"])]
    )
    model = pooled_model()
    model.steps.insert(0, ("union", union))
    result = compare({"model": model}, X, y, cv=2)
    assert result.flow.by_modality["all"].to_dict() == {"who": 40, "mood": 30}
    assert (result.folds["status"] == "ok").all()


def test_the_fusion_can_be_compared():
    X, y = small_study(40)
    models = {"fusion": quick(max_epochs=0), "pooled": pooled_model()}
    result = compare(models, X, y, cv=2, scoring="roc_auc")
    assert (result.folds["status"] == "ok").all()


def test_regressors_are_compared_by_their_errors():
    X, _ = numeric_table(40)
    y = X["mri__a"] * 3
    result = compare({"line": LinearRegression()}, X, y, cv=3, n_repeats=2)
    assert result.estimators == ["line"]
    assert result.scores == REGRESSION_SCORES
    assert result.folds["mae"].max() < 1e-6


def test_the_positive_class_is_the_one_named():
    scores = {
        name: simple(positive=name, scoring=["sensitivity", "specificity"]).folds
        for name in ("AD", "CN")
    }
    np.testing.assert_allclose(scores["AD"]["sensitivity"], scores["CN"]["specificity"])
    with pytest.raises(InputError, match=r"'positive' names one of two classes. Got 'MCI' of"):
        simple(positive="MCI")


def test_three_classes_are_compared():
    X, y = numeric_table(60, n_classes=3)
    result = compare({"m": LogisticRegression()}, X, y, cv=2, controls=False)
    assert result.classes == ("AD", "CN", "MCI")
    assert result.folds[["roc_auc", "brier"]].notna().all(axis=None)


def test_thresholds_are_chosen_in_every_training_set():
    thresholds = simple(threshold="youden").predictions.groupby("fold")["threshold"].nunique()
    assert (thresholds == 1).all()
    assert simple().predictions["threshold"].isna().all()


# Groups and splits


def test_groups_stay_on_one_side():
    X, y, groups = visits()
    folds = compare({"m": LogisticRegression()}, X, y, groups=groups, cv=3, n_repeats=2)
    per_group = folds.predictions.groupby(["estimator", "repeat", "group"])["fold"].nunique()
    assert (per_group == 1).all()


def test_groups_are_needed_where_a_subject_has_several_rows():
    X, y, _ = visits()
    with pytest.raises(LeakageError, match=r"groups are needed"):
        compare({"m": LogisticRegression()}, X, y)


def test_a_splitter_that_parts_a_group_is_refused():
    X, y, groups = visits()
    splitter = StratifiedKFold(2, shuffle=True, random_state=0)
    with pytest.raises(LeakageError, match=r"Groups must be on one side of split 1"):
        compare({"m": LogisticRegression()}, X, y, groups=groups, cv=splitter)


def test_a_splitter_tests_again_in_another_repeat():
    folds = simple(cv=ShuffleSplit(4, test_size=0.5, random_state=0)).folds
    assert folds["repeat"].tolist() == [0, 1, 2, 3]


def test_splits_may_be_given_and_count_rows_of_the_whole_table():
    X, y = numeric_table(40)
    y = y.astype(object)
    y[0] = None
    rows = np.arange(40)
    splits = [(rows[rows % 2 == 0], rows[rows % 2 == 1]), (rows % 2 == 1, rows % 2 == 0)]
    with pytest.warns(DataWarning, match=r"Rows were left out: 1 with no label"):
        result = compare({"m": LogisticRegression()}, X, y, cv=splits, controls=False)
    assert result.folds["n_test"].tolist() == [20, 19]
    odd = result.predictions.query("fold == 0")["subject"]
    assert sorted(odd) == [f"sub-{number:03d}" for number in range(1, 40, 2)]


def test_repeats_need_a_number_of_folds():
    with pytest.raises(InputError, match=r"'n_repeats' needs 'cv' as a number"):
        simple(cv=StratifiedKFold(2), n_repeats=2)


# Who is left out


def test_who_has_nothing_is_left_out_and_told():
    X, y = numeric_table(40)
    X.iloc[:2] = np.nan
    with pytest.warns(DataWarning, match=r"Rows were left out: 2 with no modality"):
        result = compare({"m": pooled_model()}, X, y, cv=2)
    assert result.flow.left_out == (("no modality", 2),)
    assert (result.flow.n_rows, result.flow.n_analysed) == (40, 38)
    assert len(result.present) == 38


# Failures


def test_a_fold_that_fails_is_a_row_and_the_rest_goes_on():
    X, y = numeric_table(40)
    models = {"frail": FailsWhere("sub-003"), "sound": LogisticRegression()}
    with pytest.warns(
        DataWarning, match=r"Folds failed: 1 of 'frail'\. Their errors are in"
    ) as told:
        result = compare(models, X, y, cv=2, controls=False)
    assert len(told) == 1
    frail = result.folds.query("estimator == 'frail'")
    assert sorted(frail["status"]) == ["failed", "ok"]
    failed = frail.query("status == 'failed'").iloc[0]
    assert failed["error"] == "RuntimeError: cannot be fitted"
    assert np.isnan(failed["roc_auc"])
    assert result.summary(n_resamples=5).loc["frail", "folds"].tolist() == [1, 1]


def test_an_estimator_that_always_fails_leaves_the_others():
    X, y = numeric_table(40)
    models = {"never": FailsWhere(), "sound": LogisticRegression()}
    with pytest.warns(DataWarning, match=r"2 of 'never'"):
        result = compare(models, X, y, cv=2)
    summary = result.summary(n_resamples=5)
    assert summary.loc["never", "roc_auc"].isna().all()
    assert result.differences(reference="sound").loc["never", "n_folds"] == 0


def test_nothing_but_failures_is_an_error():
    X, y = numeric_table(40)
    with pytest.raises(InputError, match=r"all failed on all of them. Got RuntimeError: cannot be"):
        compare({"one": FailsWhere(), "two": FailsWhere()}, X, y, cv=2)


# Resumption


def test_a_second_call_fits_nothing_again(tmp_path):
    X, y = small_study(40)
    fits = tmp_path / "fits"
    fits.mkdir()
    models = {"model": Recorder(str(fits))}
    first, second = (compare(models, X, y, cv=2, resume=tmp_path / "kept") for _ in range(2))
    assert len(list(fits.iterdir())) == 2
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    pd.testing.assert_frame_equal(first.folds, second.folds)


def test_other_data_are_fitted_anew(tmp_path):
    X, y = small_study(40)
    fits = tmp_path / "fits"
    fits.mkdir()
    models = {"model": Recorder(str(fits))}
    compare(models, X, y, cv=2, resume=tmp_path / "kept", controls=False)
    compare(models, X, y[::-1], cv=2, resume=tmp_path / "kept", controls=False)
    assert len(list(fits.iterdir())) == 4


def test_an_interrupted_comparison_goes_on_where_it_was(tmp_path):
    X, y = numeric_table(40)
    models = {"done": LogisticRegression(), "stopped": Interrupted("sub-003")}
    with pytest.raises(KeyboardInterrupt):
        compare(models, X, y, cv=2, resume=tmp_path, controls=False)
    assert len(list(tmp_path.iterdir())) >= 2


def test_scores_can_be_changed_without_fitting_again(tmp_path):
    fits = tmp_path / "fits"
    fits.mkdir()
    X, y = numeric_table(40)
    for scoring in ("roc_auc", ["brier", "f1"]):
        compare({"m": Recorder(str(fits))}, X, y, cv=2, scoring=scoring, resume=tmp_path / "kept")
    assert len(list(fits.iterdir())) == 2


# What is refused


@pytest.mark.parametrize(
    ("estimators", "message"),
    [
        ({}, r"'estimators' maps names to estimators. Got none. Pass \{"),
        ([LogisticRegression()], "Got a list"),
        ({1: LogisticRegression()}, "Names of estimators are str. Got 1"),
        ({"m": LinearSVC()}, "needs predict_proba. Got 'm' without. Wrap a classifier"),
        ({"m": LogisticRegression(), "r": LinearRegression()}, "all classifiers or all regressors"),
        ({"mask only": LogisticRegression()}, "cannot have the name of a control"),
    ],
)
def test_estimators_that_cannot_be_compared_are_refused(estimators, message):
    X, y = numeric_table(40)
    with pytest.raises(InputError, match=message):
        compare(estimators, X, y, cv=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scoring": "auc"}, "'scoring' names scores. Got 'auc'. Choose from accuracy,"),
        ({"scoring": []}, "Got none"),
        ({"reference": "other"}, "The reference is one of the estimators. Got 'other'"),
        ({"threshold": "best"}, "rule"),
        ({"controls": True, "covariates": [1]}, "'covariates' is a frame indexed by subject"),
        (
            {"controls": True, "covariates": pd.DataFrame({"age": [70.0]}, index=["sub-001"])},
            "a row for every subject of the table. Got none for 39, 'sub-000' for one",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        simple(**settings)


def test_a_threshold_needs_two_classes():
    X, y = numeric_table(60, n_classes=3)
    with pytest.raises(InputError, match=r"A threshold parts two classes. Got 3 classes"):
        compare({"m": LogisticRegression()}, X, y, threshold="youden")
    with pytest.raises(InputError, match=r"Got a regression"):
        compare({"m": LinearRegression()}, X, X["mri__a"], threshold="youden")


def test_one_class_is_no_comparison():
    X, _ = numeric_table(40)
    with pytest.raises(InputError, match=r"needs two classes. Got 1"):
        compare({"m": LogisticRegression()}, X, np.ones(40, dtype=int))


def test_nothing_is_warned_of_where_all_is_well():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simple()
