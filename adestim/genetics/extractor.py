"""GeneticsExtractor: sample ids, dosages or APOE genotypes in, one token a SNP out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import pandas as pd

from adestim._sklearn import Interval, StrOptions
from adestim.encoding import BackboneSpec
from adestim.exceptions import AdestimError, DataWarning, GenotypeError, NoModalityError
from adestim.extraction import BaseExtractor, Prepared, settle_failures
from adestim.genetics.apoe import (
    APOE_SNPS,
    APOE_TOKENS,
    apoe_from_snps,
    apoe_reference,
    merged_apoe,
)
from adestim.genetics.build import common_build, require_same_build
from adestim.genetics.columns import (
    Cells,
    apoe_column_snps,
    column_label,
    column_roles,
    column_variants,
    read_cells,
)
from adestim.genetics.dosage import dosage_spec, dosage_tokens
from adestim.genetics.genotypes import UNKNOWN_ALLELE, GenotypeSet
from adestim.genetics.harmonise import align, warn_of_masked
from adestim.genetics.pooled import locate, open_genotypes, pooled_dosages, sample_error
from adestim.genetics.selection import (
    Rule,
    candidates,
    select,
    token_names,
    training_counts,
    with_requested,
)

__all__ = ["GeneticsExtractor"]


class GeneticsExtractor(BaseExtractor):
    """Encode genotypes: one token a SNP, and two for APOE.

    Genotypes come from files (``genotypes="cohort.bed"``; the cell is then the sample id) or
    from the table itself (columns of dosages). Either may stand beside a column of APOE
    genotypes. What is chosen and which allele is counted is learned from the training rows;
    other files are aligned to that, over swapped alleles and strands.

    Parameters
    ----------
    backbone : {"dosage"}, default="dosage"
        The model. ``"dosage"`` is the reference backbone: a token is the number of copies of
        one allele; nothing is downloaded.
    genotypes : str, path-like, list of these, or None, default=None
        PLINK 1 file sets (.bed, or the prefix) and VCF files (.vcf, .vcf.gz). Several are read
        as one: a chromosome, an array or a cohort each; where two have a call for the same
        subject and SNP, the earlier wins. None: the columns hold dosages.
    snps : list of str or None, default=None
        SNPs to use, as names (``"rs7412"``) or places (``"19:44908822"``), in this order. None:
        chosen by the four parameters that follow, from autosomal variants.
    min_maf : float, default=0.01
        Least frequency of the minor allele in the training rows.
    min_call_rate : float, default=0.95
        Least share of the training subjects with genotypes who have a call.
    max_snps : int or None, default=256
        At most so many are chosen: in order of position, the passing SNPs are cut into this
        many runs of equal length, and the one with the highest call rate is kept of each.
        Does not hold for ``snps=``.
    absent : {"raise", "mask"}, default="raise"
        What becomes of SNPs in ``snps=`` that the training rows' files do not have: an error,
        or tokens that are always masked.
    sample_column : label or None, default=None
        Column of sample ids: IID, ``"FID IID"`` or ``FID_IID``. None: the only column, or of
        two the one that is not APOE by its name or by its cells.
    apoe_column : label or None, default=None
        Column of APOE genotypes ("3/4", "E3E4", 34 ...). None: among dosage columns the one
        whose cells all are such genotypes, if any.
    errors : {"raise", "missing"}, default="raise"
        What becomes of subjects whose data cannot be used, an unknown sample id for
        instance: an error that names them, or a warning and a missing modality.
    n_jobs : int, default=None
        Genotype files read at the same time. All subjects of a file are read at once.
    verbose : bool, default=False
        Whether to show the progress over the files.

    Attributes
    ----------
    backbone_ : BackboneSpec
        Name tag of the backbone, with the tokens' names and counted alleles.
    variants_ : DataFrame of shape (n_snps, n_columns)
        The chosen SNPs: ``id``, ``chromosome``, ``position``, ``counted`` and ``other``
        allele, and ``frequency`` of the counted one among ``n_called`` training subjects.
    build_ : {"hg18", "hg19", "hg38"} or None
        Genome build of the training files, where something tells it.
    columns_ : ColumnRoles
        What each column holds.
    has_apoe_ : bool
        Whether the last two tokens are the copies of APOE e2 and e4. They are read from the
        APOE column, and from rs429358 and rs7412 where that is empty and both are in the
        training files (with ``snps=``: among those asked for; as columns: with the counted
        allele in their names, rs7412_T).
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    See Also
    --------
    adestim.genetics.sniff_build : Tells the genome build of a table of variants.
    adestim.genetics.parse_apoe : Reads one APOE genotype.

    Notes
    -----
    A/T and C/G variants look alike on both strands. In a file other than the one their
    alleles were learned from they are aligned by allele frequency where that is further than
    0.1 and three standard errors from one half in both, and masked elsewhere.

    Sex chromosomes are used only when asked for by name, and the sex and phenotype columns of
    a .fam file never.

    VCF is read as a stream and is slow to search; convert whole genomes to PLINK first.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim import GeneticsExtractor
    >>> frame = pd.DataFrame(
    ...     {"rs6733839_T": [0, 1, 2], "apoe": ["3/4", None, "2/3"]}, index=["s1", "s2", "s3"]
    ... )
    >>> encodings = GeneticsExtractor().fit_transform(frame)
    >>> encodings.loc["s1", "genetics"].tokens.ravel()
    array([0., 0., 1.], dtype=float32)
    >>> encodings.loc["s2", "genetics"].mask
    array([ True, False, False])
    """

    _modality: ClassVar[str] = "genetics"
    _parameter_constraints: ClassVar[dict] = {
        **BaseExtractor._parameter_constraints,
        "backbone": [StrOptions({"dosage"})],
        "genotypes": [str, os.PathLike, list, tuple, None],
        "snps": [list, tuple, np.ndarray, pd.Index, pd.Series, None],
        "min_maf": [Interval(Real, 0, 0.5, closed="both")],
        "min_call_rate": [Interval(Real, 0, 1, closed="both")],
        "max_snps": [Interval(Integral, 1, None, closed="left"), None],
        "absent": [StrOptions({"raise", "mask"})],
        "sample_column": [str, Integral, None],
        "apoe_column": [str, Integral, None],
    }

    def __init__(
        self,
        *,
        backbone="dosage",
        genotypes=None,
        snps=None,
        min_maf=0.01,
        min_call_rate=0.95,
        max_snps=256,
        absent="raise",
        sample_column=None,
        apoe_column=None,
        errors="raise",
        n_jobs=None,
        verbose=False,
    ):
        self.backbone = backbone
        self.genotypes = genotypes
        self.snps = snps
        self.min_maf = min_maf
        self.min_call_rate = min_call_rate
        self.max_snps = max_snps
        self.absent = absent
        self.sample_column = sample_column
        self.apoe_column = apoe_column
        self.errors = errors
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _learn(self, frame):
        """Learn the columns' roles, the SNPs and the alleles that are counted."""
        self.columns_ = column_roles(
            frame,
            from_files=self.genotypes is not None,
            sample=self.sample_column,
            apoe=self.apoe_column,
        )
        cells = read_cells(frame, self.columns_)
        if self.genotypes is None:
            self._learn_from_columns(frame, cells)
        else:
            self._learn_from_files(frame, cells)
        require_tokens(self.variants_, self.has_apoe_, self._rule())

    def _learn_from_columns(self, frame, cells):
        """Choose among columns of dosages."""
        self._settle(frame, cells.errors)
        counted = column_variants(frame, self.columns_, cells.dosages)
        n_subjects = int((~np.isnan(cells.dosages)).any(axis=1).sum())
        self.build_ = None
        self._apoe_snps = apoe_column_snps(counted)
        self.has_apoe_ = self.columns_.apoe is not None or self._apoe_snps is not None
        self.variants_ = self._chosen(counted, n_subjects)

    def _learn_from_files(self, frame, cells):
        """Choose among the variants of the files that hold training subjects."""
        sets = open_genotypes(self.genotypes)
        rows = locate(sets, cells.names)
        self._settle(frame, cells.errors | sample_errors(sets, rows, cells.names))
        self.build_ = common_build(sets)
        used = (rows >= 0).any(axis=1)
        require_samples(used.any())
        sets, rows = [item for item, kept in zip(sets, used, strict=True) if kept], rows[used]
        counted = training_counts(candidates(sets, self.snps), sets, rows)
        self.variants_ = self._chosen(counted, int((rows >= 0).any(axis=0).sum()))
        self._apoe_snps = self._apoe_snps_in(sets)
        self.has_apoe_ = self.columns_.apoe is not None or self._apoe_snps is not None

    def _apoe_snps_in(self, sets):
        """Return the two SNPs of APOE as a reference, None unless both may be read."""
        if self.snps is not None and not set(APOE_SNPS) <= set(self.variants_["id"]):
            return None
        reference = apoe_reference(self.build_)
        present = np.any([align(reference, item).present for item in sets], axis=0)
        return reference if present.all() else None

    def _chosen(self, counted, n_subjects):
        """Return the SNPs asked for, or those that pass."""
        if self.snps is not None:
            chosen = with_requested(counted, self.snps, self.absent)
        else:
            chosen = select(counted, n_subjects, self._rule())
        return chosen.reset_index(drop=True)

    def _rule(self):
        """Return the thresholds of the automatic choice."""
        return Rule(self.min_maf, self.min_call_rate, self.max_snps)

    def _settle(self, frame, errors):
        """Raise what is wrong with the training rows; with errors="missing" transform warns."""
        if self.errors == "raise":
            settle_failures(
                [error.about(frame.index[row]) for row, error in sorted(errors.items())], "raise"
            )

    def _prepare_all(self, frame):
        """Read the chosen SNPs of all subjects at once."""
        cells = read_cells(frame, self.columns_)
        if self.genotypes is None:
            dosages, apoe, errors = self._read_columns(frame, cells)
        else:
            dosages, apoe, errors = self._read_files(cells)
        if self.has_apoe_:
            dosages = np.hstack([dosages, merged_apoe(cells.apoe, apoe)])
        return results_of(*dosage_tokens(dosages), errors, frame.index)

    def _read_columns(self, frame, cells):
        """Return the dosages in the table, copies of e2 and e4 by SNP, and errors by row."""
        labels = [column_label(frame.columns[place]) for place in self.columns_.dosages]
        chosen = dosages_of_columns(cells.dosages, labels, self.variants_["id"])
        apoe = np.full((len(frame), 2), np.nan, dtype=np.float32)
        if self._apoe_snps is not None:
            names, swapped = self._apoe_snps
            snps = dosages_of_columns(cells.dosages, labels, names)
            apoe = apoe_from_snps(np.where(swapped, 2 - snps, snps))
        return chosen, apoe, cells.errors

    def _read_files(self, cells: Cells):
        """Return the dosages in the files, copies of e2 and e4 by SNP, and errors by row."""
        sets = open_genotypes(self.genotypes)
        require_same_build(self.variants_, self.build_, sets)
        rows = locate(sets, cells.names)
        alignments = [align(self.variants_, item) for item in sets]
        paths = [str(item.path) for item in sets]
        warn_of_masked(dict(zip(paths, alignments, strict=True)))
        warn_of_absent(self.variants_, np.any([item.present for item in alignments], axis=0))
        dosages = pooled_dosages(sets, rows, alignments, n_jobs=self.n_jobs, verbose=self.verbose)
        apoe = np.full((rows.shape[1], 2), np.nan, dtype=np.float32)
        if self._apoe_snps is not None:
            aligned = [align(self._apoe_snps, item) for item in sets]
            apoe = apoe_from_snps(pooled_dosages(sets, rows, aligned))
        return dosages, apoe, cells.errors | sample_errors(sets, rows, cells.names)

    def _spec(self) -> BackboneSpec:
        """Return the name tag of the backbone with the tokens' names and counted alleles."""
        extra = APOE_TOKENS if self.has_apoe_ else ()
        return dosage_spec(
            [*token_names(self.variants_), *extra],
            [*self.variants_["counted"], *(name.removeprefix("APOE_") for name in extra)],
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


def sample_errors(
    sets: Sequence[GenotypeSet], rows: np.ndarray, names: Sequence[str | None]
) -> dict[int, GenotypeError]:
    """Return what is wrong with the sample ids, by row."""
    errors = {
        number: sample_error(sets, rows[:, number], name)
        for number, name in enumerate(names)
        if name is not None
    }
    return {number: error for number, error in errors.items() if error is not None}


def results_of(
    tokens: np.ndarray, masks: np.ndarray, errors: dict[int, GenotypeError], index: pd.Index
) -> list[Prepared | AdestimError | None]:
    """Return every subject's tokens, None without a call, or what is wrong with the cells."""
    results: list[Prepared | AdestimError | None] = [
        Prepared(table, mask) if mask.any() else None
        for table, mask in zip(tokens, masks, strict=True)
    ]
    for row, error in errors.items():
        results[row] = error.about(index[row])
    return results


def dosages_of_columns(dosages: np.ndarray, labels: list[str], wanted) -> np.ndarray:
    """Return the wanted columns of dosages, NaN for one that the table does not have."""
    found = pd.Index(labels, dtype=str).get_indexer(pd.Index(wanted, dtype=str))
    chosen = dosages[:, np.maximum(found, 0)] if labels else np.empty((len(dosages), len(found)))
    return np.where(found >= 0, chosen, np.float32(np.nan))


def require_samples(any_sample: bool) -> None:
    """Refuse to learn SNPs from training rows without genotypes."""
    if not any_sample:
        raise NoModalityError(
            "Modality 'genetics' needs a training subject whose sample id is in the genotype files",
            remedy="Drop its column, or train on a fold in which somebody has genotypes",
        )


def require_tokens(variants: pd.DataFrame, has_apoe: bool, rule: Rule) -> None:
    """Refuse to go on without a single token."""
    if variants.empty and not has_apoe:
        raise GenotypeError(
            f"No SNP of the training rows has a minor allele frequency of at least {rule.min_maf} "
            f"and a call rate of at least {rule.min_call_rate}",
            remedy="Lower min_maf= or min_call_rate=, or name the SNPs with snps=",
        )


def warn_of_absent(variants: pd.DataFrame, present: np.ndarray) -> None:
    """Say how many SNPs of the training set none of the files can give."""
    learned = (variants["counted"] != UNKNOWN_ALLELE) | (variants["other"] != UNKNOWN_ALLELE)
    n_absent = int((learned & ~present).sum())
    if n_absent:
        warnings.warn(
            f"{n_absent} of {len(variants)} SNPs learned from the training set are in none of the "
            "genotype files, or not with its alleles. They are masked.",
            DataWarning,
            stacklevel=2,
        )
