import copy
import pickle

import pytest
import torch

from adestim.training.nets import FoldMean
from tests.reference_nets import build_net, draw_batch


@pytest.fixture
def mean():
    return FoldMean([build_net(seed=seed) for seed in range(3)]).eval()


def one_by_one(mean, batch):
    with torch.no_grad():
        return torch.stack([net(batch) for net in mean.folds]).mean(dim=0)


def ask(mean, batch):
    with torch.no_grad():
        return mean(batch)


def test_the_mean_is_of_all_nets(mean):
    batch = draw_batch(mean.folds[0])
    torch.testing.assert_close(ask(mean, batch), one_by_one(mean, batch))


def test_weights_that_have_changed_are_asked_anew(mean):
    batch = draw_batch(mean.folds[0])
    before = ask(mean, batch)
    with torch.no_grad():
        mean.folds[1].head.weight += 1
    after = ask(mean, batch)
    assert (after - before).abs().max() > 0.01
    torch.testing.assert_close(after, one_by_one(mean, batch))


def test_replaced_weights_are_asked_anew(mean):
    batch = draw_batch(mean.folds[0])
    ask(mean, batch)
    mean.load_state_dict(FoldMean([build_net(seed=9)] * 3).state_dict())
    torch.testing.assert_close(ask(mean, batch), one_by_one(mean, batch))


def test_who_watches_layers_sees_them(mean):
    batch, seen = draw_batch(mean.folds[0]), []
    expected = ask(mean, batch)
    layer = mean.folds[0].qformer.uni_modal.shares[0]
    hook = layer.register_forward_hook(lambda *args: seen.append(args[2]))
    torch.testing.assert_close(ask(mean, batch), expected)
    hook.remove()
    assert len(seen) == 1


def test_gradients_reach_the_nets(mean):
    mean(draw_batch(mean.folds[0])).sum().backward()
    assert mean.folds[0].head.weight.grad is not None


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_hold_the_nets_alone(mean, copied):
    size, batch = len(pickle.dumps(mean)), draw_batch(mean.folds[0])
    expected = ask(mean, batch)
    assert len(pickle.dumps(mean)) == size
    other = copied(mean)
    assert other.stacked is None
    torch.testing.assert_close(ask(other, batch), expected, rtol=0, atol=0)
