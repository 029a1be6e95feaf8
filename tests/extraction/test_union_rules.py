"""ModalityUnion keeps scikit-learn's rules, alone and before PoolTokens."""

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_get_feature_names_out_error,
    check_global_output_transform_pandas,
    check_inplace_ensure_writeable,
    check_param_validation,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    estimator_checks_generator,
    parametrize_with_checks,
)

from adestim import ModalityUnion, PoolTokens
from tests.extraction import test_union

BY_THE_PIPELINE = "test_union_and_pooling_keep_scikit_learn_rules"
BY_THE_UNION = "test_union_keeps_scikit_learn_rules"
ENCODINGS = (
    "subtracts output values, which are encodings; replaced by the same check of the union "
    f"followed by PoolTokens, in {BY_THE_PIPELINE}"
)
STEPS = (
    "Pipeline fits its steps in place, as scikit-learn states of itself; replaced by the same "
    f"check of the union alone, in {BY_THE_UNION}"
)
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
    "by test_numeric_row_of_nan_is_none and test_infinite_number_is_refused in test_union.py",
}


def scaled_union():
    """Every column in one modality or the other; the suite's tables may have a single one."""
    return ModalityUnion(
        [("left", StandardScaler(), slice(0, 1)), ("right", StandardScaler(), slice(-1, None))]
    )


def pooled_union():
    return make_pipeline(scaled_union(), PoolTokens())


@parametrize_with_checks(
    [scaled_union()], expected_failed_checks=lambda _: NOT_FOR_ENCODINGS, xfail_strict=True
)
def test_union_keeps_scikit_learn_rules(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [pooled_union()], expected_failed_checks=lambda _: NOT_FOR_PIPELINES, xfail_strict=True
)
def test_union_and_pooling_keep_scikit_learn_rules(estimator, check):
    check(estimator)


def checks_of(estimator):
    """Return the names of the checks that scikit-learn has for an estimator."""
    suite = estimator_checks_generator(estimator, mark=None)
    return {getattr(check, "func", check).__name__ for _, check in suite}


@pytest.mark.parametrize(
    ("estimator", "excused"),
    [(scaled_union(), NOT_FOR_ENCODINGS), (pooled_union(), NOT_FOR_PIPELINES)],
    ids=["union", "pipeline"],
)
def test_every_excused_check_exists(estimator, excused):
    assert set(excused) <= checks_of(estimator)


def test_every_replacing_test_exists():
    assert {BY_THE_PIPELINE, BY_THE_UNION} <= set(globals())
    assert set(NOT_FOR_ENCODINGS) <= checks_of(pooled_union()) - set(NOT_FOR_PIPELINES)
    assert hasattr(test_union, "test_numeric_row_of_nan_is_none")
    assert hasattr(test_union, "test_infinite_number_is_refused")


@pytest.mark.parametrize(
    "check",
    [
        check_dataframe_column_names_consistency,
        check_get_feature_names_out_error,
        check_inplace_ensure_writeable,
        check_param_validation,
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
)
def test_rules_outside_the_suite_are_kept_too(check):
    check("ModalityUnion", scaled_union())


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize(
    "check",
    [
        check_global_output_transform_pandas,
        check_set_output_transform,
        check_set_output_transform_pandas,
    ],
)
def test_set_output_of_union_and_pooling(check):
    check("Pipeline", pooled_union())
