"""Coding of whole columns."""

import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import CellTypeError, TableError
from adestim.modalities.clinical.coding import code_levels, code_nothing, code_numbers, code_text
from adestim.modalities.clinical.latent_semantics import learn_latent_semantics
from adestim.modalities.clinical.table import Column

SEX = Column("sex", 0, "categorical", ("F", "M"))
SITE = Column("site", 0, "categorical", ("a", "b"), has_other=True)
STAGE = Column("stage", 0, "ordinal", ("none", "mild", "severe"))


@pytest.mark.parametrize("dtype", ["float64", "Float64", "float32", object])
def test_numbers_are_kept_as_they_are_and_missing_ones_unknown(dtype):
    coded = code_numbers(pd.Series([71.5, None, 68], dtype=dtype), "age")
    np.testing.assert_array_equal(coded.values, [[71.5], [0], [68]])
    assert coded.known.tolist() == [True, False, True]
    assert not coded.problems
    assert not coded.remarks


def test_limits_of_detection_are_used_with_a_remark_that_names_the_column():
    coded = code_numbers(pd.Series([">1700", "900", "<200"]), "ABETA")
    np.testing.assert_array_equal(coded.values[:, 0], [1700, 900, 200])
    assert coded.remarks[0].startswith("Column 'ABETA' holds limits of detection for 2 subject")


def test_a_word_among_numbers_is_a_problem_of_its_row_that_hides_the_value():
    coded = code_numbers(pd.Series([1.0, "secret", 3.0], dtype=object), "age")
    assert list(coded.problems) == [1]
    assert not coded.known[1]
    text = str(coded.problems[1].about("s2"))
    assert text.startswith("Subject 's2': Column 'age' is numeric")
    assert "categorical=" in text
    assert "secret" not in text


@pytest.mark.parametrize("cell", [np.inf, -np.inf, "inf", 1e39, 10**400])
def test_infinite_numbers_are_problems(cell):
    coded = code_numbers(pd.Series([1.0, cell], dtype=object), "tau")
    assert "'tau' must hold finite numbers" in str(coded.problems[1])


def test_objects_are_type_errors_in_every_kind_of_column():
    cells = pd.Series(["x", {"a": 1}], dtype=object)
    semantics = learn_latent_semantics(["x"], 1, 0)
    number = code_numbers(pd.Series([1.0, {"a": 1}], dtype=object), "sex")
    for coded in (number, code_levels(cells, SEX), code_text(cells, SEX, semantics)):
        assert isinstance(coded.problems[1], CellTypeError)
        assert isinstance(coded.problems[1], TableError)
        assert "a cell of type dict" in str(coded.problems[1])


def test_categories_are_one_hot():
    coded = code_levels(pd.Series(["M", None, "F", " M"]), SEX)
    np.testing.assert_array_equal(coded.values, [[0, 1], [0, 0], [1, 0], [0, 1]])
    assert coded.known.tolist() == [True, False, True, True]
    assert not coded.remarks


def test_an_unseen_category_is_masked_with_a_remark_that_hides_it():
    coded = code_levels(pd.Series(["M", "intersex"]), SEX)
    assert coded.known.tolist() == [True, False]
    assert coded.values[1].tolist() == [0, 0]
    assert "Column 'sex' holds a category not seen in fit for 1 subject" in coded.remarks[0]
    assert "intersex" not in coded.remarks[0]


def test_an_unseen_category_joins_the_rare_ones_where_they_have_a_slot():
    coded = code_levels(pd.Series(["a", "z"]), SITE)
    np.testing.assert_array_equal(coded.values, [[1, 0, 0], [0, 0, 1]])
    assert coded.known.all()
    assert not coded.remarks


def test_ordered_levels_are_ranks_from_0_to_1():
    coded = code_levels(pd.Series(["none", "severe", "mild", None]), STAGE)
    np.testing.assert_array_equal(coded.values[:, 0], [0, 1, 0.5, 0])
    assert coded.known.tolist() == [True, True, True, False]


def test_the_rank_of_a_single_level_is_0():
    coded = code_levels(pd.Series(["none"]), Column("stage", 0, "ordinal", ("none",)))
    assert coded.values.tolist() == [[0.0]]


def test_an_unseen_level_is_masked_with_a_remark():
    coded = code_levels(pd.Series(["none", "extreme"]), STAGE)
    assert coded.known.tolist() == [True, False]
    assert "Column 'stage' holds a level not seen in fit" in coded.remarks[0]


def test_integer_levels_meet_their_floats():
    codes = Column("edu", 0, "categorical", (1, 2))
    assert code_levels(pd.Series([1.0, np.nan, 2.0]), codes).known.tolist() == [True, False, True]


def test_texts_are_embedded_and_missing_ones_unknown():
    texts = ["forgets names of friends", "tremor of the hand"]
    semantics = learn_latent_semantics(texts, 2, 0)
    coded = code_text(pd.Series([texts[0], None]), Column("note", 0, "text"), semantics)
    np.testing.assert_allclose(coded.values[0], semantics.embed(texts[:1])[0])
    assert coded.values[1].tolist() == [0, 0]
    assert coded.known.tolist() == [True, False]


def test_a_column_of_missing_texts_is_unknown():
    semantics = learn_latent_semantics(["a text"], 2, 0)
    coded = code_text(pd.Series([None, ""], dtype=object), Column("note", 0, "text"), semantics)
    assert not coded.known.any()
    assert coded.values.shape == (2, 2)


def test_nothing_is_unknown_for_everybody():
    coded = code_nothing(3)
    assert coded.values.shape == (3, 1)
    assert not coded.known.any()
