"""Splits that can be published: who trained and who tested, told only to those with the data."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.text_files import read_text
from adestim._support.words import first_names
from adestim.datasets.tables.files import read_cells
from adestim.exceptions import InputError, LeakageError, TableError

COLUMNS = ["fold", "side", "digest"]
SIDES = ("train", "test")
SHORTEST_SALT = 16
DOMAIN = "adestim split manifest 1"


def new_salt() -> str:
    """Draw a salt for :func:`split_manifest` from the system's source of randomness.

    Returns
    -------
    str
        64 hexadecimal digits, 256 bits.

    Examples
    --------
    >>> from adestim.datasets import new_salt
    >>> len(new_salt())
    64
    """
    return secrets.token_hex(32)


def split_manifest(splits: Iterable, subjects: Sequence[str], *, salt: str) -> pd.DataFrame:
    """Write down splits without naming anybody.

    Parameters
    ----------
    splits : iterable of (array-like of int, array-like of int)
        Training and test positions of every fold, as ``cv.split`` gives them.
    subjects : sequence of str
        Subject of every row; several rows may be of one.
    salt : str
        Secret, at least 16 characters long; see :func:`new_salt`.

    Returns
    -------
    DataFrame
        One row a fold, side and subject: ``fold``, ``side`` (``"train"`` or ``"test"``) and
        ``digest``, sorted, so that the order says nothing. ``to_csv(index=False)`` or
        ``to_json(orient="records")`` write it, :func:`read_manifest` reads it.

    Raises
    ------
    InputError
        When the salt is too short, or positions lie beyond the table.
    LeakageError
        When a subject is on both sides of a fold.

    See Also
    --------
    verify_manifest : Compares it with splits.
    splits_from_manifest : Makes splits of it.

    Notes
    -----
    The digest is the HMAC-SHA256 [1]_ of the identifier under the salt. Identifiers of a study
    are few and known, so that whoever has the salt can try them all: **the salt is as
    confidential as the identifiers**. Publish the manifest; give the salt to those who may have the
    data, and take another one for every publication. Without the salt the manifest tells the
    sizes of the sides, and which digests recur.

    References
    ----------
    .. [1] Krawczyk, Bellare and Canetti (1997). HMAC: keyed-hashing for message authentication.
       RFC 2104.

    Examples
    --------
    >>> from adestim.datasets import split_manifest
    >>> manifest = split_manifest([([0, 1], [2])], ["s1", "s2", "s3"], salt="not for publication")
    >>> manifest[["fold", "side"]].value_counts().sort_index()
    fold  side
    0     test     1
          train    2
    Name: count, dtype: int64
    """
    names = [str(subject) for subject in subjects]
    people = pd.DataFrame({"subject": names, "digest": digest_subjects(names, salt)}, dtype=object)
    tables = [
        tabulate_fold(
            number, find_positions(train, len(names)), find_positions(test, len(names)), people
        )
        for number, (train, test) in enumerate(splits)
    ]
    if not tables:
        raise InputError("A manifest is of one split or more", got="none")
    return pd.concat(tables, ignore_index=True)


def tabulate_fold(
    number: int, train: np.ndarray, test: np.ndarray, people: pd.DataFrame
) -> pd.DataFrame:
    """Return the rows of one fold."""
    sides = {"train": people.iloc[train], "test": people.iloc[test]}
    shared = sorted(set(sides["train"]["subject"]) & set(sides["test"]["subject"]))
    if shared:
        raise LeakageError(
            "A subject is on one side of a split",
            got=f"{len(shared)} on both sides of fold {number}: {first_names(shared)}",
            remedy="Split by subject: pass groups=",
        )
    rows = [(number, side, digest) for side in SIDES for digest in np.unique(sides[side]["digest"])]
    return pd.DataFrame(rows, columns=COLUMNS)


def find_positions(rows: Any, n_rows: int) -> np.ndarray:
    """Return one side of a split as positions in the table."""
    rows = np.asarray(rows)
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(int)
    beyond = rows[(rows < 0) | (rows >= n_rows)]
    if len(beyond):
        raise InputError(
            "Splits are positions of rows",
            got=f"position {beyond[0]} of {n_rows} rows",
            remedy="Pass the subjects of the table that was split, a row each",
        )
    return rows


def digest_subjects(subjects: Iterable[str], salt: str) -> np.ndarray:
    """Return the digest of every subject."""
    if not isinstance(salt, str) or len(salt) < SHORTEST_SALT:
        raise InputError(
            f"The salt is a secret text of {SHORTEST_SALT} characters or more",
            got=f"{len(salt)} characters" if isinstance(salt, str) else type(salt).__name__,
            remedy="Draw one by adestim.datasets.new_salt() and keep it where the data are",
        )
    key = salt.encode()
    return np.array(
        [hmac.digest(key, f"{DOMAIN}\0{name}".encode(), "sha256").hex() for name in subjects],
        dtype=object,
    )


def read_manifest(path: Any) -> pd.DataFrame:
    """Read a manifest from a file of CSV or JSON.

    Parameters
    ----------
    path : str or Path
        What ``to_csv(index=False)`` or ``to_json(orient="records")`` of a manifest wrote.

    Returns
    -------
    DataFrame
        ``fold``, ``side`` and ``digest``.

    Raises
    ------
    TableError
        When it is no manifest.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import read_manifest, split_manifest
    >>> manifest = split_manifest([([0], [1])], ["s1", "s2"], salt="not for publication")
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "splits.csv")
    ...     manifest.to_csv(path, index=False)
    ...     read_manifest(path).equals(manifest)
    True
    """
    table = read_records(Path(path)) if str(path).endswith(".json") else read_cells(path)
    fold = pd.to_numeric(table["fold"], errors="coerce") if "fold" in table else None
    if fold is not None and fold.notna().all():
        table = table.assign(fold=fold)
    return require_manifest(table)


def read_records(path: Path) -> pd.DataFrame:
    """Return a table of JSON; refuse a file that is none."""
    try:
        return pd.read_json(StringIO(read_text(path)), dtype={"side": str, "digest": str})
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as failure:
        raise TableError(
            "A manifest is a file of CSV or JSON",
            got=f"{path.name!r}, which is neither ({type(failure).__name__})",
        ) from None


def require_manifest(manifest: pd.DataFrame) -> pd.DataFrame:
    """Refuse what is no manifest."""
    if list(manifest.columns) != COLUMNS or not set(manifest["side"]) <= set(SIDES):
        raise TableError(
            f"A manifest has the columns {first_names(COLUMNS)}, and sides 'train' and 'test'",
            got=first_names(manifest.columns),
            remedy="Pass what adestim.datasets.split_manifest returned",
        )
    return manifest


def splits_from_manifest(
    manifest: pd.DataFrame, subjects: Sequence[str], *, salt: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Make the splits of a manifest anew, on one's own copy of the data.

    Parameters
    ----------
    manifest : DataFrame
        Of :func:`split_manifest` or :func:`read_manifest`.
    subjects : sequence of str
        Subject of every row of the table; those that the manifest does not have are in no fold.
    salt : str
        The salt that the manifest was made with.

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        Training and test positions of every fold, for ``cv`` of scikit-learn.

    Raises
    ------
    InputError
        When subjects of the manifest have no row.

    Examples
    --------
    >>> from adestim.datasets import split_manifest, splits_from_manifest
    >>> manifest = split_manifest([([0, 1], [2])], ["s1", "s2", "s3"], salt="not for publication")
    >>> splits_from_manifest(manifest, ["s3", "s2", "s1"], salt="not for publication")
    [(array([1, 2]), array([0]))]
    """
    digests = digest_subjects(subjects, salt)
    n_absent = len(set(require_manifest(manifest)["digest"]) - set(digests))
    if n_absent:
        raise InputError(
            "Every subject of the manifest has a row",
            got=f"none for {n_absent} of {manifest['digest'].nunique()}",
            remedy=ALL_ABSENT if n_absent == manifest["digest"].nunique() else SOME_ABSENT,
        )
    sides = {
        side: [
            np.flatnonzero(np.isin(digests, select_digests(fold, side)))
            for _, fold in manifest.groupby("fold")
        ]
        for side in SIDES
    }
    return list(zip(sides["train"], sides["test"], strict=True))


