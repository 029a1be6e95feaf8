"""Language models as backbones."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch

from adestim import check_backbone
from adestim.backbone.attention import log_mask_of
from adestim.backbone.loading import skeleton
from adestim.exceptions import CheckpointError, InputError
from adestim.modalities.clinical import RecordTemplate
from adestim.modalities.clinical.models.language_model import LanguageModel
from tests.modalities.clinical.language_folders import (
    SMALL,
    WORDS,
    loaded,
    save_tokenizer,
    small_folder,
    small_model,
    spec_of,
    wrapped,
)

COLUMNS = ["age", "sex"]
RECORD = {"age": 71.0, "sex": "F"}
IDS = [np.array([1, 5, 6, 7, 8, 9, 2], np.int32), np.array([1, 6, 9, 2], np.int32)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory, bert_folder):
    """One folder of a causal model, one of an encoder."""
    return {"llama": small_folder(tmp_path_factory.mktemp("llama"), "llama"), "bert": bert_folder}


def learned(folder, **params):
    template = RecordTemplate({"age": "The patient is {value} years old", "sex": "Sex {value} ."})
    return LanguageModel.learn(
        (), folder=folder, columns=COLUMNS, **{"template": template, **params}
    )


def words(ids):
    return " ".join(WORDS[number] for number in ids)


@pytest.mark.parametrize("kind", SMALL)
def test_it_keeps_the_contract_of_a_backbone(kind):
    model = wrapped(kind)
    longer = np.array([1, 6, 9, 7, 7, 8, 9, 4, 2], np.int32)
    check_backbone(model, [*IDS, longer])
    assert model.width == 16


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_a_record_becomes_the_numbers_of_its_words(folders, kind):
    ids = LanguageModel.prepare(RECORD, **learned(folders[kind]))
    assert ids.dtype == np.int32
    assert words(ids) == "[CLS] the patient is 71 years old sex f . [SEP]"


def test_a_causal_model_begins_with_its_first_token_whatever_the_tokenizer_does(tmp_path):
    small_model("llama").save_pretrained(tmp_path)
    save_tokenizer(tmp_path, first=False)
    ids = LanguageModel.prepare(RECORD, **learned(tmp_path))
    assert words(ids) == "[CLS] the patient is 71 years old sex f ."


def test_options_of_prepare_survive_pickling_and_learn_reads_no_subject(folders):
    options = learned(folders["bert"])
    again = pickle.loads(pickle.dumps(options))
    np.testing.assert_array_equal(
        LanguageModel.prepare(RECORD, **options), LanguageModel.prepare(RECORD, **again)
    )


def test_a_text_that_is_too_long_is_refused_with_both_lengths(folders):
    options = learned(folders["bert"], reserve=90)
    with pytest.raises(InputError, match=r"fit into the 6 tokens.*Got 11 tokens.*too_long"):
        LanguageModel.prepare(RECORD, **options)


@pytest.mark.parametrize(
    ("kind", "cut"),
    [("bert", "[CLS] the patient is 71 [SEP]"), ("llama", "[CLS] the patient is 71 [SEP]")],
)
def test_a_text_that_is_too_long_is_cut_where_asked_for(folders, kind, cut):
    options = learned(folders[kind], reserve=90, too_long="truncate")
    assert words(LanguageModel.prepare(RECORD, **options)) == cut
    assert LanguageModel.is_cut(RECORD, **options)


@pytest.mark.parametrize("params", [{"reserve": 90}, {"too_long": "truncate"}])
def test_a_text_that_fits_or_is_refused_is_not_cut(folders, params):
    assert not LanguageModel.is_cut(RECORD, **learned(folders["bert"], **params))


@pytest.mark.parametrize("reserve", [-1, 96, 2.5])
def test_a_reserve_that_leaves_no_room_is_refused(folders, reserve):
    with pytest.raises(InputError, match="below the model's 96 positions"):
        learned(folders["bert"], reserve=reserve)


def test_auxiliary_tokens_beyond_the_reserve_are_refused(folders):
    model = loaded(folders["bert"])
    tokens = torch.zeros(1, 97, 16)
    with pytest.raises(InputError, match=r"96 positions. Got 97 tokens.*reserve"):
        model.encode(tokens, None, 90)


def test_a_template_may_be_a_mapping(folders):
    options = learned(folders["bert"], template={"age": "Age is {value}", "sex": "Sex {value}"})
    assert words(LanguageModel.prepare(RECORD, **options)) == "[CLS] age is 71 sex f [SEP]"


def test_anything_else_is_no_template(folders):
    with pytest.raises(InputError, match=r"must be a RecordTemplate, or a mapping.*Got str"):
        learned(folders["bert"], template="{value}")


def test_the_tokenizer_of_another_model_is_refused(tmp_path):
    small_folder(tmp_path, "bert", vocab_size=20)
    with pytest.raises(CheckpointError, match=r"must be its own.*where the model knows 20"):
        LanguageModel.prepare(RECORD, **learned(tmp_path))


def test_a_tokenizer_that_does_not_know_the_words_is_refused(folders):
    foreign = {"age": "Alter des Kranken: {value} Jahre", "sex": "Geschlecht {value}"}
    with pytest.raises(CheckpointError, match=r"\d of \d tokens unknown"):
        LanguageModel.prepare(RECORD, **learned(folders["bert"], template=foreign))


def test_texts_are_padded_on_the_right():
    model = wrapped("bert")
    batch = model.collate(IDS)
    assert batch.tolist() == [IDS[0].tolist(), [*IDS[1].tolist(), -1, -1, -1]]
    assert model.own_mask(batch).sum(1).tolist() == [7, 4]


@pytest.mark.parametrize(("kind", "first"), [("llama", False), ("bert", True)])
def test_the_first_token_of_a_causal_model_says_nothing(kind, first):
    own = torch.tensor([[True, True, False]])
    assert wrapped(kind).readable(own).tolist() == [[first, True, False]]


@pytest.mark.parametrize(
    ("kind", "pooling", "expected"),
    [
        ("llama", None, [3.0, 2.0]),
        ("llama", "mean", [2.0, 1.5]),
        ("bert", None, [1.5, 1.0]),
        ("bert", "cls", [0.0, 0.0]),
    ],
)
def test_one_vector_a_subject_is_pooled(kind, pooling, expected):
    model = LanguageModel(small_model(kind), pooling=pooling)
    tokens = torch.arange(6.0)[None, :, None].expand(2, -1, 16)
    own = torch.tensor([[True] * 4, [True, True, True, False]])
    assert model.pool(tokens, own)[:, 0].tolist() == expected


def test_the_pooled_vector_is_scaled_where_asked_for():
    model = LanguageModel(small_model("bert"), normalize=True)
    pooled = model.pool(torch.rand(2, 3, 16), torch.ones(2, 3, dtype=torch.bool))
    torch.testing.assert_close(pooled.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize(("kind", "pooling"), [("llama", "cls"), ("bert", "last")])
def test_pooling_must_suit_the_model(kind, pooling):
    with pytest.raises(InputError, match=f"Got '{pooling}'"):
        LanguageModel(small_model(kind), pooling=pooling)


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_a_stand_in_at_the_last_place_sees_auxiliary_tokens(kind):
    model = wrapped(kind)
    own = torch.zeros(1, model.n_stand_in, dtype=torch.bool)
    own[:, -1] = True
    tokens = torch.randn(1, model.n_stand_in, 16, generator=torch.Generator().manual_seed(0))
    aux = torch.ones(1, 2, 16, requires_grad=True)
    log_mask = torch.cat([log_mask_of(own), torch.zeros(1, 2)], dim=1)
    encoded = model.encode(torch.cat([tokens, aux], dim=1), log_mask, model.n_stand_in)
    model.pool(encoded, own).square().sum().backward()
    assert (aux.grad.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("kind", SMALL)
def test_a_stand_in_is_read_alike_behind_any_number_of_closed_places(kind):
    model, pooled = wrapped(kind), []
    generator = torch.Generator().manual_seed(0)
    own, aux = (torch.randn(1, n, 16, generator=generator) for n in (1, 4))
    for n_own in (model.n_stand_in, 9):
        mask = torch.arange(n_own)[None] == n_own - 1
        tokens = torch.cat([own.expand(1, n_own, 16), aux], dim=1)
        log_mask = torch.cat([log_mask_of(mask), torch.zeros(1, 4)], dim=1)
        pooled.append(model.pool(model.encode(tokens, log_mask, n_own), mask))
    torch.testing.assert_close(*pooled, atol=1e-4, rtol=1e-4)


def test_a_model_that_is_not_supported_is_named_with_those_that_are(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "esm"}))
    with pytest.raises(CheckpointError, match=r"Got 'esm'.*llama, .*modernbert"):
        LanguageModel.load(spec_of(tmp_path))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_large_layers_are_cast_and_all_else_stays_in_float32(folders, dtype):
    model = LanguageModel.load(spec_of(folders["llama"])).cast(dtype)
    kinds = {name: weight.dtype for name, weight in model.named_parameters()}
    assert {kind for name, kind in kinds.items() if "norm" in name} == {torch.float32}
    assert {kind for name, kind in kinds.items() if "norm" not in name} == {dtype}
    assert {buffer.dtype for buffer in model.buffers()} == {torch.float32}


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "bert", "modernbert"])
def test_in_half_precision_the_tokens_stay_close(kind):
    batch = wrapped(kind).collate(IDS)
    pooled = []
    for dtype in (torch.float32, torch.bfloat16):
        model = wrapped(kind).cast(dtype)
        own = model.own_mask(batch)
        aux = torch.ones(2, 2, 16)
        log_mask = torch.cat([log_mask_of(own), torch.full((2, 2), -2.0)], dim=1)
        with torch.inference_mode(), torch.autocast("cpu", enabled=dtype == torch.bfloat16):
            embedded = model.embed(batch)
            tokens = torch.cat([embedded, aux.to(embedded.dtype)], dim=1)
            pooled.append(model.pool(model.encode(tokens, log_mask, 7), own).float())
    assert torch.nn.functional.cosine_similarity(*pooled).min() > 0.99


def test_a_skeleton_shares_every_weight_and_reads_alike(folders):
    model = loaded(folders["llama"])
    copy = skeleton(model)
    assert {id(weight) for weight in copy.parameters()} == {id(w) for w in model.parameters()}
    batch = model.collate(IDS)
    log_mask = log_mask_of(model.own_mask(batch))
    outputs = [item.encode(item.embed(batch), log_mask, 7) for item in (model, copy)]
    assert torch.equal(*outputs)


def test_the_digest_covers_weights_configuration_tokenizer_and_code(folders, tmp_path):
    copy = shutil.copytree(folders["bert"], tmp_path / "copy")
    same = LanguageModel.digest(folders["bert"])
    assert LanguageModel.digest(copy) == same
    for name in ("tokenizer.json", "modeling_own.py", "config.json"):
        with (copy / name).open("a") as file:
            file.write(" ")
        changed = LanguageModel.digest(copy)
        assert changed != same
        same = changed


def test_a_pretrained_sentence_encoder_reads_as_its_authors_say(sentence_encoder):
    from transformers import AutoModel, AutoTokenizer

    texts = ["The patient is 71 years old.", "Sex F. Education 16 years, and nothing more."]
    tokenizer = AutoTokenizer.from_pretrained(sentence_encoder)
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    plain = AutoModel.from_pretrained(sentence_encoder, add_pooling_layer=False).eval()
    with torch.inference_mode():
        hidden = plain(**batch).last_hidden_state
    weight = batch["attention_mask"].unsqueeze(-1)
    expected = torch.nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1), dim=-1)
    model = loaded(sentence_encoder, normalize=True)
    inputs = model.collate([np.array(tokenizer(text)["input_ids"]) for text in texts])
    own = model.own_mask(inputs)
    with torch.inference_mode():
        tokens = model.encode(model.embed(inputs), log_mask_of(own), inputs.shape[1])
        torch.testing.assert_close(model.pool(tokens, own), expected, atol=1e-5, rtol=0)


def test_a_nearly_shut_gate_leaves_a_pretrained_encoder_as_it_was(sentence_encoder):
    model = loaded(sentence_encoder)
    inputs = model.collate([np.array([101, 1996, 5776, 2003, 6390, 2086, 2214, 1012, 102])])
    tokens, own = model.embed(inputs), model.own_mask(inputs)
    generator = torch.Generator().manual_seed(0)
    aux = torch.randn(1, 16, model.width, generator=generator) * tokens.pow(2).mean().sqrt()
    vectors = []
    for gate in (None, -2.0, 0.0):
        joined, log_mask = tokens, log_mask_of(own)
        if gate is not None:
            joined = torch.cat([tokens, aux], dim=1)
            log_mask = torch.cat([log_mask, torch.full((1, 16), gate)], dim=1)
        vectors.append(model.pool(model.encode(joined, log_mask, inputs.shape[1]), own))
    plain, shut, opened = vectors
    closeness = [torch.cosine_similarity(plain, other).item() for other in (shut, opened)]
    assert closeness[0] > 0.95 > closeness[1]
