"""Names of BIDS, and the sidecars beside and above a file."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nilearn.interfaces.bids import parse_bids_filename

from adestim._support.bids import (
    find_namesake,
    find_sidecars,
    list_stated_times,
    parse_name,
    read_json,
)

GRAY = (
    "sub-01_ses-M000_T1w_segm-graymatter_space-Ixi549Space_modulated-on_fwhm-8mm_probability.nii.gz"
)


def test_name_is_taken_apart_though_a_suffix_stands_in_its_middle():
    name = parse_name(GRAY)
    assert name.suffix == "probability"
    assert name.extension == ".nii.gz"
    assert name.entities["space"] == "Ixi549Space"
    assert "T1w" not in name.entities


LABELS = st.text("abcXYZ019+", min_size=1, max_size=8)


@given(st.dictionaries(LABELS, LABELS, max_size=6), LABELS, st.sampled_from([".nii.gz", ".tsv"]))
def test_name_of_any_entities_comes_apart_as_it_was_put_together(entities, suffix, extension):
    pairs = [f"{key}-{value}" for key, value in entities.items()]
    name = parse_name("_".join([*pairs, suffix]) + extension)
    assert name == (entities, suffix, extension)


def test_name_without_a_suffix_has_none():
    assert parse_name("sub-01_task-rest.json").suffix == ""


@given(st.dictionaries(LABELS, LABELS, max_size=6), LABELS, st.sampled_from([".nii.gz", ".tsv"]))
def test_name_comes_apart_as_by_nilearn(entities, suffix, extension):
    pairs = [f"{key}-{value}" for key, value in entities.items()]
    name = "_".join([*pairs, suffix]) + extension
    theirs = parse_bids_filename(name)
    assert parse_name(name) == (theirs["entities"], theirs["suffix"], f".{theirs['extension']}")


def test_label_with_a_hyphen_is_kept_whole():
    assert parse_name("sub-AD-01_T1w.nii.gz").entities == {"sub": "AD-01"}


def test_name_without_a_dot_is_taken_apart():
    assert parse_name("sub-01_bold") == ({"sub": "01"}, "bold", "")


# Sidecars


def write_json(path, **fields):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields), encoding="utf-8")
    return path


def test_sidecars_come_nearest_and_most_particular_first(tmp_path):
    func = tmp_path / "sub-1" / "func"
    wanted = [
        write_json(func / "sub-1_task-rest_run-1_bold.json"),
        write_json(func / "sub-1_task-rest_bold.json"),
        write_json(tmp_path / "task-rest_bold.json"),
        write_json(tmp_path / "bold.json"),
    ]
    for other in ("sub-2_task-rest_bold.json", "strange_bold.json", "task-rest_events.json"):
        write_json(tmp_path / other)
    assert list(find_sidecars(func / "sub-1_task-rest_run-1_bold.nii.gz")) == wanted


def test_file_without_entities_has_its_namesake_alone(tmp_path):
    own = write_json(tmp_path / "rest.json")
    write_json(tmp_path.parent / "rest.json")
    assert list(find_sidecars(tmp_path / "rest.nii.gz")) == [own]


def test_namesake_is_no_other_file():
    names = {"ADNI_I1.json", "ADNI_I1.nii"}
    ((sidecar,),) = find_namesake("folder", "ADNI_I1.nii", names).values()
    assert sidecar.path.endswith("ADNI_I1.json")
    assert find_namesake("folder", "ADNI_I2.nii", names) == {}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_json_is_read_in_every_encoding(tmp_path, encoding):
    path = tmp_path / "bold.json"
    path.write_text('{"InstitutionName": "Universität"}', encoding=encoding)
    assert read_json(path) == {"InstitutionName": "Universität"}


def test_json_that_is_no_object_has_no_fields(tmp_path):
    (tmp_path / "bold.json").write_text("[2.0]")
    assert read_json(tmp_path / "bold.json") == {}


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"RepetitionTime": 2}, [2.0]),
        ({"RepetitionTime": "2.0"}, [2.0]),
        ({"SamplingFrequency": "0.5"}, [2.0]),
        ({"SamplingFrequency": 0}, [0.0]),
        ({"RepetitionTime": 3.0, "SamplingFrequency": 0.5}, [3.0, 2.0]),
        ({"RepetitionTime": None}, []),
        ({"RepetitionTime": True}, [None]),
        ({"RepetitionTime": "3 s"}, [None]),
        ({"RepetitionTime": "inf"}, [None]),
        ({"RepetitionTime": [2.0]}, [None]),
    ],
)
def test_times_are_numbers_also_in_writing(fields, seconds):
    assert [time.seconds for time in list_stated_times(fields)] == seconds
