"""Columns of another cohort's table."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from adestim.evaluation.comparing.transfer_columns import (
    absent_columns,
    completed,
    seen_columns,
    tell_of_absent,
)
from adestim.exceptions import DataWarning, InputError
from tests.fusion_tables import COLUMNS, encodings_table, numeric_table, quick


@pytest.fixture(scope="module")
def models():
    X, y = numeric_table(40)
    return {
        "fusion": quick(max_epochs=0).fit(X, y),
        "mri": LogisticRegression().fit(X[["mri__a", "mri__b"]], y),
    }


def test_columns_are_those_of_fit(models):
    assert seen_columns(models["fusion"]) == COLUMNS
    X, y = numeric_table(40)
    assert seen_columns(LogisticRegression().fit(X.to_numpy(), y)) is None


def test_absent_columns_are_told_by_estimator(models):
    X = numeric_table(12)[0].drop(columns=["gene__a", "mri__b"])
    assert absent_columns(models, X) == {"fusion": ("mri__b", "gene__a"), "mri": ("mri__b",)}


def test_columns_of_any_of_the_estimators_are_known(models):
    absent_columns(models, numeric_table(12)[0])
    with pytest.raises(InputError, match=r"or fewer. Got besides, 'pet__a'. Rename or drop them"):
        absent_columns(models, numeric_table(12)[0].assign(pet__a=1.0))


def test_many_other_columns_are_counted(models):
    X = numeric_table(12)[0].assign(**{f"other{number}": 1.0 for number in range(8)})
    with pytest.raises(InputError, match=r"'other4' and 3 more"):
        absent_columns(models, X)


def test_a_table_is_completed_by_what_holds_nothing(models):
    X = numeric_table(12)[0].drop(columns="gene__a")
    whole = completed(X[X.columns[::-1]], models)
    assert list(whole.columns) == COLUMNS
    assert whole["gene__a"].isna().all()
    assert (whole.dtypes == "float64").all()
    pd.testing.assert_frame_equal(whole[X.columns], X)


def test_a_column_of_encodings_is_completed_by_none():
    X, y = numeric_table(40)
    table = encodings_table(X)
    models = {"fusion": quick(max_epochs=0).fit(table, y)}
    whole = completed(table.drop(columns="gene"), models)
    assert whole["gene"].tolist() == [None] * 40
    assert models["fusion"].predict_proba(whole).shape == (40, 2)


def test_modalities_are_named_in_the_note():
    with pytest.warns(DataWarning, match=r"lacks 3 column\(s\), of 'gene', 'csf': they count"):
        tell_of_absent({"a": ("gene__a", "gene__b"), "b": ("gene__a", "csf__tau")})


def test_a_table_without_names_is_of_the_width_of_fit():
    X, y = numeric_table(40)
    models = {"m": LogisticRegression().fit(X.to_numpy(), y)}
    assert absent_columns(models, X.iloc[:12]) == {"m": ()}
    assert completed(X, models) is X
    with pytest.raises(
        InputError, match=r"'m' was fitted on 5 columns without names.* Got 4 columns"
    ):
        absent_columns(models, X.iloc[:, :4])


def test_values_are_not_touched(models):
    X = numeric_table(12)[0]
    before = X.copy()
    completed(X.drop(columns="gene__a"), models)
    np.testing.assert_array_equal(X, before)
