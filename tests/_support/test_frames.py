"""Tables of other libraries, as the estimators and functions of the project read them."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import (
    AnchoredFusionClassifier,
    BlockAverageClassifier,
    ClinicalExtractor,
    LateFusionClassifier,
    ModalityUnion,
    OrdinalClassifier,
    PatternCalibratedClassifier,
    PoolTokens,
)
from adestim._support.frames import as_frame, match_columns, read_frame
from adestim.encoding import Encoding
from adestim.evaluation import (
    ModalityDropout,
    compare,
    cross_val_fit,
    hide_modalities,
    inner_threshold,
    missing_patterns,
    modality_columns,
    permutation_test,
    require_groups,
    robustness_curve,
    transfer,
)
from adestim.exceptions import DataWarning, LeakageWarning, TableError
from adestim.inspection import FusionReport, modality_contributions, token_attribution
from adestim.tuning import tune

CONTAINERS = {
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "record batch": lambda frame: pa.RecordBatch.from_pandas(frame, preserve_index=False),
    "pyarrow-backed": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "nullable": lambda frame: frame.convert_dtypes(),
}
# Where everything is done with it that takes a table.
others_container = pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas])
every_container = pytest.mark.parametrize("convert", CONTAINERS.values(), ids=CONTAINERS)


def patients(n=24):
    """Raw cells of several kinds, with gaps."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.normal(70, 5, n),
            "visits": np.where(np.arange(n) % 5, np.arange(n) % 4, np.nan),
            "sex": np.where(np.arange(n) % 3, "F", "M").astype(object),
            "note": [None if row % 4 == 0 else "calm" for row in range(n)],
        }
    )


def blocks(n=48):
    """Numbers of two modalities, one of them missing now and then, and diagnoses."""
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    y = np.where(X["mri__a"] + rng.normal(size=n) > 0, "AD", "CN")
    return X.assign(csf__tau=X["csf__tau"].mask(X["csf__tau"] > 1)), y


def fusion(**params):
    """A fusion that is fitted quickly."""
    return AnchoredFusionClassifier(**{"max_epochs": 0, "n_trees": 5, "random_state": 0} | params)


# Reading


@every_container
def test_a_table_of_another_library_has_the_same_names_and_cells(convert):
    frame = patients()
    found = read_frame(convert(frame))
    assert isinstance(found, pd.DataFrame)
    assert list(found) == list(frame)
    for name in frame:
        known = frame[name].notna()
        assert (found[name].notna() == known).all()
        assert (found.loc[known, name] == frame.loc[known, name]).all()


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        ([1, None, 3], pl.Int64),
        ([True, None, False], pl.Boolean),
        (["a", None, "b"], pl.Categorical),
        (["a", None, "b"], pl.Enum(["a", "b"])),
        ([Decimal("1.5"), None], pl.Decimal(10, 2)),
        ([datetime.date(2020, 1, 1), None], pl.Date),
        ([datetime.datetime(2020, 1, 1), None], pl.Datetime),
        ([[1.0, 2.0], None], pl.List(pl.Float64)),
        ([object(), None], pl.Object),
        ([], pl.Float64),
    ],
)
def test_every_type_of_polars_keeps_its_values_and_its_gaps(cells, dtype):
    column = read_frame(pl.DataFrame({"a": pl.Series(cells, dtype=dtype)}))["a"]
    assert [cell is not None for cell in cells] == column.notna().tolist()
    assert [cell for cell in cells if cell is not None] == column.dropna().tolist()


def test_a_column_of_another_library_keeps_its_name():
    assert read_frame(pl.Series("age", [70.0])).name == "age"
    assert read_frame(pa.chunked_array([["a", "b"]])).tolist() == ["a", "b"]


def test_the_index_that_arrow_keeps_names_the_subjects():
    frame = patients().set_axis([f"s{row}" for row in range(24)])
    assert list(read_frame(pa.Table.from_pandas(frame)).index) == list(frame.index)


