import pytest
import torch

from adestim.backbone import CLOSED, ReferenceBackbone


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    return ReferenceBackbone(3, 2, width=8, depth=2, n_heads=1, dropout=0.5).eval()


def test_closed_auxiliary_tokens_leave_the_own_tokens_as_they_are(backbone):
    own = backbone.embed(torch.randn(4, 3, 2))
    auxiliary = 50 * torch.randn(4, 6, 8)
    open_mask, closed_mask = torch.zeros(4, 3), torch.full((4, 6), CLOSED)
    alone = backbone.encode(own, open_mask, 3)
    together = backbone.encode(
        torch.cat([own, auxiliary], dim=1), torch.cat([open_mask, closed_mask], dim=1), 3
    )
    torch.testing.assert_close(together[:, :3], alone)


def test_open_auxiliary_tokens_are_read(backbone):
    own, real = backbone.embed(torch.randn(4, 3, 2)), torch.ones(4, 3, dtype=torch.bool)
    tokens = torch.cat([own, torch.randn(4, 6, 8)], dim=1)
    alone = backbone.pool(backbone.encode(own, torch.zeros(4, 3), 3), real)
    together = backbone.pool(backbone.encode(tokens, torch.zeros(4, 9), 3), real)
    assert not torch.allclose(together, alone, atol=1e-3)


def test_every_own_token_is_read(backbone):
    inputs, real = torch.randn(1, 3, 2), torch.ones(1, 3, dtype=torch.bool)

    def pooled(inputs):
        return backbone.pool(backbone.encode(backbone.embed(inputs), torch.zeros(1, 3), 3), real)

    for place in range(3):
        other = inputs.clone()
        other[:, place] += 3
        assert not torch.allclose(pooled(other), pooled(inputs), atol=1e-3)


def test_pool_never_looks_at_auxiliary_tokens(backbone):
    encoded, real = torch.randn(2, 7, 8), torch.ones(2, 3, dtype=torch.bool)
    other = encoded.clone()
    other[:, 3:] = 100.0
    torch.testing.assert_close(backbone.pool(other, real), backbone.pool(encoded, real))


def test_embed_tells_places_apart(backbone):
    same = torch.ones(1, 3, 2)
    embedded = backbone.embed(same)
    assert not torch.allclose(embedded[0, 0], embedded[0, 1])


def test_embed_without_places_takes_any_number_of_tokens_alike():
    backbone = ReferenceBackbone(0, 2, width=8, depth=1, n_heads=1, dropout=0.0)
    embedded = backbone.embed(torch.ones(1, 5, 2))
    torch.testing.assert_close(embedded[0, 0], embedded[0, 4])


def test_every_backbone_parameter_receives_a_gradient(backbone):
    tokens = backbone.embed(torch.randn(4, 3, 2))
    backbone.encode(tokens, torch.zeros(4, 3), 3).square().sum().backward()
    without = [name for name, value in backbone.named_parameters() if value.grad is None]
    assert not without


@pytest.mark.parametrize("n_features", [1, 2, 9])
@pytest.mark.parametrize(("n_places", "join_at"), [(3, 0), (3, 1), (0, 0)])
def test_a_summary_is_the_pooled_vector_of_the_encoded_tokens(n_features, n_places, join_at):
    torch.manual_seed(0)
    model = ReferenceBackbone(n_places, n_features, 8, depth=2, n_heads=2, dropout=0.5).eval()
    model.join_before(join_at)
    inputs, summary = torch.randn(4, 3, n_features), torch.randn(4, 1, 8)
    real = torch.ones(4, 4, dtype=torch.bool)
    for n_auxiliary in (0, 5):
        auxiliary, log_mask = torch.randn(4, n_auxiliary, 8), torch.randn(4, 4 + n_auxiliary)
        tokens = torch.cat([model.embed(inputs), summary, auxiliary], dim=1)
        expected = model.pool(model.encode(tokens, log_mask, 4), real)
        found = model.summarise(inputs, summary, auxiliary, log_mask)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
