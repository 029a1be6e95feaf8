"""Codes of diagnosis."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets.labelling.diagnoses import RULES, plain_codes, require_columns, rule_table
from adestim.exceptions import InputError, TableError


@pytest.mark.parametrize("codes", [[3, 3], [3.0, np.nan], ["3", "3.0"], ["3 ", None]])
def test_code_is_one_however_it_is_written(codes):
    assert set(plain_codes(pd.Series(codes)).dropna()) == {"3"}


@pytest.mark.parametrize("code", ["-4", "-1", -4, -1.0, ""])
def test_codes_for_missing_are_missing(code):
    assert plain_codes(pd.Series([code])).isna().all()


def test_codes_of_change_name_where_it_arrived():
    arrived = {"CN": "179", "MCI": "248", "AD": "356"}
    assert RULES["dxchange"] == {code: dx for dx, codes in arrived.items() for code in codes}


def test_unknown_rule_is_refused():
    with pytest.raises(InputError, match="'rule' parameter must be one of 'diagnosis'"):
        rule_table("dx")


def test_missing_column_is_refused():
    with pytest.raises(TableError, match=r"Visits have the columns 'subject', 'months'.*'months'"):
        require_columns(pd.DataFrame({"subject": []}), ["subject", "months"])
