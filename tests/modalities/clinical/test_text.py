"""Records written as sentences."""

import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from adestim.datasets import make_cohort
from adestim.exceptions import CellTypeError, InputError, TableError
from adestim.modalities.clinical import ColumnPhrase, RecordTemplate

RECORD = {"age": 71.0, "sex": "F", "sbp": 130, "site_note": "calm"}


def value_of(cell, name="thing", **params):
    """Return how a value is written."""
    written = RecordTemplate({name: "{value}"} if not params else {}, **params).write({name: cell})
    return written


def test_the_wording_is_fixed_and_the_order_that_of_the_table():
    assert RecordTemplate().write(RECORD) == (
        "The patient's age is 71 years. The patient's sex is F. The patient's systolic blood "
        "pressure is 130 mmHg. The patient's site note is calm."
    )


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, " ", "n/a"])
def test_a_missing_value_is_said(missing):
    written = RecordTemplate().write({**RECORD, "age": missing})
    assert written.startswith("The patient's age is not recorded. The patient's sex is F.")


def test_a_missing_value_is_omitted_when_asked_for():
    written = RecordTemplate(missing="omit").write({**RECORD, "age": None})
    assert written.startswith("The patient's sex is F.")


def test_every_column_has_one_sentence():
    cohort = make_cohort(n_subjects=12, random_state=0)
    table = cohort.frame[cohort.columns["clinical"]]
    written = RecordTemplate().write(dict(zip(table.columns, table.iloc[0], strict=True)))
    assert written.count("The patient's ") == table.shape[1]
    assert "Geriatric Depression Scale score" in written


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (71.0, "71"),
        (np.float32(71.1), "71.1"),
        (71.4567, "71.46"),
        (1234.56, "1235"),
        (0.00421, "0.00421"),
        (-0.5, "-0.5"),
        (-0.0, "0"),
        (np.int64(3), "3"),
        (Decimal("2.50"), "2.5"),
        (10**12, "1000000000000"),
        ("27", "27"),
        ("27.0", "27"),
        ("007", "007"),
        ("two  words ", "two words"),
        ("{value} {x}", "{value} {x}"),
        (True, "yes"),
        (np.False_, "no"),
        (pd.Interval(60, 70), "(60, 70]"),
    ],
)
def test_values_are_written_as_the_table_has_them(cell, text):
    assert value_of(cell) == text


def test_codes_are_not_guessed():
    assert "sex is 2." in RecordTemplate().write({"PTGENDER": 2.0})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AGE", "age is 5 years"),
        ("weight_kg", "weight is 5 kg"),
        ("Weight (kg)", "Weight is 5 kg"),
        ("weight", "weight is 5."),
        ("education", "education is 5."),
        ("PTEDUCAT", "education is 5 years"),
        ("VSBPDIA", "diastolic blood pressure is 5 mmHg"),
        ("odd_{name}", "odd {name} is 5"),
        ("_", "_ is 5"),
    ],
)
def test_labels_and_units_follow_from_names_alone(name, text):
    assert text in RecordTemplate().write({name: 5})


def test_a_limit_of_detection_keeps_its_sign_and_gets_its_unit():
    assert "tau is >1700 pg/mL." in RecordTemplate().write({"tau_pg_ml": ">1700"})


def test_a_word_gets_no_unit():
    assert "age is unknown to her." in RecordTemplate().write({"age": "unknown to her"})


def test_the_user_words_columns():
    template = RecordTemplate(
        {
            "age": "The patient is {value} years old.",
            "sex": ColumnPhrase(label="gender"),
            "sbp": {"sentence": "{label}: {value} {{sitting}}", "unit": "mm Hg", "decimals": 1},
        },
        opening="Record:",
    )
    assert template.write({"age": 71, "sex": "F", "sbp": 130.26}) == (
        "Record: The patient is 71 years old. The patient's gender is F. systolic blood pressure: "
        "130.3 mm Hg {sitting}"
    )


def test_decimals_of_a_column_come_before_those_of_the_template():
    template = RecordTemplate({"bmi": ColumnPhrase(decimals=2)}, decimals=0)
    assert template.write({"age": 71.6, "bmi": 24.126}) == (
        "The patient's age is 72 years. The patient's body mass index is 24.13 kg/m2."
    )


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (RecordTemplate({"age": "old"}), "sentence of column 'age'.*must hold {value}"),
        (RecordTemplate({"age": "{value} {name}"}), "nothing in braces but {label}"),
        (RecordTemplate({"age": "{value:.1f}"}), "Decimal places are given by decimals="),
        (RecordTemplate({"age": "{value!r}"}), "Decimal places are given by decimals="),
        (RecordTemplate({"age": "{value"}), "Write {{ for a brace"),
        (RecordTemplate({"age": 3}), "a sentence, a ColumnPhrase or its parameters.*Got int"),
        (RecordTemplate({"age": {"words": "x"}}), "Got keys.*words"),
        (RecordTemplate({"weight": "{value}"}), "'weight', absent from it.*Choose from"),
        (RecordTemplate(missing="drop"), "must be 'say' or 'omit'. Got 'drop'"),
        (RecordTemplate(unknown="No {value}."), "unknown in a RecordTemplate must hold nothing"),
        (RecordTemplate(decimals=-1), "must be a number of places, or None. Got -1"),
        (RecordTemplate(decimals=True), "must be a number of places, or None. Got True"),
    ],
)
def test_a_bad_template_is_refused(template, message):
    with pytest.raises(InputError, match=message):
        template.write({"age": 71})


def test_infinite_numbers_are_refused():
    with pytest.raises(TableError, match="'age' must hold finite numbers"):
        RecordTemplate().write({"age": np.inf})


def test_objects_in_cells_are_type_errors():
    with pytest.raises(CellTypeError, match="must be a string or a number"):
        RecordTemplate().write({"age": [71]})


def test_a_template_survives_pickling():
    template = RecordTemplate({"age": ColumnPhrase(decimals=0)})
    assert pickle.loads(pickle.dumps(template)) == template
