import math

import numpy as np
import pytest
import torch

from adestim import check_backbone, list_backbones
from adestim.backbone import CLOSED
from adestim.backbone.attention import log_mask_of
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError, GenotypeError
from adestim.modalities.genetics.models.dnabert2 import (
    DNABERT2,
    BytePairWindows,
    distance_bias,
    head_slopes,
)
from tests.modalities.genetics.genomes import (
    TINY_BERT,
    random_dna,
    save_released,
    tiny_bert,
    write_tokenizer,
)


@pytest.fixture
def words(tmp_path):
    return DNABERT2.tokenizer(None, str(write_tokenizer(tmp_path)))


def inputs(*lengths):
    rng = np.random.default_rng(0)
    return [np.concatenate([[1], rng.integers(5, 40, n), [2]]) for n in lengths]


def encoded(model, ids, auxiliary=None, gate=0.0):
    tokens, log_mask = model.embed(ids), log_mask_of(model.own_mask(ids))
    if auxiliary is not None:
        tokens = torch.cat([tokens, auxiliary], dim=1)
        log_mask = torch.cat([log_mask, torch.full(auxiliary.shape[:2], gate)], dim=1)
    return model.encode(tokens, log_mask, ids.shape[1])


def normal(x, norm):
    spread = (x.var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
    return (x - x.mean(-1, keepdim=True)) / spread * norm.weight + norm.bias


def plain_layer(layer, x, n_heads):
    """One block written out head by head, for one sequence (T, C)."""
    q, k, v = (x @ layer.attention.self.Wqkv.weight.T + layer.attention.self.Wqkv.bias).chunk(3, -1)
    places = torch.arange(len(x), dtype=torch.float32)
    heads = []
    for number, part in enumerate(torch.arange(x.shape[1]).chunk(n_heads)):
        logits = q[:, part] @ k[:, part].T / math.sqrt(len(part))
        bias = -(places[:, None] - places).abs() * 2 ** (-8 * (number + 1) / n_heads)
        heads.append((logits + bias).softmax(-1) @ v[:, part])
    output = layer.attention.output
    x = normal(
        torch.cat(heads, -1) @ output.dense.weight.T + output.dense.bias + x, output.LayerNorm
    )
    first, second = (x @ layer.mlp.gated_layers.weight.T).chunk(2, -1)
    gated = first * (1 + torch.erf(first / math.sqrt(2))) / 2 * second
    return normal(gated @ layer.mlp.wo.weight.T + layer.mlp.wo.bias + x, layer.mlp.layernorm)


def test_encoding_equals_the_blocks_written_out():
    model = tiny_bert()
    ids = model.collate(inputs(9))
    table = model.embeddings
    x = table.word_embeddings.weight[ids[0]] + table.token_type_embeddings.weight[0]
    x = normal(x, table.LayerNorm)
    torch.testing.assert_close(model.embed(ids)[0], x, atol=1e-5, rtol=1e-5)
    for layer in model.encoder.layer:
        x = plain_layer(layer, x, model.n_heads)
    torch.testing.assert_close(encoded(model, ids)[0], x, atol=1e-5, rtol=1e-5)


def test_slopes_of_twelve_heads_are_those_of_eight_and_every_other_of_sixteen():
    expected = [2.0**-n for n in range(1, 9)] + [2.0 ** -(n + 0.5) for n in range(4)]
    np.testing.assert_allclose(head_slopes(12), expected)


def test_auxiliary_tokens_have_no_distance():
    bias = distance_bias(3, 5, 2, torch.device("cpu"))
    assert bias.shape == (2, 5, 5)
    assert (bias[:, 3:] == 0).all()
    assert (bias[:, :, 3:] == 0).all()
    torch.testing.assert_close(bias[1, 0, :3], torch.tensor([0, -1, -2]) * 2.0**-8)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_contract_is_kept(pooling):
    check_backbone(tiny_bert(pooling=pooling), inputs(9, 6, 4))


def test_padding_changes_nothing():
    model = tiny_bert()
    ids = inputs(5, 9)
    auxiliary = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(1))
    alone = encoded(model, model.collate(ids[:1]), auxiliary)[0, :7]
    beside = encoded(model, model.collate(ids), auxiliary.expand(2, -1, -1))[0, :7]
    torch.testing.assert_close(beside, alone, atol=1e-5, rtol=1e-5)


