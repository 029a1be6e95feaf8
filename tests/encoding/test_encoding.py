"""Encodings: immutable, cheap to move about, at home in a table."""

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adestim.encoding import BackboneSpec, Encoding, encodings_frame, is_missing
from adestim.store.record import StoredArray

SPEC = BackboneSpec("dosage", options=(("token_names", ("rs429358", "rs7412")),))


@pytest.fixture
def encoding():
    tokens = np.arange(6, dtype=np.float32).reshape(2, 3)
    return Encoding(tokens, tokens, np.array([True, False]), SPEC)


# BackboneSpec


def test_option_is_found_by_its_name():
    assert SPEC.option("token_names") == ("rs429358", "rs7412")


def test_absent_option_is_the_default():
    assert SPEC.option("feature_names") is None
    assert SPEC.option("feature_names", ("dosage",)) == ("dosage",)


def test_equal_specs_are_one_key():
    twin = BackboneSpec("dosage", "", (("token_names", ("rs429358", "rs7412")),))
    assert {SPEC: 1}[twin] == 1
    assert pickle.loads(pickle.dumps(SPEC)) == SPEC


@pytest.mark.parametrize(
    "other", [BackboneSpec("dosage"), BackboneSpec("dosage", "ab12", SPEC.options)]
)
def test_specs_differ_by_options_and_weights(other):
    assert other != SPEC


# Encoding


def test_encoding_cannot_be_changed(encoding):
    with pytest.raises(FrozenInstanceError):
        encoding.tokens = np.zeros((2, 3))


def test_encoding_knows_its_size(encoding):
    assert (encoding.n_tokens, encoding.width) == (2, 3)


def test_encoding_shows_its_backbone_and_size_but_no_data(encoding):
    assert repr(encoding) == "<Encoding dosage 2x3>"


def test_encodings_are_compared_by_identity(encoding):
    twin = copy.copy(encoding)
    assert encoding == encoding  # noqa: PLR0124 - identity is what is tested
    assert encoding != twin
    assert len({encoding, twin}) == 2


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))]
)
def test_encoding_survives_copy_and_pickle(encoding, duplicate):
    twin = duplicate(encoding)
    np.testing.assert_array_equal(twin.tokens, encoding.tokens)
    np.testing.assert_array_equal(twin.mask, encoding.mask)
    assert twin.backbone == SPEC


def test_copies_keep_one_array_for_inputs_and_tokens(encoding):
    twin = pickle.loads(pickle.dumps(encoding))
    assert twin.inputs is twin.tokens


# Missing cells


@pytest.mark.parametrize(
    "cell", [None, np.nan, float("nan"), np.float32("nan"), pd.NA, pd.NaT, "", "  ", "n/a", " n/a "]
)
def test_cell_is_missing(cell):
    assert is_missing(cell) is True


@pytest.mark.parametrize(
    "cell",
    [0, 0.0, False, "0", "nan", "t1w.nii.gz", Path("t1w.nii.gz"), np.array([np.nan]), [], np.inf],
    ids=repr,
)
def test_cell_is_not_missing(cell):
    assert is_missing(cell) is False


def test_encoding_is_not_missing(encoding):
    assert is_missing(encoding) is False


# The table


@pytest.fixture
def frame(encoding):
    return encodings_frame([encoding, None, encoding], "snp", pd.Index(["s1", "s2", "s2"]))


def test_table_keeps_index_and_objects(frame, encoding):
    assert list(frame.index) == ["s1", "s2", "s2"]
    assert frame["snp"].dtype == object
    assert frame["snp"].iloc[0] is encoding
    assert frame["snp"].iloc[1] is None


def test_table_shows_the_missing_rate(frame):
    assert frame.isna().mean()["snp"] == pytest.approx(1 / 3)


def test_table_of_missing_cells_is_one_of_objects():
    frame = encodings_frame([None, None], "snp", pd.RangeIndex(2))
    assert frame["snp"].dtype == object
    assert list(frame["snp"]) == [None, None]


def test_table_may_be_empty():
    assert encodings_frame([], "snp", pd.Index([])).shape == (0, 1)


def test_rows_are_taken_without_copying_tokens(frame, encoding):
    taken = frame.iloc[[2, 0]].reset_index(drop=True)
    assert all(cell is encoding for cell in taken["snp"])


# Arrays in files


class InAFile:
    """Stands for an array in a file, and counts how often it is read."""

    shape = (4, 2)

    def __init__(self):
        self.n_read = 0

    def read(self):
        self.n_read += 1
        return np.full(self.shape, 3.0, np.float32)


def stored_encoding():
    return Encoding(InAFile(), InAFile(), None, BackboneSpec("vit"), InAFile())


def test_arrays_in_files_are_read_when_they_are_asked_for_and_not_kept():
    encoding = stored_encoding()
    assert (encoding.n_tokens, encoding.width, repr(encoding)) == (4, 2, "<Encoding vit 4x2>")
    assert encoding.unread("tokens").n_read == 0
    for n_read in (1, 2):
        np.testing.assert_array_equal(encoding.tokens, np.full((4, 2), 3.0))
        assert encoding.unread("tokens").n_read == n_read
    assert encoding.pooled.shape == (4, 2)
    assert encoding.mask is None


def test_a_copy_under_another_name_tag_reads_nothing():
    encoding = stored_encoding()
    other = replace(encoding, backbone=BackboneSpec("other"))
    assert other.backbone.name == "other"
    assert other.tokens.shape == (4, 2)


def test_encodings_in_files_pickle_small():
    spec = BackboneSpec("vit", "d" * 64, (("architecture", tuple(range(50))),))
    path = "a/folder/of/some/length/tokens/ab/" + "c" * 40 + ".safetensors"
    stored = StoredArray(path, 500, "<f2", (4500, 768))
    cells = [
        Encoding(*(replace(stored, path=f"{row}{path}"),) * 2, None, spec, stored)
        for row in range(1000)
    ]
    frame = encodings_frame(cells, "fmri", pd.RangeIndex(1000))
    assert len(pickle.dumps(frame)) < 2_000_000
