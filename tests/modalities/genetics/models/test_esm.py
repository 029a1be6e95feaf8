import torch

from adestim.backbone import CLOSED
from adestim.modalities.genetics.models.esm import Embeddings, Encoder, rotary_angles


def test_angles_count_open_own_tokens_and_leave_auxiliary_ones_at_the_first():
    tokens = torch.zeros(1, 6, 8)
    log_mask = torch.tensor([[0, CLOSED, 0, 0, -2, -2]])
    angles = rotary_angles(tokens, log_mask, n_own=4, width=4)
    assert angles.shape == (1, 1, 6, 2)
    assert angles[0, 0, :, 0].tolist() == [0, 0, 1, 2, 0, 0]
    torch.testing.assert_close(angles[0, 0, 3], torch.tensor([2.0, 0.02]))


def test_angles_of_open_tokens_need_no_mask():
    tokens = torch.zeros(3, 4, 8)
    angles = rotary_angles(tokens, None, n_own=4, width=4)
    assert angles[0, 0, :, 0].tolist() == [0, 1, 2, 3]


def test_padding_is_embedded_as_zero_and_has_no_position():
    embeddings = Embeddings(n_words=5, width=4, max_positions=6, norm_eps=None)
    x = embeddings(torch.tensor([[3, 1, 4, 1]]), pad=1, masked=None)
    assert (x[0, [1, 3]] == 0).all()
    words, places = embeddings.word_embeddings.weight, embeddings.position_embeddings.weight
    torch.testing.assert_close(x[0, 2], words[4] + places[3])


def test_encoder_has_the_names_of_the_checkpoint():
    names = Encoder(1, 8, 2, 12, gated=True, norm_eps=1e-12).state_dict()
    assert names["layer.0.intermediate.dense.weight"].shape == (24, 8)
    assert names["layer.0.output.dense.weight"].shape == (8, 12)
    assert "layer.0.intermediate.dense.bias" not in names
    assert "layer.0.attention.self.query.bias" in names
    assert "emb_layer_norm_after.weight" in names
