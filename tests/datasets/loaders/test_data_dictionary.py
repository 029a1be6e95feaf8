"""What a file of JSON says of the columns of a table beside it."""

import json

import pandas as pd
import pytest

from adestim.datasets.loaders.data_dictionary import DataDictionary, drop_gaps, read_dictionary
from adestim.exceptions import DataWarning


def told(root, facts):
    path = root / "participants.json"
    path.write_text(json.dumps(facts))
    return read_dictionary(path)


def test_meanings_of_codes_are_texts_or_descriptions(tmp_path):
    facts = {
        "sex": {"Levels": {"1": "male", "2": {"Description": "female"}}},
        "age": {"Units": "year"},
        "odd": {"Levels": ["a", "b"]},
        "Name": "text",
    }
    dictionary = told(tmp_path, facts)
    assert dictionary.levels == {"sex": {"1": "male", "2": "female"}}
    assert dictionary.units == {"age": "year"}
    assert not read_dictionary(tmp_path / "nowhere.json").levels


@pytest.mark.parametrize(
    ("fact", "codes"),
    [
        ({"MissingValues": [-9, "999"]}, {"-9", "999"}),
        ({"MissingValue": -1}, {"-1"}),
        ({"Levels": {"-9": "missing", "0": "no", "1": "yes"}}, {"-9"}),
        ({"Levels": {"99": {"Description": "Not available."}}}, {"99"}),
        ({"Levels": {"8": "Refused to answer", "9": "unknown"}}, {"8", "9"}),
        ({"Levels": {"1": "missing teeth"}}, None),
    ],
)
def test_codes_of_missing_values_are_listed_or_explained(tmp_path, fact, codes):
    assert told(tmp_path, {"score": fact}).gaps.get("score") == codes


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff\xfe\x00", b"[1]"])
def test_file_that_tells_nothing_is_warned_of_or_empty(tmp_path, content):
    path = tmp_path / "participants.json"
    path.write_bytes(content)
    if content == b"[1]":
        assert read_dictionary(path) == DataDictionary()
        return
    with pytest.warns(DataWarning, match="'participants.json' is no JSON and is passed over"):
        assert read_dictionary(path) == DataDictionary()


def test_codes_become_missing_however_a_number_is_written():
    cells = pd.Series(["-9", "-9.0", "9", None], name="score", dtype="str")
    gaps = DataDictionary(gaps={"score": frozenset({"-9"})})
    assert drop_gaps(cells, gaps).isna().tolist() == [True, True, False, True]
    assert drop_gaps(cells.rename("other"), gaps).isna().sum() == 1


def test_first_that_speaks_of_a_column_counts():
    first, second = DataDictionary(units={"age": "year"}), DataDictionary(
        units={"age": "day", "x": "mm"}
    )  # fmt: skip
    joined = first.join([second.rename({"x": "y"})])
    assert joined.units == {"age": "year", "y": "mm"}
