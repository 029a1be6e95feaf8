"""What the columns of raw cells hold: sample ids, APOE genotypes or dosages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from adestim.encoding import is_missing
from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.apoe import APOE_SNPS, apoe_counts, is_no_genotype, parse_apoe
from adestim.modalities.genetics.genotypes import UNKNOWN_ALLELE, sample_name
from adestim.modalities.genetics.harmonise import allele_frequency

# Letters, on either strand, of the allele that the copies of e4 (first SNP) or e2 (second) count.
APOE_LETTERS = {"rs429358": ("CG", "TA"), "rs7412": ("TA", "CG")}

# PLINK names the columns of an additive recoding rs123_A, or rs123_A(/G).
WITH_ALLELE = re.compile(r"(?P<name>.+)_(?P<counted>[ACGT]+)(?:\(/(?P<other>[ACGT]+)\))?")


@dataclass(frozen=True)
class ColumnRoles:
    """Positions of the columns by what they hold."""

    sample: int | None  # column of sample ids
    apoe: int | None  # column of APOE genotypes
    dosages: tuple[int, ...]


class Cells(NamedTuple):
    """What the cells say, one row a subject."""

    names: list[str | None]
    apoe: np.ndarray  # (n_subjects, 2); copies of e2 and e4, NaN where unknown
    dosages: np.ndarray  # (n_subjects, n_columns); NaN where unknown
    errors: dict[int, GenotypeError]  # what is wrong with a row


def column_roles(frame: pd.DataFrame, *, from_files: bool, sample, apoe) -> ColumnRoles:
    """Find out what each column holds."""
    sample, apoe = place_of(frame, sample, "sample"), place_of(frame, apoe, "apoe")
    if from_files:
        return file_roles(frame, sample, apoe)
    if sample is not None:
        raise GenotypeError(
            "sample_column= is for genotypes in files, but genotypes= is None",
            remedy="Pass genotypes='cohort.bed', or leave sample_column= out",
        )
    place = only_apoe(frame) if apoe is None else apoe
    others = tuple(number for number in range(frame.shape[1]) if number != place)
    return ColumnRoles(None, place, others)


def file_roles(frame: pd.DataFrame, sample: int | None, apoe: int | None) -> ColumnRoles:
    """Settle which column holds sample ids and which, if any, APOE."""
    if frame.shape[1] > 2:
        raise GenotypeError(
            "With genotypes= in files, the columns are one of sample ids and at most one of APOE",
            got=f"{frame.shape[1]} columns",
            remedy="Give dosage columns to a second GeneticsExtractor without genotypes=",
        )
    places = set(range(frame.shape[1]))
    if sample is None and apoe is None and len(places) == 2:
        apoe = apoe_among_two(frame)
    if sample is None:
        sample = next(iter(places - {apoe}), None)
    if apoe is None:
        apoe = next(iter(places - {sample}), None)
    if sample is None or sample == apoe:
        raise GenotypeError(
            "With genotypes= in files, a column other than APOE must hold the sample ids",
            remedy="Add the column of sample ids (IID) to the columns of this extractor",
        )
    return ColumnRoles(sample, apoe, ())


def apoe_among_two(frame: pd.DataFrame) -> int:
    """Return the one of two columns that holds APOE: by its name, or else by its cells."""
    for test in (names_apoe, holds_apoe, holds_mostly_apoe):
        found = [place for place in range(2) if test(frame.iloc[:, place])]
        if len(found) == 1:
            return found[0]
    raise GenotypeError(
        "Of two columns one must hold sample ids and the other APOE genotypes, and which is "
        "which must be plain",
        remedy="Name them with sample_column= and apoe_column=",
    )


def only_apoe(frame: pd.DataFrame) -> int | None:
    """Return the column of APOE genotypes among columns of dosages, None where there is none."""
    columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
    found = [
        place
        for place, column in enumerate(columns)
        if holds_mostly_apoe(column) or (names_apoe(column) and may_hold_apoe(column))
    ]
    if len(found) > 1:
        raise GenotypeError(
            "At most one column may hold APOE genotypes",
            got=", ".join(repr(frame.columns[place]) for place in found),
            remedy="Name the right one with apoe_column= and leave the others out",
        )
    return found[0] if found else None


def place_of(frame: pd.DataFrame, label, role: str) -> int | None:
    """Return the position of a column that the user named."""
    if label is None:
        return None
    if label not in frame.columns:
        raise GenotypeError(
            f"{role}_column= must be one of the columns given to GeneticsExtractor",
            got=repr(label),
            remedy=f"Choose among: {', '.join(map(repr, frame.columns))}",
        )
    return list(frame.columns).index(label)


def names_apoe(column: pd.Series) -> bool:
    """Tell whether a column is called after APOE."""
    return "apoe" in str(column.name).lower()


def holds_apoe(column: pd.Series) -> bool:
    """Tell whether a column has cells and all of them are APOE genotypes."""
    return share_of_apoe(column) == 1


def holds_mostly_apoe(column: pd.Series) -> bool:
    """Tell whether half of a column's cells or more are APOE genotypes."""
    share = share_of_apoe(column)
    return share is not None and share >= 0.5


def may_hold_apoe(column: pd.Series) -> bool:
    """Tell whether a column called after APOE holds genotypes: one is enough, or none at all."""
    share = share_of_apoe(column)
    return share is None or share > 0


def share_of_apoe(column: pd.Series) -> float | None:
    """Return the share of APOE genotypes among the cells that say something, None without such."""
    cells = [cell for cell in column.array if not is_no_genotype(cell)]
    return float(np.mean([is_apoe(cell) for cell in cells])) if cells else None


def is_apoe(cell: Any) -> bool:
    """Tell whether a cell is an APOE genotype."""
    try:
        return parse_apoe(cell) is not None
    except GenotypeError:
        return False


