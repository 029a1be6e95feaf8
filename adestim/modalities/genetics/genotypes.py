"""What every genotype file offers, whatever its format: samples, variants and dosages.

A variants table is a DataFrame with one row a variant and the columns ``id``, ``chromosome``
("1" to "22", "X", "Y", "MT"), ``position`` (1-based base pairs; 0 where unknown), ``counted`` (the
allele whose copies a dosage counts) and ``other``. An allele that the file does not name is "0".
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adestim.exceptions import GenotypeError

VARIANT_COLUMNS = ["id", "chromosome", "position", "counted", "other"]
AUTOSOMES = frozenset(str(number) for number in range(1, 23))
OTHER_CHROMOSOMES = frozenset({"X", "Y", "MT"})
UNKNOWN_ALLELE = "0"
UNNAMED = frozenset({"", ".", "0"})
CHROMOSOME_CODES = {
    **dict.fromkeys(("23", "25", "XY", "PAR1", "PAR2"), "X"),
    "24": "Y",
    **dict.fromkeys(("26", "M"), "MT"),
}
# Names of chromosomes in RefSeq: NC_000019.10 is 19 of GRCh38.
ACCESSION = re.compile(r"NC_0000(\d\d)\.\d+", re.IGNORECASE)
ABSENT = -1
AMBIGUOUS = -2


@dataclass(frozen=True, eq=False)
class GenotypeSet(ABC):
    """One genotype file set, opened: the tables are read, the genotypes are not."""

    path: Path  # the file with the genotypes
    n_samples: int
    # row of every name a sample goes by; ``AMBIGUOUS`` where several samples share one
    lookup: dict[str, int] = field(repr=False)
    variants: pd.DataFrame = field(repr=False)  # (n_variants, 5); see the module's docstring
    declared_build: str | None = None  # genome build that the file itself names
    # how many alleles of the file are not among the variants, by what is wrong with them
    left_out: Mapping[str, int] = field(default_factory=dict, repr=False)
    # how many alleles are kept that need a word, by that word
    kept: Mapping[str, int] = field(default_factory=dict, repr=False)

    @abstractmethod
    def dosages(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Count the copies of the counted allele.

        rows (n_rows,), columns (n_columns,) -> (n_rows, n_columns).
        """

    def dosages_in_turn(
        self, rows: np.ndarray, pieces: Iterable[np.ndarray]
    ) -> Iterator[np.ndarray]:
        """Yield the dosages of one piece of the columns after the other.

        rows (n_rows,), each piece (n_columns,) -> each (n_rows, n_columns).
        """
        return (self.dosages(rows, columns) for columns in pieces)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the variants table: equal for one file wherever it lies."""
        return digest_table(self.variants[VARIANT_COLUMNS])

    @cached_property
    def alignments(self) -> dict[tuple, Any]:
        """How references lie in this file, by their content: what was found once is kept."""
        return {}

    def rows_of(self, names: Sequence[str | None]) -> np.ndarray:
        """Return each sample's row, ``ABSENT`` or ``AMBIGUOUS``; shape (n_names,)."""
        return np.array([self.lookup.get(name, ABSENT) for name in names], dtype=np.int64)


def digest_table(table: pd.DataFrame) -> str:
    """Return a digest of a table's rows in their order."""
    hashes = pd.util.hash_pandas_object(table, index=False)
    return hashlib.sha256(hashes.to_numpy().tobytes()).hexdigest()[:16]


def variants_table(
    names: Iterable, chromosomes: Iterable, positions: Iterable, counted: Iterable, other: Iterable
) -> pd.DataFrame:
    """Return a variants table with chromosomes and alleles in one spelling.

    A variant without a name is called ``chromosome:position``.
    """
    chromosome = spell_each(chromosomes, spell_chromosome)
    position = pd.Series(positions, dtype=np.int64)
    name = pd.Series(names, dtype=str)
    return pd.DataFrame(
        {
            "id": name.mask(name.isin(UNNAMED), chromosome + ":" + position.astype(str)),
            "chromosome": chromosome,
            "position": position,
            "counted": spell_each(counted, spell_allele),
            "other": spell_each(other, spell_allele),
        }
    )


def spell_each(texts: Iterable, spell: Callable[[str], str]) -> pd.Series:
    """Return texts in one spelling; every distinct one is spelled once."""
    codes, distinct = pd.factorize(pd.Series(texts, dtype=str), use_na_sentinel=False)
    spelled = np.array([spell(text) for text in distinct], dtype=object)
    return pd.Series(spelled[codes], dtype=str)


def spell_chromosome(text: str) -> str:
    """Return a chromosome without ``chr``, and as a letter where it has one."""
    accession = ACCESSION.fullmatch(text)
    name = str(int(accession[1])) if accession else text.upper().removeprefix("CHR")
    name = name.lstrip("0") or name if name.isdecimal() else name
    return CHROMOSOME_CODES.get(name, name)


def spell_allele(text: str) -> str:
    """Return an allele in capital letters, "0" where it is not known."""
    return UNKNOWN_ALLELE if text == "." else text.upper()


def sample_lookup(samples: Sequence[Sequence[str]], path: Path) -> dict[str, int]:
    """Return the row of every name a sample goes by."""
    if not samples:
        raise GenotypeError(
            f"A genotype file needs at least one sample: {path}",
            remedy="Write the file again with its samples",
        )
    further: dict[str, int] = {}
    proper: dict[str, int] = {}
    for row, names in enumerate(samples):
        for name in dict.fromkeys(names[1:]):
            further[name] = AMBIGUOUS if name in further else row
        proper[names[0]] = AMBIGUOUS if names[0] in proper else row
    return {**further, **proper}


def sample_name(cell) -> str:
    """Return a sample id as text; a number that a missing value made a float is whole again."""
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer():
        return str(int(cell))
    return " ".join(str(cell).split())
