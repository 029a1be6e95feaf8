"""The order in which a fit reads subjects and columns."""

import numpy as np
import pytest

from adestim.encoding import BackboneSpec, Encoding
from adestim.encoding.numbers import PackedNumbers
from adestim.encoding.order import (
    digest_contents,
    number_by_appearance,
    order_subjects,
    sort_columns,
)
from adestim.store.record import StoredArray, checksum

SPEC = BackboneSpec("words")
ALIKE = np.ones(4)


def encode(tokens):
    return Encoding(tokens, tokens, None, SPEC)


@pytest.fixture
def cells():
    """Two modalities of four subjects, of whom the last has nothing of the first."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(2, 4, 3, 2)).astype(np.float32)
    first, second = ([encode(tokens) for tokens in each] for each in drawn)
    return {"mri": [*first[:3], None], "csf": second}


def test_digests_go_with_their_subjects(cells):
    turned = {name: column[::-1] for name, column in cells.items()}
    digests = digest_contents(cells)
    assert len(set(digests)) == 4
    np.testing.assert_array_equal(digest_contents(turned), digests[::-1])


def test_digests_do_not_depend_on_the_order_of_modalities(cells):
    turned = dict(reversed(cells.items()))
    np.testing.assert_array_equal(digest_contents(turned), digest_contents(cells))


def test_digests_tell_whose_tokens_are_whose(cells):
    swapped = {"mri": cells["csf"], "csf": cells["mri"]}
    assert not set(digest_contents(swapped)) & set(digest_contents(cells))


def test_what_lies_in_a_file_has_the_digest_of_its_array_and_is_not_read(cells):
    tokens = cells["csf"][0].tokens.astype(np.float16)
    stored = StoredArray("nowhere", 0, "<f2", tokens.shape, checksum(tokens))
    found = digest_contents({"csf": [encode(stored)]})
    np.testing.assert_array_equal(found, digest_contents({"csf": cells["csf"][:1]}))


@pytest.mark.parametrize("n_columns", [1, 5])
def test_numbers_have_the_digests_of_their_encodings(n_columns):
    block = np.random.default_rng(0).normal(size=(20, n_columns))
    block[::3, 0] = block[::5] = np.nan
    packed = PackedNumbers(block, [f"c{place}" for place in range(n_columns)])
    found = digest_contents({"csf": packed})
    np.testing.assert_array_equal(found, digest_contents({"csf": list(packed)}))
    assert len(set(found)) > 10


def test_columns_are_in_the_order_of_their_names():
    order = sort_columns(["tau", "abeta", "ptau"], np.zeros((2, 3)))
    np.testing.assert_array_equal(order, [1, 2, 0])


def test_columns_without_names_are_ordered_by_content_whatever_the_rows():
    block = np.random.default_rng(0).integers(0, 2, (50, 6)).astype(float)
    block[3, 2] = np.nan
    names = [f"x{place}" for place in range(6)]
    sorted_once = block[:, sort_columns(names, block)]
    other = block[::-1, [5, 3, 0, 1, 2, 4]]
    np.testing.assert_array_equal(other[:, sort_columns(names, other)], sorted_once[::-1])


def test_subjects_of_one_content_are_ordered_by_target_then_weight():
    content = np.array([7, 7, 7, 3], dtype=np.uint64)
    order = order_subjects(content, np.array([1, 0, 0, 1]), np.array([1.0, 2, 1, 1]), np.arange(4))
    np.testing.assert_array_equal(order, [3, 2, 1, 0])


def test_subjects_alike_are_told_apart_by_the_others_of_their_groups():
    content = np.array([7, 7, 3, 5], dtype=np.uint64)
    rows = np.array([1, 0, 3, 2])
    groups = np.array(["a", "b", "a", "b"])
    order = order_subjects(content, ALIKE, ALIKE, groups)
    turned = order_subjects(content[rows], ALIKE, ALIKE, groups[rows])
    np.testing.assert_array_equal(groups[order], groups[rows][turned])


def test_groups_are_numbered_as_they_appear():
    np.testing.assert_array_equal(number_by_appearance(np.array([9, 2, 9, 5])), [0, 1, 0, 2])
