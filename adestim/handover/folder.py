"""A fitted model as a folder that holds no code, and the way back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load as read_arrays
from safetensors.numpy import save as write_arrays
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from adestim._support.version import __version__
from adestim.encoding import Encoding
from adestim.exceptions import AdestimError, SavedModelError
from adestim.handover.card import write_card
from adestim.handover.left_out import LeavingOut
from adestim.handover.pack import Packer
from adestim.handover.trust import Trust, name_of, write_dotted
from adestim.handover.unpack import Unpacker
from adestim.inspection.report.provenance import list_versions

FORMAT = "adestim model"
FORMAT_VERSION = 1
MANIFEST = "adestim.json"
STRUCTURE = "structure.json"
ARRAYS = "arrays.safetensors"
CARD = "README.md"
FILES = (STRUCTURE, ARRAYS)
# What may lie in a folder that is written anew; git and the hub add the last ones.
OURS = frozenset({MANIFEST, *FILES, CARD, ".gitattributes", ".cache"})


def save(
    model: Any,
    folder: str | os.PathLike,
    *,
    overwrite: bool = False,
    card: str | None = None,
    keep_rare: bool = False,
    trusted: Iterable[str | type] = (),
) -> Path:
    """Save a fitted model as a folder that runs no code when it is loaded.

    The folder holds the estimator's state as JSON and safetensors, a model card, and the versions
    of packages. It may be moved, and handed on: it holds no row and no name of a training subject,
    no place on this machine, and no name of a category that one to four training subjects have.
    Weights of foundation models are named by their SHA-256, and found again as after unpickling.

    Parameters
    ----------
    model : object
        Any fitted estimator of the package, or a pipeline of them and of scikit-learn's; or a table
        of encodings or an :class:`~adestim.encoding.Encoding`, which are subjects' data and stay
        so.
    folder : str or path-like
        Where to save it. It is there whole or not at all.
    overwrite : bool, default=False
        Whether a saved model that is there is replaced. A folder that holds anything else never
        is.
    card : str, default=None
        The model card, in Markdown, of :func:`adestim.inspection.model_card` for instance; None
        writes what is known without a comparison.
    keep_rare : bool, default=False
        Whether categories keep their names that few training subjects have, or that nobody has
        counted. Without their names, their next subject has a masked token, as one whose category
        was never seen.
    trusted : iterable of str or type, default=()
        Classes and functions of yours that are part of the model, such as
        ``"my_package.my_module.MyClass"``; whoever loads it must trust them too.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    SavedModelError
        When the model holds something that is not trusted or must not be handed on, is not fitted,
        or the folder holds something else.

    See Also
    --------
    adestim.load : The way back.
    adestim.push_to_hub : Saves to the Hugging Face hub.

    Notes
    -----
    Saved are parameters and what was learned: coefficients, thresholds of trees, standard
    deviations, names of columns and classes. Such numbers say little of a single subject, but they
    are no proof of privacy. Where files lay (``weights``, ``genotypes``, ``parcellation``) their
    names alone are kept, and ``memory`` is left out, as are tables of subjects among parameters,
    of which the names of columns are kept. Pass those of the new subjects by ``set_params``.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import adestim
    >>> X = np.random.default_rng(0).normal(size=(30, 2))
    >>> model = adestim.LateFusionClassifier().fit(X, X[:, 0] > 0)
    >>> with tempfile.TemporaryDirectory() as place:
    ...     folder = adestim.save(model, f"{place}/model")
    ...     again = adestim.load(folder)
    >>> bool((again.predict_proba(X) == model.predict_proba(X)).all())
    True
    """
    target = Path(folder).expanduser()
    require_free(target, overwrite)
    require_saveable(model)
    contents = write_contents(model, card, keep_rare, Trust(trusted))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    temporary.mkdir()
    try:
        for name, content in contents.items():
            (temporary / name).write_bytes(content)
        give_place(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def load(folder: str | os.PathLike, *, trusted: Iterable[str | type] = ()) -> Any:
    """Load a model that :func:`adestim.save` has saved; no code in the folder runs.

    Parameters
    ----------
    folder : str or path-like
        Where it was saved, or has been moved to.
    trusted : iterable of str or type, default=()
        Classes and functions beyond those of adestim and scikit-learn that it may be made of,
        ``"my_package.my_module.MyClass"`` for instance. They are imported and used: name those
        alone that you know.

    Returns
    -------
    object
        The model, whose predictions are those of the saved one to the last bit, on the same
        machine and with the same versions.

    Raises
    ------
    SavedModelError
        When the folder is damaged, holds no model of adestim, was written in a newer format, or
        names something that is not trusted.

    Warns
    -----
    VersionWarning
        When another version of adestim wrote it; scikit-learn warns of its own.

    See Also
    --------
    adestim.save : The way there.
    adestim.from_pretrained : Loads from the Hugging Face hub.

    Notes
    -----
    Digests of the files show damage, not who wrote them: predictions are worth what their author
    is.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import adestim
    >>> table = pd.DataFrame({"age": [71.5, 68.0, 80.0], "sex": ["F", "M", "F"]})
    >>> extractor = adestim.ClinicalExtractor().fit(table)
    >>> with tempfile.TemporaryDirectory() as place:
    ...     again = adestim.load(adestim.save(extractor, f"{place}/extractor", keep_rare=True))
    >>> again.transform(table).loc[0, "clinical"]
    <Encoding tabular 2x3>
    """
    source = Path(folder).expanduser()
    manifest = read_own_manifest(source)
    structure, arrays = (read_checked(source, name, manifest) for name in FILES)
    try:
        unpacker = Unpacker(json.loads(structure), read_arrays(arrays), Trust(trusted))
        return unpacker.unpack(manifest["root"])
    except AdestimError:
        raise
    except UNREADABLE as error:
        raise SavedModelError(
            f"{source.name!r} must hold a model as adestim.save writes it",
            got=f"nodes that cannot be read ({type(error).__name__})",
            remedy="Save it again, or get it again from where it came from",
        ) from error


# What nodes that are not as they should be may end in.
UNREADABLE = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, RuntimeError,
    SafetensorError, TypeError, ValueError,
)  # fmt: skip


def require_saveable(model: Any) -> None:
    """Refuse what nobody could use after it was loaded."""
    if holds_subjects(model):
        return
    if not hasattr(model, "fit"):
        raise SavedModelError(
            "What is saved is a fitted estimator, an Encoding, or a table of encodings",
            got=f"a {type(model).__name__}",
        )
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise SavedModelError(
            "A model is fitted before it is saved", got=f"a {type(model).__name__} that is not"
        ) from error


def holds_subjects(model: Any) -> bool:
    """Tell whether what is to be saved are subjects' data."""
    return isinstance(model, (Encoding, pd.DataFrame, pd.Series))


