"""A walk through a folder of images, in which nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from adestim._support.bids import (
    DATASET_DESCRIPTION,
    Level,
    find_namesake,
    parse_name,
    sort_sidecars,
)
from adestim._support.files import POINTER_BYTES, name_pointer
from adestim.datasets.images import ida
from adestim.datasets.images.names import (
    CAPS,
    PREPROCESSED,
    RAW,
    UNCLEAR_SERIES,
    find_atlas,
    find_description,
    find_modality,
    group_by_suffix,
    read_pipeline_name,
    tell_series_modality,
)
from adestim.exceptions import InputError

COLUMNS = [
    "subject", "session", "modality", "path", "space", "atlas", "task", "run", "description",
    "acquired", "repetition_time", "pipeline", "image_id", "problem",
]  # fmt: skip
RULES = group_by_suffix([*RAW, *PREPROCESSED, *CAPS])
SERIES = ("bold", "roi_series")
# Figures and logs repeat the names of images; source data are not BIDS.
PASSED_OVER = {"figures", "log", "logs", "sourcedata", "code", "stimuli"}
HEADER_BYTES = 352
SMALLEST_IMAGE = 512
PROGRAMS = {"git-annex": "git-annex", "git-lfs": "Git LFS"}


class Finding(NamedTuple):
    """One file that is of use; ``row`` holds the first nine columns of the index."""

    row: tuple
    sidecars: Sequence[Level]
    pipeline: str
    problem: str | None = None
    acquired: str | None = None
    image_id: str | None = None

    def is_series(self) -> bool:
        """Tell whether it has a repetition time."""
        return self.row[2] in SERIES


class Folder(NamedTuple):
    """A folder, and what it inherits from those above it."""

    path: str
    pipeline: str = "raw"
    sidecars: tuple[Level, ...] = ()
    # Where the walk really is: the root, and targets of the links that led here.
    real: tuple[str, ...] = ()


def walk_images(
    root: Path, enter_derivatives: bool = True
) -> tuple[list[Finding], dict[str, list[str]]]:
    """Return the files of use, and the paths of tables of ``scans`` and ``sessions``."""
    findings: list[Finding] = []
    tables: dict[str, list[str]] = {"scans": [], "sessions": []}
    passed = PASSED_OVER if enter_derivatives else PASSED_OVER | {"derivatives"}
    stack = [Folder(str(root), real=(os.path.realpath(root),))]
    while stack:
        folder, files, below = open_folder(stack.pop(), passed)
        stack.extend(enter_folder(folder, entry) for entry in below)
        for kind, paths in tables.items():
            paths.extend(file.path for file in files if file.name.endswith(f"_{kind}.tsv"))
        findings.extend(find_images(folder, files))
    return findings, tables


def open_folder(
    folder: Folder, passed: set[str]
) -> tuple[Folder, list[os.DirEntry], list[os.DirEntry]]:
    """Return a folder with what it adds to what it inherits, its files, and the folders in it."""
    files, below = [], []
    for entry in list_entries(folder.path):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            files.append(entry)
        elif entry.name not in passed and not leads_back(entry, folder.real):
            below.append(entry)
    return inherit_sidecars(folder, [file.name for file in files]), files, below


def enter_folder(folder: Folder, entry: os.DirEntry) -> Folder:
    """Return a folder in another, which may be a link."""
    there = (os.path.realpath(entry.path),) if entry.is_symlink() else ()
    return folder._replace(path=entry.path, real=(*folder.real, *there))


def list_entries(path: str) -> list[os.DirEntry]:
    """Return what a folder holds."""
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError as failure:
        raise InputError(
            "Every folder below that of the images can be read",
            got=f"{type(failure).__name__} at {path!r}",
            remedy="Ask for the permission, or name a folder below",
        ) from failure


def leads_back(entry: os.DirEntry, real: Sequence[str]) -> bool:
    """Tell whether a link leads to a folder that the walk finds anyway, or comes from."""
    if not entry.is_symlink():
        return False
    there = os.path.realpath(entry.path) + os.sep
    here = [path + os.sep for path in real]
    return any(there.startswith(path) or path.startswith(there) for path in here)


def inherit_sidecars(folder: Folder, names: Sequence[str]) -> Folder:
    """Add the sidecars of a folder; a data set of its own inherits none from above."""
    if DATASET_DESCRIPTION in names:
        pipeline = read_pipeline_name(Path(folder.path, DATASET_DESCRIPTION))
        folder = folder._replace(pipeline=pipeline, sidecars=())
    level = sort_sidecars(folder.path, [name for name in names if is_sidecar(name)])
    return folder._replace(sidecars=(*folder.sidecars, level)) if level else folder


def is_sidecar(name: str) -> bool:
    """Tell whether this may state a repetition time."""
    return name.endswith(("bold.json", "timeseries.json"))


def find_images(folder: Folder, files: Sequence[os.DirEntry]) -> Iterator[Finding]:
    """Yield the files of a folder that are of use."""
    place = ida.parse_place(folder.path)
    if place is not None:
        yield from find_ida_images(place, folder, files)
        return
    for file in files:
        if file.name.startswith("sub-"):
            yield from find_bids_image(folder, file)


def find_bids_image(folder: Folder, file: os.DirEntry) -> Iterator[Finding]:
    """Yield a file with a name of BIDS, if it is of use."""
    name = parse_name(file.name)
    modality = find_modality(name, RULES)
    if modality is None:
        return
    problem = find_problem(file)
    if modality == UNCLEAR_SERIES:
        modality = "roi_series" if problem else tell_series_modality(file.path)
    get = name.entities.get
    session = f"ses-{get('ses')}" if get("ses") else None
    row = (
        f"sub-{get('sub')}", session, modality, file.path, get("space"),
        find_atlas(modality, name.entities), get("task"), get("run"),
        find_description(name.entities),
    )  # fmt: skip
    yield Finding(row, folder.sidecars, folder.pipeline, problem)


def find_problem(file: os.DirEntry) -> str | None:
    """Say why a file cannot be used, as far as its size tells."""
    try:
        size = file.stat().st_size
    except OSError:
        return "dangling link"
    if size == 0:
        return "empty file"
    pointer = read_pointer(file.path) if size < SMALLEST_IMAGE else None
    if pointer is None and file.name.endswith(".nii") and size <= HEADER_BYTES:
        return "header without voxels"
    return pointer


def read_pointer(path: str) -> str | None:
    """Say which content a small file stands for, if it is a pointer."""
    with open(path, "rb") as file:  # noqa: PTH123 (as fast as can be)
        pointer = name_pointer(file.read(POINTER_BYTES))
    return f"its content was never fetched ({PROGRAMS[pointer]})" if pointer else None


def find_ida_images(
    place: ida.Place, folder: Folder, files: Sequence[os.DirEntry]
) -> Iterator[Finding]:
    """Yield the images of one series of the IDA: of DICOM the folder."""
    modality = ida.guess_modality(place.protocol)
    if modality is None:
        return
    names = {file.name for file in files}
    volumes = [file for file in files if file.name.endswith((".nii", ".nii.gz"))]
    found = [(file.path, find_problem(file)) for file in volumes]
    if not found:
        found = [(folder.path, "DICOM, to be converted to NIfTI" if files else "empty folder")]
    for path, problem in found:
        row = (
            place.subject, place.acquired[:10], modality, path, None, None,
            "rest" if modality == "bold" else None, None, place.protocol,
        )  # fmt: skip
        # Sidecars of dcm2niix bear the whole name of the image.
        own = find_namesake(folder.path, Path(path).name, names)
        yield Finding(row, (own,), "raw", problem, place.acquired, place.image_id)
