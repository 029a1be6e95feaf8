"""ADNI's forms, put together."""

import pandas as pd
import pytest

from adestim.datasets.loaders.adni_tables import (
    apoe_genotypes,
    diagnoses,
    names_of,
    of_the_visit,
    persons,
    sexes,
    sites,
    with_sum_of_boxes,
)
from adestim.exceptions import DataWarning, TableError


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
    assert diagnoses(form(**{column: codes})).tolist() == labels


def test_cause_of_dementia_counts_in_every_phase():
    table = form(dxchange=["5", None], diagnosis=[None, "3"], due=["2", "1"])
    assert diagnoses(table).tolist() == ["Dementia (not AD)", "AD"]


def test_a_form_without_diagnoses_is_refused():
    with pytest.raises(TableError, match="none in any of them"):
        diagnoses(form(due=["1"]))


@pytest.mark.parametrize("cell", ["3/4", "4/3", "E3/E4", "E4E3", "34", "4 / 3"])
def test_alleles_are_sorted_however_they_are_written(cell):
    table = pd.DataFrame({"genotype": text(cell), "first": text(None), "second": text(None)})
    assert apoe_genotypes(table).tolist() == ["3/4"]


def test_alleles_in_two_columns_are_joined():
    table = pd.DataFrame(
        {
            "genotype": text(None, None, None),
            "first": text("4", "3.0", None),
            "second": text("2", "3.0", None),
        }
    )
    found = apoe_genotypes(table)
    assert found.iloc[:2].tolist() == ["2/4", "3/3"]
    assert pd.isna(found.iloc[2])


def test_other_alleles_are_refused():
    table = pd.DataFrame({"genotype": text("3/5"), "first": text(None), "second": text(None)})
    with pytest.raises(
        TableError, match=r"two of the alleles 2, 3 and 4\. Got something else in 1"
    ):
        apoe_genotypes(table)


def test_sex_is_read_from_codes_and_words():
    assert sexes(text("1", "2", "Male", "female")).tolist() == ["M", "F", "M", "F"]


def test_other_sexes_are_refused():
    with pytest.raises(TableError, match=r"1 or Male, 2 or Female\. Got something else in 1 rows"):
        sexes(text("1", "0"))


def test_boxes_are_added_up_where_the_sum_is_not_told():
    boxes = ["memory", "orient", "judge", "commun", "home", "care"]
    rows = pd.DataFrame({f"box_{box}": [0.5, 1.0, 0.5] for box in boxes})
    rows.loc[2, "box_home"] = None
    found = with_sum_of_boxes(rows.assign(cdrsb=[None, 7.0, None]))["cdrsb"]
    assert found.iloc[:2].tolist() == [3.0, 7.0]
    assert pd.isna(found.iloc[2])


def test_people_are_named_by_the_first_ptid_or_else_by_number():
    forms = {
        "a": pd.DataFrame(
            {"number": ["31", "7"], "ptid": text(None, None), "site": text("5", "9")}
        ),
        "b": pd.DataFrame({"number": ["31"], "ptid": text("023_S_0031"), "site": text("5")}),
    }
    names = names_of(forms)
    assert names.to_dict() == {"31": "023_S_0031", "7": "7"}
    assert sites(names, forms).to_dict() == {"31": "023", "7": "9"}


def test_numbers_of_one_person_are_chained():
    registry = pd.DataFrame({"number": ["30", "20"], "previous": text("002_S_0020", "10")})
    found = persons(pd.Index(["10", "20", "30", "40"]), registry)
    assert found.tolist() == ["10", "10", "10", "40"]


def test_forms_filed_under_an_earlier_visit_than_theirs_are_left_out():
    dates = pd.to_datetime(["2010-01-01", "2012-01-01", None])
    rows = pd.DataFrame({"number": ["1", "2", "3"], "slot": "bl", "mmse": [29, 20, 28]})
    visits = rows[["number", "slot"]].assign(date=pd.Timestamp("2010-03-01"))
    with pytest.warns(DataWarning, match="1 rows of 'MMSE' are dated more than 183 days.*'2'"):
        found = of_the_visit(rows.assign(date=dates), visits, "MMSE")
    assert found["mmse"].tolist() == [29, 28]
