"""Tables of ADNI, read by their keys."""

import json

import pytest

from adestim.datasets.loaders.adni_forms import (
    APOE,
    DEMOGRAPHICS,
    DIAGNOSES,
    MEASURES,
    MERGED,
    REGISTRY,
    has_form,
    read_form,
    settle_visits,
)
from adestim.exceptions import DataWarning, TableError
from tests.datasets.writers.adni import ADNIMERGE

MMSE = MEASURES[0]


def write(root, text, name="MMSE_23Dec2025.csv"):
    (root / name).write_text(text)


def test_visits_are_told_apart_by_the_translated_code(tmp_path):
    write(tmp_path, "RID,Phase,VISCODE,VISCODE2,VISDATE,MMSCORE\n31,ADNI2,v11,m72,2012-01-05,-4\n")
    table = read_form(tmp_path, MMSE)
    row = table.iloc[0]
    assert (row["number"], row["code"], row["slot"], row["phase"]) == ("31", "m72", "m72", "ADNI2")
    assert table["mmse"].isna().all()


def test_who_a_row_is_about_may_stand_in_the_ptid_alone(tmp_path):
    write(tmp_path, "PTID,VISCODE,MMSCORE\n002_S_10898,bl,29\n")
    assert read_form(tmp_path, MMSE)["number"].tolist() == ["10898"]


def test_rows_about_nobody_are_refused(tmp_path):
    write(tmp_path, "RID,VISCODE,MMSCORE\n,bl,29\n31,bl,28\n")
    with pytest.raises(TableError, match=r"has a RID or a PTID\. Got 1 rows without one"):
        read_form(tmp_path, MMSE)


def test_an_optional_table_may_be_missing(tmp_path):
    assert read_form(tmp_path, MMSE) is None
    assert not has_form(tmp_path, MMSE)


def test_a_required_table_is_named_with_where_to_get_it(tmp_path):
    with pytest.raises(TableError, match=r"Download it: study files of ADNI at ida\.loni"):
        read_form(tmp_path, DIAGNOSES, required=True)


def test_old_names_of_a_table_are_known(tmp_path):
    write(tmp_path, "RID,VISCODE,DXCHANGE\n31,bl,1\n", "DXSUM_PDXCONV_ADNIALL.csv")
    assert has_form(tmp_path, DIAGNOSES)


def test_of_rows_entered_twice_the_one_changed_last_counts(tmp_path):
    write(
        tmp_path,
        "RID,VISCODE,USERDATE,MMSCORE\n31,bl,2012-05-01,20\n31,bl,2010-05-01,29\n",
    )
    with pytest.warns(DataWarning, match="differing rows"):
        table = settle_visits(read_form(tmp_path, MMSE), "MMSE")
    assert table["mmse"].tolist() == [20]


# Columns of tables before October 2024 only.
OLD = {"dxcurren", "dxchange", "first", "second", "birth_month"}


@pytest.mark.parametrize("form", [DIAGNOSES, DEMOGRAPHICS, APOE, REGISTRY, *MEASURES])
def test_columns_are_those_of_the_data_dictionary(reference, form):
    tables = json.loads((reference / "schemas" / "adni_tables.json").read_text())
    there = {column["name"] for column in tables[form.names[0]]["columns"]}
    for name in set(form.columns) - OLD:
        spellings = form.columns[name]
        spellings = {spellings} if isinstance(spellings, str) else set(spellings)
        assert spellings & there, name


def test_columns_of_adnimerge_are_those_of_the_export(reference):
    export = json.loads((reference / "schemas" / "other_formats.json").read_text())
    assert export["ADNIMERGE.csv"]["columns"] == ADNIMERGE
    assert set(MERGED.columns.values()) <= set(ADNIMERGE)