def test_closed_auxiliary_tokens_are_as_good_as_none():
    model = tiny_bert()
    ids = model.collate(inputs(5))
    together = encoded(model, ids, 9 * torch.ones(1, 3, 16), CLOSED)[:, :7]
    torch.testing.assert_close(together, encoded(model, ids), atol=1e-5, rtol=1e-5)


def test_gradient_reaches_auxiliary_tokens_and_their_gate():
    model = tiny_bert().requires_grad_(False)
    ids = model.collate(inputs(5))
    auxiliary = torch.zeros(1, 3, 16, requires_grad=True)
    gate = torch.tensor(-2.0, requires_grad=True)
    tokens = torch.cat([model.embed(ids), auxiliary], dim=1)
    log_mask = torch.cat([torch.zeros(1, 7), gate.expand(1, 3)], dim=1)
    pooled = model.pool(model.encode(tokens, log_mask, 7), model.own_mask(ids))
    pooled.square().sum().backward()
    assert (auxiliary.grad.abs().sum(-1) > 1e-6).all()
    assert gate.grad.abs() > 1e-6


def test_pooled_vector_is_the_mean_of_dna_alone():
    own = torch.tensor([[True, True, True, True, False]])
    assert tiny_bert().readable(own).tolist() == [[False, True, True, False, False]]


def test_stand_in_is_readable():
    own = torch.tensor([[False, False, True]])
    assert tiny_bert().readable(own).tolist() == [[False, False, True]]


def test_released_names_are_read_without_heads(tmp_path):
    model = tiny_bert()
    further = {"cls.predictions.bias": torch.ones(3), "bert.pooler.dense.bias": torch.ones(3)}
    path = save_released(model, tmp_path / "model.safetensors", prefix="bert.", **further)
    spec = BackboneSpec(
        "tiny",
        options=(("architecture", tuple(TINY_BERT.items())),),
        sources=(("weights", str(path)),),
    )
    restored = DNABERT2.load(spec)
    assert "encoder.layer.0.attention.self.Wqkv.weight" in restored.state_dict()
    for name, value in model.state_dict().items():
        assert restored.state_dict()[name].equal(value)


def test_card_says_the_number_of_weights():
    with torch.device("meta"):
        model = DNABERT2()
    n_weights = sum(weight.numel() for weight in model.parameters())
    card = list_backbones("genetics").loc["dnabert-2-117m"]
    assert card["parameters"] == n_weights
    # With the pooler, which is not used, these are the 117 million of the name.
    assert n_weights + 768 * 769 == 117_068_544
    assert card["licence"] == "Apache-2.0"


def test_window_is_tokenised_without_special_tokens(words):
    dna = random_dna(72)
    ids, place = words.window(dna, 38)
    assert not {words.pad, *words.starts, *words.ends} & set(ids.tolist())
    pieces = [words.words.id_to_token(int(number)) for number in ids]
    assert "".join(pieces) == dna
    before = len("".join(pieces[:place]))
    assert before <= 38 < before + len(pieces[place])


def test_special_tokens_are_the_tokenizers_own(words):
    assert (words.pad, words.starts, words.ends) == (3, (1,), (2,))


def test_tokenizer_beside_the_weights_is_found(tmp_path):
    write_tokenizer(tmp_path)
    for weights in (tmp_path, tmp_path / "model.safetensors"):
        assert isinstance(DNABERT2.tokenizer(weights, None), BytePairWindows)


def test_lacking_tokenizer_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(GenotypeError, match=r"tokenizer\.json.*'tokenizer'"):
        DNABERT2.tokenizer(tmp_path, None)


def test_tokenizer_without_special_tokens_is_refused(tmp_path):
    path = write_tokenizer(tmp_path, special=["[UNK]"])
    with pytest.raises(GenotypeError, match=r"without \[PAD\]"):
        DNABERT2.tokenizer(None, str(path))


def test_damaged_tokenizer_is_an_error_with_a_remedy(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("{")
    with pytest.raises(CheckpointError, match=r"Download the tokenizer\.json"):
        DNABERT2.tokenizer(None, path)


def test_padding_must_be_one_of_the_words():
    with pytest.raises(GenotypeError, match="pad=99 of n_words=40"):
        DNABERT2(**TINY_BERT, pad=99)
