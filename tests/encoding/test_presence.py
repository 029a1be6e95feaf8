"""Who has which modality, in every kind of table."""

import numpy as np
import pandas as pd

from adestim.encoding.blocks import ANONYMOUS
from adestim.encoding.presence import find_filled_cells, find_present
from adestim.evaluation import modality_columns


def test_columns_of_a_modality_are_found_in_every_kind_of_table(encodings):
    assert modality_columns(encodings) == {"smri": [0], "fmri": [1]}
    numbers = pd.DataFrame(columns=["mri__a", "csf__tau", "mri__b"], dtype=float)
    assert modality_columns(numbers) == {"mri": [0, 2], "csf": [1]}
    assert modality_columns(np.zeros((2, 3))) == {ANONYMOUS: [0, 1, 2]}


def test_every_column_of_raw_cells_is_a_modality():
    raw = pd.DataFrame({"t1w": ["a.nii", None], "age": [70.0, 71.0], "mmse": [29.0, None]})
    assert modality_columns(raw) == {"t1w": [0], "age": [1], "mmse": [2]}


def test_a_column_without_a_value_is_encodings_where_its_name_is_known(encodings):
    table = encodings.assign(fmri=None)
    assert modality_columns(table, known=["smri", "fmri"]) == {"smri": [0], "fmri": [1]}


def test_who_has_one_value_has_the_modality(encodings):
    present = find_present(encodings)
    assert present.to_numpy().tolist() == [[True, True], [False, True], [True, False]]
    assert present.index.tolist() == ["s1", "s2", "s3"]
    numbers = pd.DataFrame({"mri__a": [1.0, np.nan], "mri__b": [np.nan, np.nan]})
    assert find_present(numbers, {"mri": [0, 1]})["mri"].tolist() == [True, False]


def test_nothing_of_any_kind_is_not_known():
    cells = pd.DataFrame({"a": [None, "x"], "b": [np.nan, 1.0], "c": [pd.NA, pd.NaT]})
    assert find_filled_cells(cells).tolist() == [[False, False, False], [True, True, False]]
