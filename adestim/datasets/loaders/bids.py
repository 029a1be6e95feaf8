"""A cohort out of a BIDS data set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from sklearn.utils import Bunch

from adestim._support.bids import DATASET_DESCRIPTION
from adestim._support.diagnostic_columns import diagnostic_columns
from adestim.datasets.cohort import (
    PATH_COLUMNS,
    FlowTable,
    build_cohort,
    sort_by_extractor,
)
from adestim.datasets.images.index import (
    build_index,
    choose_best_images,
    require_folder,
    warn_of_mixed_spaces,
)
from adestim.datasets.images.names import read_json_if_sound
from adestim.datasets.images.sessions import (
    choose_entry_sessions,
    drop_broken,
    find_derivative_folders,
    prefer_first_source,
    select_session_files,
    tabulate_paths,
)
from adestim.datasets.loaders.data_dictionary import (
    DataDictionary,
    drop_gaps,
    read_dictionary,
)
from adestim.datasets.loaders.participants import (
    Group,
    find_target_column,
    label_codes,
    read_groups,
    read_participants,
    read_visits,
    take_at_visit,
    tidy_cells,
)
from adestim.datasets.loaders.phenotype import Phenotype, join_measures, read_measures
from adestim.datasets.loaders.plink import find_samples
from adestim.exceptions import InputError, TableError

BROKEN = ("exclude", "missing", "raise")
# What describes no patient: identifiers, dates, the study's phase, the machine.
ASIDE = re.compile(
    r"site|phase|apoe.*|(.*_)?r?id(_\d+)?|.*study.*|.*date.*|.*acq_time|filename|scanner.*|"
    r"manufacturer.*|comments?|notes?|unnamed.*|index|row(_?(number|id))?"
)
DESCRIPTION = """\
{name}: {n} people at one session each ({counts}), of {n_all} in the data set {folder!r}.
Labels are from {source}. Whom the flow excludes, it names with the reason."""


class BidsRequest(NamedTuple):
    """What was asked for, and the tables that say what codes mean."""

    target: str | None
    labels: Mapping[str, str] | None
    group: Group | None
    session: str | None
    dictionary: DataDictionary
    sex_codes: Mapping[str, str]


class BidsTables(NamedTuple):
    """People by subject; visits with subject and session; chosen images."""

    people: pd.DataFrame | None
    visits: pd.DataFrame
    images: pd.DataFrame

    def subjects(self) -> pd.Index:
        """Return everybody whom a table or a folder names."""
        told = [] if self.people is None else list(self.people.index)
        names = dict.fromkeys([*told, *self.images["subject"]])
        return pd.Index(list(names), dtype="str", name="subject")


def load_bids(  # noqa: PLR0913 - keyword-only, and each is an option of its own
    root: str | Path,
    *,
    derivatives: str | Path | Sequence[str | Path] | None = None,
    target: str | None = None,
    labels: Mapping[str, str] | None = None,
    group: Group | None = None,
    session: str | None = None,
    task: str | None = "rest",
    space: str | Mapping[str, str] | None = None,
    atlas: str | None = None,
    require: Sequence[str] = (),
    broken: str = "exclude",
    sex_codes: Mapping[str, str] | None = None,
    genotype_files: Sequence[str | Path] = (),
    phenotype: Phenotype | Sequence[Phenotype] | None = None,
) -> Bunch:
    """Load a cohort from a BIDS data set, raw or preprocessed, one row a subject.

    Parameters
    ----------
    root : str or Path
        Folder with ``participants.tsv`` and a folder a subject.
    derivatives : str, Path or sequence of these, default=None
        Folders of preprocessed images (fMRIPrep, XCP-D, Clinica's CAPS), as paths or as names
        below ``root/derivatives``; an earlier one is preferred, raw images come last. None: only
        raw ones.
    target : str, default=None
        Column of ``participants.tsv``, ``sessions.tsv`` or a table of ``phenotype`` with the
        groups. None: ``diagnosis``, ``group`` or the like.
    labels : mapping of str to str, default=None
        Label by group: by its code, or by what ``participants.json`` says the code means.
        Others are excluded. None: everybody, under what the code means.
    group : str, Pattern or callable, default=None
        Where the group is part of the identifier: a regular expression that is searched for in
        it (its first group, or all of it), or a function of it. Without ``sub-``.
    session : str, default=None
        Session to take. None: each subject's earliest.
    task : str or None, default="rest"
        What the task of runs begins with. None: any.
    space : str or mapping of str to str, default=None
        Space of volumes and runs, for both or by modality, as in
        :func:`adestim.datasets.choose_images`.
    atlas : str, default=None
        Atlas of ROI series. None: the only one.
    require : sequence of str, default=()
        Modalities without which a subject is excluded: ``"t1w"``, ``"bold"``, ``"roi_series"``,
        ``"confounds"``.
    broken : {"exclude", "missing", "raise"}, default="exclude"
        What to do with a file that cannot be used, such as a dangling link or an empty file:
        exclude its subject, count it as missing with a warning, or raise.
    sex_codes : mapping of str to str, default=None
        What bare numbers for sex mean, ``{"1": "M", "2": "F"}``, where ``participants.json`` does
        not tell.
    genotype_files : sequence of str or Path, default=()
        Prefixes of PLINK file sets whose sample identifiers are the subjects, with or without
        ``sub-``.
    phenotype : DataFrame, str, Path or sequence of these, default=None
        Tables of further measures of the people: frames; files (``.tsv``, ``.csv``, or ``.xlsx``
        with openpyxl); folders of files; or their names in ``root`` or ``root/phenotype``, such as
        ``"phenotype"`` for all that is there, or ``"moca"``. They have a column of identifiers,
        with or without ``sub-`` (``participant_id``, ``subject`` or the like; of a frame it may be
        the index) and, where there are several rows a person, ``session_id``: the row of the
        session taken counts. The file of JSON beside a table tells levels and codes of missing
        values. None: none of them.

    Returns
    -------
    Bunch
        As of :func:`adestim.datasets.make_cohort`, without its truth:

        frame : DataFrame of shape (n_subjects, n_columns)
            Index ``"sub-01"``. Paths ``t1w``, ``bold``, ``roi_series``, ``confounds``, as far as
            there are any; ``age`` and ``education`` in years, ``sex`` ``"F"`` or ``"M"``, other
            columns in lower case; ``apoe`` ``"3/4"``; ``genotypes`` if files are given.
        target : Series of str
            Label.
        groups : Series of str
            Subject, for splitters.
        site : Series of str
            Centre; missing if not told.
        flow : FlowTable
            Who is excluded, and why.
        columns : dict of str to list of str
            Columns by extractor. ``diagnostic``: scores known by their names to make the
            diagnosis; look whether there are more.
        images : DataFrame
            The files taken, rows of :func:`adestim.datasets.index_images`.
        repetition_time : Series of float
            Of the run or its series, in s; missing if no sidecar states it.
        description, name, genotype_files
            What was read.

    Raises
    ------
    InputError
        When a parameter is out of range, nobody has a label, or the earliest session or the
        atlas is not clear.
    TableError
        When there is no ``participants.tsv`` (and no ``group``), no column of groups, sex is
        coded by numbers that nobody explains, nobody of a table of ``phenotype`` is in the data
        set, it has several rows a person and session, or numbers of a column contradict each
        other in how they are written.
    VolumeError
        When there are files and nobody's can be used, or ``broken`` says so.

    Warns
    -----
    DataWarning
        When files of one modality lie in several spaces, files count as missing, somebody's
        sex is neither female nor male, numbers are written with decimal commas or units, an age is
        told in months, a table of ``phenotype`` tells of strangers or of other sessions alone, or
        a column of it bears the name of another, and is called ``<table>_<column>``.

    See Also
    --------
    adestim.datasets.index_images : Everything that lies in a folder.

    Notes
    -----
    A value in ``sessions.tsv`` at the session taken goes before one in ``participants.tsv``. Codes
    of missing values are those that a file of JSON lists under ``MissingValues`` or explains, under
    ``Levels``, by words such as "missing", "not available" or "refused".
    Confounds are taken of the run that is taken only, and not with runs that were denoised.

    References
    ----------
    .. [1] Brain Imaging Data Structure, https://bids-specification.readthedocs.io.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import load_bids, make_cohort
    >>> with TemporaryDirectory() as folder:
    ...     _ = make_cohort(4, root=folder, missing=None, resolution=12, bold=False)
    ...     cohort = load_bids(folder, labels={"CN": "NC", "AD": "AD"}, require=["t1w"])
    >>> sorted(cohort.target)
    ['AD', 'AD', 'NC', 'NC']
    >>> print(cohort.flow.to_markdown())
    | step | before | excluded | reason |
    |---|---:|---:|---|
    | label | 4 | 0 | |
    | images | 4 | 0 | no t1w |
    | kept | 4 | | |

    Scores that stand in another table are joined by the identifiers.

    >>> import pandas as pd
    >>> with TemporaryDirectory() as folder:
    ...     people = make_cohort(4, root=folder, missing=None, resolution=12, bold=False).frame
    ...     scores = pd.DataFrame({"subject": people.index.str[4:], "gait": [1.2, 0.9, 1.1, 1.3]})
    ...     cohort = load_bids(folder, phenotype=scores)
    >>> list(cohort.frame["gait"])
    [1.2, 0.9, 1.1, 1.3]
    """
    check_bids_request(require, broken, group, target)
    folder = require_folder(root)
    codes = {str(code): word for code, word in (sex_codes or {}).items()}
    dictionary = read_dictionary(folder / "participants.json").join(
        [read_dictionary(folder / "sessions.json")]
    )
    request = BidsRequest(target, labels, group, session, dictionary, codes)
    measures = read_measures(folder, phenotype)
    sources = find_derivative_folders(folder, derivatives)
    tables = read_bids(folder, sources, task, space, atlas)
    check_same_people(tables)
    subjects = tables.subjects()
    sessions = choose_entry_sessions(subjects, tables.images, tables.visits, session)
    cells = take_at_visit(list_people(tables), tables.visits, sessions)
    cells, told = join_measures(cells, measures, sessions)
    request = request._replace(dictionary=request.dictionary.join(told))
    labelled, flow, cells = label_subjects(cells, request, sessions)
    rows, flow = drop_broken(select_session_files(tables.images, sessions), flow, broken)
    warn_of_mixed_spaces(rows)
    flow = exclude_without(rows, flow, require)
    frame = lay_out_subjects(cells, rows, flow.kept, request, genotype_files)
    return build_bids_bunch(frame, labelled, flow, rows, folder, request, genotype_files)


def check_bids_request(
    require: Sequence[str], broken: str, group: Group | None, target: str | None
) -> None:
    """Refuse parameters out of range."""
    if broken not in BROKEN:
        raise InputError(
            f"The 'broken' parameter must be one of {', '.join(map(repr, BROKEN))}",
            got=f"{broken!r} instead",
        )
    if isinstance(require, str) or not set(require) <= set(PATH_COLUMNS):
        raise InputError(
            f"The 'require' parameter lists some of {', '.join(map(repr, PATH_COLUMNS))}",
            got=f"{require!r} instead",
        )
    if group is not None and target is not None:
        raise InputError(
            "Groups are read from a column or from identifiers",
            got="both 'target' and 'group'",
            remedy="Pass one of them",
        )


def read_bids(
    folder: Path,
    sources: Sequence[Path],
    task: str | None,
    space: str | Mapping[str, str] | None,
    atlas: str | None,
) -> BidsTables:
    """Read what there is, and choose one file a subject, session and modality."""
    indexes = [build_index(source, True) for source in sources]
    images = prefer_first_source([*indexes, build_index(folder, False)], task)
    images = choose_best_images(images, space, atlas, task)
    people = read_participants(folder)
    tables = BidsTables(people, pd.DataFrame(), images)
    return tables._replace(visits=read_visits(folder, tables.subjects()))


def check_same_people(tables: BidsTables) -> None:
    """Refuse a table of which nobody has a folder: identifiers are written in two ways."""
    if tables.people is None or tables.images.empty or tables.people.empty:
        return
    if not tables.people.index.isin(tables.images["subject"]).any():
        raise TableError(
            "Identifiers in 'participants.tsv' are the names of folders",
            got=f"for instance {tables.people.index[0]!r} in the table and "
            f"{tables.images['subject'].iloc[0]!r} for a folder, nobody in common",
            remedy="Write both in the same way, with their leading zeros",
        )


def list_people(tables: BidsTables) -> pd.DataFrame:
    """Return the table of people; empty where there is none."""
    if tables.people is None:
        return pd.DataFrame(index=tables.subjects())
    return tables.people.reindex(tables.subjects())


def label_subjects(
    cells: pd.DataFrame, request: BidsRequest, sessions: pd.Series
) -> tuple[pd.Series, FlowTable, pd.DataFrame]:
    """Return labels, who has none and why, and the cells without the column of labels."""
    flow = FlowTable.start(cells.index)
    if request.session is not None:
        flow = flow.exclude(sessions.isna(), "session", f"not seen at {request.session!r}")
    if request.group is not None:
        codes = read_groups(cells.index, request.group)
    else:
        codes = cells.pop(find_target_column(cells.columns, request.target))
    target, reasons = label_codes(codes, request.dictionary.levels, request.labels)
    return target, flow.exclude_each(reasons, "label"), cells


def exclude_without(rows: pd.DataFrame, flow: FlowTable, require: Sequence[str]) -> FlowTable:
    """Exclude those who lack a modality that is required."""
    for modality in require:
        there = rows.loc[rows["modality"] == modality, "subject"]
        flow = flow.exclude(flow.kept.difference(there), "images", f"no {modality}")
    if flow.kept.empty:
        raise InputError(
            "Somebody has a label and what is required",
            got="nobody: " + "; ".join(flow.excluded["reason"].value_counts().index[:5]),
            remedy="Require less, or look at the folders with index_images",
        )
    return flow


def lay_out_subjects(
    cells: pd.DataFrame,
    rows: pd.DataFrame,
    kept: pd.Index,
    request: BidsRequest,
    genotype_files: Sequence[str | Path],
) -> pd.DataFrame:
    """Return the frame: images, then what is told of the subjects, then genotypes."""
    dictionary = request.dictionary
    known = cells.loc[kept].apply(drop_gaps, dictionary=dictionary)
    told = tidy_cells(known, dictionary.levels, request.sex_codes, dictionary.units)
    clash = [name for name in told if name in PATH_COLUMNS]
    parts = [tabulate_paths(rows, kept), told.drop(columns=clash)]
    if genotype_files:
        parts.append(find_samples(genotype_files, kept))
    return pd.concat(parts, axis=1)


def build_bids_bunch(
    frame: pd.DataFrame,
    target: pd.Series,
    flow: FlowTable,
    rows: pd.DataFrame,
    folder: Path,
    request: BidsRequest,
    genotype_files: Sequence[str | Path],
) -> Bunch:
    """Lay out what load_bids returns."""
    target = target.loc[frame.index]
    counts = ", ".join(f"{count} {name}" for name, count in target.value_counts().items())
    source = "identifiers" if request.group is not None else "tables"
    facts = read_json_if_sound(folder / DATASET_DESCRIPTION)
    told = [name for name in frame if name not in (*PATH_COLUMNS, "genotypes")]
    diagnostic = list(diagnostic_columns(told))
    aside = [name for name in told if ASIDE.fullmatch(name)]
    clinical = [name for name in told if name not in (*diagnostic, *aside)]
    rows = rows[rows["subject"].isin(frame.index)].reset_index(drop=True)
    cohort = build_cohort(
        frame,
        target,
        pd.Series(frame.index, index=frame.index),
        flow,
        frame["site"] if "site" in frame else pd.Series(None, index=frame.index, dtype="str"),
        DESCRIPTION.format(
            name=facts.get("Name", folder.name),
            n=len(frame),
            counts=counts,
            folder=folder.name,
            n_all=len(flow.subjects),
            source=source,
        ),
        name="BIDS",
        columns=sort_by_extractor(frame, clinical, diagnostic),
        genotype_files=[str(prefix) for prefix in genotype_files],
    )
    times = rows[rows["repetition_time"].notna()].drop_duplicates("subject").set_index("subject")
    cohort.images = rows
    cohort.repetition_time = times["repetition_time"].reindex(frame.index)
    return cohort
