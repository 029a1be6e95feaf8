"""The feature store: what was extracted once is not extracted again.

Records are found by their content's key, one file each, so that many processes may share a
folder, and a killed one loses only what it had in flight.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from adestim.exceptions import DataWarning, InputError
from adestim.records import (
    DamagedRecordError,
    OtherFormatError,
    Record,
    open_record,
    write_record,
)

__all__ = ["FeatureStore", "as_store", "content_key"]

STAGES = ("inputs", "tokens")
ENDING = ".safetensors"
# A file changed this recently, in s, may change again within one tick of its clock.
FRESH = 2.0
LARGEST_HALF = 6e4

# What this process has found whole, and what it has been told about once.
_CHECKED: set[tuple] = set()
_WARNED: set[str] = set()


@dataclass(frozen=True)
class FeatureStore:
    """A folder of records that hold what extractors have made.

    Derived from patients' data: the folder can be entered, and its files read, by their owner
    alone.

    Parameters
    ----------
    folder : str or path-like
        Where the records are; made when the first is written.
    dtype : {"float16", "float32"}, default="float16"
        Precision of tokens of foundation models. Half precision costs a relative error of 5e-4
        at most; a table with larger values than it can hold is kept in single precision.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from adestim.store import FeatureStore
    >>> store = FeatureStore(tempfile.mkdtemp())
    >>> record = store.put("tokens", "0123abcd", {"tokens": np.ones((4, 2))}, modality="smri")
    >>> store.get("tokens", "0123abcd").arrays["tokens"].read().sum()
    np.float64(8.0)
    >>> store.info()["records"].sum()
    np.int64(1)
    """

    folder: str
    dtype: str = "float16"

    def __post_init__(self):
        object.__setattr__(self, "folder", str(Path(self.folder).expanduser().absolute()))
        if self.dtype not in ("float16", "float32"):
            raise InputError(
                "The 'dtype' parameter of FeatureStore must be 'float16' or 'float32'",
                got=repr(self.dtype),
            )

    def __sklearn_clone__(self):
        return self

    def get(self, stage: str, key: str) -> Record | None:
        """Return a record, or None where there is none that can be trusted.

        Parameters
        ----------
        stage : {"inputs", "tokens"}
            What it holds.
        key : str
            Its key.

        Returns
        -------
        Record or None
            Its checksums were compared in this process. A damaged one is removed, with a warning.
        """
        path = self._path(stage, key)
        try:
            record = open_record(path)
            self._check_once(path, record)
        except DamagedRecordError as problem:
            self._settle(path, problem)
            return None
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._warn_once("read", error)
            return None
        return record

    def put(
        self, stage: str, key: str, arrays: Mapping[str, np.ndarray], **metadata: str
    ) -> Record | None:
        """Write a record.

        Parameters
        ----------
        stage : {"inputs", "tokens"}
            What it holds.
        key : str
            Its key.
        arrays : mapping of str to ndarray
            Its arrays.
        **metadata : str
            What :meth:`info` groups by.

        Returns
        -------
        Record or None
            None, with a warning, where the folder cannot be written: go on without.
        """
        path = self._path(stage, key)
        try:
            make_private(path.parent)
            write_record(path, arrays, {**metadata, "stage": stage})
            record = open_record(path)
        except OSError as error:
            self._warn_once("write", error)
            return None
        _CHECKED.add(state_of(path))
        return record

    def info(self) -> pd.DataFrame:
        """Return what the store holds.

        Returns
        -------
        DataFrame
            One row a stage, modality and backbone: ``records`` and ``bytes``.
        """
        rows = []
        for path in self._files():
            with suppress(DamagedRecordError, OSError):
                said = open_record(path).metadata
                names = [said.get(name, "") for name in ("stage", "modality", "backbone")]
                rows.append([*names, 1, path.stat().st_size])
        columns = ["stage", "modality", "backbone", "records", "bytes"]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.groupby(columns[:3], as_index=False).sum()

    def verify(self) -> list[str]:
        """Compare every record with its checksums; remove those that are damaged.

        Returns
        -------
        list of str
            Keys of the records that were removed; they are made again when they are asked for.
        """
        damaged = []
        for path in self._files():
            try:
                open_record(path).check()
            except DamagedRecordError as problem:
                damaged += [path.stem] if self._settle(path, problem) else []
            except FileNotFoundError:
                continue
        return damaged

    def prune(self, *, max_size: int | None = None, older_than: float | None = None) -> int:
        """Remove records that were not used for longest.

        Parameters
        ----------
        max_size : int or None, default=None
            Bytes that may remain.
        older_than : float or None, default=None
            Age, in days since a record was last used, from which it is removed.

        Returns
        -------
        int
            Number of records removed. What a killed process left half-written goes too.
        """
        self._remove_remains()
        used = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self._files())
        total, n_removed, now = sum(size for _, size, _ in used), 0, time.time()
        for changed, size, path in used:
            too_old = older_than is not None and now - changed > older_than * 86400
            if not too_old and (max_size is None or total <= max_size):
                continue
            with suppress(OSError):
                path.unlink()
                total, n_removed = total - size, n_removed + 1
        return n_removed

    def file_digest(self, path: str | Path) -> str:
        """Return the digest of a file's content, remembered by path, size and time of change.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        str
        """
        path = Path(path).expanduser().absolute()
        stat = path.stat()
        state = [str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino]
        memo = Path(self.folder) / "files" / hashlib.blake2b(str(path).encode()).hexdigest()[:32]
        with suppress(OSError, ValueError, KeyError):
            known = json.loads(memo.read_text(encoding="utf-8"))
            if known["state"] == state:
                return known["digest"]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if abs(time.time() - stat.st_mtime) > FRESH:
            self._remember(memo, {"state": state, "digest": digest})
        return digest

    def narrow(self, tokens: np.ndarray) -> np.ndarray:
        """Return tokens in the store's precision, where it can hold them."""
        if self.dtype == "float32" or not np.all(np.abs(tokens) < LARGEST_HALF):
            return tokens.astype(np.float32, copy=False)
        return tokens.astype(np.float16)

    def _path(self, stage: str, key: str) -> Path:
        """Return the file of a record."""
        return Path(self.folder) / stage / key[:2] / f"{key}{ENDING}"

    def _files(self) -> Iterator[Path]:
        """Yield the files of all records."""
        for stage in STAGES:
            yield from sorted((Path(self.folder) / stage).glob(f"*/[!.]*{ENDING}"))

    def _check_once(self, path: Path, record: Record) -> None:
        """Compare a record with its checksums, once a process; note that it is in use."""
        state = state_of(path)
        if state not in _CHECKED:
            record.check()
            with suppress(OSError):
                os.utime(path)
            _CHECKED.add(state_of(path))

    def _settle(self, path: Path, problem: DamagedRecordError) -> bool:
        """Remove a record that cannot be trusted; one of another version is left to that."""
        if isinstance(problem, OtherFormatError):
            return False
        with suppress(OSError):
            path.unlink()
        warnings.warn(
            f"A record of the feature store is not whole ({problem}) and is made again: "
            f"{path.name}",
            DataWarning,
            stacklevel=4,
        )
        return True

    def _remember(self, memo: Path, content: dict[str, Any]) -> None:
        """Write a small file whole or not at all; where that fails it is not needed."""
        temporary = memo.with_name(f".{memo.name}.{os.getpid()}.tmp")
        with suppress(OSError):
            make_private(memo.parent)
            temporary.touch(mode=0o600)
            temporary.write_text(json.dumps(content), encoding="utf-8")
            temporary.replace(memo)

    def _remove_remains(self) -> None:
        """Remove what killed processes left half-written."""
        for path in Path(self.folder).glob("**/.*.tmp"):
            with suppress(OSError, ValueError):
                if not process_runs(int(path.name.split(".")[-2])):
                    path.unlink()

    def _warn_once(self, verb: str, error: OSError) -> None:
        """Say once a process that the store cannot be used."""
        if f"{verb} {self.folder}" not in _WARNED:
            _WARNED.add(f"{verb} {self.folder}")
            reason = "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror)
            warnings.warn(
                f"The feature store could not {verb} in its folder ({reason}); nothing is lost, "
                "but what is extracted now will be extracted again.",
                DataWarning,
                stacklevel=4,
            )


def as_store(memory: Any) -> FeatureStore | None:
    """Return the store that a ``memory`` parameter stands for.

    Parameters
    ----------
    memory : None, str, path-like or FeatureStore
        None for no store; a folder; or a store.

    Returns
    -------
    FeatureStore or None
    """
    if memory is None or isinstance(memory, FeatureStore):
        return memory
    return FeatureStore(os.fspath(memory))


def content_key(*parts: Any) -> str:
    """Return the key of what is made from some parts: equal for equal content.

    Parameters
    ----------
    *parts : object
        Anything that pickles: numbers, str, arrays, frames, dataclasses of them.

    Returns
    -------
    str
        40 hexadecimal digits.
    """
    return hashlib.blake2b("".join(map(joblib.hash, parts)).encode(), digest_size=20).hexdigest()


def make_private(folder: Path) -> None:
    """Make a folder, and those above it, for its owner alone; those that are there stay."""
    if folder.is_dir():
        return
    make_private(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)


def state_of(path: Path) -> tuple:
    """Return what changes when a file does."""
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino


def process_runs(number: int) -> bool:
    """Tell whether a process of this machine is running; another user's counts too."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
