import numpy as np
import pytest
import torch
from torch import nn

from adestim.backbone import CLOSED, ReferenceBackbone
from adestim.training.nets import AnchoredFusion, ModalityShape
from adestim.training.nets.anchored import OutputReader, map_width, match_rms, starting_gate
from adestim.training.nets.own_tokens import own_rms

SHAPES = {
    "smri": ModalityShape(n_tokens=4, width=3, n_scores=2),
    "fmri": ModalityShape(n_tokens=5, width=2, n_scores=2),
    "notes": ModalityShape(n_tokens=0, width=6, n_scores=2),
}
N_TOKENS = {"smri": 4, "fmri": 5, "notes": 3}
N_SUBJECTS, N_CLASSES = 3, 2


def fusion(anchor="smri", shapes=SHAPES, n_queries=2, cross_modal=True, depth=1, **where):
    """A model in evaluation mode, at its start."""
    torch.manual_seed(0)
    own = shapes[anchor]
    backbone = ReferenceBackbone(own.n_tokens, own.width, 8, depth=depth, n_heads=1, dropout=0.1)
    return AnchoredFusion(
        anchor,
        backbone,
        shapes,
        n_outputs=N_CLASSES,
        n_queries=n_queries,
        qformer_width=8,
        n_heads=1,
        cross_modal=cross_modal,
        dropout=0.1,
        **where,
    ).eval()


def moved(model):
    """The model with all its parameters away from their start, as training would leave them."""
    torch.manual_seed(1)
    with torch.no_grad():
        for value in model.parameters():
            value += 0.3 * torch.randn_like(value)
    return model


def subjects(missing=()):
    """A batch of three subjects who lack some modalities."""
    generator = torch.Generator().manual_seed(2)
    present = torch.tensor([[name not in missing for name in SHAPES]] * N_SUBJECTS)
    return {
        "tokens": {
            name: torch.randn(N_SUBJECTS, N_TOKENS[name], shape.width, generator=generator)
            for name, shape in SHAPES.items()
        },
        "masks": {
            name: torch.full((N_SUBJECTS, N_TOKENS[name]), name not in missing) for name in SHAPES
        },
        "scores": torch.randn(N_SUBJECTS, len(SHAPES), 2, generator=generator),
        "present": present,
        "base": torch.randn(N_SUBJECTS, N_CLASSES, generator=generator),
    }


def changed(batch, name):
    """The same batch, with quite different tokens and scores of one modality."""
    tokens = {key: value.clone() for key, value in batch["tokens"].items()}
    tokens[name] += 5 * torch.randn_like(tokens[name])
    scores = batch["scores"].clone()
    scores[:, list(SHAPES).index(name)] += 4
    return batch | {"tokens": tokens, "scores": scores}


@pytest.mark.parametrize("missing", [(), ("fmri",), ("smri",), ("smri", "notes")])
def test_training_starts_exactly_from_the_base_logits(missing):
    batch = subjects(missing)
    torch.testing.assert_close(fusion()(batch), batch["base"], rtol=0, atol=0)


def test_the_first_step_of_training_leaves_the_base_logits():
    model, batch = fusion(), subjects()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    nn.functional.cross_entropy(model(batch), torch.tensor([0, 1, 1])).backward()
    optimizer.step()
    assert not torch.allclose(model(batch), batch["base"], atol=1e-4)


@pytest.mark.parametrize("name", list(SHAPES))
def test_every_modality_that_is_there_is_read(name):
    model, batch = moved(fusion()), subjects()
    assert not torch.allclose(model(changed(batch, name)), model(batch), atol=1e-4)


@pytest.mark.parametrize("cross_modal", [True, False])
@pytest.mark.parametrize("missing", [("fmri",), ("fmri", "notes")])
def test_a_missing_auxiliary_has_no_influence(missing, cross_modal):
    model, batch = moved(fusion(cross_modal=cross_modal)), subjects(missing)
    before = model(batch)
    for name in missing:
        torch.testing.assert_close(model(changed(batch, name)), before)


def test_a_missing_anchor_has_no_influence():
    model, batch = moved(fusion()), subjects(missing=("smri",))
    torch.testing.assert_close(model(changed(batch, "smri")), model(batch))


def test_the_stand_in_is_learned_where_the_anchor_is_missing():
    model = moved(fusion())
    model(subjects(missing=("smri",))).sum().backward()
    assert model.own.stand_in.grad.abs().sum() > 0


