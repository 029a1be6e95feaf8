"""Tables of several blocks: which columns make which modality."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from adestim import AnchoredFusionClassifier, LateFusionClassifier, ModalityUnion, PoolTokens
from adestim.encoding.blocks import numeric_modalities
from adestim.evaluation import (
    compare,
    hide_modalities,
    missing_patterns,
    modality_columns,
    transfer,
)
from adestim.exceptions import DataWarning, TableError
from adestim.inspection import modality_contributions

PAIRS = [("mri", "a"), ("mri", "b"), ("csf", "tau")]


def table(columns, n=40):
    """Random numbers under some columns, and diagnoses."""
    values = np.random.default_rng(0).normal(size=(n, len(columns)))
    return pd.DataFrame(values, columns=columns), np.where(values[:, 0] > 0, "AD", "CN")


def two_levels(names=(None, None)):
    """A table whose columns are (modality, feature)."""
    return table(pd.MultiIndex.from_tuples(PAIRS, names=names))


def late():
    """A fusion that is fitted quickly."""
    return LateFusionClassifier(random_state=0)


# Columns without a prefix


@pytest.mark.parametrize("strays", [["age"], ["age", "education"], ["Age at scan"]])
@pytest.mark.parametrize("place", [0, 3])
def test_a_column_without_a_prefix_beside_others_is_a_modality_of_its_own_and_named(strays, place):
    columns = ["mri__a", "mri__b", "csf__tau"]
    X, y = table([*columns[:place], *strays, *columns[place:]])
    with pytest.warns(DataWarning, match=f"{strays[0]!r}.*modality of its own"):
        model = late().fit(X, y)
    assert set(model.modalities_) == {"mri", "csf", *strays}
    assert model.predict_proba(X).shape == (40, 2)


def test_no_table_is_merged_into_one_modality_wherever_it_is_read():
    X, y = table(["mri__a", "csf__tau", "age"])
    expected = ["mri", "csf", "age"]
    assert list(modality_columns(X)) == list(missing_patterns(X)) == expected
    with pytest.warns(DataWarning, match="'age'"):
        assert PoolTokens().fit(X).modalities_ == expected
    with pytest.warns(DataWarning, match="'age'"):
        comparison = compare({"late": late()}, X, y, cv=2, scoring="roc_auc")
    assert list(comparison.present) == expected


@pytest.mark.parametrize(
    "columns", [["age", "tau"], ["mri__a", "csf__tau"], [0, 1], ["mri_a", "b"]]
)
def test_tables_with_prefixes_throughout_or_none_are_read_without_a_word(columns):
    X, y = table(columns)
    late().fit(X, y)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["mri__a", "__index_level_0__"], "'__index_level_0__'"),
        (["mri__a", "__b"], "'__b'"),
        (["mri__", "csf__tau"], "'mri__'"),
        (["mri__a", "mri"], "'mri' beside columns that begin with 'mri__'"),
        (["mri__a", "mri__a"], "'mri__a' more than once"),
    ],
)
def test_names_that_tell_no_modality_or_no_feature_are_refused(columns, found):
    X, y = table(columns)
    with pytest.raises(TableError, match=found):
        late().fit(X, y)


def test_names_some_of_which_are_numbers_are_refused():
    X, y = table([0, "mri__a"])
    with pytest.raises(TypeError, match="only supported if all input features have string names"):
        late().fit(X, y)


def test_many_strays_are_counted():
    X, y = table(["mri__a", *(f"v{number}" for number in range(8))])
    with pytest.warns(DataWarning, match="and 3 more"):
        late().fit(X, y)


def test_a_feature_may_have_the_separator_in_its_name():
    assert numeric_modalities(pd.Index(["a__b__c", "a__d"]), [0, 1]) == {"a": [0, 1]}


# Columns of two levels


@pytest.mark.parametrize("names", [(None, None), ("modality", "feature")])
def test_columns_of_two_levels_are_modality_and_feature(names):
    X, y = two_levels(names)
    flat = X.set_axis([f"{modality}__{feature}" for modality, feature in PAIRS], axis=1)
    model = AnchoredFusionClassifier(max_epochs=0, n_trees=5, random_state=0).fit(X, y)
    assert model.modalities_ == ["mri", "csf"]
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(flat))
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X[X.columns[::-1]]))


def test_whoever_takes_a_table_reads_columns_of_two_levels():
    X, y = two_levels()
    model = late().fit(X, y)
    assert list(modality_columns(X)) == list(missing_patterns(X)) == ["mri", "csf"]
    assert list(modality_contributions(model, X).values) == ["mri", "csf"]
    assert list(compare({"late": late()}, X, y, cv=2).present) == ["mri", "csf"]
    assert len(transfer(model, X, y, n_resamples=5).predictions) == 40
    assert hide_modalities(X, np.ones((40, 2)), modality_columns(X)).isna().all().all()


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ([("a", "b", "c"), ("a", "b", "d")], "3 levels"),
        ([("mri__t1", "a"), ("csf", "tau")], "'mri__t1'"),
        ([("mri_", "a"), ("csf", "tau")], "'mri_'"),
        ([("", "a"), ("csf", "tau")], "'__a'"),
        ([("mri", "a"), ("mri", "a")], "'mri__a' more than once"),
    ],
)
def test_columns_of_levels_that_tell_no_modality_are_refused(columns, found):
    X, y = table(pd.MultiIndex.from_tuples(columns))
    with pytest.raises(TableError, match=found):
        late().fit(X, y)


def test_a_column_of_one_level_among_those_of_two_is_a_modality_of_its_own_and_named():
    X, y = table(pd.MultiIndex.from_tuples([*PAIRS, ("age", "")]))
    with pytest.warns(DataWarning, match="'age'"):
        assert late().fit(X, y).modalities_ == ["mri", "csf", "age"]


@pytest.mark.parametrize("further", [["age"], ["age", "education"], ["age", "csf__tau"]])
def test_numbers_without_a_prefix_beside_encodings_are_modalities_of_their_own_and_named(further):
    X, y = table(["volume", *further])
    encoded = ModalityUnion([("mri", StandardScaler(), ["volume"])]).fit_transform(X)
    both = pd.concat([encoded, X[further]], axis=1)
    with pytest.warns(DataWarning, match="'age'"):
        model = late().fit(both, y)
    assert model.modalities_ == ["mri", *(name.split("__")[0] for name in further)]
    assert model.predict_proba(both[both.columns[::-1]]).shape == (40, 2)
