"""scikit-learn's rules: every estimator, what it is excused from, and what is tested instead."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
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

from adestim import (
    AnchoredFusionClassifier,
    AnchoredFusionRegressor,
    BlockAverageClassifier,
    ClinicalExtractor,
    ConcatFusionClassifier,
    CrossAttentionFusionClassifier,
    FMRIExtractor,
    FreeSurferExtractor,
    GeneticsExtractor,
    LateFusionClassifier,
    LinearFusionClassifier,
    MixtureFusionClassifier,
    ModalityUnion,
    OrdinalClassifier,
    PatternCalibratedClassifier,
    PatternConformalClassifier,
    PETExtractor,
    PoolTokens,
    SelfAttentionFusionClassifier,
    SMRIExtractor,
    UnimodalClassifier,
    VisitSummary,
)
from adestim.datasets import ConfoundRegressor, SiteHarmonizer
from adestim.evaluation import CovariateClassifier, MaskOnlyClassifier, ModalityDropout
from adestim.fusion import tuned_logistic
from adestim.tuning import AdestimSearchCV
from tests.fusion_tables import quick
from tests.number_rows import (
    VOXELS,
    NumbersAsYears,
    RowsAsDosages,
    RowsAsRegions,
    RowsAsSeries,
    RowsAsUptake,
    RowsAsVisits,
    RowsAsVolumes,
)
from tests.tuning.studies import logistic_space

TESTS = Path(__file__).parent


class Excuse(NamedTuple):
    """Why a check cannot hold, and what is tested instead: tests, or the check of another row."""

    why: str
    instead: tuple[str, ...]


class Row(NamedTuple):
    """An estimator and the checks that it is excused from."""

    estimator: Any
    excused: Mapping[str, Excuse] = MappingProxyType({})


def scaled_union():
    """Every column in one modality or the other; the suite's tables may have a single one."""
    return ModalityUnion(
        [("left", StandardScaler(), slice(0, 1)), ("right", StandardScaler(), slice(-1, None))]
    )


def excuses(why, instead, *checks):
    """One excuse for several checks."""
    instead = (instead,) if isinstance(instead, str) else instead
    return {f"check_{check}": Excuse(why, instead) for check in checks}


def in_place(instead):
    """A pipeline fits its steps in place."""
    why = "Pipeline fits its steps in place, as scikit-learn states of itself"
    return excuses(why, instead, "dont_overwrite_parameters", "estimators_overwrite_params")


def pipeline_of_numbers(alone, *tests):
    """A pipeline that scikit-learn gives numbers, among them NaN."""
    why = "Pipeline does not hand on the tag that NaN is allowed"
    return in_place(alone) | excuses(why, tests, "estimators_nan_inf")


def of_encodings(pooled):
    """What compares output values, which are encodings."""
    return excuses(
        "subtracts or compares output values, which are encodings", pooled,
        "estimators_pickle", "fit_idempotent", "methods_sample_order_invariance",
        "methods_subset_invariance", "pipeline_consistency", "transformer_data_not_an_array",
        "transformer_general",
    )  # fmt: skip


def of_cells(why, pooled, parameters, *more):
    """What feeds numbers where a cell is something else."""
    return (
        of_encodings(pooled)
        | excuses(
            why, pooled,
            "dict_unchanged", "estimators_dtypes", "estimators_fit_returns_self",
            "f_contiguous_array_estimator", "fit2d_predict1d", "fit_check_is_fitted",
            "n_features_in", "n_features_in_after_fitting", "readonly_memmap_input", *more,
        )
        | excuses(why, parameters, "dont_overwrite_parameters", "estimators_overwrite_params")
    )  # fmt: skip


