"""What is done about columns that make the diagnosis."""

import pytest

from adestim.exceptions import LeakageWarning, TableError
from adestim.modalities.clinical.leakage import guard_columns


def test_the_guard_warns_with_names_reasons_and_choices():
    with pytest.warns(LeakageWarning, match=r"1 column.*'MMSE' \(Mini-Mental.*'exclude'.*'allow'"):
        assert list(guard_columns(["age", "MMSE"], "warn", "ClinicalExtractor")) == ["MMSE"]


@pytest.mark.parametrize("diagnostic", ["allow", "exclude"])
def test_the_guard_is_silent_when_told_what_to_do(diagnostic):
    assert list(guard_columns(["age", "MMSE"], diagnostic, "ClinicalExtractor")) == ["MMSE"]


def test_the_guard_refuses_to_leave_no_column():
    with pytest.raises(TableError, match=r"at least one column.*'CDRSB'.*diagnostic='allow'"):
        guard_columns(["MMSE", "CDRSB"], "exclude", "ClinicalExtractor")
