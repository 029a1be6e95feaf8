"""Simulated cohorts, calibrated to published aggregates."""

from __future__ import annotations

from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from adestim.datasets.cohort_bunch import CohortBunch
from adestim.datasets.simulation import write_bids
from adestim.datasets.simulation.clinical import list_clinical_columns, list_score_columns
from adestim.datasets.simulation.genotypes import tabulate_dosages, write_plink
from adestim.datasets.simulation.images import Grid, make_images
from adestim.datasets.simulation.tables import Tables, draw_tables
from adestim.datasets.simulation.tasks import TASKS
from adestim.exceptions import InputError

MIN_SUBJECTS = 4
BUILDS = ("single", "by_phase")
DESCRIPTION = """\
Synthetic cohort, task {task}: {n} subjects, {counts}.

No patient's data. Every subject is drawn from a small model, calibrated to published
aggregates: public ADNI summaries by diagnosis (age, sex, education, APOE, test scores),
meta-analyses of hippocampal loss (Shi 2009, Tanpitukpongse 2017), ENIGMA-PD (Laansma 2021), a
PPMI imaging subset, and genome-wide association studies (Kunkle 2019, Nalls 2019). Subtypes,
functional connectivity, questionnaires and missingness rest on assumptions.

Performance on it says nothing about patients: it compares methods with each other and with
the known best possible (oracle), and nothing else. The oracle does not use the diagnostic
scores ({scores}), which make the diagnosis.
"""


