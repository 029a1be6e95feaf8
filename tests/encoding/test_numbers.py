import numpy as np
import pytest

from adestim.encoding import Encoding
from adestim.encoding.numbers import PackedNumbers
from adestim.encoding.tokens import drop_rows, stack_tokens
from adestim.exceptions import InputError, NoModalityError

BLOCK = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, 4.0]])


@pytest.fixture
def numbers():
    return PackedNumbers(BLOCK, ["tau", "abeta"])


def arrays(table):
    return table.tokens[:], table.mask


def test_one_subject_is_an_encoding_of_a_token_a_feature(numbers):
    cell = numbers[0]
    assert isinstance(cell, Encoding)
    assert cell.tokens.tolist() == [[1], [0]]
    assert cell.tokens.dtype == np.float32
    assert cell.mask.tolist() == [True, False]
    assert cell.backbone.option("token_names") == ("tau", "abeta")


def test_subject_without_a_number_has_none(numbers):
    assert numbers[1] is None


def test_subjects_are_a_sequence(numbers):
    assert len(numbers) == len(list(numbers)) == len(numbers[:]) == 3
    assert numbers[-1].tokens.tolist() == [[3], [4]]
    assert [cell is None for cell in numbers[1:]] == [True, False]


@pytest.mark.parametrize("order", ["C", "F"])
def test_block_is_left_as_it_is(order):
    block = np.asarray(BLOCK, dtype=np.float32, order=order)
    PackedNumbers(block, ["tau", "abeta"])
    np.testing.assert_array_equal(block, BLOCK)


def test_tokens_lie_row_by_row_however_the_block_lies():
    assert PackedNumbers(np.asfortranarray(BLOCK), "ab").tokens.flags.c_contiguous


def test_stack_is_that_of_the_single_encodings(numbers):
    table, expected = stack_tokens(numbers, "csf"), stack_tokens(list(numbers), "csf")
    for found, wanted in zip(arrays(table), arrays(expected), strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype
    assert table.backbone == expected.backbone
    assert table.vectors is None


def test_stack_makes_no_second_copy(numbers):
    assert np.shares_memory(stack_tokens(numbers, "csf").tokens, numbers.tokens)


def test_numbers_that_nobody_has_are_refused_in_training():
    with pytest.raises(NoModalityError, match="'csf' is missing for every training subject"):
        stack_tokens(PackedNumbers(BLOCK[1:2], "ab"), "csf")


def test_numbers_that_nobody_has_later_are_those_of_training(numbers):
    like = drop_rows(stack_tokens(numbers, "csf"))
    for names in (["tau", "abeta"], ["other", "names"]):
        table = stack_tokens(PackedNumbers(BLOCK[1:2], names), "csf", like)
        assert table.tokens.shape == (1, 2, 1)
        assert table.backbone is like.backbone
        assert not table.present.any()


def test_numbers_of_other_names_than_in_training_are_refused(numbers):
    like = drop_rows(stack_tokens(numbers, "csf"))
    with pytest.raises(InputError, match="'csf' must come from one backbone"):
        stack_tokens(PackedNumbers(BLOCK, ["tau", "ptau"]), "csf", like)
