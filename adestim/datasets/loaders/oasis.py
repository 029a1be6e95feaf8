"""OASIS-3, read and labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from adestim._support.words import first_names
from adestim.datasets.images.index import index_images
from adestim.datasets.images.names import parse_session_days, parse_session_months
from adestim.datasets.labelling.matching import match_visits
from adestim.datasets.loaders.adni_tables import read_apoe_genotypes
from adestim.datasets.loaders.attach import drop_unusable, extract_numbers, require_familiar
from adestim.datasets.loaders.oasis_blocks import read_oasis_blocks
from adestim.datasets.loaders.oasis_tables import (
    DAYS_A_YEAR,
    FLAGS,
    KEYS,
    MCI_FLAGS,
    RULES,
    diagnose_by_cdr,
    diagnose_by_forms,
    diagnose_by_words,
    list_form_names,
    match_form,
    read_clinical,
    read_flags,
    read_oasis_form,
    read_oasis_people,
    read_scanners,
)
from adestim.datasets.loaders.study import (
    Request,
    Study,
    assemble_cohort,
    begin_after_history,
    check_request,
)
from adestim.datasets.tables.visit_codes import DAYS_A_MONTH
from adestim.exceptions import DataWarning, InputError

PATTERN = r"(?i)^(?:sub-)?(OAS3\d{4,})(?:_.*)?$"
CLINICAL = ("age", "sex", "education", "family_history", "gds")
DIAGNOSTIC = ("mmse", "cdr", "cdrsb")
VISIT = ("number", "subject", "months", "day", "diagnosis")
WITH_MCI = ("nc_mci", "cn_mci_ad", "smci_pmci", "time_to_ad")
NOTES = {
    "uds": "Diagnoses: form D1 of the Uniform Data Set, in agreement with the global CDR.",
    "dx1": "Diagnoses: the words of dx1, with the global CDR; there is no word for MCI.",
    "cdr": "Diagnoses: the global CDR alone; dementia is of whatever cause.",
}
CAUTION = "Ages from 90 years on are capped by the study; there is one centre, several scanners."


# The study tells days since entry and no dates; any date may stand for the entry.
ENTRY = pd.Timestamp(2000, 1, 1)
SESSION = ["subject", "session"]


def load_oasis3(
    root: str | Path,
    task: str = "nc_ad",
    *,
    rule: str = "uds",
    images: str | Path | pd.DataFrame | None = None,
    genotypes: str | Path | Sequence[str | Path] | None = None,
    window_days: float | None = 183,
    horizon: float = 36,
    history_months: float | None = None,
    require: Sequence[str] = (),
    label_params: Mapping[str, Any] | None = None,
    tables: Sequence[str] = (),
    max_days: float | None = 183,
) -> Bunch:
    r"""Read and label OASIS-3.

    Parameters
    ----------
    root : str or Path
        Folder with the tables, at any depth: those of ``OASIS3_data_files`` (NITRC-IR), or the
        older *ADRC Clinical Data* with demographics.
    task : {"nc_ad", "nc_mci", "cn_mci_ad", "smci_pmci", "time_to_ad"}, default="nc_ad"
        Groups to tell apart; ``"time_to_ad"``: years from mild cognitive impairment to Alzheimer's
        dementia, or without, as an array of :func:`adestim.make_survival`.
    rule : {"uds", "dx1", "cdr"}, default="uds"
        How a visit's diagnosis is made, see :func:`oasis3_diagnoses`. Older tables have no
        form D1: ``"dx1"`` or ``"cdr"``.
    images : str, Path or DataFrame, default=None
        Folder of images (as downloaded, BIDS, derivatives, CAPS), or what
        :func:`adestim.datasets.index_images` says of it.
    genotypes : str, Path or sequence of these, default=None
        Prefixes of PLINK file sets.
    window_days : float or None, default=183
        Largest distance in days between scan and clinical visit. None: any.
    horizon : float, default=36
        Months within which progression counts.
    history_months : float, default=None
        Months of earlier visits: the index visit is the first with a diagnosis that comes at least
        so long after a subject's first visit, and the column ``visits`` has all visits up to it,
        :class:`~adestim.datasets.Visits` for :class:`~adestim.VisitSummary`. None: the index
        visit is the first, and there is no such column.
    require : sequence of str, default=()
        Columns, such as ``"t1w"``, that everybody must have.
    label_params : mapping, default=None
        Further parameters of :func:`adestim.datasets.baseline_labels`,
        :func:`adestim.datasets.progression_labels` or :func:`adestim.datasets.conversion_labels`.
    tables : sequence of str, default=()
        Tables of measures that become blocks of columns, see Notes: ``"freesurfer"``,
        ``"amyloid_pet"``, ``"fdg_pet"``.
    max_days : float or None, default=183
        Largest distance between the index visit and a row of these. None: any.

    Returns
    -------
    Bunch
        ``frame`` (one row a subject: ``age`` in years, ``sex``, ``education`` in years,
        ``family_history`` (a parent with dementia), ``gds``, ``apoe``, the diagnostic ``mmse``,
        ``cdr`` and ``cdrsb``, ``months`` since entry, paths of images), ``target``, ``groups``,
        ``site`` (the scanner), ``flow``, ``labels``, ``columns``, ``images`` (the files taken,
        with ``days_apart`` from visit to scan), ``tables`` (the same of measures, with the
        tracer), ``genotype_files``, ``genotype_builds``,
        ``description`` and ``name``.

    Raises
    ------
    InputError
        When a parameter is out of range, or no image belongs to anybody.
    TableError
        When a table or column is missing, sex has a code of another study, or nobody has a label.

    Warns
    -----
    DataWarning
        When rows of the same day differ (the last counts), or images cannot be used.

    Notes
    -----
    *Index visit.* With images, the visit nearest to the first session (with a T1w volume, if the
    subject has any) that has a diagnosis within the window; all modalities come from that session.
    Without, the first visit. Follow-up counts from there.

    *Family history* (form A3), *GDS* (form B6) and the scanner's model are read under names from
    the forms' general documentation, and left out where no file has them.

    *Tables of measures.* The row nearest to the index visit within ``max_days`` becomes columns
    ``<table>__<measure>`` of the frame. ``"freesurfer"``: OASIS3_Freesurfer_output, under
    FreeSurfer's names (``freesurfer__Left-Hippocampus``). ``"amyloid_pet"`` and ``"fdg_pet"``:
    OASIS3_PUP, uptake ratios and Centiloids of AV45 and PIB, or ratios of FDG. Rows whose quality
    control did not pass are left out. Names of columns are those of published scripts.

    References
    ----------
    .. [1] LaMontagne et al. (2019), medRxiv 2019.12.13.19014902.
    .. [2] OASIS-3, data dictionary: https://sites.wustl.edu/oasisbrains.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import load_oasis3
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "OASIS3_demographics.csv").write_text(
    ...         "OASISID,AgeatEntry,GENDER,EDUC,APOE\nOAS30001,65.2,2,16,34\n"
    ...     )
    ...     _ = Path(folder, "OASIS3_UDSb4_cdr.csv").write_text(
    ...         "OASISID,OASIS_session_label,days_to_visit,MMSE,CDRTOT,CDRSUM,dx1\n"
    ...         "OAS30001,OAS30001_UDSb4_d0000,0,29,0,0,Cognitively normal\n"
    ...     )
    ...     cohort = load_oasis3(folder, "nc_ad", rule="dx1")
    >>> cohort.frame[["age", "sex", "apoe"]]
               age sex apoe
    subject
    OAS30001  65.2   F  3/4
    """
    request = Request(
        task, genotypes=genotypes, window_days=window_days, horizon=horizon, require=require,
        label_params=dict(label_params or {}), tables=tables, max_days=max_days,
        history=history_months,
    )  # fmt: skip
    check_request(request)
    check_rule(rule, task)
    study = replace(read_oasis(root, rule), blocks=read_oasis_blocks(root, tables))
    study = begin_after_history(study, history_months)
    if images is None:
        return assemble_cohort(study, request)
    index = images if isinstance(images, pd.DataFrame) else index_images(images)
    study, found, days = begin_at_first_session(study, time_images(index, study), window_days)
    cohort = assemble_cohort(add_scanners(study, root, days), replace(request, images=found))
    return restore_dates(cohort, index)


def check_rule(rule: str, task: str) -> None:
    """Refuse a rule that is none, or that cannot make the task's groups."""
    if rule not in RULES:
        raise InputError(
            f"The 'rule' parameter must be one of {', '.join(map(repr, RULES))}",
            got=f"{rule!r} instead",
        )
    if rule == "dx1" and task in WITH_MCI:
        raise InputError(
            "The words of dx1 have none for mild cognitive impairment",
            got=f"rule='dx1' for the task {task!r}",
            remedy="Choose rule='uds', or rule='cdr' for a global score of 0.5",
        )