def make_cohort(
    n_subjects: int = 200,
    task: str = "nc_ad",
    *,
    missing: str | float | None = "adni",
    root: str | Path | None = None,
    resolution: float = 4.0,
    bold_resolution: float = 6.0,
    bold: bool | None = None,
    builds: str = "single",
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Bunch:
    """Simulate a cohort with structural and functional MRI, clinical records and genotypes.

    Diagnosis, subtype of disease, and the little that an ideal reader would measure in each
    modality are drawn from a small explicit model; images, series and genotypes are then made
    of them. The modalities share causes and interact, and the probability of the diagnosis
    given everything at hand is known exactly: the ceiling of every benchmark.

    Parameters
    ----------
    n_subjects : int, default=200
        Number of subjects, at least 4.
    task : {"nc_ad", "nc_mci", "smci_pmci", "nc_pd", "teaching"}, default="nc_ad"
        The two groups: controls and Alzheimer's dementia, controls and mild cognitive
        impairment, stable and (within 36 months) progressive impairment, controls and
        Parkinson's disease. ``"teaching"``: controls and a made-up dementia that shows in every
        modality, to demonstrate fusion on few subjects.
    missing : {"adni"}, float in [0, 1), or None, default="adni"
        ``"adni"``: by phase of the study and maker of the scanner. A number: each of
        the four modalities is missing at this rate, completely at random, never all of a
        subject's. None: nothing is missing.
    root : str or Path, default=None
        Folder to write to, in BIDS. It must be new, empty, or hold the same cohort; an
        interrupted run is simply repeated. None: everything stays in memory.
    resolution : float, default=4.0
        Voxel size of the T1-weighted volumes, in whole mm from 1 to 20.
    bold_resolution : float, default=6.0
        Voxel size of the 4-D runs, in whole mm from 1 to 20.
    bold : bool, default=None
        Whether to make 4-D runs. None: if they are written to files.
    builds : {"single", "by_phase"}, default="single"
        ``"single"``: one PLINK file set in hg19. ``"by_phase"``: as distributed by ADNI, the
        first phase in hg18, the others in hg19, there with every third variant's alleles
        in the other order. Only with ``root``.
    random_state : int, Generator, RandomState or None, default=0
        Seed. The same seed gives the same cohort, however many jobs.
    n_jobs : int, default=None
        Number of subjects made at the same time.
    verbose : int, default=0
        Progress messages of joblib.

    Returns
    -------
    Bunch
        With the attributes

        frame : DataFrame of shape (n_subjects, n_columns)
            One row a subject, index ``"sub-0001"`` and so on. ``t1w`` (path or image);
            ``bold`` (path or image, if made); ``confounds`` (path or table); ``roi_series``
            (path or table: ``time`` in s, 300 regions); clinical columns;
            ``apoe``; ``genotypes`` (sample id in the PLINK files) or, in memory, one column of
            dosages a variant; ``site``; ``phase``. A missing cell is NaN or None.
        target : Series of str
            Diagnosis: ``"CN"`` and ``"AD"``, ``"CN"`` and ``"MCI"``, ``"sMCI"`` and ``"pMCI"``,
            ``"CN"`` and ``"PD"``.
        groups : Series of str
            Subject ids, for splitters.
        oracle : Series of float
            Bayes-optimal probability of the second class, given the modalities the subject
            has; the diagnostic scores and the site are not used.
        columns : dict of str to list of str
            Columns of ``frame`` that the extractors read: ``smri``, ``fmri`` (a run and its
            confounds), ``clinical`` (nothing that makes the diagnosis), ``genetics``; and
            ``diagnostic``, the scores that do.
        truth : DataFrame
            Subtype, and what an ideal reader measures, in standard deviations of controls.
        genotype_files : list of str
            Prefixes of the PLINK file sets; empty in memory.
        description : str
            What the cohort is and is not, with sources.

    Raises
    ------
    InputError
        When a parameter is out of range, or the folder holds something else.

    Notes
    -----
    **Synthetic.** Performance on it says nothing about patients.

    *Model.* Given diagnosis, subtype, a gate and education, the measurements are jointly
    normal, so the posterior is a finite sum over subtypes, and over the gate and the years of
    education where these are missing. The gate is carriage of APOE e4 (in the
    Parkinson task: REM sleep behaviour disorder). In carriers, disease takes hippocampus and
    leaves or raises connectivity; in others it spares the hippocampus and lowers connectivity
    within the default mode network; and the more education, the more atrophy and complaint at
    the same diagnosis. A sum of one score a modality cannot express that.

    *Difficulty.* AUC upon the measurements themselves (``truth``), nothing missing, n = 4000,
    five-fold cross-validated, mean of two cohorts (``stacking``: of one):

    =========  ====  ====  ========  ========  ====  ========  ========  ========  ======
    task       sMRI  fMRI  clinical  genetics  late  stacking  logistic  boosting  oracle
    =========  ====  ====  ========  ========  ====  ========  ========  ========  ======
    nc_ad      .88   .66   .71       .72       .92   .93       .94       .95       .96
    nc_mci     .74   .58   .65       .62       .79   .80       .81       .83       .86
    smci_pmci  .70   .52   .58       .63       .72   .73       .74       .76       .80
    nc_pd      .54   .58   .67       .61       .71   .71       .72       .73       .76
    =========  ====  ====  ========  ========  ====  ========  ========  ========  ======

    A single modality is read by logistic regression; ``late`` sums their log odds,
    ``stacking`` weighs the better of logistic regression and boosting a modality;
    ``logistic`` and ``boosting`` read all measurements at once. Images add noise of their own:
    hippocampus by T1 intensity r = .9 with the truth, default mode connectivity r = .8 to .9.
    ``teaching`` is meant to be easier than any real cohort: effects are larger, even across
    modalities, and one modality must be read with another (education moves the hippocampus, e4
    connectivity, in both groups alike).
    The phase does not depend on the diagnosis, so the pattern of what is missing is no clue.

    *Not from sources.* How subtypes depend on the gate, functional connectivity, family history,
    questionnaires, and the shares of missing modalities are assumptions. Variants other than
    those of [4]_ are made up, and so are their positions in hg18.

    References
    ----------
    .. [1] Shi et al. (2009), Hippocampus 19, 1055: hippocampal loss in MCI and AD.
    .. [2] Tanpitukpongse et al. (2017), AJNR 38, 546: progression from hippocampal volume.
    .. [3] Laansma et al. (2021), Movement Disorders 36, 2583: T1 in Parkinson's disease.
    .. [4] Kunkle et al. (2019), Nature Genetics 51, 414; Nalls et al. (2019), Lancet
       Neurology 18, 1091: variants.
    .. [5] ADNI, public aggregates by diagnosis: https://adni.loni.usc.edu.

    Examples
    --------
    >>> from adestim.datasets import make_cohort
    >>> cohort = make_cohort(4, missing=None, resolution=12, random_state=0)
    >>> sorted(cohort.target)
    ['AD', 'AD', 'CN', 'CN']
    >>> cohort.frame[["age", "sex", "education"]].shape
    (4, 3)
    """
    check_simulation(n_subjects, task, missing, root, resolution, bold_resolution, builds)
    seed = draw_seed(random_state)
    grid = Grid(float(resolution), float(bold_resolution), bool(root) if bold is None else bold)
    folder = None if root is None else Path(root).expanduser().absolute()
    if folder is not None:
        write_bids.claim_folder(
            folder, describe_request(n_subjects, task, missing, grid, builds, seed)
        )
    tables = draw_tables(n_subjects, task, missing, seed)
    images = make_images(tables, grid, folder, n_jobs, verbose)
    genotypes, files = place_genotypes(tables, folder, builds)
    if folder is not None:
        write_bids.write_tables(folder, tables.clinical.assign(diagnosis=tables.target()))
    frame = pd.concat([images, tables.clinical, genotypes], axis=1)
    return build_simulated_bunch(tables, frame, list(genotypes.columns), files)


def describe_request(n_subjects, task, missing, grid, builds, seed) -> dict[str, Any]:
    """Return what determines a cohort on disk, as JSON can hold it."""
    return {
        "n_subjects": int(n_subjects),
        "task": task,
        "missing": missing if missing is None or isinstance(missing, str) else float(missing),
        "resolution": grid.t1w,
        "bold_resolution": grid.bold,
        "bold": grid.with_bold,
        "builds": builds,
        "random_state": seed,
    }


def place_genotypes(
    tables: Tables, folder: Path | None, builds: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return the genotype columns, and the prefixes of the PLINK files if written."""
    present = tables.present.snps
    if folder is None:
        return tabulate_dosages(tables.genotypes, present, tables.index), []
    early = tables.acquisition.phase == "ADNI1"
    sets = {"cohort_hg19": ("hg19", present)}
    if builds == "by_phase":
        sets = {"adni1_hg18": ("hg18", present & early), "later_hg19": ("hg19", present & ~early)}
    subjects = pd.DataFrame({"female": tables.latent.female}, index=tables.index)
    files = []
    for name, (build, members) in sets.items():
        if members.any():
            files.append(folder / "genetics" / name)
            rows = np.flatnonzero(members)
            swapped = builds == "by_phase" and build == "hg19"
            write_plink(files[-1], tables.genotypes, subjects, rows, build=build, swapped=swapped)
    samples = pd.Series(tables.index, index=tables.index, name="genotypes", dtype="str")
    cells = samples.where(pd.Series(present, index=tables.index))
    return cells.to_frame(), [str(prefix) for prefix in files]


def build_simulated_bunch(
    tables: Tables, frame: pd.DataFrame, genotype_columns: list[str], files: list[str]
) -> Bunch:
    """Lay out what make_cohort returns."""
    target = tables.target()
    counts = ", ".join(f"{count} {label}" for label, count in target.value_counts().items())
    scores = list_score_columns(tables.task)
    return CohortBunch(
        frame=frame,
        target=target,
        groups=pd.Series(tables.index, index=tables.index, name="subject", dtype="str"),
        oracle=pd.Series(tables.oracle, index=tables.index, name="oracle"),
        columns={
            "smri": ["t1w"],
            "fmri": ["bold" if "bold" in frame else "roi_series", "confounds"],
            "clinical": list_clinical_columns(tables.task),
            "diagnostic": scores,
            "genetics": ["apoe", *genotype_columns],
        },
        truth=tables.truth(),
        genotype_files=files,
        description=DESCRIPTION.format(
            task=tables.task.name, n=len(frame), counts=counts, scores=", ".join(scores)
        ),
    )


def check_simulation(n_subjects, task, missing, root, resolution, bold_resolution, builds) -> None:
    """Refuse parameters out of range, each with its remedy."""
    require(
        isinstance(n_subjects, Integral) and int(n_subjects) >= MIN_SUBJECTS,
        "n_subjects",
        f"a whole number of at least {MIN_SUBJECTS}",
        n_subjects,
    )
    require(task in TASKS, "task", f"one of {', '.join(map(repr, TASKS))}", task)
    require(is_missing_rule(missing), "missing", "'adni', a rate in [0, 1) or None", missing)
    for name, size in (("resolution", resolution), ("bold_resolution", bold_resolution)):
        require(is_voxel_size(size), name, "a whole number of mm from 1 to 20", size)
    require(builds in BUILDS, "builds", f"one of {', '.join(map(repr, BUILDS))}", builds)
    require(builds == "single" or root is not None, "builds", "'single' if 'root' is None", builds)


def require(holds: bool, name: str, rule: str, value: Any) -> None:
    """Refuse the value of a parameter."""
    if not holds:
        raise InputError(
            f"The {name!r} parameter of make_cohort must be {rule}", got=f"{value!r} instead"
        )


def is_voxel_size(size: Any) -> bool:
    """Tell whether the bundled templates come in voxels of this size."""
    return isinstance(size, Real) and not isinstance(size, bool) and size in range(1, 21)


def is_missing_rule(missing: Any) -> bool:
    """Tell whether this says what is to be missing."""
    if missing is None or isinstance(missing, str):
        return missing in (None, "adni")
    return isinstance(missing, Real) and not isinstance(missing, bool) and 0 <= float(missing) < 1


def draw_seed(random_state: Any) -> int:
    """Return one number that determines the cohort; global generators stay as they are."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, Integral) and int(random_state) >= 0:
        return int(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    raise InputError(
        "The 'random_state' parameter of make_cohort must be a non-negative whole number, "
        "a numpy Generator or RandomState, or None",
        got=f"{random_state!r} instead",
    )
