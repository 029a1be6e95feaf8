"""Measures that stand in tables of their own."""

import json

import pandas as pd
import pytest

from adestim.datasets.loaders.data_dictionary import DataDictionary
from adestim.datasets.loaders.phenotype import (
    Measures,
    join_measures,
    read_measures,
    tidy_measures,
)
from adestim.exceptions import DataWarning, InputError, TableError

PEOPLE = pd.DataFrame({"age": ["70", "71"]}, index=["sub-01", "sub-02"], dtype="str")
SESSIONS = pd.Series({"sub-01": "ses-M000", "sub-02": "ses-M012"}, dtype="str")
SCORES = pd.DataFrame({"participant_id": ["sub-02", "sub-01"], "gait": [0.9, 1.2]})


def joined(root, phenotype, sessions=SESSIONS):
    return join_measures(PEOPLE, read_measures(root, phenotype), sessions)[0]


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "table",
    [
        SCORES,
        SCORES.assign(participant_id=["02", "01"]),
        SCORES.rename(columns={"participant_id": "Subject"}),
        SCORES.rename(columns={"participant_id": "ID"}),
        SCORES.set_index("participant_id"),
        SCORES.assign(participant_id=["02", "01"]).set_index("participant_id").rename_axis(None),
        pd.concat([SCORES, SCORES]),
    ],
    ids=["prefix", "no prefix", "Subject", "ID", "index", "index without name", "doubled"],
)
def test_frame_is_joined_by_identifiers(tmp_path, table):
    assert list(joined(tmp_path, table)["gait"]) == ["1.2", "0.9"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gait.tsv", "participant_id\tgait\nsub-02\t0.9\n01\t1.2\n"),
        ("gait.csv", "participant_id,gait\nsub-02,0.9\n01,1.2\n"),
        ("gait.csv", "participant_id;gait\r\nsub-02;0.9\r\n;\r\n01;1.2\r\n"),
        ("gait.tsv", "participant_id\tgait\nsub-02\t0.9\n01\t1.2\n".encode("utf-16")),
    ],
)
@pytest.mark.parametrize("by", ["path", "text", "name", "folder", "list"])
def test_file_is_joined_by_identifiers(tmp_path, name, content, by):
    path = write(tmp_path / "phenotype" / name, content)
    given = {"path": path, "text": str(path), "name": name, "folder": "phenotype", "list": [path]}
    assert list(joined(tmp_path, given[by])["gait"]) == ["1.2", "0.9"]


def test_workbook_is_joined_by_identifiers(tmp_path):
    pytest.importorskip("openpyxl")
    path = tmp_path / "gait.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"Read me": ["x"]}).to_excel(book, sheet_name="about", index=False)
        SCORES.to_excel(book, sheet_name="gait", index=False)
    assert list(joined(tmp_path, path)["gait"]) == ["1.2", "0.9"]


def test_row_of_the_session_taken_counts(tmp_path):
    table = "participant_id\tsession_id\tmoca\n01\tses-M00\t29\n01\tses-M12\t25\n02\tM012\t20\n"
    path = write(tmp_path / "moca.tsv", table)
    assert list(joined(tmp_path, path)["moca"]) == ["29", "20"]


def test_row_of_no_session_counts_where_none_of_the_session_is_there(tmp_path):
    table = "participant_id\tsession_id\tmoca\n01\tn/a\t29\n02\tn/a\t1\n02\tses-M012\t20\n"
    path = write(tmp_path / "moca.tsv", table)
    assert list(joined(tmp_path, path)["moca"]) == ["29", "20"]


def test_whoever_was_seen_at_other_sessions_alone_is_told(tmp_path):
    table = "participant_id\tsession_id\tmoca\n01\tses-M000\t29\n02\tses-M000\t25\n"
    path = write(tmp_path / "moca.tsv", table)
    with pytest.warns(DataWarning, match="'moca' tells of 1 participants at other .*: 'sub-02'"):
        assert joined(tmp_path, path)["moca"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    "table",
    [
        "participant_id\tmoca\n01\t29\nsub-01\t25\n",
        "participant_id\tsession_id\tmoca\n01\tses-M000\t29\nsub-01\tses-M00\t25\n",
    ],
)
def test_second_row_that_differs_is_refused_by_participant(tmp_path, table):
    path = write(tmp_path / "moca.tsv", table)
    with pytest.raises(TableError, match=r"'moca' has one row .*Got several for 'sub-01'"):
        joined(tmp_path, path)


def test_strangers_are_told_and_a_table_of_strangers_is_refused(tmp_path):
    some = pd.concat([SCORES, SCORES.assign(participant_id=["sub-9", "sub-9"]).iloc[:1]])
    with pytest.warns(DataWarning, match=r"1 participants of 'phenotype' .*: 'sub-9'"):
        joined(tmp_path, some)
    with pytest.raises(TableError, match=r"'sub-2' and, in the data set, 'sub-01'; nobody"):
        joined(tmp_path, SCORES.assign(participant_id=[2, 1]))


def test_name_that_is_taken_gets_the_name_of_the_table(tmp_path):
    path = write(tmp_path / "moca.tsv", "participant_id\tAge\tmoca\n01\t70\t29\n02\t72\t20\n")
    with pytest.warns(DataWarning, match="'moca' have the name of others .* called 'moca_Age'"):
        assert list(joined(tmp_path, path)) == ["age", "moca_Age", "moca"]


def test_column_that_says_the_same_is_there_once(tmp_path):
    same = SCORES.assign(Age=[71, 70])
    assert list(joined(tmp_path, same)) == ["age", "gait"]


def test_file_beside_a_table_is_read(tmp_path):
    path = write(tmp_path / "phenotype" / "moca.tsv", "participant_id\tmoca\n01\t-9\n02\t20\n")
    write(path.with_suffix(".json"), json.dumps({"moca": {"MissingValues": [-9]}}))
    (measures,) = read_measures(tmp_path, "moca")
    assert measures.dictionary.gaps == {"moca": {"-9"}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("mocca", r"Got 'mocca', which is neither; 'phenotype' has 'moca.tsv'"),
        (7, "a table, a path, or a list of these. Got int"),
        (["moca", None], "Got NoneType"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, given, message):
    write(tmp_path / "phenotype" / "moca.tsv", "participant_id\tmoca\n01\t-9\n")
    with pytest.raises(InputError, match=message):
        read_measures(tmp_path, given)


def test_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"names tables .* or a folder of them"):
        read_measures(tmp_path, tmp_path)


def test_table_without_identifiers_lists_its_columns():
    with pytest.raises(TableError, match=r"Got none among 2 columns, 'name', 'moca'"):
        tidy_measures(pd.DataFrame({"name": ["x"], "moca": ["1"]}), "moca", DataDictionary())


def test_measures_are_told_by_their_new_name():
    cells = pd.DataFrame({"subject": ["sub-01"], "session": [None], "age": ["9"]}, dtype="str")
    measures = Measures("scan", cells, DataDictionary(units={"age": "day"}))
    with pytest.warns(DataWarning, match="'scan_age'"):
        _, (dictionary,) = join_measures(PEOPLE, [measures], SESSIONS)
    assert dictionary.units == {"scan_age": "day"}