def oasis3_diagnoses(visits: pd.DataFrame, rule: str = "uds") -> pd.Series:
    """Return the diagnosis of each visit of OASIS-3.

    Parameters
    ----------
    visits : DataFrame
        One row a visit: ``cdr`` (global score), and ``dx1`` (text), or the flags of form D1 under
        their own names in capitals; of these, those that are absent mean no.
    rule : {"uds", "dx1", "cdr"}, default="uds"
        ``"uds"``: CN is NORMCOG and CDR 0; MCI any of the sixteen flags; AD is DEMENTED and
        CDR 0.5 or more, with PROBAD (versions 1 and 2 of the form) or ALZDIS as primary cause
        (version 3). ``"dx1"``: *Cognitively normal* and CDR 0; *AD dem...* or *DAT...* and CDR
        0.5 or more. ``"cdr"``: 0, 0.5, and 1 or more, as CN, MCI and AD.

    Returns
    -------
    Series of str
        ``"CN"``, ``"MCI"``, ``"AD"``, ``"Dementia (not AD)"`` (also where Alzheimer's disease is
        only possible), ``"Impaired (not MCI)"``, ``"Uncertain"``, ``"Other diagnosis"``, or
        missing where nothing is said, or where statements contradict each other.

    Raises
    ------
    InputError
        When the rule is unknown.

    Notes
    -----
    PROBAD alone, as in many scripts, loses every case of Alzheimer's disease that was diagnosed
    with version 3 of the form.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.datasets import oasis3_diagnoses
    >>> visits = pd.DataFrame({
    ...     "cdr": [0.0, 1.0, 1.0], "NORMCOG": [1, 0, 0], "DEMENTED": [0, 1, 1],
    ...     "PROBAD": [None, 1, None], "ALZDIS": [None, None, 1], "ALZDISIF": [None, None, 1],
    ... })
    >>> list(oasis3_diagnoses(visits))
    ['CN', 'AD', 'AD']
    """
    check_rule(rule, "nc_ad")
    if rule == "cdr":
        return diagnose_by_cdr(visits["cdr"])
    if rule == "dx1":
        return diagnose_by_words(visits["dx1"], visits["cdr"])
    flags = visits.reindex(columns=list(FLAGS)).apply(pd.to_numeric)
    return diagnose_by_forms(flags, visits["cdr"])