ALL_ABSENT = "Pass the salt and the spelling of identifiers that the manifest was made with"
SOME_ABSENT = "Get the same release of the data; verify_manifest tells how many each fold lacks"


def select_digests(fold: pd.DataFrame, side: str) -> np.ndarray:
    """Return the digests on one side of a fold."""
    return fold.loc[fold["side"] == side, "digest"].to_numpy(dtype=object)


def verify_manifest(
    manifest: pd.DataFrame, splits: Iterable, subjects: Sequence[str], *, salt: str
) -> pd.DataFrame:
    """Compare splits with a manifest.

    Parameters
    ----------
    manifest : DataFrame
        Of :func:`split_manifest` or :func:`read_manifest`.
    splits : iterable of (array-like of int, array-like of int)
        Training and test positions of every fold.
    subjects : sequence of str
        Subject of every row.
    salt : str
        The salt that the manifest was made with.

    Returns
    -------
    DataFrame
        One row a fold and side: numbers of subjects in the ``manifest``, in the ``splits``, and
        ``shared`` by both, and whether it ``agrees``. ``["agrees"].all()`` says that all do.

    Raises
    ------
    InputError
        When no subject is in the manifest.

    Examples
    --------
    >>> from adestim.datasets import split_manifest, verify_manifest
    >>> subjects, salt = ["s1", "s2", "s3"], "not for publication"
    >>> manifest = split_manifest([([0, 1], [2])], subjects, salt=salt)
    >>> verify_manifest(manifest, [([1, 2], [0])], subjects, salt=salt)
       fold   side  manifest  splits  shared  agrees
    0     0  train         2       2       1   False
    1     0   test         1       1       0   False
    """
    here = split_manifest(splits, subjects, salt=salt)
    if not set(here["digest"]) & set(require_manifest(manifest)["digest"]):
        raise InputError(
            "A manifest is verified on its own cohort",
            got=f"none of its {manifest['digest'].nunique()} subjects",
            remedy=ALL_ABSENT,
        )
    folds = sorted(set(manifest["fold"]) | set(here["fold"]))
    rows = [compare_side(manifest, here, fold, side) for fold in folds for side in SIDES]
    return pd.DataFrame(rows)


def compare_side(
    manifest: pd.DataFrame, here: pd.DataFrame, fold: int, side: str
) -> dict[str, Any]:
    """Return the numbers of one side of one fold."""
    theirs, ours = (
        set(select_digests(table[table["fold"] == fold], side)) for table in (manifest, here)
    )
    return {
        "fold": fold,
        "side": side,
        "manifest": len(theirs),
        "splits": len(ours),
        "shared": len(theirs & ours),
        "agrees": theirs == ours,
    }