NUMBERS_ONLY = (
    "dtype_object",
    "fit2d_1sample",
    "fit_score_takes_y",
    "positive_only_tag_during_fit",
)
SMRI = "modalities/smri/test_extractor.py::test_fit_leaves_parameters_alone"
PET = "modalities/pet/test_extractor.py::test_fit_leaves_parameters_alone"
REGIONS = "modalities/freesurfer/test_extractor.py::test_fit_leaves_parameters_alone"
FMRI = "modalities/fmri/test_extractor.py::test_fit_leaves_parameters_alone"
GENETICS = "modalities/genetics/test_extractor_scikit_learn.py::test_fit_leaves_parameters_alone"


def of_chance(*tests):
    """What repeats rows where their weights are multiplied."""
    return excuses(
        "batches and inner folds are drawn at random over rows, so weights and repeated rows "
        "differ by chance",
        tests,
        "sample_weight_equivalence_on_dense_data",
    )


OF_RIVALS = of_chance(
    "fusion/test_rivals.py::test_rows_of_weight_zero_change_nothing_at_all",
    "fusion/test_rivals.py::test_a_heavier_class_becomes_more_probable",
)
OF_THE_CLASSIFIER = of_chance(
    "fusion/test_anchored_classifier.py::test_rows_of_weight_zero_change_nothing_at_all",
    "fusion/test_anchored_classifier.py::"
    "test_doubling_all_weights_changes_nothing_in_the_loss_of_phase_two",
    "fusion/test_anchored_classifier.py::test_a_heavier_class_becomes_more_probable",
)
OF_THE_REGRESSOR = of_chance(
    "fusion/test_anchored_regressor.py::test_rows_of_weight_zero_change_nothing_at_all",
    "fusion/test_anchored_regressor.py::"
    "test_doubling_all_weights_changes_nothing_in_the_loss_of_phase_two",
    "fusion/test_anchored_regressor.py::test_heavier_subjects_draw_predictions_to_themselves",
)
OF_SURVIVAL = of_chance(
    "fusion/test_anchored_survival.py::test_rows_of_weight_zero_change_nothing_at_all",
)

SMALLEST: dict[str, Any] = {"width": 8, "max_epochs": 1}

