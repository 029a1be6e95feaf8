"""ADNIMERGE as a study."""

import pandas as pd
import pytest

from adestim.datasets.loaders.adnimerge import read_merged
from adestim.exceptions import DataWarning, TableError

HEAD = (
    "PTEDUCAT,MMSE,CDRSB,ADAS13,FAQ,"
    "RID,PTID,VISCODE,EXAMDATE,EXAMDATE_bl,DX_bl,DX,AGE,PTGENDER,APOE4,ABETA\n"
)
SCORES = "16,27,1.5,12,2,"
FIRST = "31,023_S_0031,bl,2006-01-05,2006-01-05,LMCI,MCI,70.0,Male,2,>1700\n"
LATER = "31,023_S_0031,m24,2008-01-05,2006-01-05,LMCI,MCI to Dementia,70.0,Male,2,850.3\n"


def read(root, *rows):
    (root / "ADNIMERGE.csv").write_text(HEAD + "".join(SCORES + row for row in rows))
    return read_merged(root)


@pytest.mark.filterwarnings("ignore:.*does not say what dementia")
def test_visits_have_their_own_age_and_diagnosis(tmp_path):
    visits = read(tmp_path, FIRST, LATER).visits
    assert visits["age"].tolist() == [70.0, 72.0]
    assert visits["diagnosis"].tolist() == ["MCI", "AD"]
    assert visits["abeta"].tolist() == [1700, 850.3]
    assert visits["abeta_censored"].tolist() == [">", ""]


@pytest.mark.filterwarnings("ignore:.*does not say what dementia")
def test_age_at_the_baseline_needs_no_date(tmp_path):
    study = read(tmp_path, FIRST.replace("2006-01-05", ""))
    assert study.visits["age"].tolist() == [70.0]


def test_an_unknown_cause_of_dementia_is_warned_of(tmp_path):
    with pytest.warns(DataWarning, match="Put DXSUM into the same folder"):
        study = read(tmp_path, FIRST)
    assert study.people["apoe4"].tolist() == [2]


def test_genotypes_are_taken_from_their_own_table(tmp_path):
    (tmp_path / "APOERES.csv").write_text("RID,VISCODE,GENOTYPE\n31,sc,4/3\n")
    (tmp_path / "DXSUM.csv").write_text("RID,VISCODE2,DIAGNOSIS,DXDDUE\n31,m24,3,2\n")
    study = read(tmp_path, FIRST, LATER)
    assert study.people["apoe"].tolist() == ["3/4"]
    assert "apoe4" not in study.people
    assert study.visits["diagnosis"].tolist() == ["MCI", "Dementia (not AD)"]


def test_research_group_is_no_diagnosis(tmp_path):
    with pytest.warns(DataWarning):
        study = read(tmp_path, FIRST.replace("MCI,MCI", "MCI,"), LATER)
    assert pd.isna(study.visits["diagnosis"].iloc[0])


def test_missing_columns_are_named(tmp_path):
    (tmp_path / "ADNIMERGE.csv").write_text("RID,VISCODE,DX,PTGENDER,AGES\n31,bl,CN,Male,70\n")
    with pytest.raises(TableError, match=r"column 'AGE'. Got none; nearest: 'AGES'"):
        read_merged(tmp_path)
