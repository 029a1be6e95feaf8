"""Tables that place the regions of a model, on gradients of connectivity or on eigenmodes.

They are neither in the checkpoints nor can they be made anew: signs and rotation of their columns
belong to the projections that were learned with them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adestim._support.digests import digest_file
from adestim.exceptions import CheckpointError, InputError, TableError


@dataclass(frozen=True)
class PositionTable:
    """What is known of a table of a released model."""

    model: str  # its name
    key: str  # in backbone_params
    what: str  # as one says it behind "the"
    file: str  # in the repository
    repository: str  # address
    shape: tuple[int, int]  # n_rois, n_columns
    sha256: str
    # Whether names of the columns stand above, and of the regions before.
    framed: bool = False


def require_table_named(table: PositionTable, path: str | Path | None) -> Path:
    """Return the path of a table, which must be named and be there."""
    if path is None:
        raise InputError(
            f"backbone_params of {table.model} must name the {table.what}, which its weights "
            "do not hold",
            remedy=f"Get {table.file} from {table.repository} and "
            f"pass backbone_params={{{table.key!r}: its path}}",
        )
    path = Path(str(path)).expanduser()
    if not path.is_file():
        raise InputError(
            f"The {table.what} must be an existing file",
            got=str(path),
            remedy=f"Correct backbone_params[{table.key!r}]",
        )
    return path


def read_region_table(table: PositionTable, path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read the numbers of a table.

    -> (n_rois, n_columns).
    """
    try:
        values = load_numbers(path, table.framed, shape[1])
    except (OSError, ValueError) as error:
        kind = "under a header, behind names" if table.framed else "without a header"
        raise TableError(
            f"The {table.what} must be comma-separated numbers {kind}",
            got=f"{path.name}: {error}",
            remedy=f"Download {table.file} again",
        ) from error
    if values.shape != shape or not np.isfinite(values).all():
        raise TableError(
            f"The {table.what} must hold {shape[0]} regions x {shape[1]} numbers",
            got=f"shape {values.shape}" if values.shape != shape else "gaps or infinities",
            remedy="Pass the table that belongs to the weights",
        )
    return values


def load_numbers(path: Path, framed: bool, n_columns: int) -> np.ndarray:
    """Return the numbers of a file, (n_rows, n_columns), without the frame of names."""
    columns = range(1, n_columns + 1) if framed else None
    with warnings.catch_warnings():
        # An empty file is refused for its shape.
        warnings.filterwarnings("ignore", message="loadtxt: input contained no data")
        return np.loadtxt(
            path, np.float32, delimiter=",", skiprows=int(framed), usecols=columns, ndmin=2
        )


def require_released_table(
    table: PositionTable, path: str | Path, sha256: str | None, shape: tuple[int, int]
) -> None:
    """Refuse a table that nobody vouches for."""
    path = Path(path).expanduser()
    read_region_table(table, path, shape)
    wanted = sha256 or (table.sha256 if shape == table.shape else None)
    found = digest_file(path)
    if wanted is not None and found != str(wanted).lower():
        raise InputError(
            f"The {table.what} must have the SHA-256 {wanted}, since the weights belong to "
            "that very table",
            got=found,
            remedy=f"Download {table.file} again; or, if your weights were trained "
            f"with another table, pass its hash as backbone_params['{table.key}_sha256']",
        )


def require_same_table(table: PositionTable, path: Path, digest: str | None) -> None:
    """Refuse a table that is gone, or was exchanged since it was checked."""
    if not path.is_file() or (digest is not None and digest_file(path) != digest):
        raise CheckpointError(
            f"The {table.what} of {table.model} must be the file that fit saw",
            got=f"{path}: " + ("another content" if path.is_file() else "no such file"),
            remedy="Put it back; or say where it is now, by set_params(backbone_params="
            f"{{{table.key!r}: ...}}) of the extractor or as a folder in ADESTIM_WEIGHTS; or fit "
            "again",
        )