PLAIN = {
    "union": Row(scaled_union(), of_encodings("union, pooled")),
    "union, pooled": Row(
        make_pipeline(scaled_union(), PoolTokens()),
        pipeline_of_numbers(
            "union",
            "extraction/test_union.py::test_numeric_row_of_nan_is_none",
            "extraction/test_union.py::test_infinite_number_is_refused",
        ),
    ),
    "pooling": Row(PoolTokens()),
    "clinical": Row(ClinicalExtractor(), of_encodings("clinical, pooled")),
    "clinical, pooled": Row(
        make_pipeline(ClinicalExtractor(), PoolTokens()),
        pipeline_of_numbers(
            "clinical",
            "modalities/clinical/test_extractor.py::test_infinite_numbers_are_refused",
            "modalities/clinical/test_extractor.py::test_missing_cells_are_masked",
        ),
    ),
    "smri": Row(
        SMRIExtractor(), of_cells("a cell is a volume", "volumes, pooled", SMRI, *NUMBERS_ONLY)
    ),
    "volumes, pooled": Row(
        make_pipeline(RowsAsVolumes(), SMRIExtractor(resolution=12.0), PoolTokens()),
        in_place(SMRI),
    ),
    "freesurfer": Row(
        FreeSurferExtractor(),
        of_encodings("regions, pooled")
        | excuses(
            "numbers are measures, never negative, and need the head's size",
            "regions, pooled",
            "dict_unchanged",
            "dtype_object",
            "estimators_dtypes",
            "estimators_fit_returns_self",
            "f_contiguous_array_estimator",
            "fit_score_takes_y",
            "n_features_in_after_fitting",
            "positive_only_tag_during_fit",
            "readonly_memmap_input",
        )
        | excuses("as before", REGIONS, "estimators_overwrite_params"),
    ),
    "regions, pooled": Row(
        make_pipeline(RowsAsRegions(), FreeSurferExtractor(normalise=None), PoolTokens()),
        in_place(REGIONS),
    ),
    "pet": Row(
        PETExtractor(),
        of_cells("a cell is an image", "uptake, pooled", PET, *NUMBERS_ONLY, "fit2d_1feature"),
    ),
    "uptake, pooled": Row(
        make_pipeline(
            RowsAsUptake(),
            PETExtractor(parcellation=VOXELS, reference="label3"),
            PoolTokens(),
        ),
        in_place(PET),
    ),
    "fmri": Row(
        FMRIExtractor(),
        of_cells(
            "a cell is a run or ROI series", "series, pooled", FMRI, *NUMBERS_ONLY, "fit2d_1feature"
        ),
    ),
    "series, pooled": Row(
        make_pipeline(RowsAsSeries(), FMRIExtractor(t_r=3.0), PoolTokens()), in_place(FMRI)
    ),
    "genetics": Row(
        GeneticsExtractor(), of_cells("numbers are no dosages", "dosages, pooled", GENETICS)
    ),
    "dosages, pooled": Row(
        make_pipeline(RowsAsDosages(), GeneticsExtractor(min_maf=0, min_call_rate=0), PoolTokens()),
        in_place(GENETICS),
    ),
    "visits, pooled": Row(
        make_pipeline(RowsAsVisits(), VisitSummary(ClinicalExtractor()), PoolTokens()),
        in_place("extraction/test_visits.py::test_fit_leaves_parameters_alone"),
    ),
    "regressor": Row(
        AnchoredFusionRegressor(anchor="all", width=8, n_queries=2, max_epochs=2, random_state=0),
        OF_THE_REGRESSOR,
    ),
    "survival": Row(
        NumbersAsYears(width=8, n_queries=2, n_trees=0, max_epochs=1, random_state=0),
        OF_SURVIVAL,
    ),
    "dropout": Row(ModalityDropout(random_state=0)),
    "search": Row(
        AdestimSearchCV(
            LogisticRegression(), n_trials=2, cv=2, space=logistic_space, random_state=0
        ),
        excuses(
            "errors of all trials are one InputError, a ValueError, not the TypeError of the first",
            "tuning/test_search.py::test_a_search_all_of_whose_trials_fail_is_an_error",
            "dtype_object",
        ),
    ),
    "harmonizer": Row(
        SiteHarmonizer(sites=0, unseen="reference"),
        excuses(
            "makes sites missing, which is refused",
            "datasets/harmonisation/test_harmonize.py::test_it_survives_pickling",
            "estimators_pickle",
        ),
    ),
    "confounds": Row(
        ConfoundRegressor([0]),
        excuses(
            "makes confounds missing, which is refused",
            "datasets/harmonisation/test_confounds.py::test_it_survives_pickling",
            "estimators_pickle",
        ),
    ),
}
CLASSIFIERS = {
    "mask": Row(MaskOnlyClassifier()),
    "covariates": Row(CovariateClassifier()),
    "late": Row(LateFusionClassifier(), OF_RIVALS),
    "block average": Row(BlockAverageClassifier()),
    "block average, tuned": Row(BlockAverageClassifier(tuned_logistic([]))),
    "ordinal": Row(OrdinalClassifier(LogisticRegression())),
    "ordinal, weightless": Row(OrdinalClassifier(GaussianNB())),
    "calibrated": Row(PatternCalibratedClassifier(LogisticRegression())),
    "calibrated, platt": Row(PatternCalibratedClassifier(LogisticRegression(), method="platt")),
    "conformal": Row(PatternConformalClassifier(LogisticRegression())),
}
NETS = {
    "anchored": Row(AnchoredFusionClassifier(n_trees=5, max_epochs=4), OF_THE_CLASSIFIER),
    "concat": Row(ConcatFusionClassifier(**SMALLEST), OF_RIVALS),
    "cross-attention": Row(CrossAttentionFusionClassifier(depth=1, **SMALLEST), OF_RIVALS),
    "linear": Row(LinearFusionClassifier(**SMALLEST), OF_RIVALS),
    "self-attention": Row(SelfAttentionFusionClassifier(depth=1, **SMALLEST), OF_RIVALS),
    "mixture": Row(MixtureFusionClassifier(**SMALLEST), OF_RIVALS),
    "unimodal": Row(UnimodalClassifier(depth=1, **SMALLEST), OF_RIVALS),
}
ROWS = PLAIN | CLASSIFIERS | NETS


