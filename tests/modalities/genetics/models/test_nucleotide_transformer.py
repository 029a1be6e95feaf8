import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adestim import check_backbone, list_backbones
from adestim.backbone import CLOSED
from adestim.backbone.attention import log_mask_of
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError, GenotypeError
from adestim.modalities.genetics.models.esm import Encoder, rotary_angles
from adestim.modalities.genetics.models.kmers import KMERS_V1, KMERS_V2
from adestim.modalities.genetics.models.nucleotide_transformer import (
    V1_SIZES,
    V2_SIZES,
    NucleotideTransformer,
    NucleotideTransformerV2,
)
from tests.modalities.genetics.genomes import (
    TINY,
    lively,
    random_dna,
    save_released,
    tiny_v1,
    tiny_v2,
)

TOLERANCE = {"atol": 1e-5, "rtol": 0}


@pytest.fixture
def fixture(parity):
    """Return the reference code's arrays by name, and the model filled with its weights."""
    folder = parity / "esm"
    config = json.loads((folder / "config.json").read_text())
    architecture = {
        "n_layers": config["num_hidden_layers"],
        "width": config["hidden_size"],
        "n_heads": config["num_attention_heads"],
        "ffn_width": config["intermediate_size"],
        "max_positions": config["max_position_embeddings"],
        "norm_eps": config["layer_norm_eps"],
    }
    spec = spec_of(folder / "state_dict.safetensors", architecture)
    arrays = {path.stem: torch.from_numpy(np.load(path)) for path in folder.glob("*.npy")}
    return arrays, NucleotideTransformer.load(spec)


def spec_of(weights, architecture):
    return BackboneSpec(
        "tiny",
        options=(("architecture", tuple(architecture.items())),),
        sources=(("weights", str(weights)),),
    )


def encoded(model, ids, auxiliary=None, gate=0.0):
    """Return encoded own tokens, auxiliary ones after them under one gate."""
    tokens, own = model.embed(ids), model.own_mask(ids)
    log_mask = log_mask_of(own)
    if auxiliary is not None:
        tokens = torch.cat([tokens, auxiliary], dim=1)
        log_mask = torch.cat([log_mask, torch.full(auxiliary.shape[:2], gate)], dim=1)
    return model.encode(tokens, log_mask, ids.shape[1])


def ids_of(*lengths, words=KMERS_V1):
    return [words(random_dna(length, seed)) for seed, length in enumerate(lengths)]


def test_embedding_equals_the_reference(fixture):
    arrays, model = fixture
    own = arrays["attention_mask"].bool()
    assert model.own_mask(arrays["input_ids"]).equal(own)
    embedded = model.embed(arrays["input_ids"])
    torch.testing.assert_close(embedded[own], arrays["embedding_output"][own], **TOLERANCE)


def test_encoding_equals_the_reference(fixture):
    arrays, model = fixture
    own = arrays["attention_mask"].bool()
    tokens = encoded(model, arrays["input_ids"])
    torch.testing.assert_close(tokens[own], arrays["last_hidden_state"][own], **TOLERANCE)


def test_encoding_with_auxiliary_tokens_behind_padding_equals_the_reference(fixture):
    arrays, model = fixture
    real = arrays["soft_attention_mask"].bool()
    tokens = encoded(model, arrays["input_ids"], arrays["soft_tokens"])
    torch.testing.assert_close(tokens[real], arrays["soft_last_hidden_state"][real], **TOLERANCE)


@pytest.mark.parametrize("size", V1_SIZES)
def test_version_1_has_the_released_numbers_of_weights(size):
    with torch.device("meta"):
        model = NucleotideTransformer(**V1_SIZES[size])
    n_weights = sum(weight.numel() for weight in model.parameters())
    assert n_weights == {"500m": 478_798_080, "2.5b": 2_530_726_400}[size]
    names = [name for name in list_backbones("genetics").index if f"r-{size}-" in name]
    assert (list_backbones("genetics").loc[names, "parameters"] == n_weights).all()


