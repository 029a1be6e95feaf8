"""Writing files so that an interruption never leaves half of one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd


def replace_file(path: Path, content: bytes | str) -> None:
    """Write under a temporary name in the same folder, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    temporary.replace(path)


def temporary_name(path: Path) -> Path:
    """Return a name beside ``path`` with the same suffixes."""
    return path.with_name(f".{os.getpid()}-{path.name}")


def write_json(path: Path, content: dict) -> None:
    """Write a dictionary, indented."""
    replace_file(path, json.dumps(content, indent=2) + "\n")


def write_table(path: Path, table: pd.DataFrame, **options) -> None:
    """Write tab-separated values as BIDS wants them: ``n/a`` where missing."""
    text = table.to_csv(sep="\t", na_rep="n/a", lineterminator="\n", **options)
    replace_file(path, text)


def write_image(path: Path, image) -> None:
    """Write a NIfTI image."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    nibabel.save(image, temporary)
    temporary.replace(path)