def checks_of_all(rows):
    """Parametrize a test with all checks of some rows; what is excused must fail."""
    reasons = {
        id(row.estimator): {
            name: f"{excuse.why}; instead: {', '.join(excuse.instead)}"
            for name, excuse in row.excused.items()
        }
        for row in rows.values()
    }
    return parametrize_with_checks(
        [row.estimator for row in rows.values()],
        expected_failed_checks=lambda estimator: reasons[id(estimator)],
        xfail_strict=True,
    )


@checks_of_all(PLAIN)
def test_rules_are_kept(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@checks_of_all(CLASSIFIERS)
def test_classifiers_keep_the_rules(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:A class has a single group:adestim.exceptions.DataWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@checks_of_all(NETS)
def test_nets_keep_the_rules(estimator, check):
    check(estimator)


# Excuses


def checks_of(estimator):
    """Return the names of the checks that scikit-learn has for an estimator."""
    suite = estimator_checks_generator(estimator, mark=None)
    return {getattr(check, "func", check).__name__ for _, check in suite}


def is_tested(check, instead):
    """Tell whether a test exists, or whether another row passes the check."""
    if instead in ROWS:
        row = ROWS[instead]
        return check in checks_of(row.estimator) and check not in row.excused
    file, name = instead.split("::")
    return f"\ndef {name}(" in (TESTS / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.excused])
def test_what_is_excused_is_a_check_and_is_tested_otherwise(name):
    row = ROWS[name]
    assert set(row.excused) <= checks_of(row.estimator)
    untested = {
        (check, instead)
        for check, excuse in row.excused.items()
        for instead in excuse.instead
        if not is_tested(check, instead)
    }
    assert not untested


# Rules outside the suite

# No check_dataframe_column_names_consistency: later columns are found by name, in any order, as
# ColumnTransformer finds them; tests/_support/test_frames.py has what holds instead.
NAMES_OUT = (
    check_get_feature_names_out_error,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
)
OUTPUT = (
    check_global_output_transform_pandas,
    check_set_output_transform,
    check_set_output_transform_pandas,
)
FURTHER = [
    *((scaled_union(), check) for check in (*NAMES_OUT, check_param_validation)),
    (scaled_union(), check_inplace_ensure_writeable),
    *((ClinicalExtractor(), check) for check in (*NAMES_OUT, check_param_validation)),
    (quick(anchor="all", max_epochs=1), check_param_validation),
    (quick(anchor="all", max_epochs=1), check_inplace_ensure_writeable),
    (ROWS["regressor"].estimator, check_param_validation),
]
OF_OUTPUT = [
    *((ROWS[name].estimator, check) for name in ("union, pooled", "clinical, pooled")
      for check in OUTPUT),
    *((PoolTokens(pool=pool), check) for pool in ("auto", "mean")
      for check in (*NAMES_OUT, *OUTPUT, check_inplace_ensure_writeable, check_param_validation)),
]  # fmt: skip


def name_of(value):
    """Name of a check, or the class of an estimator."""
    return getattr(value, "__name__", type(value).__name__)


@pytest.mark.parametrize(("estimator", "check"), FURTHER, ids=name_of)
def test_rules_outside_the_suite_are_kept_too(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize(("estimator", "check"), OF_OUTPUT, ids=name_of)
def test_rules_of_output_are_kept_too(estimator, check):
    check(type(estimator).__name__, estimator)
