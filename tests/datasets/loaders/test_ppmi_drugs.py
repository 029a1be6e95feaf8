"""Medication in PPMI."""

import pandas as pd
import pytest

from adestim.datasets.loaders.ppmi_drugs import dose_at_baseline


def dose(root, *rows):
    """Levodopa equivalents of one participant whose baseline is in March 2012."""
    table = pd.DataFrame(rows, columns=["STARTDT", "STOPDT", "LEDD"]).assign(PATNO="3000")
    table.to_csv(root / "LEDD_Concomitant_Medication_Log_24Jul2023.csv", index=False)
    baseline = pd.Series(pd.to_datetime(["2012-03-01", None]), index=["3000", "3001"])
    return dose_at_baseline(root, baseline)


@pytest.mark.parametrize(
    ("rows", "ledd", "medicated"),
    [([], 0, False),
     ([("02/2012", "", "300")], 300, True),
     ([("02/2012", "", "300"), ("01/2012", "03/2012", "100")], 400, True),
     ([("02/2012", "02/2012", "300")], 0, False),
     ([("03/2012", "", "300")], 0, False),
     ([("", "", "300")], 300, True),
     ([("02/2012", "", "300"), ("02/2012", "", "LD x 0.33")], None, True)],
)  # fmt: skip
def test_dose_is_what_was_taken_before_the_month_of_the_baseline(tmp_path, rows, ledd, medicated):
    found = dose(tmp_path, *rows).loc["3000"]
    assert found["medicated"] == medicated
    assert (None if pd.isna(found["ledd"]) else found["ledd"]) == ledd


def test_participant_without_a_date_is_not_known(tmp_path):
    assert dose(tmp_path, ("02/2012", "", "300")).loc["3001"].isna().all()


def test_nobody_is_known_without_a_log(tmp_path):
    baseline = pd.Series(pd.to_datetime(["2012-03-01"]), index=["3000"])
    assert dose_at_baseline(tmp_path, baseline).isna().all(axis=None)
