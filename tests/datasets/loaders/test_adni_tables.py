"""ADNI's forms, put together."""

import pandas as pd
import pytest

from adestim.datasets.loaders.adni_tables import (
    add_sum_of_boxes,
    drop_late_rows,
    find_sites,
    name_people,
    name_persons,
    read_apoe_genotypes,
    read_diagnoses,
    read_merged,
    translate_sexes,
)
from adestim.exceptions import DataWarning, TableError

HEAD = (
    "PTEDUCAT,MMSE,CDRSB,ADAS13,FAQ,"
    "RID,PTID,VISCODE,EXAMDATE,EXAMDATE_bl,DX_bl,DX,AGE,PTGENDER,APOE4,ABETA\n"
)
SCORES = "16,27,1.5,12,2,"
FIRST = "31,023_S_0031,bl,2006-01-05,2006-01-05,LMCI,MCI,70.0,Male,2,>1700\n"
LATER = "31,023_S_0031,m24,2008-01-05,2006-01-05,LMCI,MCI to Dementia,70.0,Male,2,850.3\n"


def text(*values):
    return pd.Series(values, dtype="str")


def form(**columns):
    table = {"diagnosis": None, "dxcurren": None, "dxchange": None, "due": None, **columns}
    return pd.DataFrame(table, index=range(max(len(v) for v in columns.values())), dtype="str")


@pytest.mark.parametrize(
    ("column", "codes", "labels"),
    [
        ("dxcurren", ["1", "2", "3"], ["CN", "MCI", "AD"]),
        ("dxchange", ["7", "4", "5", "8"], ["CN", "MCI", "AD", "MCI"]),
        ("diagnosis", ["1", "2", "3"], ["CN", "MCI", "AD"]),
        ("diagnosis", ["CN", "MCI", "Dementia"], ["CN", "MCI", "AD"]),
    ],
)
def test_diagnoses_of_every_phase_are_one(column, codes, labels):
    assert read_diagnoses(form(**{column: codes})).tolist() == labels


def test_cause_of_dementia_counts_in_every_phase():
    table = form(dxchange=["5", None], diagnosis=[None, "3"], due=["2", "1"])
    assert read_diagnoses(table).tolist() == ["Dementia (not AD)", "AD"]


def test_a_form_without_diagnoses_is_refused():
    with pytest.raises(TableError, match="none in any of them"):
        read_diagnoses(form(due=["1"]))


@pytest.mark.parametrize("cell", ["3/4", "4/3", "E3/E4", "E4E3", "34", "4 / 3"])
def test_alleles_are_sorted_however_they_are_written(cell):
    table = pd.DataFrame({"genotype": text(cell), "first": text(None), "second": text(None)})
    assert read_apoe_genotypes(table).tolist() == ["3/4"]


def test_alleles_in_two_columns_are_joined():
    table = pd.DataFrame(
        {
            "genotype": text(None, None, None),
            "first": text("4", "3.0", None),
            "second": text("2", "3.0", None),
        }
    )
    found = read_apoe_genotypes(table)
    assert found.iloc[:2].tolist() == ["2/4", "3/3"]
    assert pd.isna(found.iloc[2])


def test_other_alleles_are_refused():
    table = pd.DataFrame({"genotype": text("3/5"), "first": text(None), "second": text(None)})
    with pytest.raises(
        TableError, match=r"two of the alleles 2, 3 and 4\. Got something else in 1"
    ):
        read_apoe_genotypes(table)


def test_sex_is_read_from_codes_and_words():
    assert translate_sexes(text("1", "2", "Male", "female")).tolist() == ["M", "F", "M", "F"]


def test_other_sexes_are_refused():
    with pytest.raises(TableError, match=r"1 or Male, 2 or Female\. Got something else in 1 rows"):
        translate_sexes(text("1", "0"))


def test_boxes_are_added_up_where_the_sum_is_not_told():
    boxes = ["memory", "orient", "judge", "commun", "home", "care"]
    rows = pd.DataFrame({f"box_{box}": [0.5, 1.0, 0.5] for box in boxes})
    rows.loc[2, "box_home"] = None
    found = add_sum_of_boxes(rows.assign(cdrsb=[None, 7.0, None]))["cdrsb"]
    assert found.iloc[:2].tolist() == [3.0, 7.0]
    assert pd.isna(found.iloc[2])


def test_people_are_named_by_the_first_ptid_or_else_by_number():
    forms = {
        "a": pd.DataFrame(
            {"number": ["31", "7"], "ptid": text(None, None), "site": text("5", "9")}
        ),
        "b": pd.DataFrame({"number": ["31"], "ptid": text("023_S_0031"), "site": text("5")}),
    }
    names = name_people(forms)
    assert names.to_dict() == {"31": "023_S_0031", "7": "7"}
    assert find_sites(names, forms).to_dict() == {"31": "023", "7": "9"}


def test_numbers_of_one_person_are_chained():
    registry = pd.DataFrame({"number": ["30", "20"], "previous": text("002_S_0020", "10")})
    found = name_persons(pd.Index(["10", "20", "30", "40"]), registry)
    assert found.tolist() == ["10", "10", "10", "40"]


def test_forms_filed_under_an_earlier_visit_than_theirs_are_left_out():
    dates = pd.to_datetime(["2010-01-01", "2012-01-01", None])
    rows = pd.DataFrame({"number": ["1", "2", "3"], "slot": "bl", "mmse": [29, 20, 28]})
    visits = rows[["number", "slot"]].assign(date=pd.Timestamp("2010-03-01"))
    with pytest.warns(DataWarning, match="1 rows of 'MMSE' are dated more than 183 days.*'2'"):
        found = drop_late_rows(rows.assign(date=dates), visits, "MMSE")
    assert found["mmse"].tolist() == [29, 28]


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
