"""Which images there are in a folder, whatever its layout, and which of several is meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from warnings import warn

import pandas as pd

from adestim._support.words import first_names
from adestim.datasets.images.sidecars import (
    borrow_times,
    find_acquisition_times,
    find_repetition_time,
)
from adestim.datasets.images.walk import COLUMNS, Finding, walk_images
from adestim.exceptions import DataWarning, InputError

TEXT = [name for name in COLUMNS if name not in ("acquired", "repetition_time")]


VOLUMES = ("t1w", "bold")
RUNS = ("bold", "roi_series", "confounds", "connectivity", "motion", "outliers")
SPACES = (
    "MNI152NLin2009cAsym",
    "MNI152NLin6Asym",
    "MNI152NLin2009cSym",
    "MNI152NLin2009aSym",
)
DESCRIPTIONS = ("denoised", "Crop", "preproc")
OTHER, NATIVE = 20, 10


def index_images(root: str | Path, *, derivatives: bool = True) -> pd.DataFrame:
    """List the images in a folder, whatever its layout.

    It may hold BIDS, outputs of fMRIPrep, XCP-D or Clinica (CAPS), or what the Image and Data
    Archive (IDA) of LONI hands out, in any mixture. Files are told by their names; none is
    opened but sidecars.

    Parameters
    ----------
    root : str or Path
        The folder.
    derivatives : bool, default=True
        Whether folders named ``derivatives`` are entered.

    Returns
    -------
    DataFrame of shape (n_files, 14)
        One row a file, by subject, session and path:

        subject : str
            ``"sub-01"``; in a tree of the IDA the study's identifier.
        session : str
            ``"ses-M000"``; in a tree of the IDA the date of the scan. Missing where there are no
            sessions.
        modality : str
            ``"t1w"``, ``"bold"``, ``"roi_series"``, ``"confounds"``, ``"connectivity"``,
            ``"motion"``, ``"outliers"``, ``"gray_matter"``, ``"roi_volumes"`` or
            ``"roi_thickness"``.
        path : str
            Absolute; of DICOM the folder.
        space, atlas, task, run, description : str
            As in the name; in a tree of the IDA ``description`` is the protocol's name.
        acquired : datetime64
            When it was scanned: from ``scans.tsv``, else ``sessions.tsv``, else other files of
            the session, or the folder's name.
        repetition_time : float
            In s, from sidecars by BIDS' rule of inheritance, else from other files of the run.
        pipeline : str
            Who made it; ``"raw"`` where nobody is named.
        image_id : str
            ``"I123456"``, in a tree of the IDA.
        problem : str
            Why it cannot be used: a dangling link, an empty file, DICOM. Missing otherwise.

    Raises
    ------
    InputError
        When the folder does not exist, cannot be read or holds none of these.

    Warns
    -----
    DataWarning
        When a sidecar is no JSON.

    See Also
    --------
    choose_images : One file a subject, session and modality.

    Notes
    -----
    Names of all three generations of XCP-D [2]_ are known (up to 0.6.4, up to 0.14.1, from
    26.0.0). In a tree of the IDA the modality is guessed from words of the protocol's name; look
    at ``index.groupby(["modality", "description"]).size()``.

    References
    ----------
    .. [1] Brain Imaging Data Structure, https://bids-specification.readthedocs.io.
    .. [2] XCP-D, outputs, https://xcp-d.readthedocs.io.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import index_images, make_cohort
    >>> with TemporaryDirectory() as folder:
    ...     _ = make_cohort(4, root=folder, missing=None, resolution=12, bold=False)
    ...     index = index_images(folder)
    >>> index["modality"].value_counts().sort_index().to_dict()
    {'confounds': 4, 'roi_series': 4, 't1w': 4}
    """
    folder = require_folder(root)
    index = build_index(folder, derivatives)
    if index.empty:
        raise InputError(
            "A folder of images holds BIDS, fMRIPrep, XCP-D, CAPS or a tree of the IDA",
            got=f"no image known by its name in {str(folder)!r}",
            remedy="Name the folder above those of the subjects",
        )
    return index


def build_index(folder: Path, derivatives: bool) -> pd.DataFrame:
    """Return the index of a folder; without a row where there is nothing."""
    findings, tables = walk_images(folder, derivatives)
    index = pd.DataFrame.from_records(
        [lay_out_row(finding) for finding in findings], columns=COLUMNS
    )
    index = index.astype(dict.fromkeys([*TEXT, "acquired"], "str"))
    index["acquired"] = find_acquisition_times(index, tables)
    index = index.sort_values(["subject", "session", "path"], ignore_index=True)
    return borrow_times(index)


def require_folder(root: str | Path) -> Path:
    """Return an absolute path of a folder that exists."""
    folder = Path(root).expanduser().absolute()
    if not folder.is_dir():
        raise InputError("The folder of images exists", got=f"none at {str(folder)!r}")
    return folder


def lay_out_row(finding: Finding) -> tuple:
    """Return one row of the index; times that lie in tables come later."""
    name = Path(finding.row[3]).name
    time = find_repetition_time(name, finding.sidecars) if finding.is_series() else None
    return (*finding.row, finding.acquired, time, finding.pipeline, finding.image_id,
            finding.problem)  # fmt: skip


def choose_images(
    index: pd.DataFrame,
    *,
    space: str | Mapping[str, str] | None = None,
    atlas: str | None = None,
    task: str | None = "rest",
) -> pd.DataFrame:
    """Leave one file a subject, session and modality.

    Parameters
    ----------
    index : DataFrame
        Of :func:`index_images`; filter it first if you know more.
    space : str or mapping of str to str, default=None
        Space of volumes and runs, one for all or by modality. None: a space of the MNI before
        the native one.
    atlas : str, default=None
        Atlas of ROI series. None: the only one.
    task : str or None, default="rest"
        What the task of runs begins with. None: any.

    Returns
    -------
    DataFrame of shape (n_chosen, 14)
        Rows of ``index``: denoised before preprocessed before raw, cropped before whole, the
        first of several runs, what can be used before what cannot. Tables of regions
        have one row an atlas.

    Raises
    ------
    InputError
        When there are ROI series of several atlases and none is named, or nothing in the space
        or of the atlas named.

    Warns
    -----
    DataWarning
        When the files chosen for one modality are in several spaces.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import index_images, make_cohort
    >>> from adestim.datasets.images.index import choose_images
    >>> with TemporaryDirectory() as folder:
    ...     _ = make_cohort(4, root=folder, missing=None, resolution=12, bold=False)
    ...     chosen = choose_images(index_images(folder), atlas="Seitzman300")
    >>> len(chosen)
    12
    """
    chosen = choose_best_images(index, space, atlas, task)
    warn_of_mixed_spaces(chosen)
    return chosen


def choose_best_images(
    index: pd.DataFrame,
    space: str | Mapping[str, str] | None,
    atlas: str | None,
    task: str | None,
) -> pd.DataFrame:
    """Leave one file a subject, session and modality, whatever the mixture of spaces."""
    left = keep_atlas(keep_space(keep_task(index, task), space), atlas)
    ordered = sort_by_preference(left)
    keys = ordered[["subject", "session", "modality", "atlas"]].fillna("")
    # Volumes have an atlas only by accident of their name; of series one is settled by now.
    keys["atlas"] = keys["atlas"].where(~keys["modality"].isin([*VOLUMES, "roi_series"]), "")
    return ordered[~keys.duplicated()].sort_index().reset_index(drop=True)


def keep_task(index: pd.DataFrame, task: str | None) -> pd.DataFrame:
    """Leave out runs of other tasks."""
    if task is None:
        return index
    named = index["task"].str.casefold().str.startswith(task.casefold()).fillna(False).astype(bool)
    return index[named | ~index["modality"].isin(RUNS)]


def keep_space(index: pd.DataFrame, space: str | Mapping[str, str] | None) -> pd.DataFrame:
    """Leave out volumes in other spaces."""
    if space is None:
        return index
    asked = space if isinstance(space, Mapping) else dict.fromkeys(VOLUMES, space)
    unknown = sorted(set(asked) - set(VOLUMES))
    if unknown:
        raise InputError(
            "The 'space' parameter names spaces of 't1w' and 'bold'",
            got=f"{first_names(unknown)} besides",
        )
    for modality, wanted in asked.items():
        index = keep_one_space(index, modality, wanted)
    return index


def keep_one_space(index: pd.DataFrame, modality: str, space: str) -> pd.DataFrame:
    """Leave out volumes of one modality in other spaces."""
    concerned = index["modality"] == modality
    fits = index["space"] == space
    if concerned.any() and not (concerned & fits).any():
        there = sorted(index.loc[concerned, "space"].fillna("none: native").unique())
        raise InputError(
            f"There are files of {modality!r} in the space {space!r}",
            got=f"only others: {first_names(there)}",
            remedy="Choose one of these; a mapping such as {'bold': ...} chooses by modality",
        )
    return index[~concerned | fits]


def keep_atlas(index: pd.DataFrame, atlas: str | None) -> pd.DataFrame:
    """Leave out ROI series of other atlases; refuse to guess which one is meant."""
    concerned = index["modality"].isin(["roi_series", "connectivity"])
    series = index.loc[index["modality"] == "roi_series", "atlas"].dropna()
    there = sorted(series.unique())
    if atlas is None and len(there) > 1:
        raise InputError(
            "ROI series are of one atlas",
            got=f"series of {len(there)}: {first_names(there, limit=20)}",
            remedy="Choose one by the 'atlas' parameter",
        )
    if atlas is None or not there:
        return index
    if atlas not in there:
        raise InputError(
            f"There are ROI series of the atlas {atlas!r}",
            got=f"others: {first_names(there, limit=20)}",
            remedy="Choose one of these",
        )
    return index[~concerned | (index["atlas"] == atlas)]


def sort_by_preference(index: pd.DataFrame) -> pd.DataFrame:
    """Sort files so that the one that is meant comes first."""
    ranks = pd.DataFrame(
        {
            "problem": index["problem"].notna(),
            "description": index["description"].map(rank_description),
            "space": index["space"].map(rank_space),
            "run": index["run"].map(parse_run_number),
            "path": index["path"],
        },
        index=index.index,
    )
    return index.loc[ranks.sort_values(list(ranks)).index]


def rank_space(space: object) -> int:
    """Return a lower number for a space that is preferred."""
    if not isinstance(space, str):
        return NATIVE
    if space in SPACES:
        return SPACES.index(space)
    return len(SPACES) if space.startswith("MNI") else OTHER


def rank_description(description: object) -> int:
    """Return a lower number for an image of which more has been made."""
    if not isinstance(description, str):
        return len(DESCRIPTIONS)
    if description in DESCRIPTIONS:
        return DESCRIPTIONS.index(description)
    return len(DESCRIPTIONS) + 1 + ("repeat" in description.casefold())


def parse_run_number(run: object) -> int:
    """Return the number of a run; all runs together come before each."""
    return int(run) if isinstance(run, str) and run.isdigit() else 0


def warn_of_mixed_spaces(chosen: pd.DataFrame) -> None:
    """Say so if the volumes of a cohort do not lie in one space."""
    for modality in VOLUMES:
        spaces = chosen.loc[chosen["modality"] == modality, "space"].fillna("none: native")
        if spaces.nunique() > 1:
            warn(
                f"Files of {modality!r} are in several spaces: {first_names(spaces.unique())}. "
                "Choose one by the 'space' parameter.",
                DataWarning,
                stacklevel=3,
            )