def test_the_stand_in_is_silent_where_the_anchor_is_there():
    model = moved(fusion())
    model(subjects()).sum().backward()
    assert model.own.stand_in.grad is None or model.own.stand_in.grad.abs().sum() == 0


def test_a_missing_anchor_leaves_the_auxiliaries_heard():
    model, batch = moved(fusion()), subjects(missing=("smri",))
    assert not torch.allclose(model(changed(batch, "fmri")), model(batch), atol=1e-4)


@pytest.mark.parametrize("name", list(SHAPES))
def test_one_modality_is_enough(name):
    missing = tuple(other for other in SHAPES if other != name)
    assert moved(fusion())(subjects(missing)).isfinite().all()


def test_gradients_are_finite_with_one_modality():
    model = moved(fusion())
    model(subjects(missing=("smri", "notes"))).sum().backward()
    gradients = [value.grad for value in model.parameters() if value.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_subjects_of_one_batch_do_not_touch_each_other():
    model, batch = moved(fusion()), subjects()
    together = model(batch)
    batch["tokens"]["fmri"][1:] += 3
    torch.testing.assert_close(model(batch)[0], together[0])


def test_gradient_reaches_the_gate():
    model = moved(fusion())
    model(subjects()).sum().backward()
    assert (model.log_gate.grad.abs() > 1e-7).all()


def test_a_closed_gate_shuts_the_auxiliaries_out():
    model, batch = moved(fusion()), subjects()
    with torch.no_grad():
        model.log_gate.fill_(-1e4)
    expected = model(batch)
    for name in ("fmri", "notes"):
        torch.testing.assert_close(model(changed(batch, name)), expected)


@pytest.mark.parametrize(
    ("n_own", "n_queries", "at_output", "weight"),
    [(300, 8, False, 300 / 8), (5, 8, False, 1), (0, 8, False, 1), (300, 8, True, 1)],
)
def test_a_group_of_queries_weighs_as_all_tokens_of_a_reference_anchor(
    n_own, n_queries, at_output, weight
):
    backbone = ReferenceBackbone(n_own, 3, 8, 1, 1, 0.0)
    start = starting_gate(backbone, n_own, n_queries, at_output)
    assert np.exp(start) == pytest.approx(weight)


def test_a_pretrained_body_is_protected_however_many_tokens_it_has():
    class Pretrained:
        needs_summary, initial_log_gate = False, -2.0

    assert starting_gate(Pretrained, 300, 8, at_output=False) == -2


def test_there_is_a_gate_for_every_auxiliary_and_for_the_cross_modal_path():
    assert len(fusion().log_gate) == 3
    assert len(fusion(cross_modal=False).log_gate) == 2


def test_without_queries_the_anchor_is_alone():
    model, batch = moved(fusion(n_queries=0)), subjects()
    expected = model(batch)
    for name in ("fmri", "notes"):
        torch.testing.assert_close(model(changed(batch, name)), expected)
    assert not torch.allclose(model(changed(batch, "smri")), expected, atol=1e-4)


def test_a_single_modality_has_no_auxiliary_tokens():
    shapes = {"smri": SHAPES["smri"]}
    model, batch = moved(fusion(shapes=shapes)), subjects()
    batch = batch | {
        "tokens": {"smri": batch["tokens"]["smri"]},
        "masks": {"smri": batch["masks"]["smri"]},
        "scores": batch["scores"][:, :1],
        "present": batch["present"][:, :1],
    }
    assert model(batch).shape == (N_SUBJECTS, N_CLASSES)


def test_tokens_without_places_can_be_anchor():
    batch = subjects()
    assert moved(fusion(anchor="notes"))(batch).isfinite().all()


def test_masked_tokens_of_the_anchor_are_not_read():
    model, batch = moved(fusion()), subjects()
    batch["masks"]["smri"][:, 1] = False
    before = model(batch)
    batch["tokens"]["smri"][:, 1] = 50.0
    torch.testing.assert_close(model(batch), before)


def test_masked_tokens_of_an_auxiliary_are_not_read():
    model, batch = moved(fusion()), subjects()
    batch["masks"]["fmri"][:, 1] = False
    before = model(batch)
    batch["tokens"]["fmri"][:, 1] = 50.0
    torch.testing.assert_close(model(batch), before)


def test_auxiliary_tokens_have_the_root_mean_square_of_the_anchors_own():
    own, auxiliary = 7 * torch.randn(3, 4, 8), 0.1 * torch.randn(3, 5, 8)
    mask = torch.tensor([[True, True, False, False]] * 3)
    scaled = match_rms(auxiliary, own_rms(own, mask))
    target = own[:, :2].square().mean(dim=(1, 2)).sqrt()
    torch.testing.assert_close(scaled.square().mean(dim=-1).sqrt(), target[:, None].expand(-1, 5))


def test_auxiliary_tokens_keep_their_direction():
    own, auxiliary = torch.randn(3, 4, 8), torch.randn(3, 5, 8)
    scaled = match_rms(auxiliary, own_rms(own, torch.ones(3, 4, dtype=torch.bool)))
    cosine = nn.functional.cosine_similarity(scaled, auxiliary, dim=-1)
    torch.testing.assert_close(cosine, torch.ones(3, 5))


def test_pool_of_the_anchor_does_not_look_at_auxiliary_tokens():
    backbone = fusion().backbone
    own = torch.ones(2, 5, dtype=torch.bool)
    encoded = torch.randn(2, 11, 8)
    other = encoded.clone()
    other[:, 5:] = 100.0
    torch.testing.assert_close(backbone.pool(other, own), backbone.pool(encoded, own))


@pytest.mark.parametrize("anchor", list(SHAPES))
@pytest.mark.parametrize("missing", [(), ("smri",), ("fmri", "notes")])
def test_the_pooled_vector_is_that_of_the_joined_tokens(anchor, missing):
    model, batch = moved(fusion(anchor=anchor, depth=2)), subjects(missing)
    tokens, log_mask, own = model.join(batch, model.backbone)
    expected = model.backbone.pool(model.backbone.encode(tokens, log_mask, own.shape[1]), own)
    torch.testing.assert_close(model.pooled(batch), expected, rtol=1e-5, atol=1e-5)


# Where auxiliary tokens are read


def deep():
    """A model whose auxiliary tokens join before its second block."""
    model = moved(fusion(depth=2))
    model.backbone.join_before(1)
    return model


def late():
    """A model whose pooled vector reads the auxiliary tokens behind the last block."""
    return moved(fusion(at_output=True))


later = pytest.mark.parametrize("make", [deep, late])


@later
@pytest.mark.parametrize("name", list(SHAPES))
def test_every_modality_is_read_at_any_depth(make, name):
    model, batch = make(), subjects()
    assert not torch.allclose(model(changed(batch, name)), model(batch), atol=1e-4)


@later
@pytest.mark.parametrize("missing", [("fmri",), ("fmri", "notes"), ("smri",)])
def test_what_is_missing_has_no_influence_at_any_depth(make, missing):
    model, batch = make(), subjects(missing)
    before = model(batch)
    for name in missing:
        torch.testing.assert_close(model(changed(batch, name)), before)


@later
def test_a_missing_anchor_leaves_the_auxiliaries_heard_at_any_depth(make):
    model, batch = make(), subjects(missing=("smri",))
    assert not torch.allclose(model(changed(batch, "fmri")), model(batch), atol=1e-4)


@later
def test_gradient_reaches_the_gate_at_any_depth(make):
    model = make()
    model(subjects()).sum().backward()
    assert (model.log_gate.grad.abs() > 1e-7).all()


def test_training_starts_from_the_base_logits_with_interaction_at_the_output():
    batch = subjects()
    model = fusion(at_output=True)
    torch.testing.assert_close(model(batch), batch["base"], rtol=0, atol=0)
    assert (model.log_gate == 0).all()


def test_at_the_output_the_transformer_reads_no_auxiliary_token():
    model, batch = late(), subjects()
    tokens, log_mask, own = model.join(batch, model.backbone)
    assert model.n_joining == 0
    assert tokens.shape[1] == log_mask.shape[1] == own.shape[1]
    torch.testing.assert_close(model.pooled(changed(batch, "fmri")), model.pooled(batch))


def test_at_the_output_the_pooled_vector_reads_auxiliary_tokens_of_unit_size():
    model, batch = late(), subjects()
    tokens, gate = model._auxiliary_tokens(batch, torch.ones(1))
    torch.testing.assert_close(tokens.square().mean(-1), torch.ones(tokens.shape[:2]))
    read = model.output_reader(model.pooled(batch), tokens, gate)
    torch.testing.assert_close(model(batch), batch["base"] + model.head(read))


def test_at_the_output_without_queries_the_anchor_is_alone():
    model = fusion(n_queries=0, at_output=True)
    assert model.output_reader is None
    assert model.n_joining == 0


# Gates


def test_the_number_of_joining_tokens_is_that_of_all_queries():
    assert fusion().n_joining == 6
    assert fusion(cross_modal=False).n_joining == 4
    assert fusion(n_queries=0).n_joining == 0


@pytest.mark.parametrize("at_output", [False, True])
def test_a_gate_that_is_always_closed_shuts_the_auxiliaries_out(at_output):
    model, batch = moved(fusion(gate="closed", at_output=at_output)), subjects()
    expected = model(batch)
    for name in ("fmri", "notes"):
        torch.testing.assert_close(model(changed(batch, name)), expected)
    assert not torch.allclose(model(changed(batch, "smri")), expected, atol=1e-4)


def test_an_open_gate_lets_auxiliary_tokens_join_like_own_ones():
    model = moved(fusion(gate="open"))
    batch = subjects()
    _, log_mask, own = model.join(batch, model.backbone)
    assert (log_mask[:, own.shape[1] :] == 0).all()
    assert not torch.allclose(model(changed(batch, "fmri")), model(batch), atol=1e-4)


@pytest.mark.parametrize("gate", ["open", "closed"])
def test_a_fixed_gate_is_not_trained_and_all_else_starts_alike(gate):
    fixed, learned = fusion(gate=gate), fusion()
    assert "log_gate" not in dict(fixed.named_parameters())
    assert fixed.log_gate.shape == learned.log_gate.shape
    for name, value in fixed.named_parameters():
        assert torch.equal(value, learned.get_parameter(name))


def test_an_open_gate_shuts_what_is_missing_out():
    model, batch = moved(fusion(gate="open")), subjects(("fmri",))
    torch.testing.assert_close(model(changed(batch, "fmri")), model(batch))


# Behind the last block


def output_reader(width=6, reader_width=8):
    torch.manual_seed(0)
    return OutputReader(width, reader_width, n_heads=2)


def drawn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("width", [6, 8])
def test_what_is_read_is_added(width):
    model, pooled, tokens = output_reader(width), drawn(3, width), drawn(3, 4, 8)
    log_mask = torch.zeros(3, 4)
    query = model.norm_pooled(model.narrow(pooled))[:, None]
    keys = torch.cat([query, model.norm_tokens(tokens)], dim=1)
    read = model.attention(query, keys, torch.zeros(3, 5))[:, 0]
    found = model(pooled, tokens, log_mask)
    torch.testing.assert_close(found, pooled + model.widen(read))


def test_closed_tokens_are_not_read():
    model, pooled, log_mask = output_reader(), drawn(3, 6), torch.full((3, 4), CLOSED)
    first, second = (model(pooled, drawn(3, 4, 8, seed=seed), log_mask) for seed in (1, 2))
    torch.testing.assert_close(first, second)


def test_a_gate_decides_how_much_is_read():
    model, pooled, tokens = output_reader(), drawn(3, 6), drawn(3, 4, 8)
    closed, low, high = (
        model(pooled, tokens, torch.full((3, 4), gate)) for gate in (CLOSED, -3.0, 0.0)
    )
    assert 0 < (low - closed).norm() < (high - closed).norm()


def test_gradients_reach_everything():
    model, pooled, tokens = output_reader(), drawn(3, 6), drawn(3, 4, 8).requires_grad_()
    gate = torch.tensor(-1.0, requires_grad=True)
    model(pooled, tokens, gate.expand(3, 4)).square().sum().backward()
    assert gate.grad != 0
    assert (tokens.grad.abs().sum(-1) > 0).all()
    assert all(weight.grad is not None for weight in model.parameters())


def test_subjects_do_not_touch_each_other():
    model, pooled, tokens = output_reader(), drawn(3, 6), drawn(3, 4, 8)
    together = model(pooled, tokens, torch.zeros(3, 4))
    alone = model(pooled[1:2], tokens[1:2], torch.zeros(1, 4))
    torch.testing.assert_close(together[1:2], alone)


def test_equal_widths_need_no_map():
    assert isinstance(map_width(4, 4), nn.Identity)
    assert map_width(4, 6).weight.shape == (6, 4)
