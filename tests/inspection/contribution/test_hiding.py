"""Asking a model about a part of the modalities."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from adestim import AnchoredFusionClassifier
from adestim.exceptions import InputError, NoModalityError
from adestim.inspection.contribution.hiding import HidingReader, find_output, split_estimator
from tests.fusion_tables import BLOCKS, encodings_table, numeric_table, with_missing
from tests.inspection.rules import (
    SMALL,
    additive,
    classes_of,
    fitted_classifier,
    fitted_regressor,
    follow,
    signs,
)

ALL = np.array([True, True, True])
NONE = ~ALL


@pytest.fixture
def reader():
    return HidingReader.of(fitted_classifier(), classes_of()[0])


def test_hiding_is_what_a_missing_modality_is_to_the_model(reader):
    X, _ = classes_of()
    lacking = X.copy()
    lacking[BLOCKS["csf"]] = np.nan
    some = lacking.notna().any(axis=1).to_numpy()
    expected = fitted_classifier().predict_proba(lacking[some])
    answers = reader.answers(np.array([True, False, True]))
    np.testing.assert_allclose(answers[some], expected, atol=1e-6)


def test_nothing_hidden_is_the_prediction(reader):
    np.testing.assert_allclose(
        reader.answers(ALL), fitted_classifier().predict_proba(classes_of()[0]), atol=1e-6
    )


def test_everything_hidden_is_the_training_prevalence(reader):
    y = classes_of()[1]
    expected = [np.mean(y == label) for label in fitted_classifier().classes_]
    np.testing.assert_allclose(reader.answers(NONE), np.tile(expected, (48, 1)), atol=1e-6)


def test_everything_hidden_from_a_regressor_is_the_training_mean():
    X, _ = numeric_table(48)
    model = fitted_regressor()
    answers = HidingReader.of(model, with_missing(X)).answers(NONE)
    np.testing.assert_allclose(answers, model.target_mean_)


def test_only_the_rows_asked_for_are_answered(reader):
    kept, rows = np.array([True, False, True]), np.array([3, 7])
    np.testing.assert_allclose(reader.answers(kept, rows), reader.answers(kept)[rows], atol=1e-6)


def test_encodings_are_hidden_as_numbers_are():
    X, y = numeric_table(48)
    model = AnchoredFusionClassifier(anchor="mri", **SMALL).fit(encodings_table(X), y)
    X = with_missing(X)
    lacking = encodings_table(X.assign(csf__a=np.nan, csf__b=np.nan, gene__a=0.5))
    reader = HidingReader.of(model, encodings_table(X.assign(gene__a=0.5)))
    np.testing.assert_allclose(
        reader.answers(np.array([True, False, True])), model.predict_proba(lacking), atol=1e-6
    )


def test_the_table_is_left_as_found(reader):
    before = reader.frame.copy()
    reader.answers(np.array([True, False, False]))
    pd.testing.assert_frame_equal(reader.frame, before)


def test_an_array_is_one_modality():
    X, y = numeric_table(48)
    model = AnchoredFusionClassifier(**SMALL).fit(X.to_numpy(), y)
    reader = HidingReader.of(model, X.to_numpy())
    assert list(reader.columns) == ["features"]
    np.testing.assert_allclose(
        reader.answers(np.array([True])), model.predict_proba(X.to_numpy()), atol=1e-6
    )


def test_earlier_steps_of_a_pipeline_transform_first():
    X = signs()
    halve = FunctionTransformer(lambda X: X / 2, feature_names_out="one-to-one")
    pipeline = make_pipeline(halve, follow(additive, X))
    pipeline[0].fit(X)
    model, table = split_estimator(pipeline, X)
    assert model is pipeline[-1]
    pd.testing.assert_frame_equal(table, X / 2)
    reader = HidingReader.of(pipeline, X, baseline=[0.5, 0.5])
    np.testing.assert_allclose(reader.answers(ALL), pipeline.predict_proba(X))


def test_integer_columns_can_be_hidden():
    X = signs().astype(int)
    reader = HidingReader.of(follow(additive, X), X, baseline=[0.5, 0.5])
    answers = reader.answers(np.array([False, True, True]))
    np.testing.assert_allclose(answers[:, 1], 0.5 + 0.1 * X["b__x"])


# Refusals


def test_an_unfitted_estimator_is_refused():
    with pytest.raises(NotFittedError):
        HidingReader.of(AnchoredFusionClassifier(), signs())
    with pytest.raises(NotFittedError):
        HidingReader.of(make_pipeline(AnchoredFusionClassifier()), signs())


def test_what_neither_classifies_nor_predicts_is_refused():
    with pytest.raises(InputError, match=r"a classifier or a regressor\. Got KMeans\."):
        HidingReader.of(KMeans(), signs())


def test_a_table_of_another_cohort_is_refused():
    with pytest.raises(ValueError, match="feature names"):
        HidingReader.of(fitted_classifier(), signs())


def test_a_table_without_a_modality_of_fit_is_refused():
    X, y = numeric_table(48)
    model = AnchoredFusionClassifier(anchor="mri", **SMALL).fit(encodings_table(X), y)
    with pytest.raises(ValueError, match=r"(?s)csf"):
        HidingReader.of(model, encodings_table(X).drop(columns="csf"))


def test_a_subject_without_any_modality_is_refused_by_name():
    X = classes_of()[0].copy()
    X.iloc[5] = np.nan
    with pytest.raises(NoModalityError, match="'sub-005'"):
        HidingReader.of(fitted_classifier(), X).answers(ALL)


def test_a_model_that_does_not_tell_its_prevalence_needs_a_baseline():
    X = signs()
    with pytest.raises(InputError, match=r"LogisticRegression does not tell .* Pass baseline="):
        HidingReader.of(LogisticRegression().fit(X, X["a__x"]), X)


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ([0.5], r"must hold 2 finite number\(s\).* Got an array of shape \(1,\)\."),
        ([np.nan, 1], "must hold 2 finite"),
        ([0.5, 0.7], r"must sum to 1\. Got 1\.2\."),
    ],
)
def test_a_baseline_that_is_no_distribution_is_refused(baseline, message):
    X = signs()
    with pytest.raises(InputError, match=message):
        HidingReader.of(follow(additive, X), X, baseline=baseline)


def test_target_is_the_patients_class_of_two():
    assert find_output(fitted_classifier().classes_, None) == 0
    assert find_output(fitted_classifier().classes_, "CN") == 1
    model = LogisticRegression().fit([[0], [1]], [0, 1])
    assert find_output(model.classes_, None) == 1


def test_target_of_several_classes_must_be_named():
    model = LogisticRegression().fit([[0], [1], [2]], ["CN", "MCI", "AD"])
    with pytest.raises(InputError, match="more than two classes 'target' must name"):
        find_output(model.classes_, None)
    with pytest.raises(InputError, match=r"Got 'FTD'\. Choose from \['AD', 'CN', 'MCI'\]\."):
        find_output(model.classes_, "FTD")


def test_target_of_a_regressor_is_refused():
    with pytest.raises(InputError, match="which a regressor has not"):
        find_output(None, "AD")
