"""Diagnoses of OASIS-3."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets.labelling.labels import NOT_AD
from adestim.datasets.loaders.oasis import oasis3_diagnoses
from adestim.datasets.loaders.oasis_labels import MCI_FLAGS


def by_form(cdr, **flags):
    """The diagnosis of one form D1, ``None`` if there is none."""
    label = oasis3_diagnoses(pd.DataFrame([{"cdr": cdr, **flags}])).iloc[0]
    return None if pd.isna(label) else label


@pytest.mark.parametrize(
    ("cdr", "flags", "label"),
    [(0, {"NORMCOG": 1}, "CN"),
     (0.5, {"NORMCOG": 1}, None),
     (np.nan, {"NORMCOG": 1}, None),
     (1, {"DEMENTED": 1, "PROBAD": 1}, "AD"),
     (0, {"DEMENTED": 1, "PROBAD": 1}, None),
     (0.5, {"DEMENTED": 1, "ALZDIS": 1, "ALZDISIF": 1}, "AD"),
     (1, {"DEMENTED": 1, "ALZDIS": 1, "ALZDISIF": 2}, NOT_AD),
     (1, {"DEMENTED": 1, "POSSAD": 1, "POSSADIF": 1}, NOT_AD),
     (1, {"DEMENTED": 1, "PROBAD": 0}, NOT_AD),
     (0.5, {"IMPNOMCI": 1}, "Impaired (not MCI)"),
     (0.5, {"NORMCOG": 0, "DEMENTED": 0}, None),
     (0, {"NORMCOG": 1, "DEMENTED": 1, "PROBAD": 1}, None)],
)  # fmt: skip
def test_form_and_cdr_make_the_diagnosis(cdr, flags, label):
    assert by_form(cdr, **flags) == label


@pytest.mark.parametrize("flag", MCI_FLAGS)
def test_each_of_the_sixteen_flags_is_mild_cognitive_impairment(flag):
    assert len(MCI_FLAGS) == 16
    assert by_form(0.5, **{flag: 1}) == "MCI"


def test_probad_alone_would_lose_the_third_version_of_the_form():
    visits = pd.DataFrame(
        {"cdr": [1.0, 1.0], "DEMENTED": [1, 1], "PROBAD": [1, None], "ALZDIS": [None, 1],
         "ALZDISIF": [None, 1]}
    )  # fmt: skip
    assert list(oasis3_diagnoses(visits)) == ["AD", "AD"]
    assert visits["PROBAD"].eq(1).sum() == 1


@pytest.mark.parametrize(
    ("words", "cdr", "label"),
    [("Cognitively normal", 0, "CN"), ("cognitively normal ", 0, "CN"),
     ("Cognitively normal", 0.5, None), ("AD Dementia", 1, "AD"), ("AD Dementia", 0, None),
     ("AD dem w/depresss- not contribut", 0.5, "AD"), ("DAT", 2, "AD"),
     ("uncertain dementia", 0.5, "Uncertain"), ("Unc: ques. Impairment", 0.5, "Uncertain"),
     ("No dementia", 0, "Uncertain"), ("0.5 in memory only", 0.5, "Uncertain"),
     ("DLBD- primary", 1, NOT_AD), ("Vascular Demt- primary", 1, NOT_AD),
     ("Non AD dem- Other primary", 1, NOT_AD), ("Active Mood disorder", 0, "Other diagnosis"),
     (None, 0, None), ("", 0, None)],
)  # fmt: skip
def test_words_and_cdr_make_the_diagnosis(words, cdr, label):
    found = oasis3_diagnoses(pd.DataFrame({"dx1": [words], "cdr": [cdr]}, dtype=object), "dx1")
    assert (None if pd.isna(found.iloc[0]) else found.iloc[0]) == label


def test_cdr_alone_makes_the_diagnosis():
    labels = oasis3_diagnoses(pd.DataFrame({"cdr": [0, 0.5, 1, 2, 3, np.nan]}), "cdr")
    assert labels.fillna("").tolist() == ["CN", "MCI", "AD", "AD", "AD", ""]
