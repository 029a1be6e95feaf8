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
        ("PCC", "of type str"),
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
