"""What is read off tables is what weighing tokens one by one gives."""

import pytest
import torch

from adestim.encoding.tokens import LARGEST_SCORE
from adestim.training.nets import FoldMean
from adestim.training.nets.stacked import StackedFusion
from adestim.training.nets.stacked_weights import MappedTokens
from adestim.training.nets.tabulated import (
    LARGEST_ERROR,
    N_POINTS,
    PoolTable,
    count_near,
    lie_within,
)
from tests.reference_nets import build_net, draw_batch

MODALITIES = ("markers", "notes", "regions")


def nets_of(**options):
    return [
        build_net(anchor="regions", modalities=MODALITIES, seed=seed, **options)
        for seed in range(3)
    ]


def batch_of(net, n_tokens=200, scale=1.5, seed=0):
    """A batch in which a modality has many tokens of one number each, some unknown."""
    batch, generator = draw_batch(net, (9,)), torch.Generator().manual_seed(seed)
    numbers = scale * torch.randn(9, n_tokens, 1, generator=generator)
    batch["tokens"]["markers"] = numbers.clamp(-LARGEST_SCORE, LARGEST_SCORE)
    known = torch.rand(9, n_tokens, generator=generator) < 0.8
    batch["masks"]["markers"] = known & batch["present"][:, :1]
    return batch


def compare(nets, batch, tolerance=5e-5):
    stack = StackedFusion(nets)
    stack.tabulate()
    expected = torch.stack([net(batch) for net in nets])
    found = stack.predict(batch)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    return stack, found


@pytest.mark.parametrize("width", [8, 16])
@pytest.mark.parametrize("place", [0, "output"])
@pytest.mark.parametrize("cross_modal", [True, False])
def test_nets_say_the_same(width, place, cross_modal):
    nets = nets_of(width=width, place=place, cross_modal=cross_modal)
    stack, found = compare(nets, batch_of(nets[0]))
    assert stack.tables["markers"] is not None
    assert "notes" not in stack.tables
    # Not by chance: it is the table that was read.
    table = stack.tables["markers"]
    stack.tables["markers"] = table._replace(sums=2 * table.sums.flip(0))
    assert (stack.predict(batch_of(nets[0])) - found).abs().max() > 1e-4


@pytest.mark.parametrize("known", ["none", "one", "absent", "nobody"])
def test_few_or_no_tokens(known):
    nets = nets_of()
    batch = batch_of(nets[0])
    mask = torch.zeros_like(batch["masks"]["markers"])
    mask[:, :1] = known == "one"
    batch["masks"]["markers"] = mask
    if known in ("absent", "nobody"):
        batch["present"][:, 0 if known == "absent" else slice(0, 2)] = False
        batch["present"][:, 2] = True
    _, found = compare(nets, batch)
    assert found.isfinite().all()


@pytest.mark.parametrize("change", ["too few", "too large"])
def test_other_tokens_are_weighed_one_by_one(change):
    nets = nets_of()
    batch = batch_of(nets[0], n_tokens=5 if change == "too few" else 200)
    if change == "too large":
        batch["tokens"]["markers"][0, 0] = 2 * LARGEST_SCORE
    assert not lie_within(batch["tokens"]["markers"][:, :, 0])
    compare(nets, batch, tolerance=1e-5)


def test_tables_that_would_not_be_exact_are_not_made():
    # Tokens turn over within a thousandth of a deviation.
    weight = torch.tensor([[[1e3, 0, 0, 0], [0, 0, 0, 1.0]] * 4])
    tokens = MappedTokens(weight, torch.zeros(1, 8) + torch.arange(8) % 3)
    assert PoolTable.of(tokens, 50 * torch.ones(1, 2, 5)) is None


def test_weights_that_have_changed_are_tabulated_anew():
    mean = FoldMean(nets_of()).eval()
    batch = batch_of(mean.folds[0])
    with torch.no_grad():
        before = mean(batch)
        weight = mean.folds[1].qformer.project[0].weight
        weight += torch.linspace(-1, 1, weight.numel()).view_as(weight)
        after = mean(batch)
        expected = torch.stack([net(batch) for net in mean.folds]).mean(dim=0)
    assert (after - before).abs().max() > 1e-4
    torch.testing.assert_close(after, expected, rtol=2e-5, atol=2e-5)


def test_points_share_a_number():
    numbers = torch.linspace(-LARGEST_SCORE, LARGEST_SCORE, 301).view(7, 43)
    near = count_near(numbers, torch.ones(7, 43, dtype=torch.bool))
    assert near.shape == (7, N_POINTS)
    torch.testing.assert_close(near.sum(dim=1), torch.full((7,), 43.0))
    points = (2 * torch.arange(N_POINTS) - N_POINTS + 1) * LARGEST_SCORE / (N_POINTS - 3)
    cubes = near.double() @ points.double() ** 3
    torch.testing.assert_close(cubes, (numbers.double() ** 3).sum(dim=1), rtol=1e-4, atol=1e-3)
    assert LARGEST_ERROR <= 1e-4
