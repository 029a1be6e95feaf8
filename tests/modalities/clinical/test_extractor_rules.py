"""ClinicalExtractor keeps scikit-learn's rules, alone and before PoolTokens."""

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_get_feature_names_out_error,
    check_global_output_transform_pandas,
    check_param_validation,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    estimator_checks_generator,
    parametrize_with_checks,
)

from adestim import PoolTokens
from adestim.modalities.clinical import ClinicalExtractor

ENCODINGS = "compares output values, which are encodings; replaced by the same check of "
ENCODINGS += "make_pipeline(ClinicalExtractor(), PoolTokens()), in "
ENCODINGS += "test_extractor_and_pooling_keep_scikit_learn_rules"
STEPS = "Pipeline fits its steps in place, as scikit-learn states of itself; replaced by the "
STEPS += "same check of ClinicalExtractor(), in test_extractor_keeps_scikit_learn_rules"

NOT_FOR_ENCODINGS = {
    "check_estimators_pickle": ENCODINGS,
    "check_fit_idempotent": ENCODINGS,
    "check_methods_sample_order_invariance": ENCODINGS,
    "check_methods_subset_invariance": ENCODINGS,
    "check_pipeline_consistency": ENCODINGS,
    "check_transformer_data_not_an_array": ENCODINGS,
    "check_transformer_general": ENCODINGS,
}
NOT_FOR_PIPELINES = {
    "check_dont_overwrite_parameters": STEPS,
    "check_estimators_overwrite_params": STEPS,
    "check_estimators_nan_inf": "Pipeline does not hand on the tag that NaN is allowed; replaced "
    "by test_infinite_numbers_are_refused and test_missing_cells_are_masked in test_extractor.py",
}


def pooled(**params):
    return make_pipeline(ClinicalExtractor(**params), PoolTokens())


@parametrize_with_checks(
    [ClinicalExtractor()],
    expected_failed_checks=lambda _: NOT_FOR_ENCODINGS,
    xfail_strict=True,
)
def test_extractor_keeps_scikit_learn_rules(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [pooled()], expected_failed_checks=lambda _: NOT_FOR_PIPELINES, xfail_strict=True
)
def test_extractor_and_pooling_keep_scikit_learn_rules(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "excused"),
    [(ClinicalExtractor(), NOT_FOR_ENCODINGS), (pooled(), NOT_FOR_PIPELINES)],
    ids=["extractor", "pipeline"],
)
def test_every_excused_check_exists(estimator, excused):
    names = {
        getattr(check, "func", check).__name__
        for _, check in estimator_checks_generator(estimator, mark=None)
    }
    assert set(excused) <= names


@pytest.mark.parametrize(
    "check",
    [
        check_param_validation,
        check_dataframe_column_names_consistency,
        check_get_feature_names_out_error,
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
)
def test_rules_outside_the_suite_are_kept_too(check):
    check("ClinicalExtractor", ClinicalExtractor())


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize(
    "check",
    [
        check_set_output_transform,
        check_set_output_transform_pandas,
        check_global_output_transform_pandas,
    ],
)
def test_output_of_extractor_and_pooling_can_be_set(check):
    check("Pipeline", pooled())