def test_names_of_a_structured_array_are_kept():
    assert list(as_frame(np.array([(1, 2.0)], dtype=[("age", int), ("tau", float)]))) == [
        "age",
        "tau",
    ]


class Remote:
    """A table of a library that is not read."""

    columns = ("age",)


class Failing(Remote):
    """A table whose own way to pandas fails."""

    def to_pandas(self):
        raise RuntimeError("no cluster")


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (pl.LazyFrame({"age": [1.0]}), r"polars.LazyFrame. Call its collect\(\) first"),
        (Remote(), "tests.Remote. Pass the table as one of pandas"),
        ({"age": [1.0]}, r"builtins.dict. Write pandas.DataFrame\(X\)"),
        (Failing(), "tests.Failing, whose to_pandas.. fails: RuntimeError"),
    ],
    ids=["lazy", "unknown", "dict", "failing"],
)
def test_a_table_that_cannot_be_read_is_refused_by_name(table, found):
    for reader in (ClinicalExtractor().fit, lambda X: fusion().fit(X, [0, 1])):
        with pytest.raises(TableError, match=found):
            reader(table)


@pytest.mark.parametrize("value", [None, [[1.0]], np.zeros((2, 2)), "text"])
def test_what_is_no_table_comes_back_as_it_is(value):
    assert read_frame(value) is value


# Whoever takes a table


@every_container
def test_extractors_know_names_and_with_them_leaks(convert):
    table = convert(patients().assign(mmse=np.arange(24.0) % 7))
    with pytest.warns(LeakageWarning, match="mmse"):
        extractor = ClinicalExtractor().fit(table)
    assert extractor.token_places().names == ("age", "visits", "sex", "note", "mmse")
    union = ModalityUnion(
        [("a", ClinicalExtractor(), ["age", "sex"]), ("b", ClinicalExtractor(), "visits")]
    )
    found = PoolTokens().fit_transform(union.fit_transform(table))
    pd.testing.assert_frame_equal(
        found, PoolTokens().fit_transform(union.fit_transform(patients()))
    )


