"""Folders of tiny language models with random weights, as transformers writes them."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from adestim.encoding import BackboneSpec
from adestim.modalities.clinical.models.language_model import LanguageModel

VOCABULARY = (
    "[PAD] [CLS] [SEP] [UNK] the patient's patient age sex education is years old not recorded "
    "f m . 60 61 62 70 71 72 80 16 12 note forgets names mmse score systolic blood pressure"
)
WORDS = VOCABULARY.split()
SIZES = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 96,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 4}
WINDOWED = {"sliding_window": 4, "layer_types": ["sliding_attention"] * 2 + ["full_attention"]}
SMALL = {
    "llama": {"num_key_value_heads": 2},
    "mistral": {**GROUPED, "sliding_window": 8},
    "qwen2": {"num_key_value_heads": 2, "use_sliding_window": True, "max_window_layers": 1}
    | WINDOWED,
    "qwen3": {**GROUPED},
    "gemma3_text": {**GROUPED, **WINDOWED, "query_pre_attn_scalar": 4},
    "bert": {},
    "roberta": {"max_position_embeddings": 97},
    "xlm-roberta": {"max_position_embeddings": 97},
    "modernbert": {
        "local_attention": 4,
        "global_attn_every_n_layers": 3,
        "cls_token_id": 1,
        "sep_token_id": 2,
    },
}
CAUSAL = ("llama", "mistral", "qwen2", "qwen3", "gemma3_text")
ENCODERS = ("bert", "roberta", "xlm-roberta", "modernbert")


def small_model(kind, *, head=False, **changes):
    """Return a tiny model of one type, with loud random weights, in evaluation mode."""
    import transformers as package

    config = package.AutoConfig.for_model(kind, **{**SIZES, **SMALL[kind], **changes})
    options = {} if kind not in ENCODERS[:3] or head else {"add_pooling_layer": False}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        build = package.AutoModelForCausalLM if head else package.AutoModel
        model = build.from_config(config, attn_implementation="sdpa", **options)
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


def save_tokenizer(folder, *, first=True, **options):
    """Write a tokenizer of words into a folder."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "removed")
    if first:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        unk_token="[UNK]", bos_token="[CLS]", **options,
    ).save_pretrained(folder)  # fmt: skip


def small_folder(folder, kind, **changes):
    """Write a tiny model and its tokenizer into a folder."""
    small_model(kind, **changes).save_pretrained(folder)
    save_tokenizer(folder)
    return Path(folder)


def parity_folder(source, folder):
    """Write a fixture's weights as a folder that transformers reads."""
    folder.mkdir()
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config))
    state = load_file(source / "state_dict.safetensors")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def spec_of(folder, **architecture):
    """Return the name tag under which a folder is loaded."""
    return BackboneSpec(
        "language-model",
        options=(("architecture", tuple(architecture.items())),),
        sources=(("weights", str(folder)),),
    )


def loaded(folder, **architecture):
    """Load a folder in float32, no weight trainable."""
    return LanguageModel.load(spec_of(folder, **architecture)).requires_grad_(False)


def wrapped(kind, **changes):
    """Return a tiny model as a backbone, without a folder."""
    return LanguageModel(small_model(kind, **changes)).requires_grad_(False)
