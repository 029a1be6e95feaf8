"""GeneticsExtractor: sample ids, dosages or APOE genotypes in, one token a SNP out."""

from __future__ import annotations

import os
from dataclasses import replace
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import pandas as pd

from adestim._support.docs import fill_docs
from adestim._support.ranges import Range
from adestim._support.sklearn import Interval, StrOptions
from adestim.extraction.foundation import (
    OpenedModel,
)
from adestim.extraction.foundation_extractor import FoundationExtractor
from adestim.extraction.subjects import settle_failures
from adestim.modalities.genetics.apoe import (
    APOE_SNPS,
    APOE_TOKENS,
    apoe_places,
    apoe_reference,
    merge_apoe,
)
from adestim.modalities.genetics.build import common_build, require_same_build
from adestim.modalities.genetics.columns import (
    apoe_column_snps,
    column_roles,
    column_variants,
    read_genotype_cells,
)
from adestim.modalities.genetics.dosage import dosage_spec
from adestim.modalities.genetics.genotype_model import (
    add_names,
    encode_alleles,
    open_dna_model,
    reads_dna,
    require_places,
)
from adestim.modalities.genetics.harmonise import align
from adestim.modalities.genetics.left_out import (
    LeftOut,
    left_out_of_files,
    require_a_variant,
    warn_of_unused_variants,
)
from adestim.modalities.genetics.models.mixing import prepare_genotypes
from adestim.modalities.genetics.models.sequence import are_snps
from adestim.modalities.genetics.places import place_variants
from adestim.modalities.genetics.pooled import locate, open_genotypes
from adestim.modalities.genetics.reading import (
    merge_errors,
    prepare_dosages,
    read_columns,
    read_files,
    require_samples,
    sample_errors,
)
from adestim.modalities.genetics.selection import (
    Rule,
    candidates,
    count_failing,
    count_unusable,
    keep_requested,
    select,
    token_names,
    training_counts,
)


