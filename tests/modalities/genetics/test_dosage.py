import numpy as np
import pytest

from adestim.modalities.genetics.dosage import dosage_spec, dosage_tokens
from tests.modalities.genetics.files import random_dosages


def test_every_snp_is_one_token_of_one_feature():
    dosages = random_dosages(5, 7, missing=0.3)
    tokens, mask = dosage_tokens(dosages)
    assert tokens.shape == (5, 7, 1)
    assert tokens.dtype == np.float32
    assert mask.shape == (5, 7)
    np.testing.assert_array_equal(np.where(mask, tokens[:, :, 0], np.nan), dosages)


def test_tokens_without_a_call_are_masked_and_zero():
    tokens, mask = dosage_tokens(np.array([[np.nan, 0.0], [np.nan, np.nan]]))
    assert mask.tolist() == [[False, True], [False, False]]
    assert (tokens == 0).all()


def test_imputed_dosages_are_kept():
    tokens, mask = dosage_tokens(np.array([[0.25, 1.75]]))
    assert tokens.ravel().tolist() == [0.25, 1.75]
    assert mask.all()


def test_dosages_given_are_left_as_they_were():
    dosages = np.array([[np.nan, 2.0]])
    dosage_tokens(dosages)
    np.testing.assert_array_equal(dosages, [[np.nan, 2.0]])


def test_name_tag_says_names_and_counted_alleles():
    spec = dosage_spec(["rs1", "APOE_e4"], ["A", "0"])
    assert spec.name == "dosage"
    assert spec.option("token_names") == ("rs1", "APOE_e4")
    assert spec.option("feature_names") == ("dosage",)
    assert spec.option("counted_alleles") == ("A", "0")


@pytest.mark.parametrize(("names", "alleles"), [(["rs2"], ["A"]), (["rs1"], ["G"])])
def test_name_tags_of_other_tokens_differ(names, alleles):
    assert dosage_spec(["rs1"], ["A"]) != dosage_spec(names, alleles)
    assert dosage_spec(["rs1"], ["A"]) == dosage_spec(("rs1",), ("A",))
