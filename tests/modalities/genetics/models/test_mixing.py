import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adestim.encoding import BackboneSpec
from adestim.extraction.prepared import Prepared
from adestim.modalities.genetics.models.mixing import (
    PreparedGenotypes,
    mix_alleles,
    prepare_genotypes,
)

SPEC = BackboneSpec("tiny")
RNG = np.random.default_rng(0)
ALLELES = (RNG.normal(size=(2, 3)).astype(np.float32), RNG.normal(size=(2, 3)).astype(np.float32))


def tokens_at(*dosages):
    item = PreparedGenotypes(np.arange(4), np.array(dosages, dtype=np.float32))
    return mix_alleles(item, ALLELES, SPEC)


def test_two_copies_are_the_counted_allele_and_none_the_other():
    np.testing.assert_array_equal(tokens_at(2, 0).tokens, [ALLELES[0][0], ALLELES[1][1]])
    np.testing.assert_allclose(tokens_at(1, 1).tokens, (ALLELES[0] + ALLELES[1]) / 2, rtol=1e-6)


@given(st.floats(0, 2), st.floats(0, 2), st.floats(0, 1))
def test_tokens_are_affine_in_the_dosage(first, second, share):
    between = share * first + (1 - share) * second
    expected = share * tokens_at(first, 1).tokens + (1 - share) * tokens_at(second, 1).tokens
    np.testing.assert_allclose(tokens_at(between, 1).tokens, expected, atol=1e-5)


def test_missing_genotype_is_masked_and_zero():
    encoding = tokens_at(np.nan, 1)
    assert encoding.mask.tolist() == [False, True]
    assert (encoding.tokens[0] == 0).all()
    assert encoding.inputs.tolist() == [0, 1, 2, 3]
    assert encoding.tokens.dtype == np.float32
    assert tokens_at(0, 1).mask is None


@pytest.mark.parametrize("dosage", [0.3, 1.7])
def test_imputed_dosages_are_mixed(dosage):
    expected = (1 - dosage / 2) * ALLELES[1][0] + dosage / 2 * ALLELES[0][0]
    np.testing.assert_allclose(tokens_at(dosage, 0).tokens[0], expected, rtol=1e-5)


def test_subject_without_a_call_is_missing():
    dosages = np.array([[0, np.nan], [np.nan, np.nan]])
    found = prepare_genotypes(dosages, lambda row: Prepared(np.array([7])))
    assert found[1] is None
    assert found[0].inputs.tolist() == [7]
    np.testing.assert_array_equal(found[0].dosages, dosages[0])
