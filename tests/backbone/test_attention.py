import math

import pytest
import torch

from adestim.backbone import CLOSED, Attention, masked_attention
from adestim.backbone.attention import heads_of, log_mask_of
from adestim.exceptions import InputError


@pytest.fixture
def attention():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Attention(width=8, n_heads=2).double()


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


def heads(n_keys=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(2)
    shapes = ((2, 2, 3, 4), (2, 2, n_keys, 4), (2, 2, n_keys, 4))
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def test_no_log_mask_is_one_of_zeros():
    q, k, v = heads()
    expected = masked_attention(q, k, v, torch.zeros(2, 5))
    torch.testing.assert_close(masked_attention(q, k, v, None), expected)


def test_values_may_be_of_another_width_than_keys():
    q, k, v = heads()
    mixed = masked_attention(q, k, v[..., :3], torch.zeros(2, 5))
    torch.testing.assert_close(mixed, masked_attention(q, k, v, None)[..., :3])


def test_half_precision_is_kept():
    mixed = masked_attention(*heads(dtype=torch.bfloat16), torch.zeros(2, 5))
    assert mixed.dtype == torch.bfloat16


def test_queries_are_left_as_they_are():
    q, k, v = heads()
    before = q.clone()
    masked_attention(q, k, v, torch.zeros(2, 5))
    assert q.equal(before)


def test_a_log_mask_is_zero_where_open_and_closed_elsewhere():
    log_mask = log_mask_of(torch.tensor([[True, False]]))
    assert log_mask.tolist() == [[0.0, CLOSED]]


@pytest.mark.parametrize("n_heads", [0, -1, 5])
def test_heads_must_divide_the_width(n_heads):
    assert heads_of(8, 2) == 2
    with pytest.raises(InputError, match=f"{n_heads} heads for a width of 8"):
        heads_of(8, n_heads)
