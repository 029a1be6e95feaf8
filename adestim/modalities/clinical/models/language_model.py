"""Language models of the Hugging Face hub as backbones of clinical records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.contract import LARGE_LAYERS, Backbone
from adestim.backbone.weights.files import digest_weights
from adestim.encoding import BackboneSpec
from adestim.encoding.texts import Word
from adestim.exceptions import CheckpointError, InputError
from adestim.modalities.clinical.models.language_depth import run_joining
from adestim.modalities.clinical.models.language_files import (
    read_config,
    read_description,
    read_tokenizer,
)
from adestim.modalities.clinical.models.language_layouts import (
    FAMILIES,
    Family,
    aux_after_first,
    recomputing,
)
from adestim.modalities.clinical.models.language_weights import load_body
from adestim.modalities.clinical.models.language_words import record_reader
from adestim.modalities.clinical.text import RecordTemplate, Sentence, write_sentences

PADDING = -1
RESERVE = 64


class LanguageModel(Backbone):
    """A causal or an encoder language model that reads a record written as sentences.

    Auxiliary tokens lie behind the first token: there every text token of a causal model sees
    them, and padding shifts nothing. An encoder with a table of positions keeps the text's own;
    auxiliary tokens take those after it.

    H. Touvron et al., "Llama 2: Open foundation and fine-tuned chat models", 2023,
    arXiv:2307.09288. J. Devlin et al., "BERT: Pre-training of deep bidirectional transformers for
    language understanding", NAACL 2019. N. Reimers and I. Gurevych, "Sentence-BERT", EMNLP 2019:
    mean pooling.
    """

    load_options: ClassVar[tuple[str, ...]] = ("quantization", "trust_remote_code")
    reads_words: ClassVar[bool] = True
    weights_option: ClassVar[str] = "folder"

    def __init__(self, body: nn.Module, pooling: str | None = None, normalize: bool = False):
        super().__init__()
        self.family = family_of(body.config.model_type)
        self.causal = self.family.reads_backwards_only(body.config)
        self.pooling = settle_pooling(pooling, self.causal)
        self.normalize = normalize
        self.lora_targets = self.family.lora_targets  # type: ignore[misc]
        self.width = self.width_out = body.config.hidden_size
        # A causal model's first token sees itself alone; and rotary positions count from the first.
        self.n_stand_in = 2
        self.body = body
        self.block_list = f"body.{self.family.blocks}"

    @classmethod
    def learn(cls, raws: Iterable[Any], **params: Any) -> dict[str, Any]:
        """Settle the wording and the longest text; nothing is learned from the subjects."""
        template = as_template(params.get("template"))
        trusted = params.get("trust_remote_code", False)
        config = read_config(params["folder"], trusted)
        sentences = template.sentences(params["columns"])
        tokenizer = read_tokenizer(str(params["folder"]), trusted)
        causal = family_of(config.model_type).reads_backwards_only(config)
        wording = " ".join(item.sentence for item in sentences)
        require_room_for_words(token_ids(tokenizer, wording, causal), tokenizer, config.vocab_size)
        return {
            "folder": params["folder"],
            "sentences": tuple(map(astuple, sentences)),
            "opening": template.opening,
            "limit": longest_text(config, params.get("reserve", RESERVE)),
            "n_words": config.vocab_size,
            "causal": causal,
            "too_long": params.get("too_long", "raise"),
            "trust_remote_code": trusted,
        }

    @staticmethod
    def prepare(raw: Mapping[str, Any], **options: Any) -> np.ndarray:
        """Write a record as sentences and these as the numbers of their tokens.

        -> (n_tokens,).
        """
        tokenizer = read_tokenizer(str(options["folder"]), options["trust_remote_code"])
        ids = record_ids(raw, tokenizer, options)
        require_room_for_words(ids, tokenizer, options["n_words"])
        if len(ids) > options["limit"]:
            ids = shorten_ids(ids, tokenizer, options)
        return np.asarray(ids, dtype=np.int32)

    @staticmethod
    def is_cut(raw: Mapping[str, Any], **options: Any) -> bool:
        """Tell whether :meth:`prepare` cuts a record that is too long."""
        if options["too_long"] == "raise":
            return False
        tokenizer = read_tokenizer(str(options["folder"]), options["trust_remote_code"])
        return len(record_ids(raw, tokenizer, options)) > options["limit"]

    @classmethod
    def digest(cls, weights: Path) -> str:
        """Return the SHA-256 of all files of a folder that decide the tokens, code included."""
        own_code = sorted(Path(weights).glob("*.py"))
        parts = [digest_weights(path) for path in (weights, *own_code)]
        return parts[0] if len(parts) == 1 else sha256("".join(parts).encode()).hexdigest()

    @classmethod
    def load(cls, spec: BackboneSpec) -> LanguageModel:
        """Load the model of a folder, strictly: no weight may be missing."""
        params = dict(spec.option("architecture", ()))
        body = load_body(**body_options(spec))
        params = {key: params[key] for key in params if key not in cls.load_options}
        return cls(body, **params).eval()

    @classmethod
    def check_weights(cls, spec: BackboneSpec) -> None:
        """Refuse weights that are missing or of other shapes, without reading their numbers."""
        # Only with the package accelerate does transformers make models without numbers.
        if find_spec("accelerate") is not None:
            load_body(**body_options(spec), names_alone=True)

    def cast(self, dtype: torch.dtype) -> LanguageModel:
        """Put the large layers into a precision, all other weights into float32.

        Weight by weight: a whole copy in float32 of a model of 13 billion weights does not fit
        into the memory of most machines. Quantised weights stay as they are.
        """
        for layer in self.modules():
            target = dtype if isinstance(layer, LARGE_LAYERS) else torch.float32
            for weight in layer.parameters(recurse=False):
                if weight.is_floating_point():
                    weight.data = weight.data.to(target)
        return self

    @classmethod
    def word_reader(cls, spec: BackboneSpec) -> Callable[[Any], tuple[Word, ...]]:
        """Return what reads token numbers as words, by the tokenizer in the model's folder."""
        return record_reader(spec).read

    def collate(self, inputs: Sequence[np.ndarray]) -> Tensor:
        """Pad token numbers on the right, with -1, to (B, T)."""
        rows = [torch.from_numpy(np.asarray(item, dtype=np.int64)) for item in inputs]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)

    def own_mask(self, inputs: Tensor) -> Tensor:
        """Return which tokens are no padding, (B, T)."""
        return inputs != PADDING

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the word embeddings (B, T, width); positions are added in the model."""
        return self.body.get_input_embeddings()(inputs.clamp(min=0))

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run the model on the text with the auxiliary tokens behind its first token."""
        self._require_places(tokens.shape[1])
        laid = aux_after_first(tokens, log_mask, n_own)
        with recomputing(self.body, self.gradient_checkpointing):
            encoded = run_joining(
                self.body, self.family, laid, self._dtype(), self.blocks_to_join, self.join_at
            )
        return encoded[:, laid.back]

    def readable(self, own: Tensor) -> Tensor:
        """Return which tokens speak of the subject: not the first of a causal model."""
        if not self.causal:
            return own
        return own & (torch.arange(own.shape[1], device=own.device) > 0)

    def pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the vector of the last token, the mean one, or that of the first token."""
        if self.pooling == "mean":
            pooled = super().pool(tokens, own)
        else:
            places = torch.arange(own.shape[1], device=own.device) * own
            at = places.argmax(1) if self.pooling == "last" else torch.zeros_like(places[:, 0])
            pooled = tokens[torch.arange(len(tokens), device=own.device), at]
        return F.normalize(pooled, dim=-1) if self.normalize else pooled

    def _dtype(self) -> torch.dtype:
        """Return the precision of the large layers."""
        return self.body.get_input_embeddings().weight.dtype

    def _require_places(self, n_tokens: int) -> None:
        """Refuse more tokens than the model has positions."""
        most = n_positions(self.body.config, self.family)
        if n_tokens > most:
            raise InputError(
                f"The text and the auxiliary tokens must fit into the model's {most} positions",
                got=f"{n_tokens} tokens",
                remedy="Keep more places free: backbone_params={'reserve': ...}",
            )


def body_options(spec: BackboneSpec) -> dict[str, Any]:
    """Return what of a name tag decides how the model of a folder is loaded."""
    params = dict(spec.option("architecture", ()))
    folder = Path(spec.source("weights") or "")
    return {
        "folder": folder,
        "options": family_of(read_description(folder)["model_type"]).options,
        "quantization": params.get("quantization"),
        "trust_remote_code": params.get("trust_remote_code", False),
        "trust_pickle": spec.source("trust") == "pickle",
    }


def family_of(model_type: Any) -> Family:
    """Return what is known of a type of models, or say which are supported."""
    if model_type not in FAMILIES:
        raise CheckpointError(
            "A language model must be of a supported type (model_type in its config.json)",
            got=repr(model_type),
            remedy=f"Choose a model of type {', '.join(FAMILIES)}, or Gemma 3 with vision",
        )
    return FAMILIES[model_type]


def settle_pooling(pooling: str | None, causal: bool) -> str:
    """Return how tokens are pooled, where the family can be pooled so."""
    choices = ("last", "mean") if causal else ("mean", "cls")
    if pooling is None:
        return choices[0]
    if pooling not in choices:
        raise InputError(
            f"pooling= of {'a causal model' if causal else 'an encoder'} must be one of "
            f"{', '.join(map(repr, choices))}",
            got=repr(pooling),
            remedy=f"Leave it out for {choices[0]!r}",
        )
    return pooling


def as_template(template: RecordTemplate | Mapping | None) -> RecordTemplate:
    """Return a template; a mapping holds its phrases."""
    if isinstance(template, RecordTemplate):
        return template
    if template is None or isinstance(template, Mapping):
        return RecordTemplate(template or {})
    raise InputError(
        "template= must be a RecordTemplate, or a mapping from columns to sentences",
        got=type(template).__name__,
        remedy="Write backbone_params={'template': {'age': 'The patient is {value} years old.'}}",
    )


def n_positions(config: Any, family: Family) -> int:
    """Return how many tokens a model has positions for."""
    return config.max_position_embeddings - family.offset(config)


def longest_text(config: Any, reserve: int) -> int:
    """Return the number of tokens of the longest text that leaves room for auxiliary ones."""
    context = n_positions(config, family_of(config.model_type))
    if not isinstance(reserve, int) or not 0 <= reserve < context - 1:
        raise InputError(
            f"reserve= must be a number of tokens below the model's {context} positions",
            got=repr(reserve),
            remedy=f"Leave it out for {RESERVE}, or pass backbone_params={{'reserve': 16}}",
        )
    return context - reserve


def record_ids(raw: Mapping[str, Any], tokenizer: Any, options: Mapping[str, Any]) -> list[int]:
    """Write a record as sentences, and return the numbers of all their tokens."""
    sentences = [Sentence(*item) for item in options["sentences"]]
    return token_ids(
        tokenizer, write_sentences(raw, sentences, options["opening"]), options["causal"]
    )


def token_ids(tokenizer: Any, text: str, causal: bool) -> list[int]:
    """Return a text's token numbers; those of a causal model begin with its first token."""
    ids = tokenizer(text, truncation=False, verbose=False)["input_ids"]
    first = tokenizer.bos_token_id
    return [first, *ids] if causal and first is not None and ids[:1] != [first] else ids


