"""Weights of language models, read strictly."""

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from adestim._support.torch import autocast
from adestim.backbone import load_backbone
from adestim.backbone.forward import pool_backbone
from adestim.exceptions import CheckpointError, MissingDependencyError
from adestim.modalities.clinical.models.language_weights import choose_quantization, load_body
from adestim.training.adaptation import AdaptationSettings, own_data, own_module
from adestim.training.fitting import prepare_net
from tests.modalities.clinical.language_folders import SIZES, SMALL, small_model, spec_of

needs_bitsandbytes = pytest.mark.skipif(
    not torch.cuda.is_available() or importlib.util.find_spec("bitsandbytes") is None,
    reason="8 and 4 bits need a CUDA GPU and the package bitsandbytes",
)
NO_POOLER = {"add_pooling_layer": False}


def rewrite(folder, change):
    """Change the state in a folder."""
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def drop(*names):
    def change(state):
        for name in names:
            del state[name]

    return change


def test_a_missing_weight_is_refused_by_name(tmp_path):
    small_model("llama").save_pretrained(tmp_path)
    rewrite(tmp_path, drop("layers.1.mlp.up_proj.weight", "norm.weight"))
    with pytest.raises(CheckpointError, match=r"2 missing: layers\.1\.mlp\.up_proj.*norm\.weight"):
        load_body(tmp_path, {})


def test_a_weight_of_no_part_is_refused_by_name(tmp_path):
    small_model("bert").save_pretrained(tmp_path)
    rewrite(tmp_path, lambda state: state.update({"encoder.extra": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"1 unexpected: encoder\.extra"):
        load_body(tmp_path, NO_POOLER)


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "bert", "roberta", "modernbert"])
def test_the_head_of_a_trained_model_is_left_out(tmp_path, kind):
    if kind == "modernbert":
        import transformers

        config = transformers.AutoConfig.for_model(kind, **{**SIZES, **SMALL[kind]})
        model = transformers.AutoModelForMaskedLM.from_config(config)
    else:
        model = small_model(kind, head=True, **({"is_decoder": True} if "bert" in kind else {}))
    model.save_pretrained(tmp_path)
    body = load_body(tmp_path, NO_POOLER if kind in ("bert", "roberta") else {})
    kept = model.base_model.get_input_embeddings().weight
    assert torch.equal(body.get_input_embeddings().weight, kept)
    assert not body.training


def test_another_shape_is_refused(tmp_path):
    small_model("llama").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"intermediate_size": 20}))
    with pytest.raises(CheckpointError, match="whole and of its own shapes"):
        load_body(tmp_path, {})


def test_a_folder_without_weights_is_refused(tmp_path):
    small_model("llama").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="must hold its weights"):
        load_body(tmp_path, {})


def test_a_damaged_file_is_refused(tmp_path):
    small_model("llama").save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="must hold its weights"):
        load_body(tmp_path, {})


def test_of_a_model_that_sees_the_language_tower_is_taken(tmp_path):
    import transformers

    text = {**SIZES, **SMALL["gemma3_text"], "vocab_size": 40}
    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "image_size": 28,
              "num_attention_heads": 2, "patch_size": 14}  # fmt: skip
    config = transformers.Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=39
    )
    model = transformers.Gemma3ForConditionalGeneration(config)
    model.save_pretrained(tmp_path)
    body = load_body(tmp_path, {})
    assert body.config.model_type == "gemma3_text"
    ids = torch.tensor([[1, 5, 6]])
    whole = model.eval().model.language_model(input_ids=ids).last_hidden_state
    torch.testing.assert_close(body(input_ids=ids).last_hidden_state, whole)


def test_half_precision_is_kept_until_another_is_asked_for(tmp_path):
    small_model("llama").half().save_pretrained(tmp_path)
    assert load_body(tmp_path, {}).dtype == torch.float16


def test_quantisation_needs_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CheckpointError, match="run on a CUDA GPU alone"):
        choose_quantization("4bit", None)


def test_quantisation_needs_its_packages(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(
        "adestim.modalities.clinical.models.language_weights.find_spec", lambda name: None
    )
    with pytest.raises(MissingDependencyError, match=r"pip install .adestim\[quantization\]"):
        choose_quantization("8bit", None)


def test_a_gpu_that_is_full_is_no_fault_of_the_file(tmp_path, monkeypatch):
    small_model("bert").save_pretrained(tmp_path)

    def full(*args, **options):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr("transformers.AutoModel.from_pretrained", full)
    with pytest.raises(torch.OutOfMemoryError):
        load_body(tmp_path, NO_POOLER)


def test_shards_and_older_formats_are_read_alike(tmp_path):
    model = small_model("bert")
    for name, options in {"whole": {}, "shards": {"max_shard_size": "10KB"}}.items():
        model.save_pretrained(tmp_path / name, **options)
    old = tmp_path / "old"
    model.config.save_pretrained(old)
    torch.save(model.state_dict(), old / "pytorch_model.bin")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    for name in ("whole", "shards", "old"):
        body = load_body(tmp_path / name, NO_POOLER)
        torch.testing.assert_close(body.state_dict(), model.state_dict(), atol=0, rtol=0)


def test_other_objects_than_tensors_are_refused(tmp_path):
    small_model("bert").config.save_pretrained(tmp_path)
    torch.save({"a": ValueError}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"tensors alone.*trust_checkpoint=True"):
        load_body(tmp_path, {})


# In 8 and 4 bits


def quantized_spec(folder, bits):
    """The name tag of a model whose layers are large enough to be packed."""
    small_model("llama", hidden_size=64, intermediate_size=128).save_pretrained(folder)
    spec = spec_of(folder, quantization=bits)
    home = ("home", "adestim.modalities.clinical.models.language_model:LanguageModel")
    return replace(spec, sources=(*spec.sources, home))


def trained_net(spec, device):
    """Adapters beside a model, trained with a head on it."""
    settings = AdaptationSettings(max_epochs=2, lora_rank=2)
    trainer = settings.trainer("lora", device, "bfloat16")
    module = own_module(spec, 2, settings, "lora", trainer)
    inputs = [np.arange(1, 8 + row % 3, dtype=np.int32) for row in range(8)]
    data = own_data(inputs, np.arange(8) % 2, module.backbone.collate)
    rows = np.arange(8)
    net, train = prepare_net(module, data, (rows, rows), None, trainer)
    return net.fit(train)


@needs_bitsandbytes
@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_adapters_beside_quantised_weights_get_gradients(tmp_path, bits):
    net = trained_net(quantized_spec(tmp_path, bits), "cuda")
    assert len(net.history) == 2
    adapters = [value for name, value in net.module_.named_parameters() if "lora_" in name]
    assert adapters
    assert all(value.grad is not None for value in adapters)


@needs_bitsandbytes
@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_a_quantised_model_reads_alike_after_others_have_used_its_weights(tmp_path, bits):
    spec = quantized_spec(tmp_path, bits)
    model = load_backbone(spec, "cuda", torch.bfloat16)
    ids = torch.arange(1, 9, device="cuda")[None]
    with torch.no_grad(), autocast(ids.device, "bfloat16"):
        before = pool_backbone(model, ids)
    trained_net(spec, "cuda")
    with torch.no_grad(), autocast(ids.device, "bfloat16"):
        torch.testing.assert_close(pool_backbone(model, ids), before)