def test_version_2_fills_the_released_file():
    # The released 50 M file has 223,642,688 bytes: float32 weights and some 22 kB of names.
    with torch.device("meta"):
        model = NucleotideTransformerV2(**V2_SIZES["50m"])
    n_weights = sum(weight.numel() for weight in model.parameters())
    unused_positions, contact_head, rotations = 2050 * 512, 12 * 16 + 1, 12 * 16
    lm_head = 512 * 512 + 512 + 2 * 512 + 512 * 4107 + 4107
    n_in_file = n_weights + unused_positions + contact_head + rotations + lm_head
    assert 0 < 223_642_688 - 4 * n_in_file < 25_000


@pytest.mark.parametrize("size", V2_SIZES)
def test_card_of_version_2_says_the_number_of_weights(size):
    with torch.device("meta"):
        model = NucleotideTransformerV2(**V2_SIZES[size])
    card = list_backbones("genetics").loc[f"nucleotide-transformer-v2-{size}-multi-species"]
    assert card["parameters"] == sum(weight.numel() for weight in model.parameters())


def test_cards_forbid_commercial_use():
    cards = list_backbones("genetics").filter(like="nucleotide-transformer", axis=0)
    assert len(cards) == 8
    assert set(cards["licence"]) == {"CC-BY-NC-SA-4.0"}
    assert not cards["commercial"].any()


@pytest.mark.parametrize(
    ("cls", "model"),
    [(NucleotideTransformer, tiny_v1()), (NucleotideTransformerV2, tiny_v2())],
)
def test_released_names_are_read_without_heads_and_tables(tmp_path, cls, model):
    further = {
        "lm_head.bias": torch.ones(3),
        "esm.contact_head.regression.bias": torch.ones(1),
        "esm.embeddings.position_ids": torch.arange(202)[None],
    }
    if cls is NucleotideTransformerV2:
        further["esm.embeddings.position_embeddings.weight"] = torch.ones(202, 16)
        for layer in range(2):
            name = f"esm.encoder.layer.{layer}.attention.self.rotary_embeddings.inv_freq"
            further[name] = torch.ones(4)
    path = save_released(model, tmp_path / "model.safetensors", **further)
    restored = cls.load(spec_of(path, TINY))
    for name, value in model.state_dict().items():
        assert restored.state_dict()[name].equal(value)


def test_names_without_prefix_are_read_too(tmp_path):
    path = save_released(tiny_v1(), tmp_path / "model.safetensors", prefix="")
    assert NucleotideTransformer.load(spec_of(path, TINY)).width == 16


def test_weights_of_the_other_version_are_refused(tmp_path):
    path = save_released(tiny_v2(), tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="'tiny'"):
        NucleotideTransformer.load(spec_of(path, TINY))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("make", [tiny_v1, tiny_v2])
def test_contract_is_kept(make, pooling):
    model = make(pooling=pooling)
    check_backbone(model, ids_of(72, 50, 31, words=model.words))


