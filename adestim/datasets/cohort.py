"""What every loader returns, and the account of who is not in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from sklearn.utils import Bunch

from adestim._support.words import first_names
from adestim.datasets.cohort_bunch import CohortBunch
from adestim.datasets.tables.cells import as_text
from adestim.exceptions import InputError

STEP_COLUMNS = ["step", "n_before", "n_excluded", "reason"]
EXCLUDED_COLUMNS = ["subject", "step", "reason"]
PATH_COLUMNS = ("t1w", "bold", "roi_series", "confounds")


@dataclass(frozen=True, eq=False)
class FlowTable:
    """Who was excluded, at which step and why: a flow chart as a table.

    It does not change: every exclusion gives a new one. Begin with :meth:`FlowTable.start`.

    Parameters
    ----------
    subjects : tuple of str
        Everybody at the start.
    steps : DataFrame
        One row a step and reason, in order: ``step``, ``n_before``, ``n_excluded``, ``reason``.
    excluded : DataFrame
        One row a subject who was excluded: ``subject``, ``step``, ``reason``.

    Notes
    -----
    Guidelines ask for this account, in reports of diagnostic accuracy [1]_ and of prediction
    models [2]_.

    References
    ----------
    .. [1] Bossuyt et al. (2015), BMJ 351, h5527.
    .. [2] Collins et al. (2024), BMJ 385, e078378.

    Examples
    --------
    >>> from adestim.datasets import FlowTable
    >>> flow = FlowTable.start(["s1", "s2", "s3"])
    >>> flow = flow.exclude(["s2"], "images", "no T1w volume")
    >>> list(flow.kept)
    ['s1', 's3']
    >>> print(flow.to_markdown())
    | step | before | excluded | reason |
    |---|---:|---:|---|
    | images | 3 | 1 | no T1w volume |
    | kept | 2 | | |
    """

    subjects: tuple[str, ...]
    steps: pd.DataFrame
    excluded: pd.DataFrame

    @classmethod
    def start(cls, subjects: Iterable[str]) -> FlowTable:
        """Begin with everybody.

        Parameters
        ----------
        subjects : iterable of str
            Identifiers; each counts once.

        Returns
        -------
        FlowTable
            Nobody is excluded yet.
        """
        everybody = tuple(dict.fromkeys(str(subject) for subject in subjects))
        return cls(
            everybody, pd.DataFrame(columns=STEP_COLUMNS), pd.DataFrame(columns=EXCLUDED_COLUMNS)
        )

    @property
    def kept(self) -> pd.Index:
        """Those who are left, in their order at the start."""
        gone = set(self.excluded["subject"])
        left = [subject for subject in self.subjects if subject not in gone]
        return pd.Index(left, name="subject", dtype="str")

    def exclude(self, subjects: Iterable[str] | pd.Series, step: str, reason: str) -> FlowTable:
        """Exclude some for one reason.

        Parameters
        ----------
        subjects : iterable of str, or Series of bool indexed by subject
            Whom to exclude. Those excluded before keep their first reason.
        step : str
            What was done.
        reason : str
            Why they are excluded.

        Returns
        -------
        FlowTable
            With one more row of ``steps``, also where it excludes nobody.

        Raises
        ------
        InputError
            When somebody was not there at the start.
        """
        chosen = self._present(list_subjects(subjects))
        row = (step, len(self.kept), len(chosen), reason)
        return self._extended([row], [(subject, step, reason) for subject in chosen])

    def exclude_each(self, reasons: pd.Series | Mapping[str, str], step: str) -> FlowTable:
        """Exclude some, each for a reason of their own.

        Parameters
        ----------
        reasons : Series of str indexed by subject, or mapping
            Reason by subject; a missing one keeps the subject.
        step : str
            What was done.

        Returns
        -------
        FlowTable
            With one more row of ``steps`` a reason, the commonest first; one that excludes
            nobody where there is no reason.

        Raises
        ------
        InputError
            When somebody was not there at the start.
        """
        given = as_text(pd.Series(reasons, dtype=object).dropna())
        given = given.set_axis(given.index.astype("str"))
        given = given[~given.index.duplicated()].loc[self._present(given.index)]
        if given.empty:
            return self.exclude([], step, "")
        flow = self
        for reason in given.value_counts().index:
            flow = flow.exclude(given.index[given == reason], step, reason)
        return flow

    def to_markdown(self) -> str:
        """Return the steps as a table in Markdown.

        Returns
        -------
        str
            One line a step and reason, and a last line with the number of those kept.
        """
        rows = [
            f"| {unwrap_text(row.step)} | {row.n_before} | {row.n_excluded} | "
            f"{unwrap_text(row.reason)} |"
            for row in self.steps.itertuples()
        ]
        head = ["| step | before | excluded | reason |", "|---|---:|---:|---|"]
        return "\n".join([*head, *rows, f"| kept | {len(self.kept)} | | |"])

    def _present(self, subjects: Iterable[str]) -> list[str]:
        """Return those who are still in; refuse those who never were."""
        wanted = set(subjects)
        strangers = sorted(wanted - set(self.subjects))
        if strangers:
            raise InputError(
                "Only subjects who were there at the start can be excluded",
                got=f"{first_names(strangers)}, who were not",
                remedy="Start the flow with everybody whom a table names",
            )
        return [subject for subject in self.kept if subject in wanted]

    def _extended(self, steps: Sequence[tuple], excluded: Sequence[tuple]) -> FlowTable:
        """Return a flow with these rows more."""
        return FlowTable(
            self.subjects,
            append_rows(self.steps, steps),
            append_rows(self.excluded, excluded),
        )


def append_rows(table: pd.DataFrame, rows: Sequence[tuple]) -> pd.DataFrame:
    """Append rows; numbers stay numbers."""
    return pd.DataFrame.from_records(
        [*table.itertuples(index=False, name=None), *rows], columns=list(table.columns)
    )


def unwrap_text(text: str) -> str:
    """Return a text that does not break a row of Markdown."""
    return " ".join(str(text).replace("|", "\\|").split())


def list_subjects(subjects: Iterable[str] | pd.Series) -> list[str]:
    """Return identifiers, given as such or as a mask."""
    if isinstance(subjects, pd.Series) and pd.api.types.is_bool_dtype(subjects):
        subjects = subjects.index[subjects]
    return [str(subject) for subject in subjects]


def sort_by_extractor(
    frame: pd.DataFrame, clinical: Iterable[str] = (), diagnostic: Iterable[str] = ()
) -> dict[str, list[str]]:
    """Sort a frame's columns by the extractor that reads them."""
    # A run is read rather than its series where there are both, as in make_cohort.
    series = "bold" if "bold" in frame else "roi_series"
    wanted = {
        "smri": ["t1w"],
        "fmri": [series, "confounds"],
        "clinical": list(clinical),
        "diagnostic": list(diagnostic),
        "genetics": ["apoe", "genotypes"],
    }
    return {name: [c for c in columns if c in frame] for name, columns in wanted.items()}


