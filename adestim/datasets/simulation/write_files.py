"""Writing files so that an interruption never leaves half of one."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from adestim._support.files import replace_whole


def replace_file(path: Path, content: bytes | str) -> None:
    """Write under a temporary name in the same folder, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_whole(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


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
    with replace_whole(path, ending="".join(path.suffixes)) as temporary:
        nibabel.save(image, temporary)
