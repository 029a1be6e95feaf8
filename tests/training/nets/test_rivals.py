import pytest
import torch
from torch import nn

from adestim.training.nets import (
    ConcatFusion,
    CrossAttentionFusion,
    LinearFusion,
    MixtureFusion,
    ModalityShape,
    SelfAttentionFusion,
)
from adestim.training.nets.rivals import (
    ExpertBank,
    RivalFusion,
    TokenReader,
    average_vectors,
    pattern_bias,
    sparse_softmax,
)
from tests.training.fusion_batches import (
    N_OUTPUTS,
    N_SUBJECTS,
    SHAPES,
    at_start,
    changed,
    moved,
    subjects,
)

ATTENTION = {"depth": 2, "n_heads": 1}
PATTERNS = torch.tensor([[True, True, True], [True, False, True]])
FUSIONS = {
    ConcatFusion: {},
    LinearFusion: {},
    SelfAttentionFusion: ATTENTION,
    CrossAttentionFusion: ATTENTION,
    MixtureFusion: {"patterns": PATTERNS, "n_experts": 4, "top_k": 2},
}


@pytest.fixture(params=FUSIONS, ids=lambda cls: cls.__name__)
def model(request):
    return at_start(request.param, **FUSIONS[request.param])


@pytest.mark.parametrize("missing", [(), ("fmri",), ("smri", "notes")])
def test_training_starts_exactly_from_the_base_outputs(model, missing):
    batch = subjects(missing)
    torch.testing.assert_close(model(batch), batch["base"], rtol=0, atol=0)


def test_the_first_step_of_training_leaves_the_base_outputs(model):
    batch = subjects()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    nn.functional.cross_entropy(model(batch), torch.tensor([0, 1, 1])).backward()
    optimizer.step()
    assert not torch.allclose(model(batch), batch["base"], atol=1e-4)


def test_every_weight_gets_a_gradient_in_the_first_batch(model):
    model(subjects(("fmri",))).sum().backward()
    lost = [
        name for name, value in model.named_parameters() if value.numel() and value.grad is None
    ]
    assert not lost


@pytest.mark.parametrize("name", list(SHAPES))
def test_every_modality_that_is_there_is_read(model, name):
    model, batch = moved(model), subjects()
    assert not torch.allclose(model(changed(batch, name)), model(batch), atol=1e-4)


@pytest.mark.parametrize("missing", [("fmri",), ("smri", "notes")])
def test_a_missing_modality_has_no_influence(model, missing):
    model, batch = moved(model), subjects(missing)
    before = model(batch)
    for name in missing:
        torch.testing.assert_close(model(changed(batch, name)), before)


@pytest.mark.parametrize("name", list(SHAPES))
def test_one_observed_modality_is_enough(model, name):
    missing = tuple(other for other in SHAPES if other != name)
    model, batch = moved(model), subjects(missing)
    outputs = model(batch)
    assert outputs.isfinite().all()
    assert not torch.allclose(model(changed(batch, name)), outputs, atol=1e-4)


def test_masked_tokens_are_not_read(model):
    model, batch = moved(model), subjects()
    batch["masks"]["fmri"][:, 1] = False
    before = model(batch)
    batch["tokens"]["fmri"][:, 1] = 50.0
    torch.testing.assert_close(model(batch), before)


def test_subjects_of_one_batch_do_not_touch_each_other(model):
    model, batch = moved(model), subjects()
    together = model(batch)
    batch["tokens"]["fmri"][1:] += 3
    torch.testing.assert_close(model(batch)[0], together[0])


def test_the_order_of_tokens_without_places_does_not_matter(model):
    model, batch = moved(model), subjects()
    before = model(batch)
    batch["tokens"]["notes"] = batch["tokens"]["notes"].flip(1)
    torch.testing.assert_close(model(batch), before)


