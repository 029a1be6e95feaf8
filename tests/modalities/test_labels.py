"""Names of regions as people hold them."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import FMRIExtractor
from adestim.exceptions import InputError
from adestim.modalities._labels import spell_label, spell_labels

NAMES = ["PCC", "mPFC", "V1"]
HELD = {
    "list": NAMES,
    "tuple": tuple(NAMES),
    "array": np.array(NAMES),
    "bytes": [name.encode() for name in NAMES],
    "array of bytes": np.array(NAMES, dtype="S"),
    "record of nilearn": np.array([(name.encode(),) for name in NAMES], dtype=[("n", "S9")])["n"],
    "dict": {0: "Background", 3: "V1", 1: "PCC", 2: "mPFC"},
    "dict of text": {"10": "V1", "2": "mPFC", "1": b"PCC"},
    "dict by name": {"V1": 30, "PCC": 4, "mPFC": 20, "Background": 0},
    "series": pd.Series(NAMES),
    "series by label": pd.Series({5: "mPFC", 2: "PCC", 9: "V1"}),
    "table": pd.DataFrame({"index": [0, 7, 3, 5], "name": ["Background", "V1", "PCC", "mPFC"]}),
    "index": pd.Index(NAMES),
}


@pytest.mark.parametrize("kind", HELD)
def test_names_are_text_in_order_of_label(kind):
    assert spell_labels(HELD[kind], "FMRIExtractor") == NAMES


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("PCC", "PCC: FileNotFoundError"),
        (b"PCC", "of type bytes"),
        (5, "of type int"),
        ([["a", "b"], ["c", "d"]], "of type list"),
        (["PCC", None], "NoneType among"),
        (["PCC", np.nan], "float among"),
        (["PCC", " "], "str among"),
        (["PCC", {}], "dict among"),
        ({"PCC": "a"}, "without a number"),
        (pd.DataFrame({"label": [1], "region": ["a"]}), "columns"),
    ],
)
def test_what_names_nothing_is_refused(labels, words):
    with pytest.raises(InputError, match=words):
        spell_labels(labels, "FMRIExtractor")


@pytest.mark.parametrize(
    ("label", "text"), [(b"Gr\xf6\xdfe", "Größe"), ("Größe".encode(), "Größe"), (2001.0, "2001")]
)
def test_one_label_as_text(label, text):
    assert spell_label(label) == text


@pytest.mark.parametrize("kind", HELD)
def test_extractor_names_tokens_by_them(kind):
    atlas = np.repeat([1, 2, 3], 9).reshape(3, 3, 3).astype(np.int16)
    frame = pd.DataFrame({"bold": [np.random.default_rng(0).normal(size=(60, 3))]})
    extractor = FMRIExtractor(
        parcellation=nibabel.Nifti1Image(atlas, np.eye(4)), labels=HELD[kind], t_r=2.0
    )
    assert list(extractor.fit(frame).backbone_.option("token_names")) == NAMES


FILES = {
    "names": "PCC\nmPFC\nV1\n",
    "BIDS": "index\tname\tcolor\n1\tPCC\t#aabbcc\n2\tmPFC\t#aabbcc\n7\tV1\t#aabbcc\n",
    "XCP-D": "index\tlabel\n7\tV1\n1\tPCC\n2\tmPFC\n",
    "FreeSurfer": "0 Unknown 0 0 0 0\n1\tPCC\t120\t18\t131\t0\n2 mPFC 1 2 3 0\n7 V1 1 2 3 0\n",
    "FSLeyes": "1 0.47 0.07 0.51 PCC\n2 0.5 0.5 0.5 mPFC\n7 0.5 0.5 0.5 V1\n",
    "Workbench": "PCC\n1 120 18 131 255\nmPFC\n2 120 18 132 255\nV1\n7 120 18 133 255\n",
    "commas": "index,name\n1,PCC\n2,mPFC\n7,V1\n",
}


@pytest.mark.parametrize("kind", FILES)
def test_text_files_of_atlases_are_read(kind, tmp_path):
    (tmp_path / "labels.txt").write_text(FILES[kind])
    assert spell_labels(str(tmp_path / "labels.txt"), "FMRIExtractor") == NAMES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a line without a name"),
        ("1 PCC\n1 mPFC\n", "without a label of its own"),
        ("1 2 3\n2 3 4\n", "a line without a name"),
        ("a b\n1 PCC\nx y\n", "without a label of its own"),
    ],
)
def test_text_files_without_names_or_labels_are_refused(text, words, tmp_path):
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(InputError, match=words):
        spell_labels(tmp_path / "labels.txt", "FMRIExtractor")
