"""ADNI: the Alzheimer's Disease Neuroimaging Initiative, from the files that it hands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.utils import Bunch

from adestim.datasets.loaders.adni_blocks import read_adni_blocks
from adestim.datasets.loaders.adni_forms import DEMOGRAPHICS, DIAGNOSES, has_form
from adestim.datasets.loaders.adni_forms import MERGED as ADNIMERGE
from adestim.datasets.loaders.adni_tables import read_merged, read_single_tables
from adestim.datasets.loaders.study import Request, Study, assemble_cohort, check_request
from adestim.exceptions import InputError

SOURCES = ("auto", "tables", "adnimerge")


def load_adni(  # noqa: PLR0913 - flat, as every loader
    root: str | Path,
    task: str = "nc_ad",
    *,
    images: str | Path | pd.DataFrame | None = None,
    genotypes: str | Path | Sequence[str | Path] | None = None,
    source: str = "auto",
    window_days: float | None = 183,
    horizon: float = 36,
    history_months: float | None = None,
    require: Sequence[str] = (),
    smc: str = "keep",
    label_params: Mapping[str, Any] | None = None,
    tables: Sequence[str] = (),
    max_days: float | None = 183,
) -> Bunch:
    """Load ADNI from its tables, images and genotypes.

    Reads the single tables as they are since October 2024 and as they were before, those that
    the R package ADNIMERGE2 decodes, and ADNIMERGE.

    Parameters
    ----------
    root : str or Path
        Folder with the tables, under the names that they are handed out with
        (``DXSUM_23Dec2025.csv``).
    task : {"nc_ad", "nc_mci", "cn_mci_ad", "smci_pmci", "time_to_ad"}, default="nc_ad"
        Diagnosis at baseline: controls and Alzheimer's dementia, controls and mild cognitive
        impairment, or all three; or stable and progressive mild cognitive impairment. Or, of
        mild cognitive impairment, ``"time_to_ad"``: years to Alzheimer's dementia, or without.
    images : str, Path or DataFrame, default=None
        Folder of images in BIDS, CAPS, or as downloaded from the image archive; or what
        :func:`adestim.datasets.index_images` says of one.
    genotypes : str, Path or sequence of these, default=None
        Prefixes of PLINK file sets. Who is in several is taken from the first.
    source : {"auto", "tables", "adnimerge"}, default="auto"
        Which tables are read: ``DXSUM``, ``PTDEMOG`` and what there is besides; or ``ADNIMERGE``.
        ``"auto"``: the single tables if these two are there.
    window_days : float or None, default=183
        Largest distance between the index visit and an image. None: any distance, and images
        whose time is not known.
    horizon : float, default=36
        Months within which progression counts, for ``"smci_pmci"``.
    history_months : float, default=None
        Months of earlier visits: the index visit is the first with a diagnosis that comes at least
        so long after a subject's first visit, and the column ``visits`` has all visits up to it,
        :class:`~adestim.datasets.Visits` for :class:`~adestim.VisitSummary`. None: the index
        visit is the first, and there is no such column.
    require : sequence of str, default=()
        Columns without which a subject is excluded, such as ``["t1w", "bold"]``.
    smc : {"keep", "exclude"}, default="keep"
        Whether those enrolled with subjective memory concern stay controls. Excluding them needs
        ADNIMERGE in the folder.
    label_params : mapping, default=None
        Further parameters of :func:`adestim.datasets.progression_labels`,
        :func:`adestim.datasets.baseline_labels` or :func:`adestim.datasets.conversion_labels`.
    tables : sequence of str, default=()
        Tables of measures that become blocks of columns, see Notes: ``"freesurfer"``,
        ``"amyloid_pet"``, ``"tau_pet"``, ``"tau_pet_pvc"``, ``"plasma"``, ``"csf"``; or the names
        of their files.
    max_days : float or None, default=183
        Largest distance between the index visit and a row of these. None: any.

    Returns
    -------
    Bunch
        With the attributes

        frame : DataFrame of shape (n_subjects, n_columns)
            One row a subject, as it was at the index visit, which is the first with a diagnosis;
            index PTID. ``t1w``, ``bold``, ``roi_series`` and ``confounds`` (paths), as far as
            anybody has one; ``age`` in years at that visit, ``sex``
            (``"F"``, ``"M"``), ``education`` in years, ``gds``; ``apoe`` (``"3/4"``), or
            ``apoe4`` (number of e4 alleles) where only ADNIMERGE tells it; ``mmse``, ``cdrsb`` and
            other scores that make the diagnosis; ``abeta``, ``tau``, ``ptau`` with
            ``<name>_censored`` (``">"`` or ``"<"`` beyond the assay's limits); ``genotypes``
            (sample's id); ``site``, ``phase``, ``visit``, ``months``, ``date``.
        target : Series of str
            ``"CN"``, ``"MCI"``, ``"AD"``; ``"sMCI"``, ``"pMCI"``. Of ``"time_to_ad"`` an array of
            events and years, as of :func:`adestim.make_survival`, a row a row of ``frame``.
        groups : Series of str
            Roster number, the same through all phases; who was screened again under a new number
            keeps the first, if ``REGISTRY`` is there.
        site : Series of str
            Centre.
        columns : dict of str to list of str
            Columns of ``frame`` by extractor: ``smri``, ``fmri``, ``clinical``, ``genetics``;
            ``diagnostic``: the scores that make the diagnosis; ``biomarkers``; and the tables of
            measures by their names.
        flow : FlowTable
            Who is not in it, and why.
        labels : DataFrame
            Label or reason, ``months_followed`` and ``converted_at`` of everybody; ``years`` of
            ``"time_to_ad"``.
        images : DataFrame
            The files taken, rows of :func:`adestim.datasets.index_images`, with ``days_apart``:
            days from the index visit to the image.
        tables : DataFrame
            Of which day, tracer and file the measures are, a row a subject and table, with
            ``days_apart`` from the index visit.
        genotype_files, genotype_builds : list of str, dict of str to str
            Prefixes, and the genome build of each.
        description, name : str
            What was read and how; ``"ADNI"``.

    Raises
    ------
    TableError
        When a table, a column or a code is not what it should be, or nobody has a label.
    InputError
        When a parameter is out of range, or images are of another study.
    GenotypeError
        When a file set is not complete, or mixes genome builds.

    Warns
    -----
    DataWarning
        When rows differ that should not, file sets are on different builds, or ADNIMERGE alone
        does not tell the cause of dementia.

    See Also
    --------
    acknowledgement : What to cite.
    describe : What to send us if a table cannot be read.

    Notes
    -----
    *Labels.* Dementia that is due to something else than Alzheimer's disease (``DXDDUE`` 2) is no
    class. All phases are read with one diagnosis: ``DXCURREN`` in ADNI1, ``DXCHANGE`` in
    ADNIGO and ADNI2, ``DIAGNOSIS`` in ADNI3 and, since October 2024, in all.

    *Missing values.* -4 and -1 are codes for it. *Visits* are told apart by ``VISCODE2``; screening
    and baseline are one.

    *Age* is that at the visit: ADNIMERGE gives the age at the baseline on every row.

    *Genotypes.* ADNI1 (Human610-Quad) is on hg18, the later sets on hg19. The arrays differ by
    phase, and the share of diagnoses does so too. APOE is not read off the arrays, but taken
    from its own table.

    *Tables of measures.* The row nearest to the index visit within ``max_days`` becomes columns
    ``<table>__<measure>`` of the frame, which a fusion reads as one modality a table.
    ``"freesurfer"``: UCSFFSX7, or the earlier UCSFFSX6, UCSFFSX51, UCSFFSX, under FreeSurfer's
    names (``freesurfer__Left-Hippocampus``, ``freesurfer__lh_entorhinal_thickness``,
    ``freesurfer__eTIV``), which :class:`adestim.FreeSurferExtractor` reads, too; rows whose
    ``OVERALLQC`` is neither Pass nor Partial are left out. ``"amyloid_pet"``, ``"tau_pet"``,
    ``"tau_pet_pvc"``: UCBERKELEY_AMY_6MM, UCBERKELEY_TAU_6MM, UCBERKELEY_TAUPVC_6MM, uptake
    ratios of all regions and Centiloids, of scans with ``qc_flag`` 2. ``"plasma"``:
    UPENN_PLASMA_FUJIREBIO_QUANTERIX, ``pT217_F`` and others. ``"csf"``: UPENNBIOMK_ROCHE_ELECSYS;
    beyond the assay's limits, values are at the limit. Names of columns of PET and plasma are
    those of published scripts, not of a dictionary.

    References
    ----------
    .. [1] Petersen et al. (2010), Neurology 74, 201.
    .. [2] ADNI, data dictionary: https://adni.loni.usc.edu.

    Examples
    --------
    A folder with one visit of two people, as ADNIMERGE has them:

    >>> import warnings
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import load_adni
    >>> text = '''RID,PTID,VISCODE,EXAMDATE,EXAMDATE_bl,DX,AGE,PTGENDER,PTEDUCAT,MMSE
    ... 9001,999_S_9001,bl,2010-01-05,2010-01-05,CN,70.2,Female,16,29
    ... 9002,999_S_9002,bl,2010-02-05,2010-02-05,Dementia,75.1,Male,12,22
    ... '''
    >>> with TemporaryDirectory() as folder, warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     _ = Path(folder, "ADNIMERGE_23Dec2025.csv").write_text(text)
    ...     cohort = load_adni(folder, "nc_ad")
    >>> list(cohort.target)
    ['CN', 'AD']
    >>> cohort.columns["diagnostic"][0]
    'mmse'
    """
    if source not in SOURCES:
        raise InputError(
            f"The 'source' parameter must be one of {', '.join(map(repr, SOURCES))}",
            got=f"{source!r} instead",
        )
    request = Request(
        task, images, genotypes, window_days, horizon, require, smc, label_params or {},
        tables, max_days, history_months,
    )  # fmt: skip
    check_request(request)
    study = replace(read_adni(root, source), blocks=read_adni_blocks(root, tables))
    return assemble_cohort(study, request)


def read_adni(root: str | Path, source: str) -> Study:
    """Read the tables that were asked for, or that are there."""
    if source == "auto":
        single = all(has_form(root, form) for form in (DIAGNOSES, DEMOGRAPHICS))
        source = "adnimerge" if not single and has_form(root, ADNIMERGE) else "tables"
    return read_merged(root) if source == "adnimerge" else read_single_tables(root)
