"""Codes of a study."""

import pandas as pd
import pytest

from adestim.datasets.tables.codes import once, translated
from adestim.exceptions import TableError

SEXES = {"0": "F", "1": "M"}


def test_codes_become_words_and_missing_ones_stay_so():
    cells = pd.Series(["0", "1.0", " 1", None], dtype="str")
    assert translated(cells, SEXES, "SEX", "table").fillna("").tolist() == ["F", "M", "M", ""]


def test_code_of_another_study_is_refused():
    with pytest.raises(
        TableError, match=r"'SEX' of 'table.csv' is coded 0 = F, 1 = M. Got another"
    ):
        translated(pd.Series(["1", "2"], dtype="str"), SEXES, "SEX", "table.csv")


def test_first_known_cell_counts():
    table = pd.DataFrame({"subject": ["b", "a", "a"], "sex": [None, None, "F"]})
    assert once(table, "sex").to_dict() == {"a": "F"}
