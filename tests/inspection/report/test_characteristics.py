"""Who the subjects are, by class."""

import numpy as np
import pandas as pd
import pytest

from adestim.inspection.report.characteristics import (
    find_characteristics,
    tabulate_characteristics,
)

LABELS = np.array(["AD", "AD", "AD", "CN", "CN", "CN", "CN", "CN"])


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("age", "age"), ("clinical__AGE", "age"), ("Age at visit", "age"), ("PTGENDER", "sex"),
        ("education_years", "education"), ("PTEDUCAT", "education"), ("apoe", "APOE"),
        ("genetics__APOE4", "APOE"),
    ],
)  # fmt: skip
def test_columns_are_known_by_their_names(column, name):
    assert list(find_characteristics(pd.DataFrame({column: range(8)}))) == [name]


@pytest.mark.parametrize("column", ["stage", "dosage", "percentage", "volume_age_adjusted"])
def test_other_columns_are_not_taken_for_them(column):
    assert find_characteristics(pd.DataFrame({column: range(8)})).empty


def test_an_array_tells_nothing_of_its_subjects():
    assert find_characteristics(np.zeros((3, 2))).shape == (3, 0)


def test_numbers_have_means_and_levels_have_shares():
    frame = pd.DataFrame(
        {"age": np.arange(70.0, 78.0), "sex": ["F", "M", "n/a", "F", "F", "F", "M", None]}
    )
    table = tabulate_characteristics(frame, LABELS)
    assert list(table) == ["AD (n = 3)", "CN (n = 5)", "all (n = 8)"]
    assert table.loc["age"].tolist() == ["71.0 ± 1.0", "75.0 ± 1.6", "73.5 ± 2.4"]
    assert table.loc["sex: F"].tolist() == ["1 (50%)", "3 (75%)", "4 (67%)"]
    assert table.loc["sex: not known"].tolist() == ["1", "1", "2"]


def test_numbers_to_predict_have_one_column():
    table = tabulate_characteristics(pd.DataFrame({"age": np.arange(8.0)}), None)
    assert list(table) == ["all (n = 8)"]
