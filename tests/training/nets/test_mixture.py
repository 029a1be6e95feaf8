import pytest
import torch

from adestim.training.nets import MixtureFusion
from adestim.training.nets.mixture import ExpertBank, pattern_bias, sparse_softmax
from tests.training.fusion_batches import at_start, moved, subjects

PATTERNS = torch.tensor([[True, True, True], [True, False, True]])


def mixture(**params):
    return at_start(MixtureFusion, **({"patterns": PATTERNS, "n_experts": 4, "top_k": 2} | params))


def test_patterns_are_known_by_their_place_and_others_come_last():
    present = torch.tensor([[True, False, True], [True, True, True], [False, False, True]])
    assert mixture().pattern_of(present).tolist() == [1, 0, 2]


def test_a_missing_modality_is_replaced_by_the_vector_of_its_pattern():
    model, batch = moved(mixture()), subjects(("fmri",))
    before = model(batch)
    with torch.no_grad():
        model.bank[0] += 1
        model.bank[2] += 1
    torch.testing.assert_close(model(batch), before)
    with torch.no_grad():
        model.bank[1, 1] += 1
    assert not torch.allclose(model(batch), before, atol=1e-4)


def test_patterns_not_seen_in_training_share_vectors():
    model, batch = moved(mixture()), subjects(("smri",))
    before = model(batch)
    with torch.no_grad():
        model.bank[2, 0] += 1
    assert not torch.allclose(model(batch), before, atol=1e-4)


def test_only_the_vectors_of_what_is_missing_are_learned():
    model = moved(mixture())
    model(subjects(("fmri",))).sum().backward()
    moved_by_gradient = (model.bank.grad.abs().sum(dim=2) > 0).nonzero().tolist()
    assert moved_by_gradient == [[1, 1]]


def test_the_router_starts_with_an_expert_a_pattern_counted_round():
    bias = pattern_bias(5, 4)
    assert bias[:5].argmax(dim=1).tolist() == [0, 1, 2, 3, 0]
    assert (bias[5] == 0).all()


def test_the_expert_of_the_pattern_is_heard_at_the_start():
    model = mixture(top_k=1)
    with torch.no_grad():
        model.router.weight.mul_(0.1)
        model.head.weight.fill_(1.0).mul_(torch.arange(8.0))
    before = model(subjects(("fmri",)))
    with torch.no_grad():
        model.experts.down[[0, 2, 3]] += torch.randn(3, 8, 8)
    torch.testing.assert_close(model(subjects(("fmri",))), before)
    with torch.no_grad():
        model.experts.down[1] += torch.randn(8, 8)
    assert not torch.allclose(model(subjects(("fmri",))), before, atol=1e-4)


@pytest.mark.parametrize("top_k", [1, 2, 9])
def test_as_many_experts_as_asked_for_have_weight(top_k):
    weight = sparse_softmax(torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), top_k)
    assert ((weight > 0).sum(dim=1) == min(top_k, 4)).all()
    torch.testing.assert_close(weight.sum(dim=1), torch.ones(20))


def test_experts_are_separate_networks():
    torch.manual_seed(0)
    bank, x = ExpertBank(3, 5, 8), torch.randn(4, 5)
    hidden = torch.nn.functional.gelu(x @ bank.up[1] + bank.shift[1])
    torch.testing.assert_close(bank(x)[:, 1], hidden @ bank.down[1])