def read_oasis(root: str | Path, rule: str) -> Study:
    """Read the tables as people and visits."""
    visits = read_clinical(root)
    if rule == "uds":
        visits = visits.join(match_form(visits, read_flags(root), FLAGS))
    gds = read_oasis_form(
        root, list_form_names("b6"), {**KEYS, "gds": ("GDS", "GDSTOTAL")}, numeric=["gds"],
        expected=["gds"],
    )  # fmt: skip
    people = read_oasis_people(root, visits)
    visits = visits.assign(
        diagnosis=oasis3_diagnoses(visits, rule),
        age=fill_ages(visits, people["age_at_entry"]),
        gds=match_form(visits, gds, ["gds"])["gds"],
        number=visits["subject"],
        months=visits["day"] / DAYS_A_MONTH,
    )
    return build_oasis_study(
        people, visits.drop(columns=[*MCI_FLAGS], errors="ignore"), NOTES[rule]
    )


def build_oasis_study(people: pd.DataFrame, visits: pd.DataFrame, note: str) -> Study:
    """Lay out people and visits as a study."""
    blank = pd.Series(pd.NA, index=people.index, dtype="str")
    alleles = pd.DataFrame({"genotype": people["apoe"], "first": blank, "second": blank})
    people = people.assign(
        apoe=read_apoe_genotypes(alleles), number=people.index, person=people.index, origin=ENTRY,
        site=blank,
    ).drop(columns="age_at_entry")  # fmt: skip
    kept = [*VISIT, *(c for c in ("age", "gds", *DIAGNOSTIC) if c in visits)]
    return Study("OASIS-3", people, visits[kept], PATTERN, CLINICAL, DIAGNOSTIC,
                 notes=(note, CAUTION))  # fmt: skip


