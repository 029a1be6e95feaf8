import pytest
import torch
from torch import nn

from adestim.backbone import CLOSED
from adestim.training.nets.output_reader import OutputReader, resize_tokens


def reader(width=6, reader_width=8):
    torch.manual_seed(0)
    return OutputReader(width, reader_width, n_heads=2)


def drawn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("width", [6, 8])
def test_what_is_read_is_added(width):
    model, pooled, tokens = reader(width), drawn(3, width), drawn(3, 4, 8)
    log_mask = torch.zeros(3, 4)
    query = model.norm_pooled(model.narrow(pooled))[:, None]
    keys = torch.cat([query, model.norm_tokens(tokens)], dim=1)
    read = model.attention(query, keys, torch.zeros(3, 5))[:, 0]
    found = model(pooled, tokens, log_mask)
    torch.testing.assert_close(found, pooled + model.widen(read))


def test_closed_tokens_are_not_read():
    model, pooled, log_mask = reader(), drawn(3, 6), torch.full((3, 4), CLOSED)
    first, second = (model(pooled, drawn(3, 4, 8, seed=seed), log_mask) for seed in (1, 2))
    torch.testing.assert_close(first, second)


def test_a_gate_decides_how_much_is_read():
    model, pooled, tokens = reader(), drawn(3, 6), drawn(3, 4, 8)
    closed, low, high = (
        model(pooled, tokens, torch.full((3, 4), gate)) for gate in (CLOSED, -3.0, 0.0)
    )
    assert 0 < (low - closed).norm() < (high - closed).norm()


def test_gradients_reach_everything():
    model, pooled, tokens = reader(), drawn(3, 6), drawn(3, 4, 8).requires_grad_()
    gate = torch.tensor(-1.0, requires_grad=True)
    model(pooled, tokens, gate.expand(3, 4)).square().sum().backward()
    assert gate.grad != 0
    assert (tokens.grad.abs().sum(-1) > 0).all()
    assert all(weight.grad is not None for weight in model.parameters())


def test_subjects_do_not_touch_each_other():
    model, pooled, tokens = reader(), drawn(3, 6), drawn(3, 4, 8)
    together = model(pooled, tokens, torch.zeros(3, 4))
    alone = model(pooled[1:2], tokens[1:2], torch.zeros(1, 4))
    torch.testing.assert_close(together[1:2], alone)


def test_equal_widths_need_no_map():
    assert isinstance(resize_tokens(4, 4), nn.Identity)
    assert resize_tokens(4, 6).weight.shape == (6, 4)
