"""Weights of language models, read strictly: transformers fills gaps with random numbers."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from adestim.exceptions import AdestimError, CheckpointError, MissingDependencyError
from adestim.modalities.clinical.models.language_files import (
    first_line,
    lacking_package,
    quiet,
    transformers,
)

QUANTIZATIONS = ("8bit", "4bit", None)
# Weights without numbers, which take no memory.
ON_META: Mapping[str, Any] = {"device_map": {"": "meta"}}
# Heads of the models that were trained, and buffers that older versions stored.
UNUSED_WEIGHTS = (
    "lm_head.", "cls.", "pooler.", "bert.pooler.", "roberta.pooler.", "classifier.", "score.",
    "head.", "decoder.", "embeddings.position_ids", "bert.embeddings.position_ids",
    "roberta.embeddings.position_ids",
)  # fmt: skip


def load_body(
    folder: Path,
    options: Mapping[str, Any],
    quantization: str | None = None,
    trust_remote_code: bool = False,
    trust_pickle: bool = False,
    names_alone: bool = False,
) -> nn.Module:
    """Load a transformers model without its head, and make sure that all of it was there."""
    package = transformers()
    try:
        with quiet():
            body, report = package.AutoModel.from_pretrained(
                str(folder),
                dtype="auto",
                attn_implementation="sdpa",
                trust_remote_code=trust_remote_code,
                local_files_only=True,
                weights_only=not trust_pickle,
                output_loading_info=True,
                **options,
                **(ON_META if names_alone else choose_quantization(quantization, package)),
            )
    # What does not fit on the GPU is no fault of the file; load_backbone knows the remedy.
    except (AdestimError, torch.OutOfMemoryError):
        raise
    except ImportError as error:
        raise lacking_package(error) from error
    # transformers, safetensors and torch each say in their own way what is wrong with a file.
    except Exception as error:
        raise refusal(folder, error) from error
    require_whole(report, folder)
    return getattr(body, "language_model", body).eval()


def refusal(folder: Path, error: Exception) -> CheckpointError:
    """Return the error about weights that transformers could not load."""
    rule = "The folder of a language model must hold its weights, whole and of its own shapes"
    name = repr(folder.name)
    if isinstance(error, UnpicklingError):
        return CheckpointError(
            "The weights of a language model must be tensors alone",
            got=f"{name}, whose .bin file holds other objects, which run code when they are made",
            remedy="Prefer a folder with .safetensors files; only if you trust where this one "
            "comes from, pass trust_checkpoint=True",
        )
    if "ignore_mismatched_sizes" in str(error):
        return CheckpointError(
            rule,
            got=f"{name}, whose weights have other shapes than its config.json says",
            remedy="Download config.json and weights of one model again",
        )
    return CheckpointError(
        rule,
        got=f"{name}, of which transformers says: {first_line(error)}",
        remedy="Download the model again, or pass the folder of the model its config.json "
        "describes",
    )


def require_whole(report: Mapping[str, Any], folder: Path) -> None:
    """Refuse weights that are missing, or that belong to no part of the model.

    transformers fills in random numbers for what is missing, without an error.
    """
    missing = sorted(map(str, report["missing_keys"]))
    strange = sorted(
        key for key in map(str, report["unexpected_keys"]) if not key.startswith(UNUSED_WEIGHTS)
    )
    problems = [
        f"{len(names)} {what}: {', '.join(names[:4])}"
        for what, names in (("missing", missing), ("unexpected", strange))
        if names
    ]
    if problems:
        raise CheckpointError(
            f"The weights in {folder.name!r} must be those of the model that its config.json "
            "describes",
            got="; ".join(problems),
            remedy="Download the whole model again; a model with code of its own is not supported "
            "by the built-in class of its type",
        )


def choose_quantization(quantization: str | None, package: Any) -> dict[str, Any]:
    """Return the options under which a model is loaded in 8 or 4 bits."""
    if quantization is None:
        return {}
    if not torch.cuda.is_available():
        raise CheckpointError(
            "Quantised language models run on a CUDA GPU alone",
            got="a machine without one",
            remedy="Leave quantization out, or pass precision='bfloat16'",
        )
    if find_spec("bitsandbytes") is None or find_spec("accelerate") is None:
        raise MissingDependencyError(
            "Quantised language models need the packages bitsandbytes and accelerate",
            remedy="Run pip install 'adestim[quantization]'",
        )
    bits: dict[str, Any] = {"load_in_8bit": True}
    if quantization == "4bit":
        bits = {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": torch.bfloat16,
        }
    return {
        "quantization_config": package.BitsAndBytesConfig(**bits),
        "device_map": {"": torch.cuda.current_device()},
    }
