import pytest
import torch

from adestim.backbone import ReferenceBackbone
from adestim.backbone.check.trial import (
    Case,
    catch_leaving,
    draw_tokens,
    has_shape,
    join_before,
    make_auxiliary,
    make_own,
    measure_distance,
    pool_case,
    readable_tokens,
    say_unlike,
    weigh_vectors,
)
from tests.backbone.toys import subjects, toy


@pytest.fixture
def case():
    return Case(toy(), subjects(5, 3), 1e-4)


def test_own_tokens_come_with_their_mask(case):
    own = make_own(case)
    assert own.tokens.shape == (2, 5, 8)
    assert own.mask.sum(dim=1).tolist() == [5, 3]


def test_some_subjects_can_be_chosen(case):
    assert make_own(case, slice(1, 2)).tokens.shape == (1, 3, 8)


def test_a_summary_is_appended_where_the_fusion_does_so():
    sizes = {"n_features": 3, "width": 8, "depth": 1, "n_heads": 1, "dropout": 0.0}
    case = Case(toy(ReferenceBackbone, n_tokens=4, **sizes), subjects(4, 4), 1e-4)
    own = make_own(case)
    assert own.tokens.shape == (2, 5, 8)
    assert own.mask.all()


def test_drawn_tokens_do_not_depend_on_the_batch(case):
    one, two = torch.ones(1, 1, 8), torch.ones(2, 1, 8)
    assert draw_tokens(one, 3, seed=0)[0].equal(draw_tokens(two, 3, seed=0)[1])
    assert not draw_tokens(one, 3, seed=0).equal(draw_tokens(one, 3, seed=1))


def test_auxiliary_tokens_change_what_is_pooled(case):
    own = make_own(case)
    assert measure_distance(pool_case(case, own), pool_case(case, own, make_auxiliary(own))) > 1e-3


def test_readable_tokens_are_those_of_the_subject(case):
    assert readable_tokens(case, make_own(case), 1).shape == (3, 6)


def test_distances_are_relative_to_the_largest_number():
    assert measure_distance(
        torch.tensor([100.0, 1.0]), torch.tensor([100.0, 2.0])
    ) == pytest.approx(0.01)
    assert measure_distance(torch.ones(2), torch.ones(3)) == float("inf")
    assert measure_distance(torch.zeros(2), torch.zeros(2)) == 0


def test_a_distance_is_said_where_it_is_too_large(case):
    assert say_unlike(case, torch.ones(2), torch.ones(2), "must be equal") is None
    said = say_unlike(case, torch.ones(2), torch.full((2,), 2.0), "must be equal")
    assert said == "must be equal (difference 0.5)"


def test_a_weighed_vector_changes_with_every_coordinate():
    vectors = torch.zeros(2, 3, requires_grad=True)
    [gradient] = torch.autograd.grad(weigh_vectors(vectors), vectors)
    assert (gradient != 0).all()


def test_shapes_are_told_of_tensors_alone():
    assert has_shape(torch.ones(2, 3), 2, 3)
    assert not has_shape(torch.ones(2, 3), 2)
    assert not has_shape([1, 2], 2)


def test_a_depth_is_for_a_while_also_where_something_fails():
    sizes = {"n_features": 3, "width": 8, "depth": 3, "n_heads": 1, "dropout": 0.0}
    model = toy(ReferenceBackbone, n_tokens=4, **sizes)
    with join_before(model, 2):
        assert model.join_at == 2
    assert model.join_at == 0
    with pytest.raises(ZeroDivisionError), join_before(model, 2):
        raise ZeroDivisionError
    assert model.join_at == 0


def test_tokens_leave_a_block_as_it_returns_them():
    sizes = {"n_features": 3, "width": 8, "depth": 2, "n_heads": 1, "dropout": 0.0}
    case = Case(toy(ReferenceBackbone, n_tokens=4, **sizes), subjects(4, 4), 1e-4)
    own = make_own(case)
    last = catch_leaving(case, 1, own)
    torch.testing.assert_close(case.model.norm(last)[:, 0], pool_case(case, own))
    assert not case.model.blocks[1]._forward_hooks
