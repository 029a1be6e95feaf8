"""From a name to a language model: cards, folders, options."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adestim.backbone.registry import (
    BackboneCard,
    find_card,
    names_like,
    names_of,
    register_backbone,
)
from adestim.backbone.weights.hub import resolve_weights
from adestim.exceptions import CheckpointError, InputError
from adestim.extraction.foundation import ModelRequest
from adestim.modalities.clinical.models.language_files import read_config, read_description
from adestim.modalities.clinical.models.language_model import family_of, settle_pooling
from adestim.modalities.clinical.models.language_weights import QUANTIZATIONS

LANGUAGE_MODEL = "language-model"
HOME = "adestim.modalities.clinical.models.language_model:LanguageModel"
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
# What backbone_params may hold, with the values that may be chosen, the default last;
# None where many may be.
TEXT_PARAMS: Mapping[str, tuple | None] = {
    "template": None,
    "reserve": None,
    "too_long": ("truncate", "raise"),
    "trust_remote_code": (True, False),
}
MODEL_PARAMS: Mapping[str, tuple | None] = {
    "normalize": (True, False),
    "quantization": QUANTIZATIONS,
    "trust_remote_code": (True, False),
}


TYPE_OF = {
    "llama-2-7b": "llama",
    "llama-2-13b": "llama",
    "medgemma-4b": "gemma3_text",
    "medgemma-27b": "gemma3_text",
    "medgemma-1.5-4b": "gemma3_text",
    "bioclinical-modernbert-base": "modernbert",
    "bioclinical-modernbert-large": "modernbert",
    "clinicalbert": "bert",
    "all-minilm-l6-v2": "bert",
}


def language_request(
    request: ModelRequest, columns: Sequence[str], adapt: str | None
) -> ModelRequest:
    """Return what is asked for, a language model's folder found or fetched."""
    if not is_language_model(request.backbone):
        return request
    card = find_card(request.backbone, "clinical")
    given = dict(request.params or {})
    revision = given.pop("revision", None)
    require_params(given)
    require_trainable(given, adapt)
    chosen, weights = card, request.weights
    if chosen is None:
        chosen, weights = card_of(request.backbone, weights)
    if revision is not None:
        # The digest is that of the released revision.
        chosen = replace(chosen, revision=revision, sha256="")
    folder = resolve_weights(chosen, weights)
    require_own_code(folder, given)
    require_type(chosen.name, folder)
    config = read_config(folder, given.get("trust_remote_code", False))
    causal = family_of(config.model_type).reads_backwards_only(config)
    architecture = {key: given.get(key, choices[-1]) for key, choices in MODEL_PARAMS.items()}
    architecture["pooling"] = settle_pooling(given.get("pooling"), causal)
    texts = {key: given[key] for key in TEXT_PARAMS if key in given}
    return replace(
        request,
        backbone=LANGUAGE_MODEL if card is None else card.name,
        weights=folder,
        params={"architecture": architecture, "folder": folder, "columns": list(columns), **texts},
    )


def is_language_model(backbone: str) -> bool:
    """Tell whether a name is that of a language model: a card's, a folder's or a repository's."""
    card = find_card(backbone, "clinical")
    return card is None or card.home == HOME


def require_params(given: Mapping[str, Any]) -> None:
    """Refuse options that a language model does not have."""
    known = {**TEXT_PARAMS, **MODEL_PARAMS, "pooling": None}
    for key, value in given.items():
        if key not in known:
            raise InputError(
                "backbone_params of a language model must hold its options alone",
                got=repr(key),
                remedy=f"Choose from {sorted({*known, 'revision'})}",
            )
        if known[key] is not None and value not in known[key]:
            raise InputError(
                f"{key}= in backbone_params of a language model must be one of "
                f"{', '.join(map(repr, known[key]))}",
                got=repr(value),
                remedy=f"Leave it out for {known[key][-1]!r}",
            )


def require_trainable(given: Mapping[str, Any], adapt: str | None) -> None:
    """Refuse to train what is kept in few bits: what was learned could not be added to it."""
    if given.get("quantization") is not None and adapt in ("lora", "full"):
        raise InputError(
            f"adapt={adapt!r} of ClinicalExtractor changes weights, and quantised ones stay as "
            "they are",
            got=f"quantization={given['quantization']!r} in backbone_params",
            remedy="Pass adapt='head' or None; the fusion puts adapters beside quantised weights "
            "(lora_rank=). Or leave quantization out and pass precision='bfloat16'",
        )


def card_of(name: str, weights: str | Path | None) -> tuple[BackboneCard, str | Path | None]:
    """Return a card for a folder or a repository that has none, and where its weights are."""
    is_folder = bool(name) and Path(name).expanduser().is_dir()
    if not (is_folder or REPOSITORY.fullmatch(name)):
        near = names_like(name, "clinical")
        raise InputError(
            "The 'backbone' parameter of ClinicalExtractor must name a backbone, a model of the "
            "Hugging Face hub or a folder",
            got=repr(name),
            remedy=(f"Did you mean {' or '.join(map(repr, near))}? " if near else "")
            + f"Choose from {', '.join(map(repr, names_of('clinical')))}, write "
            "'organisation/name', or pass the path of a folder",
        )
    if is_folder:
        return find_card(LANGUAGE_MODEL, "clinical"), name if weights is None else weights
    return BackboneCard(name.lower(), "clinical", HOME, hub=name), weights