@fill_docs
class GeneticsExtractor(FoundationExtractor):
    """Encode genotypes: one token a SNP, and two for APOE; by dosage, or by a model of DNA.

    Genotypes come from files (``genotypes="cohort.bed"``; the cell is then the sample id) or
    from the table itself (columns of dosages). Either may stand beside a column of APOE
    genotypes. What is chosen and which allele is counted is learned from the training rows;
    other files are aligned to that, over swapped alleles and strands.

    Parameters
    ----------
    backbone : str, default="dosage"
        The model. ``"dosage"`` is the reference backbone: a token is the number of copies of
        one allele; nothing is downloaded. DNA models, see Notes:
        ``"nucleotide-transformer-500m-human-ref"`` and its siblings, ``"dnabert-2-117m"``; or one
        that :func:`adestim.register_backbone` has made known.
    %(foundation)s
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
    %(adapt)s
    %(random_state)s
    %(memory)s
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
    adestim.modalities.genetics.sniff_build : Tells the genome build of a table of variants.
    adestim.modalities.genetics.parse_apoe : Reads one APOE genotype.

    Notes
    -----
    A/T and C/G variants look alike on both strands. In a file other than the one their
    alleles were learned from they are aligned by allele frequency where that is further than
    0.1 and three standard errors from one half in both, and masked elsewhere.

    Sex chromosomes are used only when asked for by name, and the sex and phenotype columns of
    a .fam file never. VCF is slow to search, though a fit passes a file twice whatever its
    size; convert whole genomes to PLINK first.

    Of a VCF file those sites are read whose ``FILTER`` is ``PASS`` or empty, or what Minimac
    writes there of typed and imputed ones (``GENOTYPED``, ``TYPED``, ``IMPUTED`` ...). A
    :class:`~adestim.exceptions.DataWarning` counts by reason the variants that are left out
    where a reason is none of the parameters above: a failed filter, symbolic alleles, an unknown
    chromosome, a repeated variant.

    **DNA models** need genotype files and a reference genome of the same build. Around each SNP a
    window is cut, the variant always at the same letter of its middle token, and read by itself
    once with each allele: two passes a SNP, however many subjects there are. A subject's token is
    ``(1 - d / 2) * other + d / 2 * counted`` at a dosage d, imputed ones included. It follows that
    **a frozen DNA model adds one fixed direction a SNP and nothing about the subject beyond the
    dosages**: compare it with ``"dosage"`` and with a polygenic score and APOE. What may go beyond
    is adaptation (``adapt=``), or the model as an anchor. As such it reads the windows of all SNPs
    in a row; genotypes are not phased, so one sequence stands for both chromosomes: a window
    carries the counted allele in heterozygotes, and is masked where there is no call. The two
    tokens of APOE are windows at rs7412 and rs429358, whose dosages are the copies of e2 and e4,
    wherever these are from. Indels are not chosen. What ``backbone_params`` may hold:

    ``"reference"``
        Path of a FASTA file; needs ``pip install 'adestim[sequence]'``. It must have one of a
        SNP's two alleles at its place. An index is made where lacking.
    ``"window"``
        Length of a window in base pairs, a multiple of 6; default 72, up to 600 advisable. All
        windows together must fit into the model's context (1000 tokens of six bases; version 2
        of the Nucleotide Transformer 2048).
    ``"read"``
        ``"variant"`` (default), the token that the variant is in; ``"window"``, the mean of the
        window; ``"difference"``, what a copy of the counted allele changes at the variant.
    ``"strand"``, ``"unusable"``, ``"build"``
        ``"either"`` allows alleles of the other strand, at the price of hardly noticing another
        build; ``"drop"`` leaves SNPs without a window out with a warning; the genome build, where
        nothing else tells it and APOE needs it.
    ``"tokenizer"``, ``"architecture"``
        Path of DNABERT-2's ``tokenizer.json``, where it is not beside the weights;
        ``{"pooling": "cls"}`` pools the class token instead of the mean of the DNA.

    The weights of the Nucleotide Transformer may not be used commercially (CC-BY-NC-SA-4.0); see
    :func:`adestim.list_backbones`. Neither its version 2 nor DNABERT-2 has been compared with
    outputs of released weights.

    References
    ----------
    H. Dalla-Torre et al. (2025), Nucleotide Transformer: building and evaluating robust foundation
    models for human genomics, Nature Methods 22, 287.
    Z. Zhou et al. (2024), DNABERT-2: efficient foundation model and benchmark for multi-species
    genome, ICLR.

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
    _built_in: ClassVar[str] = "dosage"
    files_of_subjects: ClassVar[frozenset[str]] = frozenset({"genotypes"})
    _parameter_constraints: ClassVar[dict] = {
        **FoundationExtractor._parameter_constraints,
        "genotypes": [str, os.PathLike, list, tuple, None],
        "snps": [list, tuple, np.ndarray, pd.Index, pd.Series, None],
        "min_maf": [Interval(Real, 0, 0.5, closed="both")],
        "min_call_rate": [Interval(Real, 0, 1, closed="both")],
        "max_snps": [Interval(Integral, 1, None, closed="left"), None],
        "absent": [StrOptions({"raise", "mask"})],
        "sample_column": [str, Integral, None],
        "apoe_column": [str, Integral, None],
    }
    # Another value reads every subject's files again, so all are searched on request alone.
    _search_space: ClassVar[dict] = {
        "max_snps": Range(16, 1024, log=True, on_request=True),
        "min_maf": Range(0.001, 0.05, log=True, on_request=True),
    }
    _not_searched: ClassVar[dict] = {
        **FoundationExtractor._not_searched,
        **dict.fromkeys(
            ("genotypes", "snps", "sample_column", "apoe_column"), "what the files are"
        ),
        "absent": "what becomes of absent variants",
        "min_call_rate": "quality control, settled before any label is read",
    }

    def __init__(  # noqa: PLR0913 - keyword-only, and each is an option of its own
        self,
        *,
        backbone="dosage",
        weights=None,
        backbone_params=None,
        trust_checkpoint=False,
        device="auto",
        precision="float32",
        batch_size=4,
        genotypes=None,
        snps=None,
        min_maf=0.01,
        min_call_rate=0.95,
        max_snps=256,
        absent="raise",
        sample_column=None,
        apoe_column=None,
        adapt=None,
        adapt_params=None,
        cross_fit=False,
        random_state=None,
        memory=None,
        errors="raise",
        n_jobs=None,
        verbose=False,
    ):
        self.backbone = backbone
        self.weights = weights
        self.backbone_params = backbone_params
        self.trust_checkpoint = trust_checkpoint
        self.device = device
        self.precision = precision
        self.batch_size = batch_size
        self.genotypes = genotypes
        self.snps = snps
        self.min_maf = min_maf
        self.min_call_rate = min_call_rate
        self.max_snps = max_snps
        self.absent = absent
        self.sample_column = sample_column
        self.apoe_column = apoe_column
        self.adapt = adapt
        self.adapt_params = adapt_params
        self.cross_fit = cross_fit
        self.random_state = random_state
        self.memory = memory
        self.errors = errors
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _learn_rows(self, frame):
        """Learn the columns' roles, the SNPs and the alleles that are counted."""
        self.columns_ = column_roles(
            frame,
            from_files=self.genotypes is not None,
            sample=self.sample_column,
            apoe=self.apoe_column,
        )
        cells = read_genotype_cells(frame, self.columns_)
        if self.genotypes is None:
            self._learn_from_columns(frame, cells)
        else:
            self._learn_from_files(frame, cells)
        require_a_variant(len(self.variants_), self.has_apoe_, self._left_out)

    def _built_in_model(self, frame) -> OpenedModel:
        """Return what takes dosages for tokens."""
        return OpenedModel(prepare_dosages, dosage_spec(*self._token_names()))

    def _open_model(self, frame):
        """Open the model that is named; SNPs without DNA are left out where allowed."""
        if reads_dna(self.backbone):
            require_places(self.columns_, self.backbone)
            places = self._apoe_places if self.has_apoe_ else None
            request = self._request()
            model, self.variants_ = open_dna_model(request, self.variants_, places, self.build_)
        else:
            model = super()._open_model(frame)
        return replace(model, spec=add_names(model.spec, *self._token_names()))

    def _training_raws(self, frame):
        """Return the dosages of the training rows that have some."""
        return (row for row in self._dosages(frame)[0] if not np.isnan(row).all())

    def _prepare_all(self, frame):
        """Read the chosen SNPs of all subjects at once."""
        dosages, errors = self._dosages(frame)
        prepare = self._model.prepare
        prepared = (
            prepare_genotypes(dosages, prepare)
            if self.backbone_.is_foundation
            else prepare(dosages)
        )
        return merge_errors(prepared, errors, frame.index)

    def _encode(self, prepared, spec):
        """Mix the alleles' tokens; another model reads every subject's inputs."""
        if not reads_dna(spec.name):
            return super()._encode(prepared, spec)
        return encode_alleles(
            prepared,
            spec,
            self._model.prepare.options,
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size,
        )

    def _token_names(self):
        """Return the names of the tokens and the alleles that are counted, APOE's last."""
        extra = APOE_TOKENS if self.has_apoe_ else ()
        names = [*token_names(self.variants_), *extra]
        counted = [*self.variants_["counted"], *(name.removeprefix("APOE_") for name in extra)]
        return names, counted

    def _learn_from_columns(self, frame, cells):
        """Choose among columns of dosages."""
        self._settle(frame, cells.errors)
        counted = column_variants(frame, self.columns_, cells.dosages)
        n_subjects = int((~np.isnan(cells.dosages)).any(axis=1).sum())
        self.build_ = None
        self._apoe_places = (0, 0)
        self._apoe_snps = apoe_column_snps(counted)
        self.has_apoe_ = self.columns_.apoe is not None or self._apoe_snps is not None
        self.variants_, self._left_out = self._chosen(counted, n_subjects, LeftOut())

    def _learn_from_files(self, frame, cells):
        """Choose among the variants of the files that hold training subjects."""
        sets = open_genotypes(self.genotypes)
        rows = locate(sets, cells.names)
        self._settle(frame, cells.errors | sample_errors(sets, rows, cells.names))
        self.build_ = common_build(sets)
        used = (rows >= 0).any(axis=1)
        require_samples(used.any())
        sets, rows = [item for item, kept in zip(sets, used, strict=True) if kept], rows[used]
        possible, left_out = self._possible(sets)
        counted = training_counts(possible, sets, rows)
        n_subjects = int((rows >= 0).any(axis=0).sum())
        self.variants_, self._left_out = self._chosen(counted, n_subjects, left_out)
        if self.snps is None or (self.variants_["origin"] == "").any():
            warn_of_unused_variants(self._left_out, len(self.variants_))
        self._apoe_snps = self._apoe_snps_in(sets)
        self._apoe_places = apoe_places(self._apoe_snps, sets)
        self.has_apoe_ = self.columns_.apoe is not None or self._apoe_snps is not None

    def _apoe_snps_in(self, sets):
        """Return the two SNPs of APOE as a reference, None unless both may be read."""
        if self.snps is not None and not set(APOE_SNPS) <= set(self.variants_["id"]):
            return None
        reference = apoe_reference(self.build_)
        present = np.any([align(reference, item).present for item in sets], axis=0)
        return reference if present.all() else None

    def _possible(self, sets):
        """Return the variants that may be chosen, and how many may not for which reason."""
        possible = candidates(sets, self.snps)
        if self.snps is not None:
            return possible, left_out_of_files(sets)
        left_out = count_unusable(sets)
        if reads_dna(self.backbone):
            fits = are_snps(possible)
            left_out.asked["are no exchange of one letter"] += int((~fits).sum())
            possible = possible[fits]
        return possible, left_out

    def _chosen(self, counted, n_subjects, left_out):
        """Return the SNPs asked for, or those that pass, and how many are left out in all."""
        if self.snps is not None:
            chosen = keep_requested(counted, self.snps, self.absent, left_out.tell())
        else:
            left_out.asked.update(count_failing(counted, n_subjects, self._rule()))
            chosen = select(counted, n_subjects, self._rule())
        return chosen.reset_index(drop=True), left_out

    def _rule(self):
        """Return the thresholds of the automatic choice."""
        return Rule(self.min_maf, self.min_call_rate, self.max_snps)

    def _settle(self, frame, errors):
        """Raise what is wrong with the training rows; with errors="missing" transform warns."""
        if self.errors == "raise":
            settle_failures(
                [error.about(frame.index[row]) for row, error in sorted(errors.items())], "raise"
            )

    def _dosages(self, frame):
        """Return the dosages of all subjects, APOE's last, and what is wrong with which row."""
        cells = read_genotype_cells(frame, self.columns_)
        if self.genotypes is None:
            dosages, apoe, errors = read_columns(
                frame, cells, self.columns_, self.variants_, self._apoe_snps
            )
        else:
            sets = open_genotypes(self.genotypes)
            require_same_build(self.variants_, self.build_, sets)
            dosages, apoe, errors = read_files(
                sets, cells, self.variants_, self._apoe_snps, self.n_jobs, self.verbose
            )
        if self.has_apoe_:
            dosages = np.hstack([dosages, merge_apoe(cells.apoe, apoe)])
        return dosages, errors

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    @classmethod
    def place_tokens(cls, tokens, spec, *, fitted=None, parcellation=None, coordinates=None):
        """Return the variants, of models that have a token each."""
        places = super().place_tokens(tokens, spec)
        if spec.option("counted_alleles") is None:
            return places
        return place_variants(places, None if fitted is None else fitted.variants_)
