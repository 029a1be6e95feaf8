from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.models.kmers import KMERS_V1, KMERS_V2

KMERS = ["".join(letters) for letters in product("ATCG", repeat=6)]
V1_VOCABULARY = ["<unk>", "<pad>", "<mask>", "<cls>", *KMERS, *"ATCGN"]
V2_VOCABULARY = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>", *KMERS, *"ATCGN"]


def slow_tokens(sequence):
    """Cut letter by letter: the longest known piece at every place."""
    tokens = []
    while sequence:
        size = 6 if len(sequence) >= 6 and "N" not in sequence[:6] else 1
        tokens.append(sequence[:size])
        sequence = sequence[size:]
    return tokens


@pytest.mark.parametrize(
    ("tokenizer", "vocabulary"), [(KMERS_V1, V1_VOCABULARY), (KMERS_V2, V2_VOCABULARY)]
)
def test_ids_are_those_of_the_released_vocabulary(tokenizer, vocabulary):
    assert tokenizer.n_ids == len(vocabulary)
    for token in ("AAAAAA", "ATTCCG", "GGGGGG", "A", "T", "C", "G", "N"):
        assert tokenizer(token).tolist() == [3, vocabulary.index(token)]


def test_known_ids_of_both_versions():
    assert KMERS_V1("ATTCCG").tolist() == [3, 367]
    assert KMERS_V2("ATTCCG").tolist() == [3, 369]


@given(st.text(alphabet="ACGTN", max_size=60))
def test_every_sequence_is_cut_as_letter_by_letter(sequence):
    expected = [V1_VOCABULARY.index(token) for token in slow_tokens(sequence)]
    assert KMERS_V1(sequence).tolist() == [3, *expected]
    np.testing.assert_array_equal(KMERS_V2.pieces(sequence), KMERS_V1.pieces(sequence) + 2)


@pytest.mark.parametrize(
    ("tokenizer", "vocabulary"), [(KMERS_V1, V1_VOCABULARY), (KMERS_V2, V2_VOCABULARY)]
)
def test_ids_equal_those_of_transformers(tmp_path, tokenizer, vocabulary):
    transformers = pytest.importorskip("transformers")
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(vocabulary))
    peer = transformers.EsmTokenizer(str(path), eos_token=None)
    rng = np.random.default_rng(0)
    for _ in range(300):
        letters = rng.choice(list("ACGTN"), size=rng.integers(1, 80), p=[0.24] * 4 + [0.04])
        sequence = "".join(letters)
        assert tokenizer(sequence).tolist() == peer(sequence)["input_ids"]


def test_no_token_ends_the_sequence_and_none_is_beyond_the_embedding():
    ids = KMERS_V1("GGGGGG" * 3 + "N")
    assert ids.max() < KMERS_V1.n_ids == 4105
    assert len(ids) == 5


def test_longest_sequence_of_the_released_table_has_a_thousand_tokens():
    assert len(KMERS_V1("A" * 5994)) == 1000


@pytest.mark.parametrize("sequence", ["attccg", "ATRCCG", "AT-CCG", "ATé"])
def test_other_letters_are_refused_and_not_shown(sequence):
    with pytest.raises(GenotypeError, match="Upper-case soft-masked") as caught:
        KMERS_V1(sequence)
    assert sequence not in str(caught.value)


def test_snp_changes_one_token():
    plain, changed = KMERS_V1("ACGTAC" * 4), KMERS_V1("ACGTAC" * 2 + "ACTTAC" + "ACGTAC")
    assert (plain != changed).nonzero()[0].tolist() == [3]
