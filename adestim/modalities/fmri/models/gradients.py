"""The table that places Brain-JEPA's regions on gradients of functional connectivity.

It is neither in the checkpoint nor can it be made anew: signs and rotation of its columns belong
to the projection that was learned with them.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from adestim._support.digests import digest_file
from adestim.exceptions import CheckpointError, InputError, TableError

RELEASED_TABLE = (450, 30)
# data/gradient_mapping_450.csv of Eric-LRL/Brain-JEPA.
GRADIENTS_SHA256 = "c9bc667e49aae442e12607bee8be86c31c330f2844cf72e7c84b16de312ed007"


def require_table_named(path: str | Path | None) -> Path:
    """Return the path of the table, which must be named and be there."""
    if path is None:
        raise InputError(
            "backbone_params of brain-jepa must name the table of gradients, which its weights "
            "do not hold",
            remedy="Get data/gradient_mapping_450.csv from github.com/Eric-LRL/Brain-JEPA and "
            "pass backbone_params={'gradients': its path}",
        )
    path = Path(str(path)).expanduser()
    if not path.is_file():
        raise InputError(
            "The table of gradients must be an existing file",
            got=str(path),
            remedy="Correct backbone_params['gradients']",
        )
    return path


def read_gradients(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read the table of gradients.

    -> (n_rois, n_gradients).
    """
    try:
        with warnings.catch_warnings():
            # An empty file is refused for its shape.
            warnings.filterwarnings("ignore", message="loadtxt: input contained no data")
            values = np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)
    except (OSError, ValueError) as error:
        raise TableError(
            "The table of gradients must be comma-separated numbers without a header",
            got=f"{path.name}: {error}",
            remedy="Download data/gradient_mapping_450.csv again",
        ) from error
    if values.shape != shape or not np.isfinite(values).all():
        raise TableError(
            f"The table of gradients must hold {shape[0]} regions x {shape[1]} numbers",
            got=f"shape {values.shape}" if values.shape != shape else "gaps or infinities",
            remedy="Pass the table that belongs to the weights",
        )
    return values


def require_released_table(path: str | Path, sha256: str | None, shape: tuple[int, int]) -> None:
    """Refuse a table of gradients that nobody vouches for."""
    path = Path(path).expanduser()
    read_gradients(path, shape)
    wanted = sha256 or (GRADIENTS_SHA256 if shape == RELEASED_TABLE else None)
    found = digest_file(path)
    if wanted is not None and found != str(wanted).lower():
        raise InputError(
            f"The table of gradients must have the SHA-256 {wanted}, since the weights belong to "
            "that very table",
            got=found,
            remedy="Download data/gradient_mapping_450.csv again; or, if your weights were trained "
            "with another table, pass its hash as backbone_params['gradients_sha256']",
        )


def require_same_table(path: Path, digest: str | None) -> None:
    """Refuse a table of gradients that is gone, or was exchanged since it was checked."""
    if not path.is_file() or (digest is not None and digest_file(path) != digest):
        raise CheckpointError(
            "The table of gradients of Brain-JEPA must be the file that fit saw",
            got=f"{path}: " + ("another content" if path.is_file() else "no such file"),
            remedy="Put it back; or say where it is now, by set_params(backbone_params="
            "{'gradients': ...}) of the extractor or as a folder in ADESTIM_WEIGHTS; or fit again",
        )
