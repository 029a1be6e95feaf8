import pytest
import torch
from torch import nn

from adestim.training.nets import (
    ConcatFusion,
    CrossAttentionFusion,
    LinearFusion,
    MixtureFusion,
    SelfAttentionFusion,
)
from adestim.training.nets.rivals import average_of_present
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
        average_of_present(vectors, present), torch.tensor([[2.0], [1.0], [0.0]])
    )
