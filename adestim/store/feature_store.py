"""The feature store: what was extracted once is not extracted again.

Records are found by their content's key, one file each, so that many processes may share a
folder, and a killed one loses only what it had in flight.
"""

from __future__ import annotations

import errno
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.digests import digest_file
from adestim._support.files import DAY, is_abandoned, make_private
from adestim.exceptions import DataWarning, InputError
from adestim.store.claims import hold_claims, is_stale, wait_for_one
from adestim.store.record import (
    DamagedRecordError,
    OtherFormatError,
    Record,
    open_record,
    write_record,
)

STAGES = ("series", "inputs", "tokens")
ENDING = ".safetensors"
# How often, in s, it is noted that a record is in use; each note changes the state of its file.
USE_IS_NOTED = 3600
LARGEST_HALF = 6e4

KEY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
OF_CLAIMS = ".claim"
N_SHOWN = 40
# How often, in s, a process looks for what killed ones have left, at most.
SWEPT_EVERY = 60.0

# What this process has been told about once.
_WARNED: set[str] = set()
# When this process has looked through which folder last.
_SWEPT: dict[str, float] = {}


@dataclass(frozen=True)
class FeatureStore:
    """A folder of records that hold what extractors have made.

    Derived from patients' data: the folder can be entered, and its files read, by their owner
    alone. Processes, on one machine or on several, may share it: each record is made by one of
    them, and the others wait for it. What killed processes have left half-written goes when a
    store is opened.

    Parameters
    ----------
    folder : str or path-like
        Where the records are; made when the first is written.
    dtype : {"float16", "float32"}, default="float16"
        Precision of tokens of foundation models. Half precision keeps 11 significant bits: a
        value of 6.1e-5 or more is off by 4.9e-4 of itself at most, a smaller one by 3e-8. A table
        with larger values than it can hold is kept in single precision.

    References
    ----------
    IEEE 754-2019, binary16: the spacing of its values.

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
        self._remove_remains_now_and_then()

    def __sklearn_clone__(self):
        return self

    def get(self, stage: str, key: str) -> Record | None:
        """Return a record, or None where there is none that can be trusted.

        Parameters
        ----------
        stage : {"series", "inputs", "tokens"}
            What it holds.
        key : str
            Its key.

        Returns
        -------
        Record or None
            Its checksums were compared in this process, since its file last changed. A damaged
            one is removed, with a warning; one of another format is left where it is.
        """
        path = self._path(stage, key)
        note_use(path)
        try:
            record = open_record(path)
            record.check_once()
        except DamagedRecordError as problem:
            self._settle(path, problem)
            return None
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._warn_once("read", say_reason(error))
            return None
        return record

    def put(
        self, stage: str, key: str, arrays: Mapping[str, np.ndarray], **metadata: str
    ) -> Record | None:
        """Write a record.

        Parameters
        ----------
        stage : {"series", "inputs", "tokens"}
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
            None, with a warning, where the folder cannot be written, or another version's record
            has the name and keeps it: go on without.
        """
        path = self._path(stage, key)
        try:
            make_private(path.parent)
            write_record(path, arrays, {**metadata, "stage": stage})
            return open_record(path)
        except OSError as error:
            self._warn_once("write", say_reason(error))
        except DamagedRecordError as problem:
            self._warn_once("write", f"a record of another kind has the name: {problem}")
        return None

    @contextmanager
    def claim(self, stage: str, keys: Sequence[str]) -> Iterator[list[bool]]:
        """Claim records that are to be made, so that of several processes one makes each.

        Parameters
        ----------
        stage : {"series", "inputs", "tokens"}
            What they hold.
        keys : sequence of str
            Their keys.

        Yields
        ------
        list of bool
            Which of them are this process's to make, until the context ends. Look for them again
            first: somebody may have made them just before. The others are in other hands, of a
            process or thread; claims of processes that died are taken over.

        Examples
        --------
        >>> import tempfile
        >>> from adestim.store import FeatureStore
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> with store.claim("tokens", ["0123abcd"]) as mine, store.claim(
        ...     "tokens", ["0123abcd", "89efcdab"]
        ... ) as others:
        ...     print(mine, others)
        [True] [False, True]
        """
        with hold_claims([self._claim_path(stage, key) for key in keys]) as held:
            yield held

    def wait(self, stage: str, keys: Sequence[str], patience: float | None = None) -> bool:
        """Wait until one of some records is no longer in other hands.

        Parameters
        ----------
        stage : {"series", "inputs", "tokens"}
            What they hold.
        keys : sequence of str
            Their keys.
        patience : float or None, default=None
            Seconds after which it is given up; None for a quarter of an hour.

        Returns
        -------
        bool
            False where patience has ended: make them, whoever else does.
        """
        return wait_for_one([self._claim_path(stage, key) for key in keys], patience)

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
            Age, in days since a record was last used, from which it is removed. Use is noted
            once an hour.

        Returns
        -------
        int
            Number of records removed. What a killed process left half-written goes too.
        """
        self._remove_remains()
        used = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self._files())
        total, n_removed, now = sum(size for _, size, _ in used), 0, time.time()
        for changed, size, path in used:
            too_old = older_than is not None and now - changed > older_than * DAY
            if not too_old and (max_size is None or total <= max_size):
                continue
            with suppress(OSError):
                path.unlink()
                total, n_removed = total - size, n_removed + 1
        return n_removed

    def file_digest(self, path: str | Path) -> str:
        """Return the SHA-256 of a file, remembered by path, size and time of change.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        str
        """
        return digest_file(path, Path(self.folder) / "files")

    def narrow(self, tokens: np.ndarray) -> np.ndarray:
        """Return tokens in the store's precision, where it can hold them."""
        if self.dtype == "float32" or not np.all(np.abs(tokens) < LARGEST_HALF):
            return tokens.astype(np.float32, copy=False)
        return tokens.astype(np.float16)

    def _path(self, stage: str, key: str) -> Path:
        """Return the file of a record; refuse what would lead elsewhere."""
        if stage not in STAGES or not (isinstance(key, str) and KEY.fullmatch(key)):
            raise InputError(
                f"A record of the feature store has a stage, one of {', '.join(STAGES)}, and a key "
                "of at most 128 letters, digits, '-' and '_'",
                got=f"stage {stage!r} and key {str(key)[:N_SHOWN]!r}",
                remedy="Pass the digest of what the record is made from",
            )
        return Path(self.folder) / stage / key[:2] / f"{key}{ENDING}"

    def _claim_path(self, stage: str, key: str) -> Path:
        """Return the file by which a process claims a record."""
        path = self._path(stage, key)
        return path.with_name(f".{key}{OF_CLAIMS}")

    def _files(self) -> Iterator[Path]:
        """Yield the files of all records."""
        for stage in STAGES:
            yield from sorted((Path(self.folder) / stage).glob(f"*/[!.]*{ENDING}"))

    def _settle(self, path: Path, problem: DamagedRecordError) -> bool:
        """Remove a record that cannot be trusted; one of another version is left to that."""
        if isinstance(problem, OtherFormatError):
            return False
        try:
            path.unlink()
        except OSError:
            # It stays, and is found again whenever it is looked for.
            if str(path) in _WARNED:
                return True
            _WARNED.add(str(path))
        warnings.warn(
            f"A record of the feature store is not whole ({problem}) and is made again: "
            f"{path.name}",
            DataWarning,
            stacklevel=4,
        )
        return True

    def _remove_remains(self) -> None:
        """Remove what killed processes left half-written, and what they had claimed."""
        with suppress(OSError):
            for path in Path(self.folder).glob("**/.*.tmp"):
                remove_where(path, partial(is_abandoned, now=time.time()))
            for path in Path(self.folder).glob(f"*/*/.*{OF_CLAIMS}"):
                remove_where(path, is_stale)

    def _remove_remains_now_and_then(self) -> None:
        """Remove what killed processes left, where this process has not just done so."""
        now = time.monotonic()
        if now - _SWEPT.get(self.folder, -SWEPT_EVERY) >= SWEPT_EVERY:
            _SWEPT[self.folder] = now
            self._remove_remains()

    def _warn_once(self, verb: str, reason: str) -> None:
        """Say once a process that the store cannot be used."""
        if f"{verb} {self.folder}" not in _WARNED:
            _WARNED.add(f"{verb} {self.folder}")
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


def note_use(path: Path) -> None:
    """Note in the date of a record that it is in use; a date in the future is mended."""
    with suppress(OSError):
        if abs(time.time() - path.stat().st_mtime) > USE_IS_NOTED:
            os.utime(path)


def remove_where(path: Path, is_unwanted: Callable[[Path], bool]) -> None:
    """Remove a file that nobody wants; where that fails, somebody else will."""
    with suppress(OSError):
        if is_unwanted(path):
            path.unlink()


def say_reason(error: OSError) -> str:
    """Say why a folder cannot be used."""
    return "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror)
