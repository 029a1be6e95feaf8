"""Which images there are in a folder, whatever its layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from adestim.datasets.images.choice import (
    VOLUMES,
    check_atlas,
    in_order_of_preference,
    of_space,
    of_task,
    warn_of_mixed_spaces,
)
from adestim.datasets.images.sidecars import acquisition_times, borrowed, repetition_time
from adestim.datasets.images.walk import COLUMNS, Finding, walk
from adestim.exceptions import InputError

TEXT = [name for name in COLUMNS if name not in ("acquired", "repetition_time")]


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
    folder = existing_folder(root)
    index = indexed(folder, derivatives)
    if index.empty:
        raise InputError(
            "A folder of images holds BIDS, fMRIPrep, XCP-D, CAPS or a tree of the IDA",
            got=f"no image known by its name in {str(folder)!r}",
            remedy="Name the folder above those of the subjects",
        )
    return index


def indexed(folder: Path, derivatives: bool) -> pd.DataFrame:
    """Return the index of a folder; without a row where there is nothing."""
    findings, tables = walk(folder, derivatives)
    index = pd.DataFrame.from_records([row_of(finding) for finding in findings], columns=COLUMNS)
    index = index.astype(dict.fromkeys([*TEXT, "acquired"], "str"))
    index["acquired"] = acquisition_times(index, tables)
    index = index.sort_values(["subject", "session", "path"], ignore_index=True)
    return borrowed(index)


def existing_folder(root: str | Path) -> Path:
    """Return an absolute path of a folder that exists."""
    folder = Path(root).expanduser().absolute()
    if not folder.is_dir():
        raise InputError("The folder of images exists", got=f"none at {str(folder)!r}")
    return folder


def row_of(finding: Finding) -> tuple:
    """Return one row of the index; times that lie in tables come later."""
    name = Path(finding.row[3]).name
    time = repetition_time(name, finding.sidecars) if finding.is_series() else None
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
    chosen = best_images(index, space, atlas, task)
    warn_of_mixed_spaces(chosen)
    return chosen


def best_images(
    index: pd.DataFrame,
    space: str | Mapping[str, str] | None,
    atlas: str | None,
    task: str | None,
) -> pd.DataFrame:
    """Leave one file a subject, session and modality, whatever the mixture of spaces."""
    left = check_atlas(of_space(of_task(index, task), space), atlas)
    ordered = in_order_of_preference(left)
    keys = ordered[["subject", "session", "modality", "atlas"]].fillna("")
    # Volumes have an atlas only by accident of their name; of series one is settled by now.
    keys["atlas"] = keys["atlas"].where(~keys["modality"].isin([*VOLUMES, "roi_series"]), "")
    return ordered[~keys.duplicated()].sort_index().reset_index(drop=True)