def write_contents(model: Any, card: str | None, keep_rare: bool, trust: Trust) -> dict[str, bytes]:
    """Return the files of a saved model by their names."""
    packer = Packer(trust, LeavingOut(keep_rare, holds_subjects(model)))
    root = packer.pack(model)
    files = {
        STRUCTURE: json.dumps(packer.nodes, allow_nan=False, separators=(",", ":")).encode(),
        ARRAYS: write_arrays(packer.shelf.arrays),
    }
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "class": write_dotted(name_of(type(model))),
        "subjects": holds_subjects(model),
        "adestim": __version__,
        "packages": list_versions().to_dict(),
        "backbones": packer.backbones,
        "files": {name: fingerprint_file(content) for name, content in files.items()},
        "root": root,
    }
    text = write_card(model) if card is None else card
    return {
        MANIFEST: (json.dumps(manifest, indent=1) + "\n").encode(),
        **files,
        CARD: text.encode(),
    }


def fingerprint_file(content: bytes) -> dict[str, Any]:
    """Return by what a file is known again."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def require_free(target: Path, overwrite: bool) -> None:
    """Refuse a place that is taken."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    names = {item.name for item in target.iterdir()} if target.is_dir() else set()
    replaceable = MANIFEST in names and names <= OURS
    if not (overwrite and replaceable):
        raise SavedModelError(
            f"The place to save to, {target.name!r}, must be free",
            got="a saved model" if replaceable else "a file or folder with other things in it",
            remedy="Pass overwrite=True" if replaceable else "Name another folder",
        )


def give_place(temporary: Path, target: Path) -> None:
    """Give a whole folder its place; a model that was there is gone afterwards."""
    if not target.exists():
        temporary.rename(target)
        return
    old = temporary.with_suffix(".old")
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def read_own_manifest(source: Path) -> Mapping[str, Any]:
    """Return what a folder says of itself; refuse others, and newer ones."""
    try:
        manifest = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT and isinstance(manifest["format_version"], int)
        files = {name: str(manifest["files"][name]["sha256"]) for name in manifest["files"]}
    except (OSError, *UNREADABLE) as error:
        raise refuse_foreign(source, f"no {MANIFEST} that can be read") from error
    if known and manifest["format_version"] > FORMAT_VERSION:
        raise SavedModelError(
            f"adestim {__version__} reads saved models of format {FORMAT_VERSION} and older",
            got=f"format {manifest['format_version']}, written by adestim {manifest['adestim']}",
            remedy="Update adestim with pip install --upgrade adestim",
        )
    if not known or sorted(files) != sorted(FILES) or "root" not in manifest:
        raise refuse_foreign(source, f"another {MANIFEST}")
    return manifest


def refuse_foreign(source: Path, got: str) -> SavedModelError:
    """Return the error about a folder that holds no model of ours."""
    return SavedModelError(
        f"{source.name!r} must be a folder that adestim.save has written",
        got=got if source.is_dir() else "no such folder",
        remedy="Name the folder itself; pickles are opened by joblib.load, if you trust them",
    )


def read_checked(source: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    """Return a file's content; refuse another than was written."""
    try:
        content = (source / name).read_bytes()
    except OSError as error:
        raise refuse_damage(source, f"no {name}") from error
    if hashlib.sha256(content).hexdigest() != manifest["files"][name]["sha256"]:
        raise refuse_damage(source, f"{name} with another SHA-256")
    return content


def refuse_damage(source: Path, got: str) -> SavedModelError:
    """Return the error about a folder that is not as it was written."""
    return SavedModelError(
        f"The files in {source.name!r} must be those that were saved",
        got=got,
        remedy="Copy the folder again, whole and unchanged (git-lfs pull fetches large files)",
    )
