"""The curated data cut of PPMI."""

import sys

import pandas as pd
import pytest

from adestim.datasets.loaders.ppmi_curated import COLUMNS, read_curated, read_sheet_of_visits
from adestim.exceptions import MissingDependencyError, TableError
from tests.datasets.writers.ppmi import make_participants, write_curated


def rows(root, table):
    every = [name if isinstance(name, str) else name[0] for name in COLUMNS.values()]
    cells = pd.DataFrame(table).reindex(columns=every)
    cells.to_csv(root / "PPMI_Curated_Data_Cut_Public_20240129.csv", index=False)
    return read_curated(root)


def test_later_visits_tell_only_what_does_not_change(tmp_path):
    found = rows(tmp_path, {"PATNO": [3000, 3000], "EVENT_ID": ["V04", "BL"], "COHORT": [1, 1],
                            "SEX": ["0", "."], "moca": [20, "."]})  # fmt: skip
    assert found.loc["3000", "sex"] == "0"
    assert pd.isna(found.loc["3000", "moca"])
    assert found.loc["3000", "event"] == "BL"


def test_participant_without_a_baseline_has_no_event(tmp_path):
    found = rows(tmp_path, {"PATNO": [3000], "EVENT_ID": ["V04"], "COHORT": [1], "SEX": [0]})
    assert found["event"].isna().all()


@pytest.mark.parametrize(
    ("subgroup", "genetic"),
    [("Sporadic PD", False), ("LRRK2", True), ("GBA + LRRK2", True), ("Genetic PD", True)],
)
def test_subgroup_tells_of_a_variant(tmp_path, subgroup, genetic):
    found = rows(tmp_path, {"PATNO": [3000], "EVENT_ID": ["BL"], "COHORT": [1], "SEX": [0],
                            "subgroup": subgroup})  # fmt: skip
    assert found["genetic"].tolist() == [genetic]


def test_workbook_without_openpyxl_says_what_to_do(tmp_path, monkeypatch):
    _, frame, target = make_participants(4)
    write_curated(frame, target, tmp_path, suffix=".xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingDependencyError, match="save the sheet of the visits as"):
        read_curated(tmp_path)


def test_workbook_without_visits_is_refused(tmp_path):
    path = tmp_path / "PPMI_Curated_Data_Cut_Public_20240129.xlsx"
    pd.DataFrame({"Variable": ["PATNO"]}).to_excel(path, index=False)
    with pytest.raises(TableError, match=r"'PATNO' and 'EVENT_ID'\. Got none of 1"):
        read_sheet_of_visits(path)


def test_file_that_is_no_workbook_is_refused(tmp_path):
    path = tmp_path / "PPMI_Curated_Data_Cut_Public_20240129.xlsx"
    path.write_bytes(b"no workbook")
    with pytest.raises(TableError, match="A curated data cut is a workbook"):
        read_sheet_of_visits(path)
