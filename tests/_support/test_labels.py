"""What a fit is given beside its table, in every public function that takes it."""

import datetime
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from adestim import (
    AnchoredFusionClassifier,
    AnchoredFusionRegressor,
    BlockAverageClassifier,
    ConcatFusionClassifier,
    LateFusionClassifier,
    OrdinalClassifier,
    PatternCalibratedClassifier,
    PatternConformalClassifier,
    UnimodalClassifier,
    make_survival,
)
from adestim._support.labels import read_column, read_sample_weight, read_target
from adestim.evaluation import (
    CovariateClassifier,
    MaskOnlyClassifier,
    bootstrap_interval,
    choose_threshold,
    compare,
    cross_val_fit,
    delong,
    inner_threshold,
    permutation_test,
    permute_labels,
    require_groups,
    robustness_curve,
    score_ordinal,
    score_predictions,
    score_probabilities,
    shuffled_mask_check,
    transfer,
)
from adestim.exceptions import DataWarning, InputError, TableError
from adestim.tuning import AdestimSearchCV, nested_cross_validate, tune

N = 40


def table():
    """Numbers of two modalities, one of them missing now and then."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(N, 2)), columns=["mri__a", "csf__tau"])
    return X.assign(csf__tau=X["csf__tau"].mask(X["csf__tau"] > 1))


def labels():
    """Diagnoses, as objects."""
    return np.array(["AD", "CN"] * (N // 2), dtype=object)


def late():
    """A fusion that is fitted at once."""
    return LateFusionClassifier(random_state=0)


def quick(kind):
    """A fusion that trains no net."""
    return kind(max_epochs=0, random_state=0)


ESTIMATORS = {
    "anchored": AnchoredFusionClassifier(max_epochs=0, n_trees=0, random_state=0),
    "rival": quick(ConcatFusionClassifier),
    "unimodal": UnimodalClassifier(modality="mri", max_epochs=0, random_state=0),
    "late": late(),
    "block average": BlockAverageClassifier(random_state=0),
    "ordinal": OrdinalClassifier(late()),
    "calibrated": PatternCalibratedClassifier(late(), cv=2, random_state=0),
    "conformal": PatternConformalClassifier(late(), cv=2, random_state=0),
    "mask": MaskOnlyClassifier(),
    "covariates": CovariateClassifier(),
    "search": AdestimSearchCV(late(), n_trials=1, cv=2, random_state=0),
}
LEARNERS = {name: lambda X, y, each=each: each.fit(X, y) for name, each in ESTIMATORS.items()} | {
    "cross_val_fit": lambda X, y: cross_val_fit(ESTIMATORS["anchored"], X, y, cv=2),
    "tune": lambda X, y: tune(late(), X, y, n_trials=1, inner_cv=2),
    "nested": lambda X, y: nested_cross_validate(late(), X, y, None, 2, n_trials=1, inner_cv=2),
    "permutation": lambda X, y: permutation_test(late(), X, y, cv=2, n_permutations=1),
    "mask check": lambda X, y: shuffled_mask_check(late(), X, y, cv=2, n_permutations=1),
    "robustness": lambda X, y: robustness_curve(late(), X, y, rates=[0.5], n_draws=1, cv=2),
    "inner threshold": lambda X, y: inner_threshold(late(), X, y, cv=2),
    "threshold": lambda X, y: choose_threshold(y, np.full(len(X), 0.5)),
    "delong": lambda X, y: delong(y, np.arange(len(X)), np.arange(len(X))),
}
every_learner = pytest.mark.parametrize("learn", LEARNERS.values(), ids=LEARNERS)


# Labels


MISSING = {
    "None": lambda y: [*y[:-1], None],
    "NaN": lambda y: [*y[:-1], np.nan],
    "NA": lambda y: pd.Series([*y[:-1], pd.NA], dtype="string"),
    "category": lambda y: pd.Series([*y[:-1], None], dtype="category"),
    "polars": lambda y: pl.Series([*y[:-1], None]),
    "arrow": lambda y: pa.array([*y[:-1], None]),
    "NaN that an array made text": lambda y: np.array([*y[:-1], np.nan]),
    "blank": lambda y: [*y[:-1], " "],
}


@every_learner
def test_a_missing_label_is_said_to_be_missing(learn):
    with pytest.raises(InputError, match="NaN"):
        learn(table(), MISSING["None"](labels()))


@pytest.mark.parametrize("spoil", MISSING.values(), ids=MISSING)
def test_every_way_of_missing_is_known(spoil):
    with pytest.raises(InputError, match=r"1 missing of 40, the first in row 39"):
        late().fit(table(), spoil(labels()))


@pytest.mark.parametrize("spoil", MISSING.values(), ids=MISSING)
def test_studies_leave_out_who_has_no_label(spoil):
    with pytest.warns(DataWarning, match="1 with no label"):
        compared = compare({"late": late()}, table(), spoil(labels()), cv=2, scoring="roc_auc")
    assert compared.flow.n_analysed == N - 1
    model = late().fit(table(), labels())
    with pytest.warns(DataWarning, match="1 with no label"):
        judged = transfer(model, table(), spoil(labels()), n_resamples=5)
    assert len(judged.predictions) == N - 1


def test_a_class_may_be_called_none():
    y = np.where(labels() == "AD", "mild", "None")
    assert list(late().fit(table(), y).classes_) == ["None", "mild"]


@pytest.mark.parametrize(
    "convert", [list, pd.Series, pl.Series, pa.array, lambda y: pd.Series(y, dtype="string"),
                lambda y: pd.Series(y, dtype="category"), lambda y: pd.DataFrame({"y": y})["y"]],
)  # fmt: skip
def test_labels_of_any_container_are_read_alike(convert):
    found = read_target(convert(labels()), "X")
    assert found.tolist() == labels().tolist()
    assert found.dtype.kind == "U"


@pytest.mark.parametrize("y", [np.array(["AD", 1] * 20, dtype=object), ["AD", True] * 20])
@pytest.mark.parametrize("name", ["anchored", "late", "ordinal", "calibrated", "cross_val_fit",
                                  "tune", "permutation", "mask check", "threshold"])  # fmt: skip
def test_labels_of_several_types_are_refused(name, y):
    with pytest.raises(InputError, match="all of one type"):
        LEARNERS[name](table(), np.array(y, dtype=object))


@pytest.mark.parametrize("name", sorted({*LEARNERS} - {"mask", "covariates"}))
def test_labels_of_one_class_are_refused(name):
    learn = LEARNERS[name]
    with pytest.raises((InputError, ValueError), match=r"class|two labels|score"):
        learn(table(), np.full(N, "AD"))


@pytest.mark.parametrize(
    "name", ["anchored", "rival", "unimodal", "late", "block average", "ordinal", "calibrated",
             "conformal", "mask", "covariates"],
)  # fmt: skip
def test_a_table_of_nobody_is_refused(name):
    for X in (table()[:0], table()[:0].astype(object)):
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            ESTIMATORS[name].fit(X, [])


def test_a_study_of_nobody_is_refused():
    with pytest.raises(InputError, match=r"0 sample\(s\)"):
        compare({"late": late()}, table()[:0], [])
    model = late().fit(table(), labels())
    with pytest.raises(InputError, match=r"0 sample\(s\)"):
        transfer(model, table()[:0], [])


# Numbers to be predicted


def regressor():
    """A regressor that trains no net."""
    return AnchoredFusionRegressor(max_epochs=0, n_trees=0, random_state=0)


NUMBERS = np.linspace(10.0, 30.0, N)


@pytest.mark.parametrize(
    ("y", "found"),
    [
        (np.arange(N) % 2 == 0, "dtype bool"),
        (pd.date_range("2020-01-01", periods=N), "dtype datetime64"),
        (pd.Series(pd.to_timedelta(np.arange(N), unit="D")), "dtype timedelta64"),
        ([datetime.date(2020, 1, 1)] * N, "dtype object"),
        (labels(), "dtype"),
        (NUMBERS * 1j, "dtype complex"),
        (NUMBERS * 1e300, "larger ones in y"),
        ([*NUMBERS[:-1], -1e39], "larger ones in y"),
        ([*NUMBERS[:-1], None], "1 missing"),
        ([*NUMBERS[:-1], np.nan], "1 missing"),
        (pd.Series([*range(N - 1), pd.NA], dtype="Int64"), "1 missing"),
    ],
)
def test_a_regressor_refuses_what_is_no_number_of_a_scale(y, found):
    with pytest.raises(InputError, match=found):
        regressor().fit(table(), y)


@pytest.mark.parametrize(
    "y", [NUMBERS * 1e30, NUMBERS * 1e-300, NUMBERS.round().astype(int), NUMBERS.astype(str),
          pd.Series(NUMBERS.round(), dtype="Int64"), pl.Series(NUMBERS), np.full(N, 3.0)],
)  # fmt: skip
def test_a_regressor_predicts_finite_numbers_of_any_scale(y):
    assert np.isfinite(regressor().fit(table(), y).predict(table())).all()


# Weights


WEIGHTED = ("anchored", "rival", "unimodal", "late", "ordinal", "calibrated", "conformal")


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize(
    ("weight", "found"),
    [
        (np.r_[-1.0, np.ones(N - 1)], "1 below 0"),
        (np.r_[np.nan, np.ones(N - 1)], "1 NaN or infinite"),
        (np.r_[np.inf, np.ones(N - 1)], "1 NaN or infinite"),
        (np.zeros(N), "zeros alone"),
    ],
)
def test_weights_that_count_nobody_or_less_are_refused(name, weight, found):
    with pytest.raises(
        InputError, match=f"'sample_weight' of {type(ESTIMATORS[name]).__name__}.*{found}"
    ):
        ESTIMATORS[name].fit(table(), labels(), sample_weight=weight)


def test_weights_of_any_container_are_read():
    for weight in (pl.Series([1.0, 2.0]), pa.array([1.0, 2.0]), pd.Series([1, 2], dtype="Int64")):
        assert read_sample_weight(weight, 2, "X").tolist() == [1.0, 2.0]
    assert read_sample_weight(3, 2, "X").tolist() == [3.0, 3.0]


@pytest.mark.parametrize("name", ["anchored", "rival", "unimodal", "late"])
@pytest.mark.parametrize("weight", [0, -1, np.nan, np.inf, "2", None])
def test_weights_of_classes_are_above_0(name, weight):
    model = type(ESTIMATORS[name])(
        **ESTIMATORS[name].get_params() | {"class_weight": {"AD": weight}}
    )
    with pytest.raises(InputError, match=r"'class_weight' of .* for class 'AD'"):
        model.fit(table(), labels())


def test_a_weight_of_a_class_that_nobody_is_of_is_warned_of():
    model = LateFusionClassifier(class_weight={"AD": 1, "CN": 2, "MCI": 3}, random_state=0)
    with pytest.warns(DataWarning, match="'class_weight' of LateFusionClassifier names 'MCI'"):
        model.fit(table(), labels())


# Groups


GROUPED = {
    name: lambda X, y, groups, each=ESTIMATORS[name]: each.fit(X, y, groups=groups)
    for name in ("anchored", "rival", "unimodal", "late", "block average", "ordinal", "calibrated",
                 "conformal", "search")
} | {
    "cross_val_fit": lambda X, y, g: cross_val_fit(ESTIMATORS["anchored"], X, y, groups=g),
    "compare": lambda X, y, groups: compare({"late": late()}, X, y, groups=groups, cv=2),
    "transfer": lambda X, y, groups: transfer(late().fit(X, y), X, y, groups=groups),
    "tune": lambda X, y, groups: tune(late(), X, y, groups=groups, n_trials=1),
    "nested": lambda X, y, groups: nested_cross_validate(late(), X, y, groups, n_trials=1),
    "permutation": lambda X, y, groups: permutation_test(late(), X, y, groups=groups),
    "mask check": lambda X, y, groups: shuffled_mask_check(late(), X, y, groups=groups),
    "robustness": lambda X, y, groups: robustness_curve(late(), X, y, groups=groups),
    "inner threshold": lambda X, y, groups: inner_threshold(late(), X, y, groups=groups),
    "require_groups": lambda X, y, groups: require_groups(X, groups),
}  # fmt: skip


@pytest.mark.parametrize("learn", GROUPED.values(), ids=GROUPED)
@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda g: [*g[:-1].astype(object), "s1"], "all of one type"),
        (lambda g: [*g[:-1], np.nan], "1 missing"),
        (lambda g: pl.Series([*g[:-1].tolist(), None]), "1 missing"),
        (lambda g: g[:-1], "inconsistent numbers of samples"),
    ],
    ids=["mixed", "NaN", "null of polars", "short"],
)
def test_groups_that_do_not_tell_everybodys_are_refused(learn, spoil, found):
    with pytest.raises(ValueError, match=found):
        learn(table(), labels(), spoil(np.arange(N) // 2))


def test_groups_move_with_labels_only_where_all_are_known():
    with pytest.raises(InputError, match="1 missing"):
        permute_labels([0, 1, 0], ["a", "b", None], np.random.default_rng(0))


# Folds


FOLDED = {
    "calibrated": lambda X, y, cv: PatternCalibratedClassifier(late(), cv=cv).fit(X, y),
    "conformal": lambda X, y, cv: PatternConformalClassifier(late(), cv=cv).fit(X, y),
    "cross_val_fit": lambda X, y, cv: cross_val_fit(ESTIMATORS["anchored"], X, y, cv=cv),
    "compare": lambda X, y, cv: compare({"late": late()}, X, y, cv=cv),
    "tune": lambda X, y, cv: tune(late(), X, y, n_trials=1, inner_cv=cv),
    "nested": lambda X, y, cv: nested_cross_validate(late(), X, y, None, cv, n_trials=1),
    "search": lambda X, y, cv: AdestimSearchCV(late(), n_trials=1, cv=cv).fit(X, y),
    "permutation": lambda X, y, cv: permutation_test(late(), X, y, cv=cv),
    "mask check": lambda X, y, cv: shuffled_mask_check(late(), X, y, cv=cv),
    "robustness": lambda X, y, cv: robustness_curve(late(), X, y, cv=cv),
}
ROWS = np.arange(N)


@pytest.mark.parametrize("learn", FOLDED.values(), ids=FOLDED)
@pytest.mark.parametrize(
    ("cv", "found"),
    [
        ([], "one split or more"),
        ([(ROWS, [])], "no test rows"),
        ([([], ROWS)], "no training rows"),
        ([(ROWS[:-1], [N])], f"{N}"),
        ([(np.zeros(N, bool), np.ones(N, bool))], "no training rows"),
    ],
    ids=["none", "no test", "no training", "beyond", "mask"],
)
def test_folds_without_rows_are_refused(learn, cv, found):
    with pytest.raises(InputError, match=found):
        learn(table(), labels(), cv)


@pytest.mark.parametrize("cv", [0, 1, -1])
@pytest.mark.parametrize("learn", FOLDED.values(), ids=FOLDED)
def test_numbers_of_folds_below_two_are_refused(learn, cv):
    with pytest.raises(ValueError, match=r"fold|split"):
        learn(table(), labels(), cv)


# Scores


@pytest.mark.parametrize(
    "ask",
    [
        lambda: score_probabilities(["AD", None], [[1, 0], [0, 1]], ["AD", "CN"]),
        lambda: score_predictions([1.0, None], [1.0, 2.0]),
        lambda: score_ordinal(["CN", None], ["CN", "AD"], ["CN", "AD"]),
        lambda: bootstrap_interval(np.mean, ["a", None]),
    ],
)
def test_scores_of_who_has_no_label_are_refused(ask):
    with pytest.raises(InputError):
        ask()


def test_a_column_of_a_frame_is_read_as_labels():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read_column(pd.DataFrame({"y": ["a", "b"]})).tolist() == ["a", "b"]
    assert LogisticRegression().fit([[0.0], [1.0]], read_column(pl.Series([0, 1]))).n_iter_[0] > 0
    with pytest.raises(TableError, match=r"LazyFrame"):
        read_column(pl.LazyFrame({"y": [1]}))


def test_times_to_an_event_are_no_labels():
    y = make_survival([True, False], [1.0, 2.0])
    with pytest.raises(InputError, match=r"structured array of 'event' and 'time'.*Survival"):
        AnchoredFusionClassifier().fit(np.zeros((2, 1)), y)
    with pytest.raises(InputError, match="one label or number a row"):
        compare({"one": LogisticRegression()}, np.zeros((2, 1)), y, cv=2)