def require_own_code(folder: Path, given: Mapping[str, Any]) -> None:
    """Refuse a model that brings code of its own, unless the user has decided about it."""
    config = read_description(folder)
    family_of(config["model_type"])
    if "auto_map" in config and "trust_remote_code" not in given:
        raise CheckpointError(
            "This model brings code of its own (auto_map in its config.json), which the built-in "
            "class of its type may not reproduce",
            got=repr(str(folder)),
            remedy="Read the code and pass backbone_params={'trust_remote_code': True} to run it, "
            "or False to use the built-in class",
        )


def require_type(name: str, folder: Path) -> None:
    """Refuse the folder of a model of another type than the one that is named."""
    found = read_description(folder)["model_type"]
    if TYPE_OF.get(name, found) != found:
        raise CheckpointError(
            f"weights= of backbone {name!r} must be a model of type {TYPE_OF[name]!r}",
            got=f"{found!r} in {str(folder)!r}",
            remedy=f"Pass the folder of {name!r}, or backbone= with the path of this one",
        )


LLAMA = "Llama 2 Community License; to be accepted on the hub"
MEDGEMMA = "Health AI Developer Foundations terms of use; to be accepted on the hub"
WEB_TEXT = ("public web text, not published in detail",)
MEDICAL = ("web and medical text, not published in detail",)
CLINICAL = ("53.5 billion tokens of biomedical and clinical text, 20 data sets of notes among it",)
PAIRS = ("1.17 billion pairs of public sentences: Reddit, S2ORC, WikiAnswers and others",)
TOUVRON = "H. Touvron et al., Llama 2: Open foundation and fine-tuned chat models, 2023"
SELLERGREN = "A. Sellergren et al., MedGemma technical report, 2025"

SOUNACK = "T. Sounack et al., BioClinical ModernBERT, 2025, arXiv:2506.10896"


def register(name: str, hub: str, n_parameters: int, **facts: Any) -> None:
    """Make a model of the hub selectable by a short name."""
    url = f"https://huggingface.co/{hub}" if hub else ""
    register_backbone(
        BackboneCard(name, "clinical", HOME, hub=hub, n_parameters=n_parameters, url=url, **facts)
    )


register(
    LANGUAGE_MODEL, "", 0,
    family="Llama, Mistral, Qwen, Gemma 3, BERT, RoBERTa or ModernBERT", licence="the model's own",
)  # fmt: skip
register(
    "llama-2-7b", "meta-llama/Llama-2-7b-hf", 6_607_343_616,
    revision="01c7f73d771dfac7d292323805ebc428287df4f9",
    family="Llama", licence=LLAMA, commercial=True, cohorts=WEB_TEXT, reference=TOUVRON,
)  # fmt: skip
register(
    "llama-2-13b", "meta-llama/Llama-2-13b-hf", 12_852_024_320,
    revision="5c31dfb671ce7cfe2d7bb7c04375e44c55e815b1",
    family="Llama", licence=LLAMA, commercial=True, cohorts=WEB_TEXT, reference=TOUVRON,
)  # fmt: skip
register(
    "medgemma-4b", "google/medgemma-4b-it", 3_880_263_168,
    revision="290cda5eeccbee130f987c4ad74a59ae6f196408",
    family="Gemma 3", licence=MEDGEMMA, cohorts=MEDICAL, reference=SELLERGREN,
)  # fmt: skip
register(
    "medgemma-27b", "google/medgemma-27b-text-it", 27_009_346_304,
    revision="6b08c481126ff65a9b8fa5ab4d691b152b8edb5d",
    family="Gemma 3", licence=MEDGEMMA, cohorts=MEDICAL, reference=SELLERGREN,
)  # fmt: skip
register(
    "clinicalbert", "emilyalsentzer/Bio_ClinicalBERT", 107_719_680,
    revision="d5892b39a4adaed74b92212a44081509db72f87b",
    family="BERT", licence="MIT", commercial=True, cohorts=("MIMIC-III",),
    reference="E. Alsentzer et al., Publicly available clinical BERT embeddings, ClinicalNLP 2019",
)  # fmt: skip
register(
    "all-minilm-l6-v2", "sentence-transformers/all-MiniLM-L6-v2", 22_565_376,
    revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
    family="BERT", licence="Apache-2.0", commercial=True, cohorts=PAIRS,
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    reference="N. Reimers and I. Gurevych, Sentence-BERT, EMNLP 2019",
)  # fmt: skip
register(
    "medgemma-1.5-4b", "google/medgemma-1.5-4b-it", 3_880_263_168,
    family="Gemma 3", licence=MEDGEMMA, cohorts=MEDICAL, reference=SELLERGREN,
)  # fmt: skip
register(
    "bioclinical-modernbert-base", "thomas-sounack/BioClinical-ModernBERT-base", 149_014_272,
    family="ModernBERT", licence="MIT", commercial=True, cohorts=CLINICAL, reference=SOUNACK,
)  # fmt: skip
register(
    "bioclinical-modernbert-large", "thomas-sounack/BioClinical-ModernBERT-large", 394_781_696,
    family="ModernBERT", licence="MIT", commercial=True, cohorts=CLINICAL, reference=SOUNACK,
)  # fmt: skip
