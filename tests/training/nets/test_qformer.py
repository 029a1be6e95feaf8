import pytest
import torch

from adestim.backbone import CLOSED
from adestim.training.nets import ModalityAwareQFormer
from adestim.training.nets.qformer import log_mask_of

WIDTHS = {"fmri": 3, "clinical": 5}
WIDTH, N_QUERIES = 8, 2


def qformer(**params):
    torch.manual_seed(0)
    return ModalityAwareQFormer(WIDTHS, WIDTH, N_QUERIES, n_heads=2, **params).eval()


def subjects():
    """Two subjects' tokens; the second lacks 'fmri'."""
    generator = torch.Generator().manual_seed(1)
    tokens = {name: torch.randn(2, 4, width, generator=generator) for name, width in WIDTHS.items()}
    masks = {name: torch.ones(2, 4, dtype=torch.bool) for name in WIDTHS}
    masks["fmri"][1] = False
    masks["clinical"][:, 3] = False
    return tokens, masks


def changed(tokens, name, rows=slice(None), places=slice(None)):
    """The same tokens, some of them quite different."""
    other = {key: value.clone() for key, value in tokens.items()}
    other[name][rows, places] = 50.0
    return other


@pytest.mark.parametrize(("cross_modal", "n_groups"), [(True, 3), (False, 2)])
def test_tokens_are_a_few_of_the_anchors_width(cross_modal, n_groups):
    model = qformer(cross_modal=cross_modal)
    auxiliary, present = model(*subjects())
    assert auxiliary.shape == (2, n_groups * N_QUERIES, WIDTH)
    assert present.shape == (2, n_groups)
    assert model.n_groups == n_groups


def test_a_missing_modality_closes_its_group_alone():
    _, present = qformer()(*subjects())
    assert present.tolist() == [[True, True, True], [False, True, True]]


def test_the_cross_modal_group_is_closed_where_nothing_is_there():
    tokens, masks = subjects()
    masks["clinical"][1] = False
    auxiliary, present = qformer()(tokens, masks)
    assert present.tolist() == [[True, True, True], [False, False, False]]
    assert auxiliary.isfinite().all()


def test_the_cross_modal_path_does_not_read_a_missing_modality():
    model, (tokens, masks) = qformer(), subjects()
    before, _ = model(tokens, masks)
    after, _ = model(changed(tokens, "fmri", rows=1), masks)
    torch.testing.assert_close(after[1, N_QUERIES:], before[1, N_QUERIES:])


def test_the_cross_modal_path_reads_every_modality_that_is_there():
    model, (tokens, masks) = qformer(), subjects()
    before, _ = model(tokens, masks)
    for name in WIDTHS:
        after, _ = model(changed(tokens, name, rows=0), masks)
        assert not torch.allclose(after[0, -N_QUERIES:], before[0, -N_QUERIES:], atol=1e-3)


def test_the_queries_of_a_modality_read_that_modality_alone():
    model, (tokens, masks) = qformer(), subjects()
    before, _ = model(tokens, masks)
    after, _ = model(changed(tokens, "clinical"), masks)
    torch.testing.assert_close(after[:, :N_QUERIES], before[:, :N_QUERIES])
    own = slice(N_QUERIES, 2 * N_QUERIES)
    assert not torch.allclose(after[:, own], before[:, own], atol=1e-3)


def test_masked_tokens_are_not_read():
    model, (tokens, masks) = qformer(), subjects()
    before, _ = model(tokens, masks)
    after, _ = model(changed(tokens, "clinical", places=3), masks)
    torch.testing.assert_close(after, before)


def test_tokens_of_a_modality_have_no_order():
    model, (tokens, masks) = qformer(), subjects()
    turned = {name: value.flip(1) for name, value in tokens.items()}
    turned_masks = {name: value.flip(1) for name, value in masks.items()}
    torch.testing.assert_close(model(turned, turned_masks)[0], model(tokens, masks)[0])


def test_log_masks_weigh_tokens():
    model, (tokens, masks) = qformer(), subjects()
    log_masks = {name: log_mask_of(mask) for name, mask in masks.items()}
    plain, _ = model(tokens, masks)
    torch.testing.assert_close(model(tokens, masks, log_masks)[0], plain)
    log_masks["clinical"][:, 0] += 3
    assert not torch.allclose(model(tokens, masks, log_masks)[0], plain, atol=1e-3)


def test_every_parameter_receives_a_gradient():
    model = qformer()
    model(*subjects())[0].square().sum().backward()
    assert all(value.grad is not None for value in model.parameters())


def test_log_mask_is_zero_where_open():
    assert log_mask_of(torch.tensor([True, False])).tolist() == [0, CLOSED]


def test_weights_of_several_models_can_be_stacked():
    models, (tokens, masks) = [qformer() for _ in range(3)], subjects()
    with torch.no_grad():
        for number, model in enumerate(models):
            model.uni_modal.queries += number
    weights, buffers = torch.func.stack_module_state(models)

    def read(*state):
        return torch.func.functional_call(models[0], state, (tokens, masks))[0]

    together = torch.func.vmap(read)(weights, buffers)
    alone = torch.stack([model(tokens, masks)[0] for model in models])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