def read_genotype_cells(frame: pd.DataFrame, roles: ColumnRoles) -> Cells:
    """Read all cells; a bad one becomes its row's error."""
    read = [read_dosages(frame.iloc[:, place]) for place in roles.dosages]
    dosages = np.full((len(frame), len(read)), np.nan, dtype=np.float32)
    errors: dict[int, GenotypeError] = {}
    for number, (values, bad) in enumerate(read):
        dosages[:, number] = values
        errors = bad | errors
    if roles.apoe is None:
        return Cells(read_names(frame, roles), np.full((len(frame), 2), np.nan), dosages, errors)
    apoe, bad = read_apoe(frame.iloc[:, roles.apoe])
    return Cells(read_names(frame, roles), apoe, dosages, bad | errors)


def read_names(frame: pd.DataFrame, roles: ColumnRoles) -> list[str | None]:
    """Return the sample ids, None where there is none."""
    if roles.sample is None:
        return [None] * len(frame)
    cells = frame.iloc[:, roles.sample].array
    return [None if is_missing(cell) else sample_name(cell) for cell in cells]


def read_apoe(column: pd.Series) -> tuple[np.ndarray, dict[int, GenotypeError]]:
    """Return the copies of e2 and e4, shape (n_subjects, 2), and the errors by row."""
    counts = np.full((len(column), 2), np.nan)
    errors: dict[int, GenotypeError] = {}
    for row, cell in enumerate(column.array):
        try:
            counts[row] = apoe_counts(cell)
        except GenotypeError as error:
            errors[row] = error
    return counts, errors


def read_dosages(column: pd.Series) -> tuple[np.ndarray, dict[int, GenotypeError]]:
    """Return one column of dosages as float32, and the errors by row."""
    if np.iscomplexobj(column.to_numpy()):
        raise GenotypeError("Complex data not supported", got=f"column {column.name!r}")
    values = pd.to_numeric(column, errors="coerce").to_numpy(
        dtype=np.float64, na_value=np.nan, copy=True
    )
    outside = np.flatnonzero((values < 0) | (values > 2))
    errors = {int(row): range_error(column.name, values[row]) for row in outside}
    for row in np.flatnonzero(np.isnan(values)):
        if not is_no_genotype(column.iloc[row]):
            errors[int(row)] = text_error(column.name)
    values[outside] = np.nan
    return values.astype(np.float32), errors


def text_error(name) -> GenotypeError:
    """Return the error about text where a dosage is due."""
    return GenotypeError(
        f"Column {name!r} must hold numbers: dosages between 0 and 2",
        got="a cell of text",
        remedy="For sample ids pass genotypes='cohort.bed' or a VCF file; for APOE genotypes "
        "pass apoe_column=",
    )


def range_error(name, value: float) -> GenotypeError:
    """Return the error about a number that is no dosage; the number itself is not shown."""
    found = "Negative values in data" if value < 0 else "a number above 2"
    return GenotypeError(
        f"A dosage lies between 0 and 2, but not so in column {name!r}",
        got="infinity" if np.isinf(value) else found,
        remedy="Count the copies of one allele, and leave the cell empty where they are unknown",
    )


def column_label(name) -> str:
    """Return a column's name as text; a numbered column is called x0, x1 and so on."""
    return name if isinstance(name, str) else f"x{name}"


def require_unique(labels: list[str]) -> None:
    """Refuse dosage columns that share a name."""
    if len(set(labels)) < len(labels):
        repeated = next(label for label in labels if labels.count(label) > 1)
        raise GenotypeError(
            "Columns of dosages need different names",
            got=f"{repeated!r} more than once",
            remedy="Rename the columns",
        )


def column_variants(frame: pd.DataFrame, roles: ColumnRoles, dosages: np.ndarray) -> pd.DataFrame:
    """Return the dosage columns as variants, with their frequency and calls in these rows.

    -> (n_columns, 9).
    """
    labels = [column_label(frame.columns[place]) for place in roles.dosages]
    require_unique(labels)
    matches = [WITH_ALLELE.fullmatch(label) for label in labels]
    frequency, n_called = allele_frequency(dosages)
    return pd.DataFrame(
        {
            "id": pd.Series(labels, dtype=str),
            "chromosome": pd.Series([""] * len(labels), dtype=str),
            "position": 0,
            "counted": spell_known(matches, "counted"),
            "other": spell_known(matches, "other"),
            "origin": pd.Series([""] * len(labels), dtype=str),
            "frequency": frequency,
            "n_called": n_called,
            "alias": [
                match["name"] if match else label
                for match, label in zip(matches, labels, strict=True)
            ],
        }
    )


def spell_known(matches: Sequence[re.Match | None], part: str) -> pd.Series:
    """Return the allele that each name of a column tells, unknown where it tells none."""
    found = [(match[part] if match else None) or UNKNOWN_ALLELE for match in matches]
    return pd.Series(found, dtype=str)


def apoe_column_snps(variants: pd.DataFrame) -> tuple[list[str], np.ndarray] | None:
    """Return the columns of rs429358 and rs7412, and which count the other allele.

    None unless both are there and their names say which allele they count.
    """
    columns = variants.drop_duplicates("alias").set_index("alias")
    if not set(APOE_SNPS) <= set(columns.index):
        return None
    found = columns.loc[list(APOE_SNPS)]
    letters = dict(zip(APOE_SNPS, found["counted"], strict=True))
    if any(letters[name] not in "".join(APOE_LETTERS[name]) for name in APOE_SNPS):
        return None
    swapped = [letters[name] in APOE_LETTERS[name][1] for name in APOE_SNPS]
    return found["id"].tolist(), np.array(swapped)
