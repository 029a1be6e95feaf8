from types import SimpleNamespace

import numpy as np
import pytest

from adestim.encoding import BackboneSpec
from adestim.encoding.tokens import TokenTable
from adestim.inspection.tokens.pieces import (
    Combined,
    Pieces,
    add_tokens,
    join_batches,
    share_among_tokens,
)

RNG = np.random.default_rng(0)
TOKENS = RNG.normal(size=(6, 4, 3)).astype(np.float32)
MASK = np.arange(4) < np.array([4, 3, 2, 1, 0, 4])[:, None]
HEAD = SimpleNamespace(mean=RNG.normal(size=3), scale=np.array([0.5, 1.0, 2.0]))
MEAN = (TOKENS * MASK[:, :, None]).sum(1) / np.maximum(MASK.sum(1), 1)[:, None]
ATTRIBUTED = RNG.normal(size=(6, 3))
STEPS = RNG.normal(size=(6, 3))


def table_of(vectors=None, options=()):
    return TokenTable(TOKENS, MASK, BackboneSpec("words", options=options), vectors)


@pytest.mark.parametrize("scaled", [False, True])
def test_shares_sum_to_what_is_shared(scaled):
    length = np.maximum(np.linalg.norm(MEAN, axis=1, keepdims=True), 1e-9)
    shares = share_among_tokens(
        table_of(MEAN / length if scaled else None), HEAD, ATTRIBUTED, STEPS
    )
    present = MASK.any(axis=1)
    total = (ATTRIBUTED + STEPS).sum(1)
    np.testing.assert_allclose(shares.sum(1)[present], total[present], rtol=1e-4)
    assert (shares[~MASK] == 0).all()


def test_a_token_that_is_as_the_training_mean_gets_nothing():
    tokens = np.stack([HEAD.mean, HEAD.mean + 1])[None].astype(np.float32)
    table = TokenTable(tokens, np.ones((1, 2), dtype=bool), BackboneSpec("words"))
    for attributed in ([[1, 1, 1]], [[0, 0, 0]]), ([[0, 0, 0]], [[1, 1, 1]]):
        shares = share_among_tokens(table, HEAD, *map(np.array, attributed))
        np.testing.assert_allclose(shares, [[0, 3]], atol=1e-5)


def test_a_feature_at_the_training_mean_has_no_slope():
    tokens = np.stack([HEAD.mean - 1, HEAD.mean + 1])[None]
    table = TokenTable(tokens, np.ones((1, 2), dtype=bool), BackboneSpec("words"))
    assert not share_among_tokens(table, HEAD, np.zeros((1, 3)), np.zeros((1, 3))).any()


def test_other_summaries_than_the_mean_are_not_shared():
    assert share_among_tokens(table_of(TOKENS[:, 0]), HEAD, ATTRIBUTED, STEPS) is None
    assert share_among_tokens(table_of(MEAN[:, :2]), HEAD, ATTRIBUTED[:, :2], STEPS) is None


def test_tokens_with_places_are_not_shared():
    names = (("token_names", tuple("abcd")),)
    assert share_among_tokens(table_of(options=names), HEAD, ATTRIBUTED, STEPS) is None


def test_batches_of_fewer_tokens_are_padded():
    found = join_batches([np.ones((1, 2, 3)), np.ones((2, 4, 3))])
    assert found.shape == (3, 4, 3)
    assert found[0].sum() == 6


@pytest.mark.parametrize("n_own", [4, 9])
def test_what_others_read_of_an_anchor_joins_its_own_tokens_or_is_a_remainder(n_own):
    own, read = RNG.normal(size=(6, n_own, 5)), RNG.normal(size=TOKENS.shape)
    found = Combined({}, {}, {}, {}, {})
    add_tokens(found, table_of(), "img", Pieces({"img": read}, [], MEAN, {}, {"img": own}))
    total = found.by_token["img"].sum(axis=1)
    for values in found.remainders.values():
        total = total + values
    assert found.by_token["img"].shape == (6, n_own)
    assert list(found.remainders) == ([] if n_own == 4 else ["img, as others read it"])
    np.testing.assert_allclose(total, own.sum(axis=(1, 2)) + read.sum(axis=(1, 2)))