@every_container
@pytest.mark.parametrize(
    "model",
    [
        fusion(),
        LateFusionClassifier(random_state=0),
        BlockAverageClassifier(random_state=0),
        OrdinalClassifier(LateFusionClassifier(random_state=0)),
        PatternCalibratedClassifier(LateFusionClassifier(random_state=0), cv=2, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_classifiers_say_the_same_of_every_table(convert, model):
    X, y = blocks()
    expected = model.fit(X, y).predict_proba(X)
    found = model.fit(convert(X), pl.Series(y)).predict_proba(convert(X))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert list(model.feature_names_in_) == list(X)


@others_container
def test_functions_take_every_table_with_labels_and_groups_of_any_library(convert):
    X, y = blocks()
    table, labels, groups = convert(X), pl.Series(y), pl.Series(np.arange(len(y)) // 2)
    model = fusion()
    comparison = compare({"f": model}, table, labels, groups=groups, cv=2, scoring="roc_auc")
    assert list(comparison.present) == ["mri", "csf"]
    assert cross_val_fit(model, table, labels, groups=groups, cv=2).predict_proba(table).shape == (
        48,
        2,
    )
    late = LateFusionClassifier(random_state=0)
    assert 0 <= inner_threshold(late, table, labels, groups=groups, cv=2, random_state=0) <= 1
    assert permutation_test(late, table, labels, groups=groups, cv=2, n_permutations=1).p <= 1
    assert len(robustness_curve(late, table, labels, groups=groups, rates=[0.5], n_draws=1, cv=2))
    assert tune(late, table, labels, groups=groups, n_trials=1, inner_cv=2).best_score_ < 0
    assert list(missing_patterns(table)) == list(modality_columns(table)) == ["mri", "csf"]
    assert require_groups(table, groups).shape == (48,)
    assert hide_modalities(table, np.ones((48, 2)), modality_columns(table)).isna().all().all()


@others_container
def test_a_fitted_fusion_is_looked_into_by_every_table(convert):
    X, y = blocks()
    model, table = fusion().fit(X, y), convert(X)
    assert list(modality_contributions(model, table).values) == ["mri", "csf"]
    assert len(token_attribution(model, table).frame()) > 0
    assert "mri" in FusionReport(model, table, pl.Series(y)).to_html()
    assert len(transfer(model, table, pl.Series(y), n_resamples=5).predictions) == 48


# What is handed on to polars


def test_a_pipeline_goes_on_through_polars_where_scikit_learn_is_told_so():
    X, y = patients(), blocks(24)[1]
    union = ModalityUnion(
        [("a", ClinicalExtractor(), ["age"]), ("b", StandardScaler(), ["visits"])]
    )
    expected = make_pipeline(union, fusion()).fit(X, y).predict_proba(X)
    with sklearn.config_context(transform_output="polars"):
        model = make_pipeline(union, fusion()).fit(X, y)
        assert isinstance(model[0].transform(X), pl.DataFrame)
        np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)


@pytest.mark.parametrize(
    "transformer",
    [ClinicalExtractor(), ModalityUnion([("a", ClinicalExtractor(), ["age"])])],
    ids=["extractor", "union"],
)
def test_set_output_makes_a_polars_table_of_encodings(transformer):
    found = transformer.set_output(transform="polars").fit_transform(patients())
    assert isinstance(found, pl.DataFrame)
    assert found.columns == list(transformer.get_feature_names_out())
    assert all(isinstance(cell, Encoding) for cell in found.to_series(0).to_list())
    assert found[[2, 0]].shape == (2, 1)


def test_numbers_and_hidden_modalities_become_polars_tables_too():
    X, _ = blocks()
    for transformer in (PoolTokens(), ModalityDropout(random_state=0)):
        found = transformer.set_output(transform="polars").fit_transform(X)
        assert isinstance(found, pl.DataFrame)
        assert found.columns == list(transformer.get_feature_names_out())


def test_several_rows_of_a_subject_are_warned_of_as_polars_has_no_index():
    frame = patients(4).set_axis(["s1", "s1", "s2", "s3"])
    extractor = ClinicalExtractor().set_output(transform="polars")
    with pytest.warns(DataWarning, match="no index"):
        extractor.fit_transform(frame)


# Later columns


LATER = {
    "reordered": lambda X: X[X.columns[::-1]],
    "further": lambda X: X.assign(visit=1.0),
    "both": lambda X: X.assign(visit="m12")[["visit", *X.columns[::-1]]],
    "polars": lambda X: pl.from_pandas(X[X.columns[::-1]]),
}


@pytest.mark.parametrize("change", LATER.values(), ids=LATER)
@pytest.mark.parametrize("choose", [list, slice, "positions", "callable"])
def test_a_union_takes_later_columns_as_a_column_transformer_does(change, choose):
    X = pd.DataFrame(
        np.random.default_rng(0).normal(size=(20, 3)), columns=["age", "tau", "unread"]
    )
    columns = {
        list: (["age"], ["tau"]),
        slice: (slice(0, 1), slice(1, 2)),
        "positions": ([0], [1]),
        "callable": (lambda frame: ["age"], lambda frame: ["tau"]),
    }[choose]
    parts = [(name, StandardScaler(), each) for name, each in zip("ab", columns, strict=True)]
    expected = ColumnTransformer(parts).fit(X).transform(change(X))
    union = make_pipeline(ModalityUnion(parts), PoolTokens()).fit(X)
    np.testing.assert_allclose(union.transform(change(X)), expected, atol=1e-6)


def test_a_union_does_without_columns_that_no_modality_reads():
    X = pd.DataFrame(np.eye(4, 3), columns=["age", "tau", "unread"])
    union = ModalityUnion([("a", StandardScaler(), ["age"]), ("b", StandardScaler(), [1])]).fit(X)
    assert union.transform(X[["tau", "age"]]).notna().all().all()
    with pytest.raises(ValueError, match="now missing:\n- tau"):
        union.transform(X[["age", "unread"]])


@pytest.mark.parametrize("change", LATER.values(), ids=LATER)
@pytest.mark.parametrize(
    "model",
    [
        fusion(),
        LateFusionClassifier(random_state=0),
        OrdinalClassifier(LogisticRegression()),
        PatternCalibratedClassifier(LogisticRegression(), cv=2, random_state=0),
        PoolTokens(),
        ModalityDropout(random_state=0),
        ClinicalExtractor(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_estimators_find_later_columns_by_name_and_miss_them_by_name(change, model):
    X, y = blocks()
    X = X.fillna(0.0)
    model = model.fit(X, y)
    ask = model.predict_proba if hasattr(model, "predict_proba") else model.transform
    expected, found = ask(X), ask(change(X))
    if isinstance(model, ClinicalExtractor):
        expected, found = (PoolTokens().fit_transform(each) for each in (expected, found))
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="now missing:\n- mri__a"):
        ask(X.drop(columns="mri__a"))


@pytest.mark.parametrize("label", ["clinical", [("clinical", "age"), ("clinical", "mmse")]])
def test_a_union_chooses_among_columns_of_two_levels_and_extractors_know_features(label):
    columns = pd.MultiIndex.from_tuples([("clinical", "age"), ("clinical", "mmse"), ("csf", "tau")])
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 3)), columns=columns)
    union = ModalityUnion([("clinical", ClinicalExtractor(), label)])
    with pytest.warns(LeakageWarning, match="mmse"):
        encoded = union.fit_transform(X)
    assert list(PoolTokens().fit_transform(encoded)) == ["clinical__age", "clinical__mmse"]
    later = PoolTokens().fit_transform(union.transform(X[X.columns[::-1]]))
    pd.testing.assert_frame_equal(later, PoolTokens().fit_transform(encoded))


def test_features_of_one_name_in_several_blocks_keep_the_names_of_these():
    columns = pd.MultiIndex.from_tuples([("left", "volume"), ("right", "volume")])
    X = pd.DataFrame(np.eye(3, 2), columns=columns)
    assert ClinicalExtractor().fit(X).token_places().names == ("left__volume", "right__volume")


@pytest.mark.parametrize("read", [np.asarray, pd.DataFrame])
@pytest.mark.parametrize("model", [fusion(), ClinicalExtractor(), PoolTokens()])
def test_complex_numbers_are_refused_without_telling_them(read, model):
    with pytest.raises(ValueError, match=r"Complex data not supported by \w+\. Pass") as caught:
        model.fit(read([[1.25j], [2.0]]), ["AD", "CN"])
    assert "1.25" not in str(caught.value)


def test_covariates_of_a_comparison_may_be_a_polars_table_beside_another():
    X, y = blocks()
    age = pl.DataFrame({"age": np.arange(48.0)})
    late = LateFusionClassifier(random_state=0)
    table = pl.from_pandas(X)
    found = compare({"late": late}, table, y, cv=2, covariates=age, scoring="roc_auc")
    assert found.estimators == ["late", "mask only", "age"]


def test_columns_of_one_name_are_refused():
    X, y = blocks()
    doubled = pd.concat([X, X["mri__a"]], axis=1)
    for reader in (lambda: fusion().fit(doubled, y), lambda: fusion().fit(X, y).predict(doubled)):
        with pytest.raises(TableError, match="'mri__a' more than once"):
            reader()


def test_a_table_of_fit_is_handed_on_without_a_copy():
    class Fitted:
        feature_names_in_ = np.array(["a", "b"], dtype=object)

    frame = pd.DataFrame(np.eye(2), columns=["a", "b"])
    assert match_columns(Fitted(), frame) is frame
