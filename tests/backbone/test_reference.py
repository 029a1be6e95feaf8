import math

import pytest
import torch

from adestim.backbone import CLOSED, Attention, Backbone, ReferenceBackbone


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return Attention(width=8, n_heads=2).double()


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    return ReferenceBackbone(3, 2, width=8, depth=2, n_heads=1, dropout=0.5).eval()


def keys_and_queries(n_keys=5):
    generator = torch.Generator().manual_seed(1)
    keys = torch.randn(2, n_keys, 8, generator=generator, dtype=torch.float64)
    queries = torch.randn(2, 3, 8, generator=generator, dtype=torch.float64)
    return queries, keys


def plain_attention(attention, queries, keys, log_mask):
    """Attention written out head by head, the log-mask added to the logits."""
    q = attention.query(queries)
    k, v = attention.key_value(keys).chunk(2, dim=-1)
    heads = []
    for part in torch.arange(8).chunk(attention.n_heads):
        logits = q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(len(part))
        heads.append((logits + log_mask[:, None]).softmax(dim=-1) @ v[..., part])
    return attention.out(torch.cat(heads, dim=-1))


def test_attention_adds_the_log_mask_to_the_logits_of_a_key(attention):
    queries, keys = keys_and_queries()
    log_mask = torch.tensor([[0, -2, CLOSED, 0.7, 0], [CLOSED, 0, 0, 0, -0.3]], dtype=torch.float64)
    expected = plain_attention(attention, queries, keys, log_mask)
    torch.testing.assert_close(attention(queries, keys, log_mask), expected)


def test_attention_ignores_closed_keys(attention):
    queries, keys = keys_and_queries()
    log_mask = torch.zeros(2, 5, dtype=torch.float64)
    log_mask[:, 3:] = CLOSED
    other = keys.clone()
    other[:, 3:] = 100.0
    without = attention(queries, keys[:, :3], log_mask[:, :3])
    torch.testing.assert_close(attention(queries, other, log_mask), without)


def test_gradient_reaches_a_gate_in_the_log_mask(attention):
    queries, keys = keys_and_queries()
    gate = torch.tensor(-2.0, dtype=torch.float64, requires_grad=True)

    def gated(gate):
        closed = torch.zeros(2, 3, dtype=torch.float64)
        return attention(queries, keys, torch.cat([closed, gate.expand(2, 2)], dim=1))

    assert torch.autograd.gradcheck(gated, gate)
    [gradient] = torch.autograd.grad(gated(gate).square().sum(), gate)
    assert gradient.abs() > 1e-4


def test_attention_reads_the_only_open_key(attention):
    queries, keys = keys_and_queries()
    log_mask = torch.full((2, 5), CLOSED, dtype=torch.float64)
    log_mask[:, 2] = 0
    value = attention.key_value(keys[:, 2:3]).chunk(2, dim=-1)[1]
    expected = attention.out(value).expand(-1, 3, -1)
    torch.testing.assert_close(attention(queries, keys, log_mask), expected)


def test_attention_is_finite_when_every_key_is_closed(attention):
    queries, keys = keys_and_queries()
    assert attention(queries, keys, torch.full((2, 5), CLOSED)).isfinite().all()


def test_closed_auxiliary_tokens_leave_the_own_tokens_as_they_are(backbone):
    own = backbone.embed(torch.randn(4, 3, 2))
    auxiliary = 50 * torch.randn(4, 6, 8)
    open_mask, closed_mask = torch.zeros(4, 3), torch.full((4, 6), CLOSED)
    alone = backbone.encode(own, open_mask, 3)
    together = backbone.encode(
        torch.cat([own, auxiliary], dim=1), torch.cat([open_mask, closed_mask], dim=1), 3
    )
    torch.testing.assert_close(together[:, :3], alone)


def test_open_auxiliary_tokens_are_read(backbone):
    own, real = backbone.embed(torch.randn(4, 3, 2)), torch.ones(4, 3, dtype=torch.bool)
    tokens = torch.cat([own, torch.randn(4, 6, 8)], dim=1)
    alone = backbone.pool(backbone.encode(own, torch.zeros(4, 3), 3), real)
    together = backbone.pool(backbone.encode(tokens, torch.zeros(4, 9), 3), real)
    assert not torch.allclose(together, alone, atol=1e-3)


def test_every_own_token_is_read(backbone):
    inputs, real = torch.randn(1, 3, 2), torch.ones(1, 3, dtype=torch.bool)

    def pooled(inputs):
        return backbone.pool(backbone.encode(backbone.embed(inputs), torch.zeros(1, 3), 3), real)

    for place in range(3):
        other = inputs.clone()
        other[:, place] += 3
        assert not torch.allclose(pooled(other), pooled(inputs), atol=1e-3)


def test_pool_never_looks_at_auxiliary_tokens(backbone):
    encoded, real = torch.randn(2, 7, 8), torch.ones(2, 3, dtype=torch.bool)
    other = encoded.clone()
    other[:, 3:] = 100.0
    torch.testing.assert_close(backbone.pool(other, real), backbone.pool(encoded, real))


def test_pool_averages_the_real_own_tokens_by_default():
    tokens = torch.randn(2, 7, 8)
    own = torch.tensor([[True, False, True], [False, True, False]])
    expected = torch.stack([(tokens[0, 0] + tokens[0, 2]) / 2, tokens[1, 1]])
    torch.testing.assert_close(Backbone().pool(tokens, own), expected)


def test_pool_of_no_real_token_is_zero():
    pooled = Backbone().pool(torch.randn(1, 3, 8), torch.zeros(1, 3, dtype=torch.bool))
    assert (pooled == 0).all()


def test_embed_tells_places_apart(backbone):
    same = torch.ones(1, 3, 2)
    embedded = backbone.embed(same)
    assert not torch.allclose(embedded[0, 0], embedded[0, 1])


def test_embed_without_places_takes_any_number_of_tokens_alike():
    backbone = ReferenceBackbone(0, 2, width=8, depth=1, n_heads=1, dropout=0.0)
    embedded = backbone.embed(torch.ones(1, 5, 2))
    torch.testing.assert_close(embedded[0, 0], embedded[0, 4])


def test_every_backbone_parameter_receives_a_gradient(backbone):
    tokens = backbone.embed(torch.randn(4, 3, 2))
    backbone.encode(tokens, torch.zeros(4, 3), 3).square().sum().backward()
    without = [name for name, value in backbone.named_parameters() if value.grad is None]
    assert not without
