"""Digests of files, computed once for a state of a file and remembered; checksums of arrays."""

from __future__ import annotations

import hashlib
import json
import os
import time
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from adestim._support.files import make_private, write_whole

# A file changed this recently, in s, may change again within one tick of its disk's clock.
FRESH = 2.0

_KNOWN: dict[tuple, str] = {}


def digest_file(path: str | Path, folder: Path | None = None) -> str:
    """Return the SHA-256 of a file; it is read once for a path, size and time of change."""
    path = Path(path).expanduser().resolve()
    state = read_path_state(path)
    folder = user_cache() if folder is None else folder
    memo = None if folder is None else folder / hashlib.sha256(bytes(path)).hexdigest()[:32]
    digest = _KNOWN.get(state) or read_memo(memo, state)
    if digest is None:
        settled = is_settled(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not settled or read_path_state(path) != state:
            return digest
        write_memo(memo, state, digest)
    _KNOWN[state] = digest
    return digest


def user_cache() -> Path | None:
    """Return the folder in which digests of weights are remembered for this user."""
    named = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    with suppress(RuntimeError):
        return Path(named).expanduser() / "adestim" / "files"
    return None


def read_path_state(path: Path) -> tuple[str | int, ...]:
    """Return what changes when a file does; the last remains where its date is put back."""
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns


def is_settled(path: Path) -> bool:
    """Tell whether a change from now on would show; the clock may have been put back."""
    stat, now = path.stat(), time.time()
    return min(abs(now - stat.st_mtime), abs(now - stat.st_ctime)) > FRESH


def read_memo(memo: Path | None, state: tuple) -> str | None:
    """Return the digest that was remembered for a state of a file."""
    if memo is None:
        return None
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        known = json.loads(memo.read_text(encoding="utf-8"))
        return str(known["digest"]) if known["state"] == list(state) else None
    return None


def write_memo(memo: Path | None, state: tuple, digest: str) -> None:
    """Remember a digest; where that fails it is not needed."""
    if memo is None:
        return
    content = json.dumps({"state": state, "digest": digest}).encode()
    with suppress(OSError):
        make_private(memo.parent)
        write_whole(memo, content)


def checksum(values: np.ndarray) -> str:
    """Return the CRC-32 of an array's bytes."""
    return f"{zlib.crc32(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data):08x}"
