"""Columns beside the features, from the table or by its index, and their coding."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from adestim.datasets.harmonisation.side_columns import (
    Coding,
    require_numbers,
    require_table_columns,
    select_beside,
)
from adestim.exceptions import InputError, TableError


@pytest.fixture
def people():
    return pd.DataFrame({"age": [60.0, 70.0, 80.0], "sex": ["F", "M", "F"]}, index=list("abc"))


def test_columns_are_taken_from_the_table(people):
    assert select_beside(people, ["sex"], "covariates").equals(people[["sex"]])


def test_a_table_is_read_in_the_order_of_the_index(people):
    frame = pd.DataFrame({"x": [0.0, 1.0]}, index=["c", "a"])
    assert select_beside(frame, people, "covariates")["age"].tolist() == [80.0, 60.0]


def test_rows_without_a_label_in_the_table_are_named(people):
    frame = pd.DataFrame({"x": [0.0, 1.0]}, index=["c", "z"])
    with pytest.raises(InputError, match=r"Every row of X has its covariates.*'z'"):
        select_beside(frame, people, "covariates")


def test_a_label_with_several_rows_is_refused(people):
    with pytest.raises(InputError, match=r"one row a label. Got several for 'a'"):
        select_beside(people, pd.concat([people, people.loc[["a"]]]), "covariates")


def test_absent_columns_are_named(people):
    with pytest.raises(TableError, match="no 'icv' among 2 columns"):
        require_table_columns(people, ["age", "icv"])


def test_features_that_are_words_are_named_and_not_shown():
    with pytest.raises(TableError, match="other cells in 'x'") as caught:
        require_numbers(pd.DataFrame({"x": [1.0, "secret"], "y": [1, 2]}))
    assert "secret" not in str(caught.value)


def test_numbers_among_objects_are_numbers():
    frame = require_numbers(pd.DataFrame({"x": [1, None], "y": [1, 2]}, dtype=object))
    assert_allclose(frame.to_numpy(float), [[1, 1], [np.nan, 2]])


def test_coded_columns_are_centred_and_scaled(people):
    coded = Coding.learn(people).matrix(people)
    assert coded.shape == (3, 2)
    assert_allclose(coded.mean(axis=0), 0, atol=1e-12)
    assert_allclose(coded.std(axis=0), 1)


def test_coding_is_that_of_the_training_rows(people):
    coding = Coding.learn(people)
    older = people.assign(age=people["age"] + 10)
    assert_allclose(coding.matrix(older)[:2, 0], coding.matrix(people)[1:, 0])


def test_a_column_that_did_not_vary_has_no_say(people):
    coding = Coding.learn(people.assign(sex="F"))
    assert_allclose(coding.matrix(people.assign(sex="F")).sum(), 0, atol=1e-9)


def test_truth_values_are_words(people):
    smoker = people.assign(smoker=[True, False, True])[["smoker"]]
    assert Coding.learn(smoker).levels == {"smoker": ("False", "True")}


def test_no_columns_are_coded_as_none(people):
    assert Coding.learn(people[[]]).matrix(people[[]]).shape == (3, 0)


def test_a_new_word_is_refused_without_showing_it(people):
    coding = Coding.learn(people)
    with pytest.raises(InputError, match=r"Covariate 'sex' has the values .*'b'") as caught:
        coding.matrix(people.replace({"sex": {"M": "unknown"}}))
    assert "unknown" not in str(caught.value)


def test_missing_covariates_are_refused_by_subject(people):
    people.loc["b", "age"] = np.nan
    with pytest.raises(InputError, match=r"Every row has its covariates. Got none for 'b'"):
        Coding.learn(people)