def build_cohort(
    frame: pd.DataFrame,
    target: pd.Series,
    groups: pd.Series,
    flow: FlowTable,
    site: pd.Series,
    description: str,
    *,
    name: str,
    columns: Mapping[str, Sequence[str]],
    genotype_files: Sequence[str] = (),
) -> Bunch:
    """Check the parts of a cohort against each other and lay them out.

    frame (n_subjects, n_columns).
    """
    check_index(frame)
    check_flow(frame, flow)
    check_columns(frame, columns)
    return CohortBunch(
        frame=frame,
        target=align_part(target, frame, "target", "diagnosis"),
        groups=align_part(groups, frame, "groups", "subject"),
        flow=flow,
        site=align_part(site, frame, "site", "site", complete=False),
        description=description,
        name=name,
        columns={modality: list(names) for modality, names in columns.items()},
        genotype_files=[str(prefix) for prefix in genotype_files],
    )


def check_index(frame: pd.DataFrame) -> None:
    """Refuse identifiers that are no strings, missing, or given twice."""
    odd = [subject for subject in frame.index if not isinstance(subject, str)]
    if odd:
        raise InputError(
            "The index of a cohort's frame is subject identifiers as strings",
            got=f"{len(odd)} of another type",
            remedy="Read identifiers with read_table(..., ids=[...])",
        )
    twice = frame.index[frame.index.duplicated()].unique()
    if len(twice):
        raise InputError(
            "A cohort has one row a subject",
            got=f"several for {first_names(twice)}",
            remedy="Keep the index visit",
        )


def check_flow(frame: pd.DataFrame, flow: FlowTable) -> None:
    """Refuse a frame whose subjects are not those that the flow keeps."""
    differing = sorted(set(frame.index) ^ set(flow.kept))
    if differing:
        raise InputError(
            "A cohort's subjects are those that its flow keeps",
            got=f"a difference in {first_names(differing)}",
            remedy="Exclude through the flow, so that everybody has a reason",
        )


def check_columns(frame: pd.DataFrame, columns: Mapping[str, Sequence[str]]) -> None:
    """Refuse columns that the frame lacks, and cells of images that are no path."""
    lacking = sorted({c for names in columns.values() for c in names} - set(frame.columns))
    if lacking:
        raise InputError("Columns named by modality are in the frame", got=first_names(lacking))
    for column in [name for name in PATH_COLUMNS if name in frame]:
        cells = frame[column].dropna()
        odd = cells.index[[not isinstance(cell, str) for cell in cells]]
        if len(odd):
            raise InputError(
                f"Cells of column {column!r} are paths as strings",
                got=f"something else for {first_names(odd)}",
            )


def align_part(
    values: pd.Series, frame: pd.DataFrame, part: str, name: str, complete: bool = True
) -> pd.Series:
    """Return a part of a cohort, in the frame's order."""
    lacking = frame.index.difference(values.index)
    if complete and not len(lacking):
        lacking = frame.index[values.reindex(frame.index).isna()]
    if len(lacking):
        raise InputError(
            f"The {part} of a cohort covers every subject", got=f"none for {first_names(lacking)}"
        )
    return as_text(values.reindex(frame.index)).rename(name)