@pytest.mark.parametrize("make", [tiny_v1, tiny_v2])
def test_padding_changes_nothing(make):
    model = make()
    ids = ids_of(60, 90, words=model.words)
    auxiliary = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(1))
    alone = encoded(model, model.collate(ids[:1]), auxiliary)
    beside = encoded(model, model.collate(ids), auxiliary.expand(2, -1, -1))
    n_own = len(ids[0])
    torch.testing.assert_close(beside[0, :n_own], alone[0, :n_own], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", [tiny_v1, tiny_v2])
def test_closed_auxiliary_tokens_are_as_good_as_none(make):
    model = make()
    ids = model.collate(ids_of(60, 40, words=model.words))
    auxiliary = 9 * torch.ones(2, 3, 16)
    together = encoded(model, ids, auxiliary, CLOSED)[:, : ids.shape[1]]
    torch.testing.assert_close(together, encoded(model, ids), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", [tiny_v1, tiny_v2])
def test_order_of_auxiliary_tokens_has_no_meaning(make):
    model = make()
    ids = model.collate(ids_of(60, words=model.words))
    auxiliary = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(1))
    first, second = (encoded(model, ids, item)[:, :11] for item in (auxiliary, auxiliary.flip(1)))
    torch.testing.assert_close(second, first, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", [tiny_v1, tiny_v2])
def test_gradient_of_the_pooled_vector_reaches_auxiliary_tokens(make):
    model = make().requires_grad_(False)
    ids = model.collate(ids_of(60, words=model.words))
    auxiliary = torch.zeros(1, 3, 16, requires_grad=True)
    tokens = encoded(model, ids, auxiliary, gate=-2.0)
    model.pool(tokens, model.own_mask(ids)).square().sum().backward()
    assert (auxiliary.grad.abs().sum(-1) > 1e-6).all()


@pytest.mark.parametrize("make", [tiny_v1, tiny_v2])
def test_open_mask_equals_none(make):
    model = make()
    ids = model.collate(ids_of(60, words=model.words))
    plain = model.encode(model.embed(ids), None, ids.shape[1])
    torch.testing.assert_close(encoded(model, ids), plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", [tiny_v1, tiny_v2])
def test_places_of_dna_matter(make):
    model = make()
    first, second = ids_of(6, 12, words=model.words)
    repeated = np.concatenate([first, second[1:]])
    turned = np.concatenate([first[:1], second[1:], first[1:]])
    pooled = [
        model.pool(encoded(model, ids), model.own_mask(ids))
        for ids in (model.collate([repeated]), model.collate([turned]))
    ]
    assert not torch.allclose(*pooled, atol=1e-3)


@pytest.mark.parametrize("make", [tiny_v1, tiny_v2])
def test_closed_window_in_between_is_as_good_as_absent(make):
    model = make()
    [ids] = ids_of(60, words=model.words)
    gap = np.concatenate([ids[:5], [model.pad] * 4, ids[5:]])
    whole, gapped = model.collate([ids]), model.collate([gap])
    tokens = encoded(model, gapped)[model.own_mask(gapped)]
    torch.testing.assert_close(tokens, encoded(model, whole)[0], atol=1e-5, rtol=1e-5)


def test_nothing_masked_scales_words_as_in_pre_training():
    model, plain = tiny_v1(), tiny_v1(token_dropout=False)
    ids = model.collate(ids_of(60))
    places = model.embeddings.position_embeddings(torch.arange(2, 2 + ids.shape[1]))
    words, scaled = plain.embed(ids) - places, model.embed(ids) - places
    torch.testing.assert_close(scaled, 0.88 * words)


def test_masked_tokens_are_zeroed_and_the_others_scaled_up():
    model = tiny_v1()
    [ids] = ids_of(54)
    ids[4] = KMERS_V1.mask
    places = model.embeddings.position_embeddings(torch.arange(2, 12))
    words = (model.embed(model.collate([ids])) - places)[0]
    torch.testing.assert_close(words[4], torch.zeros(16), atol=1e-6, rtol=0)
    expected = model.embeddings.word_embeddings.weight[ids[1]] * 0.88 / 0.9
    torch.testing.assert_close(words[1], expected)


def test_embeddings_are_normalised_where_the_architecture_says_so():
    model = tiny_v1(norm_before=True)
    ids = model.collate(ids_of(60))
    weight, bias = model.embeddings.layer_norm.weight, model.embeddings.layer_norm.bias
    normal = ((model.embed(ids) - bias) / weight)[0]
    torch.testing.assert_close(normal.mean(-1), torch.zeros(11), atol=1e-4, rtol=0)


def test_version_2_rotates_as_transformers_does():
    transformers = pytest.importorskip("transformers")
    config = transformers.EsmConfig(
        vocab_size=4107, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, position_embedding_type="rotary", token_dropout=False,
        pad_token_id=1, mask_token_id=2, layer_norm_eps=1e-12, emb_layer_norm_before=False,
    )  # fmt: skip
    peer = lively(transformers.EsmModel(config, add_pooling_layer=False))
    model = tiny_v2()
    # The peer's feed-forward layers are not gated.
    model.encoder = Encoder(2, 16, 2, 24, gated=False, norm_eps=1e-12)
    names = model.state_dict().keys()
    state = {name: value for name, value in peer.state_dict().items() if name in names}
    model.load_state_dict(state)
    ids = model.collate(ids_of(60, 40, words=KMERS_V2))
    own = model.own_mask(ids)
    expected = peer(input_ids=ids, attention_mask=own.long()).last_hidden_state
    torch.testing.assert_close(encoded(model, ids)[own], expected[own], atol=1e-5, rtol=1e-5)


def test_version_2_gates_the_second_half_by_the_first():
    layer = tiny_v2().encoder.layer[0]
    x = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(2))
    middle = x + layer.attention(x, None, None)
    wide = layer.LayerNorm(middle) @ layer.intermediate.dense.weight.T
    gated = wide[..., :24] * wide[..., :24].sigmoid() * wide[..., 24:]
    expected = middle + gated @ layer.output.dense.weight.T
    torch.testing.assert_close(layer(x, None, None), expected)


def test_version_2_depends_on_distances_only():
    layer = tiny_v2().encoder.layer[0].attention
    x = torch.randn(1, 9, 16, generator=torch.Generator().manual_seed(2))
    angles = rotary_angles(x, None, 9, 8)
    shifted = angles + angles[:, :, 1:2]
    torch.testing.assert_close(layer(x, None, shifted), layer(x, None, angles))
    assert not torch.allclose(layer(x, None, None), layer(x, None, angles), atol=1e-3)


def test_context_follows_the_table_of_positions():
    assert NucleotideTransformer.input_size() == {"max_tokens": 1000}
    assert NucleotideTransformerV2.input_size() == {"max_tokens": 2048}
    assert NucleotideTransformer.input_size(max_positions=66) == {"max_tokens": 64}


def test_whole_table_of_positions_can_be_used_beside_auxiliary_tokens():
    model = tiny_v1()
    ids = model.collate(ids_of(199 * 6))
    assert ids.shape == (1, 200)
    assert encoded(model, ids, torch.zeros(1, 50, 16)).shape == (1, 250, 16)


def test_pooled_vector_leaves_the_class_token_out_unless_asked_for():
    tokens = torch.randn(1, 6, 16)
    own = torch.tensor([[True, True, True, False]])
    mean, cls = tiny_v1().pool(tokens, own), tiny_v1(pooling="cls").pool(tokens, own)
    torch.testing.assert_close(mean, tokens[:, 1:3].mean(1))
    torch.testing.assert_close(cls, tokens[:, 0])


def test_unknown_pooling_is_refused():
    with pytest.raises(GenotypeError, match="'mean', 'cls'"):
        tiny_v1(pooling="max")


def test_words_fit_into_the_tables():
    for cls, words in ((NucleotideTransformer, KMERS_V1), (NucleotideTransformerV2, KMERS_V2)):
        with torch.device("meta"):
            model = cls(**TINY)
        assert model.embeddings.word_embeddings.num_embeddings == words.n_ids


def test_adapters_find_their_layers():
    names = [
        name for name, layer in tiny_v1().named_modules() if isinstance(layer, torch.nn.Linear)
    ]
    found = [name for name in names if name.endswith(NucleotideTransformer.lora_targets)]
    assert len(found) == 4


def test_weights_equal_those_in_the_fixture(parity, fixture):
    _, model = fixture
    state = load_file(parity / "esm" / "state_dict.safetensors")
    used = {name: value for name, value in state.items() if not name.startswith("contact_head")}
    assert model.state_dict().keys() == used.keys()
