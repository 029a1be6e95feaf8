"""Splits that ClinicaDL wrote, for comparisons on the same people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from warnings import warn

import numpy as np

from adestim._support.missing import mask_missing
from adestim._support.words import first_names
from adestim.datasets.tables.files import read_cells
from adestim.exceptions import DataWarning, InputError, LeakageError, TableError

SPLIT_FOLDER = re.compile(r"split[-_](\d+)")
TRAIN = ("train_baseline", "train")
STUDIES = "adni|aibl|oasis|ppmi"


@dataclass(frozen=True)
class SubjectSplits:
    """Splits by subject: who trains and who tests, fold by fold.

    Iterating gives ``(train_ids, test_ids)``.

    Parameters
    ----------
    folds : tuple of (tuple of str, tuple of str)
        Training and test subjects of every fold.

    Raises
    ------
    LeakageError
        When a subject is on both sides of a fold.

    Examples
    --------
    >>> from adestim.datasets import SubjectSplits
    >>> splits = SubjectSplits(((("sub-A", "sub-B"), ("sub-C",)),))
    >>> splits.splits_for(["C", "A", "B"])
    [(array([1, 2]), array([0]))]
    """

    folds: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    def __post_init__(self):
        for number, (train, test) in enumerate(self.folds):
            shared = sorted(set(train) & set(test))
            if shared:
                raise LeakageError(
                    "A subject is on one side of a split",
                    got=f"{len(shared)} on both sides of split {number}: {first_names(shared)}",
                    remedy="Split by subject, not by session or image",
                )

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Go over the folds."""
        return iter(self.folds)

    def __len__(self) -> int:
        """Return the number of folds."""
        return len(self.folds)

    def splits_for(
        self, subjects: Iterable[str], *, ids: Mapping[str, str] | None = None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the splits as positions in a table, as ``cv`` of scikit-learn takes them.

        Parameters
        ----------
        subjects : iterable of str
            Subject of every row, such as ``frame.index``. A subject may have several rows.
        ids : mapping of str to str, default=None
            The splits' identifier by identifier of the table, where they are not the same. Those
            that it does not name are compared without case, marks and the prefixes ``sub`` and
            name of the study: ``002_S_0295`` is ``sub-ADNI002S0295``.

        Returns
        -------
        list of (ndarray of int, ndarray of int)
            Training and test rows of every fold.

        Raises
        ------
        InputError
            When a side of a fold has no row, or two of the splits' subjects cannot be told apart.

        Warns
        -----
        DataWarning
            When rows are in no fold, or subjects of the splits have no row.
        """
        keys = [make_key((ids or {}).get(str(subject), str(subject))) for subject in subjects]
        known = make_keys({name for fold in self.folds for side in fold for name in side})
        warn_of_absent_people(keys, list(subjects), known)
        return [
            (
                find_rows(keys, train, f"training side of split {k}"),
                find_rows(keys, test, f"test side of split {k}"),
            )
            for k, (train, test) in enumerate(self.folds)
        ]


def make_key(name: str) -> str:
    """Return an identifier without case, marks and prefixes."""
    plain = re.sub(r"[^a-z0-9]", "", str(name).casefold())
    return re.sub(rf"^(?:sub)?(?:{STUDIES})?(?=.)", "", plain)


def make_keys(names: Iterable[str]) -> dict[str, str]:
    """Return the splits' identifiers by key; refuse two of one key."""
    keys: dict[str, str] = {}
    for name in sorted(names):
        if keys.setdefault(make_key(name), name) != name:
            raise InputError(
                "Subjects of a split differ in more than case, marks and prefixes",
                got=first_names([keys[make_key(name)], name]),
                remedy="Rename one of them in the split's tables",
            )
    return keys


def find_rows(keys: list[str], names: Iterable[str], side: str) -> np.ndarray:
    """Return the rows of some subjects; there must be some."""
    wanted = {make_key(name) for name in names}
    rows = np.flatnonzero([key in wanted for key in keys])
    if not len(rows):
        raise InputError(
            "Both sides of a split have rows in the table",
            got=f"none on the {side}",
            remedy="Pass ids={'identifier in the table': 'identifier in the split'}",
        )
    return rows


def warn_of_absent_people(keys: list[str], subjects: list[str], known: Mapping[str, str]) -> None:
    """Warn of rows without a fold and subjects without a row."""
    strangers = [subject for key, subject in zip(keys, subjects, strict=True) if key not in known]
    absent = [name for key, name in known.items() if key not in set(keys)]
    if len(strangers) < len(keys) and (strangers or absent):
        warn(
            f"The table and the splits are of different people: {len(strangers)} row(s) in no fold"
            f"{list_in_brackets(strangers)}; {len(absent)} subject(s) of the splits without a row"
            f"{list_in_brackets(absent)}.",
            DataWarning,
            stacklevel=3,
        )


def list_in_brackets(names: list[str]) -> str:
    """Return names in brackets, where there are any."""
    return f" ({first_names(names)})" if names else ""


def read_clinicadl_split(folder: str | Path) -> SubjectSplits:
    r"""Read the splits that ``clinicadl tsvtools`` wrote.

    Parameters
    ----------
    folder : str or Path
        Folder of one split (``train.tsv`` or ``train_baseline.tsv``, and the table of the other
        side), of the folders ``split-0``, ``split-1`` ... of ``kfold``, or one that has a single
        folder ``5_fold`` of these.

    Returns
    -------
    SubjectSplits
        Identifiers as they stand in the tables; ``splits_for(frame.index)`` makes positions of
        them.

    Raises
    ------
    TableError
        When a folder has no such tables, or several that may be meant.
    LeakageError
        When a subject is on both sides.

    Notes
    -----
    Of a side with several tables the baseline sessions are read; sessions are not compared, for a
    subject's all stand on one side. The folds of ``kfold`` are training and validation sets; a
    test set that ``split`` set apart before is in the folder above.

    References
    ----------
    .. [1] Thibeau-Sutre et al. (2022). ClinicaDL: an open-source deep learning software for
       reproducible neuroimaging processing. Computer Methods and Programs in Biomedicine, 220,
       106818. Files: https://clinicadl.readthedocs.io, TSV tools.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import read_clinicadl_split
    >>> table = "participant_id\tsession_id\n"
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "train.tsv").write_text(table + "sub-01\tses-M000\n")
    ...     _ = Path(folder, "test_baseline.tsv").write_text(table + "sub-02\tses-M000\n")
    ...     splits = read_clinicadl_split(folder)
    >>> list(splits)
    [(('sub-01',), ('sub-02',))]
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise TableError("The folder of a split exists", got=f"none at {str(folder)!r}")
    return SubjectSplits(tuple(read_split(each) for each in find_split_folders(folder)))


def find_split_folders(folder: Path) -> list[Path]:
    """Return the folders of the single splits, in the order of their numbers."""
    if any((folder / f"{name}.tsv").is_file() for name in TRAIN):
        return [folder]
    numbered = {
        int(match[1]): path
        for path in folder.iterdir()
        if path.is_dir() and (match := SPLIT_FOLDER.fullmatch(path.name))
    }
    if numbered:
        return [numbered[number] for number in sorted(numbered)]
    inside = sorted(path for path in folder.glob("*_fold") if path.is_dir())
    if len(inside) != 1:
        raise TableError(
            "A folder of splits has train.tsv, or folders split-0, split-1, ...",
            got=f"{len(inside)} folders of folds: {first_names(path.name for path in inside)}"
            if inside
            else f"neither in {folder.name!r}",
            remedy="Name the folder that 'clinicadl tsvtools split' or 'kfold' wrote",
        )
    return find_split_folders(inside[0])


def read_split(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the subjects of both sides of one split."""
    tables = {path.stem: path for path in folder.glob("*.tsv")}
    train = next((tables[name] for name in TRAIN if name in tables), None)
    others = sorted(name for name in tables if name not in TRAIN)
    baseline = [name for name in others if name.endswith("_baseline")] or others
    if train is None or len(baseline) != 1:
        raise TableError(
            f"The split {folder.name!r} has a training table and one other",
            got=f"tables {first_names(sorted(tables))}" if tables else "no table",
            remedy="Leave train.tsv and the validation or the test table in the folder",
        )
    return read_subjects(train), read_subjects(tables[baseline[0]])


def read_subjects(path: Path) -> tuple[str, ...]:
    """Return the subjects of a table, each once."""
    table = read_cells(path)
    if "participant_id" not in table:
        raise TableError(
            f"{path.name!r} has a column 'participant_id'",
            got=f"{table.shape[1]} other columns",
            remedy="Keep the tables as ClinicaDL wrote them",
        )
    return tuple(mask_missing(table["participant_id"]).dropna().unique())
