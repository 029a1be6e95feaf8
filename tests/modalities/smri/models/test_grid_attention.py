"""The padding as one key gives what the padding written out gives."""

import math

import pytest
import torch
from torch.nn import functional as F

from adestim.backbone import CLOSED
from adestim.modalities.smri.models.grid_attention import PaddedGridAttention

WIDTH, HEADS, EDGE = 8, 2, 3


def module_of(window, scale=0.5):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = PaddedGridAttention(WIDTH, HEADS, EDGE, window)
        for weight in module.parameters():
            torch.nn.init.normal_(weight, std=scale)
    return module


def tokens(n_aux=0):
    return torch.randn(2, EDGE**3 + n_aux, WIDTH, generator=torch.Generator().manual_seed(1))


def relative_positions(module, q):
    """Bias between all places of a padded grid, from queries (B, heads, P, P, P, c)."""
    places = torch.arange(module.window)
    offsets = places[:, None] - places + module.window - 1
    of_d, of_h, of_w = (
        table[offsets] for table in (module.rel_pos_d, module.rel_pos_h, module.rel_pos_w)
    )
    by_d = torch.einsum("bndhwc,dkc->bndhwk", q, of_d.to(q.dtype))
    by_h = torch.einsum("bndhwc,hkc->bndhwk", q, of_h.to(q.dtype))
    by_w = torch.einsum("bndhwc,wkc->bndhwk", q, of_w.to(q.dtype))
    # Key (i, j, k): all are indexed by k, and i and j stand where the query's own w should.
    bias = by_d[:, :, :, :, :, None, None] + by_h[:, :, :, :, None, :, None]
    return bias + by_w[:, :, :, :, None, None]


def written_out(module, x, log_mask=None):
    """Every padded place a token of zeros; logits in full, in float64."""
    module = module.double()
    x = x.double()
    window, n_own = module.window, EDGE**3
    n_aux, n_all = x.shape[1] - n_own, window**3
    beyond = (0, window - EDGE)
    grid = F.pad(x[:, :n_own].reshape(2, EDGE, EDGE, EDGE, WIDTH), (0, 0, *beyond * 3))
    real = F.pad(torch.ones(EDGE, EDGE, EDGE, dtype=torch.bool), beyond * 3).flatten()
    sequence = torch.cat([grid.flatten(1, 3), x[:, n_own:]], dim=1)
    qkv = module.qkv(sequence).reshape(2, -1, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
    q, k, v = qkv
    logits = q @ k.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)
    bias = relative_positions(module, q[:, :, :n_all].unflatten(2, (window,) * 3))
    logits = logits + F.pad(bias.flatten(5, 7).flatten(2, 4), (0, n_aux, 0, n_aux))
    if log_mask is not None:
        of_keys = torch.zeros(2, n_all + n_aux, dtype=torch.float64)
        of_keys[:, :n_all][:, real] = log_mask[:, :n_own].double()
        of_keys[:, n_all:] = log_mask[:, n_own:].double()
        logits = logits + of_keys[:, None, None]
    mixed = module.proj((logits.softmax(dim=-1) @ v).transpose(1, 2).flatten(2))
    return torch.cat([mixed[:, :n_all][:, real], mixed[:, n_all:]], dim=1).float()


@pytest.mark.parametrize("n_aux", [0, 4])
@pytest.mark.parametrize("window", [3, 4, 5])
def test_one_padded_key_stands_for_all(window, n_aux):
    x = tokens(n_aux)
    with torch.no_grad():
        found = module_of(window)(x, None)
        torch.testing.assert_close(found, written_out(module_of(window), x), atol=2e-5, rtol=1e-4)


def test_log_mask_is_added_to_the_keys():
    x = tokens(n_aux=3)
    log_mask = torch.zeros(2, x.shape[1])
    log_mask[0, -2:], log_mask[1, -1], log_mask[1, 4] = -2.0, CLOSED, CLOSED
    with torch.no_grad():
        found = module_of(5)(x, log_mask)
        wanted = written_out(module_of(5), x, log_mask)
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)


def test_large_biases_neither_overflow_nor_cancel():
    x = 3 * tokens(n_aux=2)
    with torch.no_grad():
        found = module_of(5, scale=3.0)(x, None)
        wanted = written_out(module_of(5, scale=3.0), x)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found, wanted, atol=2e-2, rtol=2e-3)


def test_gradients_are_those_of_the_padding_written_out():
    x = tokens(n_aux=2)
    gradients = []
    for attend in (PaddedGridAttention.__call__, written_out):
        module, gate = module_of(5), torch.full((2, x.shape[1]), -1.0, requires_grad=True)
        attend(module, x, gate).square().sum().backward()
        gradients.append([gate.grad, module.rel_pos_h.grad.float(), module.qkv.bias.grad.float()])
    for found, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)