def require_room_for_words(ids: Sequence[int], tokenizer: Any, n_words: int) -> None:
    """Refuse the tokenizer of another model, or of another language."""
    n_unknown = sum(number == tokenizer.unk_token_id for number in ids)
    if max(ids) >= n_words or n_unknown > len(ids) / 2:
        raise CheckpointError(
            "The tokenizer of a language model must be its own, and know the words of a record",
            got=f"{n_unknown} of {len(ids)} tokens unknown to it"
            if max(ids) < n_words
            else f"token {max(ids)}, where the model knows {n_words}",
            remedy="Put the model's own tokenizer files into its folder, or choose a model that "
            "reads the language of the template",
        )


def shorten_ids(ids: list[int], tokenizer: Any, options: Mapping[str, Any]) -> list[int]:
    """Refuse a text that is too long, or cut it where asked for."""
    limit = options["limit"]
    if options["too_long"] == "raise":
        raise InputError(
            f"A record must fit into the {limit} tokens that the model has for it",
            got=f"{len(ids)} tokens",
            remedy="Use fewer columns or a shorter template, lower 'reserve', or pass "
            "backbone_params={'too_long': 'truncate'}",
        )
    last = ids[-1:] if ids[-1] == tokenizer.sep_token_id else []
    return ids[: limit - len(last)] + last