def fill_ages(visits: pd.DataFrame, at_entry: pd.Series) -> pd.Series:
    """Return ages at visits, as recorded or else from that at entry."""
    reckoned = visits["subject"].map(at_entry) + visits["day"] / DAYS_A_YEAR
    return visits["age"].fillna(reckoned.round(1))


def add_scanners(study: Study, root: str | Path, days: pd.Series) -> Study:
    """Put the scanner of each one's session where other studies have the centre."""
    scanners = read_scanners(root)
    if scanners is None:
        return study
    known = scanners.set_index(["subject", "day"])["scanner"]
    keys = pd.MultiIndex.from_arrays([days.index, days.to_numpy(float)])
    found = pd.Series(known.reindex(keys).to_numpy(), index=days.index)
    site = found.reindex(study.people.index).astype("str").where(lambda s: s.ne("nan"))
    return replace(study, people=study.people.assign(site=site))


def restore_dates(cohort: Bunch, index: pd.DataFrame) -> Bunch:
    """Take back the dates that stood for days."""
    own = index.drop_duplicates("path").set_index("path")["acquired"]
    acquired = cohort.images["path"].map(own)
    cohort.update(images=cohort.images.assign(acquired=acquired))
    return cohort


def parse_session_day(session: object) -> float:
    """Return the day of a session from its label, in days (``ses-d0757``) or months (Clinica)."""
    for read, scale in ((parse_session_days, 1.0), (parse_session_months, DAYS_A_MONTH)):
        try:
            return round(read(str(session)) * scale)
        except InputError:
            continue
    return np.nan


def time_images(index: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the usable images of the study's people, with a day and a date that stands for it."""
    subjects = extract_numbers(index["subject"], study.pattern)
    familiar = subjects.isin(study.people["number"])
    require_familiar(index, familiar)
    known = drop_unusable(index.assign(subject=subjects)[familiar])
    days = {session: parse_session_day(session) for session in known["session"].unique()}
    known = known.assign(day=known["session"].map(days).astype("float64"))
    timeless = known["day"].isna()
    if timeless.any():
        warn(
            f"{int(timeless.sum())} images of {first_names(known['subject'][timeless].unique())} "
            "are in sessions that do not name their day, and count as missing.",
            DataWarning,
            stacklevel=3,
        )
    known = known[~timeless]
    return known.assign(acquired=ENTRY + pd.to_timedelta(known["day"], unit="D"))


def find_first_sessions(images: pd.DataFrame, visits: pd.DataFrame, window: float) -> pd.DataFrame:
    """Return each subject's first session with a diagnosis near; those with a T1w come first."""
    t1w = images["modality"].eq("t1w")
    sessions = (
        images.assign(t1w=t1w)
        .groupby(SESSION, as_index=False)
        .agg(day=("day", "first"), t1w=("t1w", "any"))
    )
    known = visits.loc[visits["diagnosis"].notna(), ["subject", "day"]].dropna()
    known = known.assign(visit_day=known["day"])
    matched = match_visits(sessions, known, image_time="day", visit_time="day", window=window)
    matched = matched[matched["visit_day"].notna()]
    ordered = matched.sort_values(["t1w", "day"], ascending=[False, True], kind="stable")
    return ordered.groupby("subject").first()[["session", "day", "visit_day"]]


def begin_at_first_session(
    study: Study, images: pd.DataFrame, window: float | None
) -> tuple[Study, pd.DataFrame, pd.Series]:
    """Let each one's history begin with the visit that belongs to the first session."""
    sessions = find_first_sessions(images, study.visits, np.inf if window is None else window)
    if sessions.empty:
        raise InputError(
            "Some session has a visit with a diagnosis within 'window_days'",
            got=f"none of {len(images[SESSION].drop_duplicates())} sessions, {window} days",
            remedy="Widen the window, or look whether the tables go as far as the images",
        )
    start = study.visits["subject"].map(sessions["visit_day"])
    visits = study.visits[~(study.visits["day"] < start)].reset_index(drop=True)
    chosen = images["session"] == images["subject"].map(sessions["session"])
    return replace(study, visits=visits), images[chosen], sessions["day"]
