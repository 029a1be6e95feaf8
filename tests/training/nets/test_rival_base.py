import pytest
import torch

from adestim.training.nets import ModalityShape
from adestim.training.nets.rival_base import RivalFusion, TokenReader


def reader(n_tokens):
    torch.manual_seed(0)
    return TokenReader(ModalityShape(n_tokens=n_tokens, width=3, n_scores=2), width=8)


def read(n_tokens=4, places=True, **changes):
    """Two subjects' tokens as read; the second lacks the modality."""
    generator = torch.Generator().manual_seed(1)
    present = torch.tensor([True, False])
    parts = {
        "tokens": torch.randn(2, n_tokens, 3, generator=generator),
        "mask": present[:, None].expand(2, n_tokens),
        "scores": torch.randn(2, 2, generator=generator),
        "present": present,
    }
    return reader(n_tokens if places else 0)(**(parts | changes))


def test_the_scores_are_one_token_more():
    assert read().tokens.shape == (2, 5, 8)


def test_the_mean_of_a_missing_modality_is_zero():
    means = read().mean
    assert (means[1] == 0).all()
    assert means[0].abs().sum() > 0


def test_the_scores_weigh_as_all_other_tokens_together():
    one = read()
    expected = (one.tokens[0, :4].mean(dim=0) + one.tokens[0, 4]) / 2
    torch.testing.assert_close(one.mean[0], expected)


def test_masked_tokens_are_not_in_the_mean():
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    one = read(mask=mask)
    expected = (one.tokens[0, :2].mean(dim=0) + one.tokens[0, 4]) / 2
    torch.testing.assert_close(one.mean[0], expected)


def test_every_place_reads_in_its_own_way_where_places_have_a_meaning():
    same = torch.ones(2, 4, 3)
    assert not torch.allclose(read(tokens=same).tokens[:, 0], read(tokens=same).tokens[:, 1])


def test_tokens_without_places_are_read_alike():
    same = read(tokens=torch.ones(2, 4, 3), places=False).tokens
    torch.testing.assert_close(same[:, 0], same[:, 1])


def test_tokens_without_places_may_be_any_number():
    assert read(n_tokens=7, places=False).tokens.shape == (2, 8, 8)


def test_a_rival_without_a_fusion_cannot_be_built():
    with pytest.raises(TypeError, match="abstract"):
        RivalFusion({}, 8, 2, 0.0)
