"""Saved models on the Hugging Face hub: there, and back at a pinned revision."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adestim.exceptions import AdestimWarning, MissingDependencyError, SavedModelError
from adestim.handover.card import write_card
from adestim.handover.folder import CARD, FILES, MANIFEST, holds_subjects, load, save

COMMIT = re.compile(r"[0-9a-f]{40}")


def push_to_hub(
    model: Any,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    commit_message: str | None = None,
    card: str | None = None,
    keep_rare: bool = False,
    trusted: Iterable[str | type] = (),
    token: str | bool | None = None,
    endpoint: str | None = None,
) -> str:
    """Save a fitted model to a repository of the Hugging Face hub.

    Parameters
    ----------
    model : object
        Any fitted estimator that :func:`adestim.save` takes; no table of encodings.
    repo_id : str
        Repository, ``"organisation/name"``; it is made where there is none.
    private : bool, default=True
        Whether a repository that is made is seen by its owners alone.
    revision : str, default=None
        Branch to write to; None is the main one.
    commit_message : str, default=None
        What is said of the change.
    card, keep_rare, trusted : object
        As for :func:`adestim.save`.
    token : str or bool, default=None
        Token of the hub; None takes the one that ``hf auth login`` has stored.
    endpoint : str, default=None
        Address of another hub than ``https://huggingface.co``.

    Returns
    -------
    str
        The commit, which is the ``revision`` of :func:`adestim.from_pretrained`.

    Raises
    ------
    SavedModelError
        When the model cannot be saved, or the hub refuses it.
    MissingDependencyError
        When ``huggingface_hub`` is not installed.

    See Also
    --------
    adestim.save : What is saved, and what is left out.

    Examples
    --------
    >>> import adestim
    >>> commit = adestim.push_to_hub(model, "my-organisation/memory-clinic")  # doctest: +SKIP
    """
    if holds_subjects(model):
        raise SavedModelError(
            "Models go to the hub, and no data of subjects", got=f"a {type(model).__name__}"
        )
    hub = import_hub()
    api = hub.HfApi(endpoint=endpoint, token=token)
    with tempfile.TemporaryDirectory() as place:
        text = write_card(model, repo_id) if card is None else card
        folder = save(model, Path(place) / "model", card=text, keep_rare=keep_rare, trusted=trusted)
        with explain_refusals(repo_id):
            api.create_repo(repo_id, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo_id,
                folder_path=folder,
                revision=revision,
                commit_message=commit_message or f"{type(model).__name__} of adestim",
            )
    return commit.oid


def from_pretrained(
    repo_id: str,
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike | None = None,
    local_files_only: bool = False,
    trusted: Iterable[str | type] = (),
    token: str | bool | None = None,
    endpoint: str | None = None,
) -> Any:
    """Load a model from a repository of the Hugging Face hub; no code in it runs.

    Parameters
    ----------
    repo_id : str
        Repository, ``"organisation/name"``.
    revision : str, default=None
        Commit, branch or tag. A commit is what cannot change behind your back.
    cache_dir : str or path-like, default=None
        Where files are kept; None is the hub's cache.
    local_files_only : bool, default=False
        Whether nothing is downloaded, as with ``HF_HUB_OFFLINE=1``.
    trusted : iterable of str or type, default=()
        As for :func:`adestim.load`.
    token : str or bool, default=None
        Token of the hub; None takes the one that ``hf auth login`` has stored.
    endpoint : str, default=None
        Address of another hub than ``https://huggingface.co``.

    Returns
    -------
    object
        The model.

    Raises
    ------
    SavedModelError
        When the repository, the revision or a file is not there, or is no model of adestim.
    MissingDependencyError
        When ``huggingface_hub`` is not installed.

    Warns
    -----
    AdestimWarning
        When ``revision`` is no commit: it names the one that was loaded.

    See Also
    --------
    adestim.load : Loads from a folder, and says more of what is refused.

    Examples
    --------
    >>> import adestim
    >>> model = adestim.from_pretrained(
    ...     "my-organisation/memory-clinic", revision="0f3c9e2b7d1a45860c2e9b7f4d3a1c5e6b8f7a90"
    ... )  # doctest: +SKIP
    """
    hub = import_hub()
    with explain_refusals(repo_id):
        folder = Path(
            hub.snapshot_download(
                repo_id,
                revision=revision,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                token=token,
                endpoint=endpoint,
                # Whatever else is in there is nothing that a model is made of.
                allow_patterns=[MANIFEST, *FILES, CARD],
            )
        )
    if revision is None or not COMMIT.fullmatch(revision):
        warnings.warn(
            f"{repo_id} may change: this is its commit {folder.name}. Pass revision="
            f"{folder.name!r} to get the same model again.",
            AdestimWarning,
            stacklevel=2,
        )
    return load(folder, trusted=trusted)


def import_hub() -> Any:
    """Import the client of the hub, or say how to install it."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingDependencyError(
            "Models on the Hugging Face hub need the package huggingface_hub",
            remedy="Run pip install 'adestim[foundation]'",
        ) from error
    return huggingface_hub


@contextmanager
def explain_refusals(repo_id: str) -> Iterator[None]:
    """Say what the hub's errors mean for who wants a saved model."""
    try:
        yield
    except Exception as error:
        raise SavedModelError(
            f"The hub must have, or take, {repo_id}",
            got=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
            remedy=find_remedy(error),
        ) from error


def find_remedy(error: Exception) -> str:
    """Return what to do about an error of the hub's client."""
    from huggingface_hub import errors

    remedies: list[tuple[Any, str]] = [
        (
            (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled),
            "Load it once with a network, without HF_HUB_OFFLINE and local_files_only",
        ),
        (errors.RevisionNotFoundError, "Look which revisions there are"),
        (
            errors.RepositoryNotFoundError,
            "Look at its name, and log in with hf auth login to see private ones",
        ),
        (errors.HFValidationError, "Write 'organisation/name'"),
        (errors.HfHubHTTPError, "Log in with hf auth login, by a token that may do this"),
    ]
    found = (remedy for kind, remedy in remedies if isinstance(error, kind))
    return next(found, "Look whether the network and the hub are there")
