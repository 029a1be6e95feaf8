"""The tables that ``asegstats2table`` and ``aparcstats2table`` of FreeSurfer write."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from adestim._support.missing import NUMBER_WORDS
from adestim._support.tables import BLANKS, read_text_table
from adestim._support.text_files import UNPACKING_ERRORS
from adestim._support.words import first_names
from adestim.exceptions import TableError

# Every such table has one of them; of a transposed one it is a row.
IN_EVERY_TABLE = ("EstimatedTotalIntraCranialVol", "eTIV", "IntraCranialVol", "ICV")


def read_freesurfer_tables(paths: str | os.PathLike | Iterable[str | os.PathLike]) -> pd.DataFrame:
    r"""Read tables of ``asegstats2table`` and ``aparcstats2table``, side by side.

    Parameters
    ----------
    paths : str, path-like or iterable of these
        The tables, separated by tabs, blanks, commas or semicolons; transposed ones too.

    Returns
    -------
    DataFrame of shape (n_subjects, n_measures)
        One row a subject of any table, NaN where one does not have the subject; index
        ``subject``, columns under FreeSurfer's names (``Left-Hippocampus``,
        ``lh_entorhinal_thickness``, ``eTIV``), in their order.

    Raises
    ------
    TableError
        When a file is no such table, a subject or a column stands in it twice, or two tables
        differ in what both hold.

    See Also
    --------
    adestim.FreeSurferExtractor : Reads these columns as one modality.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import read_freesurfer_tables
    >>> text = "Measure:volume\tLeft-Hippocampus\tEstimatedTotalIntraCranialVol\n"
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "aseg.tsv")
    ...     _ = path.write_text(text + "s1\t3900.5\t1500000.0\n")
    ...     table = read_freesurfer_tables([path])
    >>> table.loc["s1", "Left-Hippocampus"]
    np.float64(3900.5)
    """
    every = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    tables = [read_stats_table(Path(path)) for path in every]
    if not tables:
        raise TableError("At least one table of FreeSurfer is needed", got="none")
    joined = tables[0]
    for table in tables[1:]:
        joined = join_tables(joined, table)
    return joined


def read_stats_table(path: Path) -> pd.DataFrame:
    """Return one table, a row a subject."""
    cells = read_cells(path.expanduser())
    if set(IN_EVERY_TABLE) & set(cells.index):
        cells = cells.T
    for axis, what in ((cells.index, "subject"), (cells.columns, "column")):
        twice = axis[axis.duplicated()]
        if len(twice):
            raise unusable_table(path, f"a {what} twice: {first_names(twice.unique())}")
    numbers = cells.mask(cells.isin(NUMBER_WORDS)).apply(pd.to_numeric, errors="coerce")
    odd = numbers.isna() & ~cells.isin(NUMBER_WORDS)
    if odd.any(axis=None):
        names = first_names(odd.columns[odd.any()])
        raise unusable_table(path, f"something else than numbers in the columns {names}")
    return numbers.astype(float).rename_axis(index="subject", columns=None)


def read_cells(path: Path) -> pd.DataFrame:
    """Return the cells of a table as text, its first column as the index."""
    try:
        cells = read_text_table(path, fallback=BLANKS)
    except (OSError, ValueError, *UNPACKING_ERRORS) as failure:
        raise unusable_table(path, f"{type(failure).__name__}: {failure}") from failure
    if cells.shape[1] < 2 or not len(cells):
        raise unusable_table(path, f"{cells.shape[1]} columns and {len(cells)} rows")
    cells.columns = cells.columns.str.strip()
    cells = cells.apply(lambda column: column.str.strip())
    return cells.set_index(cells.columns[0])


def join_tables(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """Return two tables side by side; what both hold must be the same."""
    both = [name for name in right if name in left]
    people = left.index.intersection(right.index)
    one, other = left.loc[people, both].to_numpy(), right.loc[people, both].to_numpy()
    same = np.isclose(one, other, rtol=1e-4, equal_nan=True) | np.isnan(one) | np.isnan(other)
    if not same.all():
        names = first_names(np.asarray(both)[~same.all(axis=0)])
        raise TableError(
            "Tables of FreeSurfer must agree in what several of them hold",
            got=f"different values of {names} for {int((~same).any(axis=1).sum())} subject(s)",
            remedy="Pass tables of the same run of FreeSurfer",
        )
    return left.combine_first(right)[[*left, *(name for name in right if name not in left)]]


def unusable_table(path: Path, said: str) -> TableError:
    """Return the error about a file that is no such table."""
    return TableError(
        "A table of FreeSurfer holds subjects and regions, as asegstats2table and "
        "aparcstats2table write it",
        got=f"{said} in {path}",
        remedy="Write it again, one measure a table",
    )
