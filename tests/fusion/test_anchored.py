import pytest
import torch
from torch import nn

from adestim.backbone import ReferenceBackbone
from adestim.fusion import AnchoredFusion, ModalityShape
from adestim.fusion.anchored import match_rms
from adestim.fusion.own import own_rms

SHAPES = {
    "smri": ModalityShape(n_tokens=4, width=3, n_scores=2),
    "fmri": ModalityShape(n_tokens=5, width=2, n_scores=2),
    "notes": ModalityShape(n_tokens=0, width=6, n_scores=2),
}
N_TOKENS = {"smri": 4, "fmri": 5, "notes": 3}
N_SUBJECTS, N_CLASSES = 3, 2


def fusion(anchor="smri", shapes=SHAPES, n_queries=2, cross_modal=True):
    """A model in evaluation mode, at its start."""
    torch.manual_seed(0)
    own = shapes[anchor]
    backbone = ReferenceBackbone(own.n_tokens, own.width, 8, depth=1, n_heads=1, dropout=0.1)
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
