"""Three kinds of tables are read alike: encodings, prefixed numbers, plain numbers."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from adestim.encoding.blocks import ANONYMOUS
from adestim.encoding.tables import (
    check_fusion_table,
    numeric_block,
    pack_features,
    read_later_table,
    read_modalities,
    read_training_table,
)
from adestim.exceptions import DataWarning, InputError, NoModalityError
from tests.counting import calls_into


def values(cells):
    """Return packed numbers as rows, NaN where masked, None where there is no encoding."""
    return [
        None if cell is None else np.where(cell.mask, cell.tokens[:, 0], np.nan).tolist()
        for cell in cells
    ]


# Encodings


def test_encodings_are_read_column_by_column(encodings):
    modalities = read_modalities(encodings)
    assert list(modalities) == ["smri", "fmri"]
    assert modalities["smri"] == list(encodings["smri"])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_encodings_are_none(encodings, missing):
    encodings["smri"] = pd.Series([encodings["smri"].iloc[0], missing, None], dtype=object).values
    assert read_modalities(encodings)["smri"][1:] == [None, None]


def test_column_of_nothing_is_a_modality_that_nobody_has(encodings):
    assert read_modalities(encodings.assign(snp=None))["snp"] == [None] * 3


def test_raw_cell_among_encodings_is_refused(encodings):
    encodings.loc["s2", "smri"] = "sub-02_T1w.nii.gz"
    with pytest.raises(InputError, match=r"'smri' holds encodings.*type str.*ModalityUnion"):
        read_modalities(encodings)


def test_two_columns_of_encodings_with_one_name_are_refused(encodings):
    with pytest.raises(InputError, match="'smri' more than once"):
        read_modalities(encodings.set_axis(["smri", "smri"], axis=1))


# Numbers


def test_numeric_columns_are_grouped_by_prefix():
    frame = pd.DataFrame(
        [[1.0, 5.0, 2.0]], columns=["mri__hippocampus__left", "csf__tau", "mri__age"]
    )
    modalities = read_modalities(frame)
    assert list(modalities) == ["mri", "csf"]
    assert values(modalities["mri"]) == [[1.0, 2.0]]
    assert modalities["mri"][0].backbone.option("token_names") == ("hippocampus__left", "age")


@pytest.mark.parametrize("columns", [["age", "volume"], [0, 1]])
def test_columns_none_of_which_bears_a_prefix_are_one_modality(columns):
    modalities = read_modalities(pd.DataFrame([[1.0, 2.0]], columns=columns))
    assert values(modalities.pop(ANONYMOUS)) == [[1.0, 2.0]]
    assert not modalities


def test_encodings_and_numbers_stand_side_by_side(encodings):
    modalities = read_modalities(encodings.assign(csf__tau=[1, 2, 3], csf__abeta=[4.0, np.nan, 6]))
    assert list(modalities) == ["smri", "fmri", "csf"]
    assert values(modalities["csf"]) == [[1, 4], [2, pytest.approx(np.nan, nan_ok=True)], [3, 6]]


def test_one_name_for_encodings_and_numbers_is_refused(encodings):
    with pytest.raises(InputError, match=r"'smri' is both.*Rename"):
        read_modalities(encodings.assign(smri__volume=1.0))


def test_numbers_are_packed_one_token_a_feature():
    cells = pack_features(np.array([[1.0, np.nan], [np.nan, np.nan]]), ["tau", "abeta"])
    assert cells[1] is None
    np.testing.assert_array_equal(cells[0].tokens, [[1], [0]])
    np.testing.assert_array_equal(cells[0].mask, [True, False])
    assert cells[0].tokens.dtype == np.float32
    assert cells[0].backbone.option("token_names") == ("tau", "abeta")


@pytest.mark.parametrize("dtype", ["int8", "bool", "Int64", "Float32", "float16", object])
def test_every_numeric_type_is_read(dtype):
    frame = pd.DataFrame({"a": [1, 0]}).astype(dtype)
    np.testing.assert_array_equal(numeric_block(frame), [[1.0], [0.0]])


def test_unknown_number_of_a_nullable_type_is_nan():
    block = numeric_block(pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}))
    np.testing.assert_array_equal(block, [[1.0], [np.nan]])


@pytest.mark.parametrize(
    "cells",
    [
        ["F", "M", "F"],
        pd.Categorical(["F", "M", "F"]),
        np.array(["F", 1.0, None], dtype=object),
        pd.to_datetime(["2020-01-01"] * 3),
    ],
    ids=["text", "category", "object", "date"],
)
def test_column_that_holds_no_numbers_is_named_with_the_remedy(encodings, cells):
    with pytest.raises(InputError, match=r"Column 'sex' must hold .*Encode it with an extractor"):
        read_modalities(encodings.assign(sex=cells))


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_number_too_large_for_a_token_is_refused(encodings, value):
    with pytest.raises(InputError, match=r"'tau' must hold finite numbers.*Replace it by NaN"):
        read_modalities(encodings.assign(age=1.0, tau=[1.0, np.nan, value]))


# The modalities seen in fit


@pytest.mark.parametrize("missing", [None, np.nan])
def test_modality_absent_at_prediction_may_be_none_or_nan(encodings, missing):
    modalities = read_modalities(encodings.assign(fmri=missing), known=["smri", "fmri"])
    assert modalities["fmri"] == [None] * 3


def test_number_absent_at_prediction_may_be_none():
    frame = pd.DataFrame([{"tau": None, "abeta": 2.0}])
    modalities = read_modalities(frame, known=[ANONYMOUS])
    assert values(modalities[ANONYMOUS]) == [[pytest.approx(np.nan, nan_ok=True), 2.0]]


def test_prefixed_column_of_nothing_is_one_of_numbers():
    frame = pd.DataFrame({"csf__tau": [None, None], "csf__abeta": [1.0, 2.0]})
    assert list(read_modalities(frame)) == ["csf"]


def test_lost_modality_is_named(encodings):
    with pytest.raises(InputError, match=r"'fmri' were seen in fit.*Got 'smri'.*None or NaN"):
        read_modalities(encodings[["smri"]], known=["smri", "fmri"])


# What reading costs


def prefixed(n_subjects, n_features, dtype=np.float64):
    rng = np.random.default_rng(0)
    columns = [f"{name}__{feature}" for name in ("mri", "csf") for feature in range(n_features)]
    numbers = rng.normal(size=(n_subjects, len(columns)))
    return pd.DataFrame(numbers, columns=columns).astype(dtype)


def split(frame):
    """The same frame, its columns lying in memory one by one."""
    return pd.concat([frame[[name]] for name in frame], axis=1)


def calls_of_reading(package, n_subjects, n_features):
    frame = prefixed(n_subjects, n_features)
    return calls_into(
        package, lambda: read_training_table(check_fusion_table(Reader(), frame, reset=True))
    )


@pytest.mark.parametrize("package", ["pandas", "adestim", "sklearn"])
def test_reading_numbers_calls_nothing_for_every_cell_and_next_to_nothing_for_a_column(package):
    narrow, wide, long = (
        calls_of_reading(package, *size) for size in ((3, 3), (3, 300), (200, 300))
    )
    # Labels are listed and types compared one by one.
    assert wide - narrow < 4 * 600
    assert long == wide


def test_numbers_of_a_frame_are_not_copied_but_for_the_tokens():
    frame = prefixed(5, 4)
    checked = check_fusion_table(Reader(), frame, reset=True)
    assert np.shares_memory(checked.to_numpy(), frame.to_numpy())
    assert np.shares_memory(numeric_block(checked.iloc[:, :4]), frame.to_numpy())
    subjects = read_training_table(checked)
    assert np.shares_memory(subjects.cells["mri"][0].tokens, subjects.tables["mri"].tokens)


@pytest.mark.parametrize("shape", [lambda frame: frame, lambda frame: frame.to_numpy(), split])
def test_what_is_checked_may_be_changed_and_the_table_stays_as_it_is(shape):
    table = shape(prefixed(3, 2))
    checked = check_fusion_table(Reader(), table, reset=True)
    checked.iloc[:, :] = 0.0
    checked.iloc[0, 0] = 1.0
    np.testing.assert_array_equal(np.asarray(table), prefixed(3, 2))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "Float64"])
def test_reading_is_the_same_for_every_type_and_order_of_columns(dtype):
    frame = prefixed(6, 3).round(0)
    tables = read_training_table(frame).tables
    other = frame.astype(dtype)[["csf__0", "mri__0", "csf__1", "mri__1", "csf__2", "mri__2"]]
    for name, table in read_training_table(other).tables.items():
        np.testing.assert_array_equal(table.tokens, tables[name].tokens)
        assert table.backbone == tables[name].backbone


# Checks of a fusion estimator


class Reader(BaseEstimator):
    """Has what a fusion estimator has when its table is checked."""


def fit_reader(X):
    reader = Reader()
    check_fusion_table(reader, X, reset=True)
    return reader


def test_encodings_table_passes_with_index_and_names(encodings):
    reader = Reader()
    checked = check_fusion_table(reader, encodings, reset=True)
    pd.testing.assert_frame_equal(checked, encodings)
    assert list(reader.feature_names_in_) == ["smri", "fmri"]
    assert reader.n_features_in_ == 2


def test_array_of_encodings_bears_the_names_of_fit(encodings):
    reader = fit_reader(encodings)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        checked = check_fusion_table(reader, encodings.to_numpy(dtype=object), reset=False)
    assert list(checked.columns) == ["smri", "fmri"]


def test_numeric_frame_keeps_its_index():
    frame = pd.DataFrame({"mri__a": [1, 2]}, index=["s1", "s1"])
    checked = check_fusion_table(Reader(), frame, reset=True)
    assert list(checked.index) == ["s1", "s1"]
    assert list(checked.columns) == ["mri__a"]


def test_numeric_array_gets_names():
    assert list(check_fusion_table(Reader(), [[1, 2], [3, 4]], reset=True)) == ["x0", "x1"]


def test_frame_after_a_fit_on_an_array_is_read_by_position():
    reader = fit_reader(np.ones((2, 2)))
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    with pytest.warns(UserWarning, match="fitted without feature names"):
        checked = check_fusion_table(reader, frame, reset=False)
    assert list(checked.columns) == ["x0", "x1"]


def test_infinite_number_is_refused():
    with pytest.raises(ValueError, match="infinity"):
        check_fusion_table(Reader(), [[np.inf]], reset=True)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
@pytest.mark.parametrize("n_rows", [0, 2])
def test_frame_is_refused_in_the_words_of_scikit_learn(dtype, n_rows):
    frame = pd.DataFrame(np.ones((n_rows, 2)), columns=["a", "b"]).astype(dtype)
    if n_rows:
        frame = frame.astype({"a": "float64"} if dtype == "int64" else dtype)
        frame.loc[1, "a"] = np.inf
    rules = {"dtype": [np.float64, np.float32], "ensure_all_finite": "allow-nan"}
    with pytest.raises(ValueError) as expected:  # noqa: PT011
        validate_data(Reader(), frame, **rules)
    with pytest.raises(ValueError, match=re.escape(str(expected.value))):
        check_fusion_table(Reader(), frame, reset=True)


def test_other_columns_than_in_fit_are_refused(encodings):
    reader = fit_reader(encodings)
    with pytest.raises(ValueError, match="seen at fit time, yet now missing:\n- fmri"):
        check_fusion_table(reader, encodings[["smri"]], reset=False)


# Training


def test_training_tables_hold_every_modality(encodings):
    tables = read_training_table(encodings).tables
    assert {name: table.tokens.shape for name, table in tables.items()} == {
        "smri": (3, 2, 3), "fmri": (3, 2, 3),
    }  # fmt: skip


def test_modality_without_a_training_subject_is_left_out_with_a_word(encodings):
    with pytest.warns(DataWarning, match="No training subject has 'snp'; the fit does without"):
        subjects = read_training_table(encodings.assign(snp=None))
    assert subjects.names == ("smri", "fmri")
    assert set(subjects.tables) == {"smri", "fmri"}


def test_training_subject_without_a_modality_is_refused_by_name(encodings):
    encodings.loc["s2", "fmri"] = None
    with pytest.raises(NoModalityError, match="the first 's2'"):
        read_training_table(encodings)


def test_table_without_any_modality_is_refused_without_a_warning(encodings):
    with pytest.raises(NoModalityError, match="3 subject"):
        read_training_table(encodings.assign(smri=None, fmri=None))


# Subjects


def test_later_subjects_are_read_as_those_of_fit(encodings):
    fitted = read_training_table(encodings)
    likes = fitted.likes()
    assert all(len(like.tokens) == 0 for like in likes.values())
    later = read_later_table(encodings[["fmri", "smri"]], likes)
    assert list(later.tables) == list(later.cells) == list(fitted.tables) == ["fmri", "smri"]
    np.testing.assert_array_equal(later.present, [[True, True], [True, False], [False, True]])
    for found, expected in zip(later.pool_tokens(), fitted.pool_tokens(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_later_subject_with_nothing_is_refused_by_name(encodings):
    likes = read_training_table(encodings).likes()
    with pytest.raises(NoModalityError, match="'s2'"):
        read_later_table(encodings.assign(fmri=None), likes)