@pytest.mark.parametrize("cls", FUSIONS, ids=lambda cls: cls.__name__)
def test_a_table_may_have_a_single_modality(cls):
    shapes = {"smri": SHAPES["smri"]}
    params = FUSIONS[cls]
    if "patterns" in params:
        params = params | {"patterns": torch.ones(1, 1, dtype=torch.bool)}
    model = moved(at_start(cls, shapes=shapes, **params))
    outputs = model(subjects(shapes=shapes))
    assert outputs.shape == (N_SUBJECTS, N_OUTPUTS)
    outputs.sum().backward()
    assert all(value.grad is not None for value in model.parameters() if value.numel())


def test_a_linear_fusion_hears_nothing_joint():
    model = moved(at_start(LinearFusion))
    both, first, second = (
        model(batch) - batch["base"]
        for batch in (
            subjects(("notes",)),
            subjects(("notes", "fmri")),
            subjects(("notes", "smri")),
        )
    )
    torch.testing.assert_close(both, (first + second) / 2)


def test_attention_reads_modalities_jointly():
    for cls in (SelfAttentionFusion, CrossAttentionFusion):
        model, batch = moved(at_start(cls, **ATTENTION)), subjects()
        alone = [model(changed(batch, name)) - model(batch) for name in ("smri", "fmri")]
        together = model(changed(changed(batch, "smri"), "fmri")) - model(batch)
        assert not torch.allclose(together, sum(alone), atol=1e-3)


def test_the_average_is_over_those_present():
    vectors = torch.tensor([[[1.0], [3.0]], [[1.0], [3.0]], [[1.0], [3.0]]])
    present = torch.tensor([[True, True], [True, False], [False, False]])
    torch.testing.assert_close(
        average_vectors(vectors, present), torch.tensor([[2.0], [1.0], [0.0]])
    )


# The mixture of experts


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


# Reading of tokens


def reader_of(n_tokens):
    torch.manual_seed(0)
    return TokenReader(ModalityShape(n_tokens=n_tokens, width=3, n_scores=2), width=8)


def tokens_read(n_tokens=4, places=True, **changes):
    """Two subjects' tokens as read; the second lacks the modality."""
    generator = torch.Generator().manual_seed(1)
    present = torch.tensor([True, False])
    parts = {
        "tokens": torch.randn(2, n_tokens, 3, generator=generator),
        "mask": present[:, None].expand(2, n_tokens),
        "scores": torch.randn(2, 2, generator=generator),
        "present": present,
    }
    return reader_of(n_tokens if places else 0)(**(parts | changes))


def test_the_scores_are_one_token_more():
    assert tokens_read().tokens.shape == (2, 5, 8)


def test_the_mean_of_a_missing_modality_is_zero():
    means = tokens_read().mean
    assert (means[1] == 0).all()
    assert means[0].abs().sum() > 0


def test_the_scores_weigh_as_all_other_tokens_together():
    one = tokens_read()
    expected = (one.tokens[0, :4].mean(dim=0) + one.tokens[0, 4]) / 2
    torch.testing.assert_close(one.mean[0], expected)


def test_masked_tokens_are_not_in_the_mean():
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    one = tokens_read(mask=mask)
    expected = (one.tokens[0, :2].mean(dim=0) + one.tokens[0, 4]) / 2
    torch.testing.assert_close(one.mean[0], expected)


def test_every_place_reads_in_its_own_way_where_places_have_a_meaning():
    same = torch.ones(2, 4, 3)
    assert not torch.allclose(
        tokens_read(tokens=same).tokens[:, 0], tokens_read(tokens=same).tokens[:, 1]
    )


def test_tokens_without_places_are_read_alike():
    same = tokens_read(tokens=torch.ones(2, 4, 3), places=False).tokens
    torch.testing.assert_close(same[:, 0], same[:, 1])


def test_tokens_without_places_may_be_any_number():
    assert tokens_read(n_tokens=7, places=False).tokens.shape == (2, 8, 8)


def test_a_rival_without_a_fusion_cannot_be_built():
    with pytest.raises(TypeError, match="abstract"):
        RivalFusion({}, 8, 2, 0.0)
