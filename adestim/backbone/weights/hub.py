"""Weights by name: from a path, or from the Hugging Face hub."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adestim._support.digests import digest_file
from adestim.backbone.registry import BackboneCard
from adestim.backbone.weights.files import COMPANIONS, WEIGHT_SUFFIXES
from adestim.exceptions import (
    AdestimError,
    CheckpointError,
    DataWarning,
    MissingDependencyError,
)

HUB_PAGE = "https://huggingface.co"
# Other formats, which lie in folders of a repository, are not downloaded.
SUBFOLDERS = ["*/*"]
# The file of a whole model that a card's SHA-256 is of.
WHOLE = "model.safetensors"


def resolve_weights(card: BackboneCard, weights: str | Path | None) -> Path:
    """Return where the weights of a backbone are: a file or a folder."""
    if weights is not None:
        return check_local_weights(card, Path(weights).expanduser())
    if not card.hub:
        raise CheckpointError(
            f"Backbone {card.name!r} needs its weights, which are not on the Hugging Face hub",
            remedy=say_how_to_get(card),
        )
    with explain_hub_errors(card):
        path = download_weights(card)
    if has_other_digest(card, path):
        raise CheckpointError(
            f"The weights of backbone {card.name!r} must be those that were released",
            got=f"{find_released_file(card, path)} with another SHA-256",
            remedy="Delete that file, so that it is downloaded again",
        )
    return path


def check_local_weights(card: BackboneCard, path: Path) -> Path:
    """Return the user's path, with a word where it is not the released file."""
    if not path.exists():
        raise CheckpointError(
            f"weights= of backbone {card.name!r} must be an existing file or folder",
            got=str(path),
            remedy=say_how_to_get(card),
        )
    if has_other_digest(card, path):
        name = find_released_file(card, path).name
        warnings.warn(
            f"{name} is not the released file of backbone {card.name!r}: "
            "its SHA-256 is another. It is used as it is.",
            DataWarning,
            stacklevel=4,
        )
    return path


def has_other_digest(card: BackboneCard, path: Path) -> bool:
    """Tell whether a file is known not to be the released one."""
    file = find_released_file(card, path)
    return bool(card.sha256) and file.is_file() and digest_file(file) != card.sha256


def find_released_file(card: BackboneCard, path: Path) -> Path:
    """Return the file that a card's SHA-256 is of: the path itself, or the one in a folder."""
    return path / (Path(card.filename).name or WHOLE) if path.is_dir() else path


def say_how_to_get(card: BackboneCard) -> str:
    """Say where the weights are and how to pass them."""
    what = card.filename or "the folder of the model"
    where = card.url or (f"{HUB_PAGE}/{card.hub}" if card.hub else card.reference)
    source = f"Get {what} from {where}" if where else f"Get {what} from its authors"
    return f"{source}, and pass its path as weights="


def download_weights(card: BackboneCard) -> Path:
    """Return where the hub's client put the file or the folder."""
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise MissingDependencyError(
            "Weights from the Hugging Face hub need the package huggingface_hub",
            remedy=f"Run pip install 'adestim[foundation]'; or: {say_how_to_get(card)}",
        ) from error
    if card.filename:
        return Path(hub.hf_hub_download(card.hub, card.filename, revision=card.revision))
    return download_model(card, hub.snapshot_download)


def download_model(card: BackboneCard, download: Callable[..., str]) -> Path:
    """Return the folder of a whole model; of two formats only safetensors is downloaded."""
    for pattern in ("*.safetensors", "*.bin"):
        folder = Path(
            download(
                card.hub,
                revision=card.revision,
                allow_patterns=[*COMPANIONS, pattern],
                ignore_patterns=SUBFOLDERS,
            )
        )
        if any(file.suffix in WEIGHT_SUFFIXES for file in folder.iterdir()):
            return folder
    raise CheckpointError(
        f"The repository of backbone {card.name!r} must hold weights for PyTorch",
        got=f"none in {HUB_PAGE}/{card.hub} at {card.revision!r}",
        remedy="Pass the path of a file as weights=",
    )


@contextmanager
def explain_hub_errors(card: BackboneCard) -> Iterator[None]:
    """Say what the hub's errors mean for who wants the weights."""
    try:
        yield
    except AdestimError:
        raise
    except Exception as error:
        rule, remedy = explain_error(card, error)
        raise CheckpointError(rule, got=type(error).__name__, remedy=remedy) from error


def explain_error(card: BackboneCard, error: Exception) -> tuple[str, str]:
    """Return what an error of the hub means, and what to do."""
    from huggingface_hub import errors

    page = f"{HUB_PAGE}/{card.hub}"
    what = f"{card.filename or 'The model'} of backbone {card.name!r}"
    elsewhere = f"or: {say_how_to_get(card)}"
    kinds: list[tuple[type[Exception] | tuple[type[Exception], ...], str, str]] = [
        (
            errors.GatedRepoError,
            f"{what} is given only to who accepted its licence",
            f"Accept the licence at {page} and log in with `hf auth login`, {elsewhere}",
        ),
        (
            errors.RevisionNotFoundError,
            f"{what} must be in revision {card.revision!r} of {page}",
            f"Look which revisions there are, {elsewhere}",
        ),
        (
            errors.RepositoryNotFoundError,
            f"{what} must be at {page}, and there is no such repository for you",
            f"If it is private, log in with `hf auth login`, {elsewhere}",
        ),
        (
            (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled),
            *explain_absence(what, page, elsewhere),
        ),
        (
            errors.EntryNotFoundError,
            f"{what} must be among the files of {page}",
            f"Look how it is called there, {elsewhere}",
        ),
    ]
    for kind, rule, remedy in kinds:
        if isinstance(error, kind):
            return rule, remedy
    return f"{what} could not be downloaded from {page}: {error}", f"Try again later, {elsewhere}"


def explain_absence(what: str, page: str, elsewhere: str) -> tuple[str, str]:
    """Return what it means that neither the cache nor the hub gave a file."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        switch = (
            "TRANSFORMERS_OFFLINE" if not os.environ.get("HF_HUB_OFFLINE") else "HF_HUB_OFFLINE"
        )
        return (
            f"{what} was not downloaded before, and {switch} forbids it now",
            f"Unset {switch} once, with a network, {elsewhere}",
        )
    return (
        f"{what} was not downloaded before, and {page} cannot be reached",
        f"Try again with a network, {elsewhere}",
    )
