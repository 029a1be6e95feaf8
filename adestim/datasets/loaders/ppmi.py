"""PPMI, read and labelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from sklearn.utils import Bunch

from adestim.datasets.cohort import FlowTable, build_cohort, sort_by_extractor
from adestim.datasets.images.ida import read_ida_collection
from adestim.datasets.images.index import index_images
from adestim.datasets.loaders.adni_tables import read_apoe_genotypes
from adestim.datasets.loaders.attach import attach_genotypes, attach_images, extract_numbers
from adestim.datasets.loaders.ppmi_curated import read_people_of_cut
from adestim.datasets.loaders.ppmi_tables import read_people_of_tables
from adestim.datasets.loaders.study import Request, exclude_lacking, require_somebody
from adestim.datasets.tables.read_table import find_table
from adestim.datasets.tables.visit_codes import DAYS_A_MONTH
from adestim.exceptions import InputError, TableError

# How the archive and genotype files name participants besides the bare number.
PATTERN = r"(?i)^(?:sub-)?(?:PP(?:MI)?[_-]?(?:SI)?)?(\d{4,6})(?:_.*)?$"
CLINICAL = ("age", "sex", "education", "gds", "upsit")
DIAGNOSTIC = (
    "moca", "updrs1", "updrs2", "updrs3", "hoehn_yahr", "rbdsq", "ledd", "datscan_putamen",
)  # fmt: skip
CHOICES = {
    "task": ("nc_pd",),
    "source": ("auto", "tables", "curated"),
    "genetic_pd": ("keep", "drop"),
}
MONTHS = {"BL": 0, "SC": 0, "R01": 6, "V04": 12, "V06": 24, "V08": 36, "V10": 48, "V12": 60}
EVENTS = {"baseline": "BL", "screening": "SC"}
EVENTS_AT = {f"month {months}": event for event, months in MONTHS.items() if months}
DESCRIPTION = """\
PPMI, task nc_pd: {n} participants at baseline, {counts}.
Labels are the arm of enrolment; SWEDD and prodromal ones are left out, genetic_pd={genetic!r}.
Which forms exist differs between the arms: a missing cell can tell the label."""


def ppmi_event(visit: str) -> str:
    """Return the event of a visit as PPMI's tables name it.

    .. [1] PPMI, Data User Guide (2024): https://www.ppmi-info.org.
    """
    name = visit.strip().removeprefix("ses-")
    return {**EVENTS, **EVENTS_AT}.get(name.casefold(), name.upper())


def load_ppmi(
    root: str | Path,
    task: str = "nc_pd",
    *,
    source: str = "auto",
    images: str | Path | pd.DataFrame | None = None,
    collection: str | Path | None = None,
    genotypes: str | Path | Sequence[str | Path] | None = None,
    genetic_pd: str = "keep",
    unmedicated: bool = False,
    window_days: float | None = 183,
    require: Sequence[str] = (),
) -> Bunch:
    r"""Read and label PPMI: healthy controls and Parkinson's disease at baseline.

    Parameters
    ----------
    root : str or Path
        Folder with the tables (``Participant_Status`` and ``Demographics`` at least), or with a
        curated data cut (``.xlsx``, or the sheet of its visits as ``.csv``).
    task : {"nc_pd"}, default="nc_pd"
        Groups to tell apart.
    source : {"auto", "tables", "curated"}, default="auto"
        What is read. ``"auto"``: the tables, if ``Participant_Status`` is there.
    images : str, Path or DataFrame, default=None
        Folder of images (tree of the IDA, BIDS, derivatives), or what
        :func:`adestim.datasets.index_images` says of it.
    collection : str or Path, default=None
        List of a collection of the IDA: its visits tell which scans are of the baseline. None: the
        nearest by date, of which the tables hand out only the month.
    genotypes : str, Path or sequence of these, default=None
        Prefixes of PLINK file sets.
    genetic_pd : {"keep", "drop"}, default="keep"
        What to do with patients enrolled for a variant of LRRK2, GBA, SNCA, PRKN or PINK1, who
        are older and mostly treated.
    unmedicated : bool, default=False
        Whether to leave out patients who take dopaminergic medication at baseline, or of whom it
        is not known.
    window_days : float or None, default=183
        Largest distance in days between scan and baseline. None: any.
    require : sequence of str, default=()
        Columns, such as ``"t1w"``, that everybody must have.

    Returns
    -------
    Bunch
        ``frame`` (one row a participant: ``age`` in years, ``sex``, ``education`` in years,
        ``gds``, ``upsit``, ``apoe``; the diagnostic ``moca``, ``updrs1`` to ``updrs3`` (off
        medication, if so examined), ``hoehn_yahr``, ``ledd`` in mg a day, ``datscan_putamen``
        (mean binding ratio) and, of a data cut, ``rbdsq``; paths of images), ``target`` (``"CN"``,
        ``"PD"``), ``groups``, ``site``, ``flow``, ``columns``, ``images`` (the files taken, with
        ``days_apart`` from baseline to scan), ``genotype_files``, ``genotype_builds``,
        ``description`` and ``name``.

    Raises
    ------
    InputError
        When a parameter is out of range, or no image belongs to anybody.
    TableError
        When a table or column is missing, sex has a code of another study, or nobody is left.
    MissingDependencyError
        When a workbook is to be read without openpyxl.

    Warns
    -----
    DataWarning
        When rows of one participant differ, or images cannot be used.

    Notes
    -----
    *Arm.* The words of ``COHORT_DEFINITION`` before the code. Enrolled, withdrawn and complete
    participants count; those who failed screening, declined or were excluded do not.

    *Sex* is 0 female, 1 male here, other than in ADNI, OASIS and NACC.

    *Diagnostic* columns took part in the enrolment, or exist for patients only. ``rbdsq`` of a
    data cut is among them, as one of its questions asks for parkinsonism. Names of columns of
    DaTscan, smell and depression come from the study's general documentation; what no file
    has is left out.

    References
    ----------
    .. [1] Marek et al. (2018), Annals of Clinical and Translational Neurology 5, 1460.
    .. [2] PPMI, Data User Guide (2024): https://www.ppmi-info.org.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import load_ppmi
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "Participant_Status_24Jul2023.csv").write_text(
    ...         "PATNO,COHORT,COHORT_DEFINITION,ENROLL_STATUS,ENROLL_AGE\n"
    ...         "3000,2,Healthy Control,Enrolled,69.1\n3001,3,SWEDD,Withdrew,58.0\n"
    ...     )
    ...     _ = Path(folder, "Demographics_24Jul2023.csv").write_text(
    ...         "PATNO,EVENT_ID,INFODT,SEX\n3000,SC,02/2011,0\n3001,SC,02/2011,1\n"
    ...     )
    ...     cohort = load_ppmi(folder)
    >>> cohort.frame[["age", "sex"]]
              age sex
    subject
    3000     69.1   F
    >>> cohort.flow.excluded["reason"].tolist()
    ['SWEDD']
    """
    check_ppmi_request(
        {"task": task, "source": source, "genetic_pd": genetic_pd}, window_days, require
    )
    people = read_ppmi(root, source)
    flow = exclude_other_arms(people, genetic_pd == "drop", unmedicated)
    require_somebody(flow, task)
    people = spell_apoe(people)
    kept = people.loc[flow.kept].assign(number=flow.kept, origin=lambda table: table["date"])
    samples = attach_genotypes(genotypes, kept["number"], PATTERN)
    days = pd.Series(0.0, index=kept.index)
    if images is not None:
        images = date_images(images, collection, people["date"])
    everybody = pd.Series(people.index, index=people.index)
    found = attach_images(images, kept, days, everybody, PATTERN, window_days)
    frame = lay_out_participants(kept).join(found.cells).join(samples.cells)
    flow = exclude_lacking(flow, frame, Request(task, require=require))
    require_somebody(flow, task)
    cohort = build_ppmi_bunch(frame.loc[flow.kept], kept, flow, samples.files, genetic_pd)
    taken = found.rows[found.rows["subject"].isin(flow.kept)].reset_index(drop=True)
    cohort.update(images=taken, genotype_builds=samples.builds)
    return cohort


def check_ppmi_request(
    choices: dict[str, str], window_days: float | None, require: Sequence[str]
) -> None:
    """Refuse parameters out of range."""
    for name, value in choices.items():
        if value not in CHOICES[name]:
            raise InputError(
                f"The {name!r} parameter must be one of {', '.join(map(repr, CHOICES[name]))}",
                got=f"{value!r} instead",
            )
    if window_days is not None and not window_days >= 0:
        raise InputError(
            "The 'window_days' parameter must be 0 or more, or None", got=f"{window_days!r} instead"
        )
    if isinstance(require, str):
        raise InputError("The 'require' parameter must be a list of names", got=f"{require!r}")


def exclude_other_arms(people: pd.DataFrame, sporadic_only: bool, unmedicated: bool) -> FlowTable:
    """Begin with everybody, and exclude who is neither control nor patient at a baseline."""
    flow = FlowTable.start(people.index)
    unknown = people["status"].isna()
    flow = flow.exclude(people.index[unknown], "enrolment", "no status")
    status = people["status"].str.strip().str.casefold()
    flow = flow.exclude_each(status[~people["enrolled"]].loc[lambda s: s.notna()], "enrolment")
    arm = people["cohort"].fillna("no arm")
    flow = flow.exclude_each(arm[~arm.isin(["CN", "PD"])], "arm")
    patients = people["cohort"].eq("PD").fillna(False).astype(bool)
    if sporadic_only:
        flow = flow.exclude(patients & people["genetic"], "arm", "genetic PD")
    flow = flow.exclude(~people["seen"], "baseline", "no baseline visit")
    if unmedicated:
        unsure = people["medicated"].isna()
        medicated = people["medicated"].eq(True).fillna(False).astype(bool)
        flow = flow.exclude(patients & medicated, "medication", "medicated at baseline")
        flow = flow.exclude(patients & unsure, "medication", "medication not known")
    return flow


def spell_apoe(people: pd.DataFrame) -> pd.DataFrame:
    """Write APOE as ``"3/4"``, from ``E3/E4``."""
    blank = pd.Series(pd.NA, index=people.index, dtype="str")
    alleles = pd.DataFrame(
        {"genotype": people["apoe"].astype("str"), "first": blank, "second": blank}
    )
    return people.assign(apoe=read_apoe_genotypes(alleles))


def date_images(
    images: str | Path | pd.DataFrame, collection: str | Path | None, baseline: pd.Series
) -> pd.DataFrame:
    """Give images whose visit has a name the date at which it was due."""
    index = images if isinstance(images, pd.DataFrame) else index_images(images)
    visits = index["session"].astype("str")
    if collection is not None:
        listed = read_ida_collection(collection).drop_duplicates("image_id")
        visits = index["image_id"].map(listed.set_index("image_id")["visit"]).fillna(visits)
    months = visits.map(ppmi_event, na_action="ignore").map(MONTHS).astype("float64")
    start = extract_numbers(index["subject"], PATTERN).map(baseline)
    due = start + pd.to_timedelta((months * DAYS_A_MONTH).round(), unit="D")
    return index.assign(acquired=due.fillna(pd.to_datetime(index["acquired"])))


def lay_out_participants(people: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that anybody has, in the order of their use."""
    names = [name for name in (*CLINICAL, "apoe", *DIAGNOSTIC, "site") if name in people]
    return people[names].dropna(axis="columns", how="all")


def build_ppmi_bunch(
    frame: pd.DataFrame, people: pd.DataFrame, flow: FlowTable, files: list[str], genetic_pd: str
) -> Bunch:
    """Lay out what the loader returns."""
    target = people.loc[frame.index, "cohort"]
    counts = ", ".join(f"{count} {label}" for label, count in target.value_counts().items())
    described = DESCRIPTION.format(n=len(frame), counts=counts, genetic=genetic_pd)
    groups = pd.Series(frame.index, index=frame.index)
    columns = sort_by_extractor(frame, CLINICAL, DIAGNOSTIC)
    return build_cohort(
        frame, target, groups, flow, people.loc[frame.index, "site"], described,
        name="PPMI", columns=columns, genotype_files=files,
    )  # fmt: skip


def read_ppmi(root: str | Path, source: str) -> pd.DataFrame:
    """Read the source that is asked for; ``"auto"`` prefers the tables."""
    if source == "auto":
        status = find_table(root, "Participant_Status", required=False)
        source = "curated" if status is None else "tables"
    people = read_people_of_cut(root) if source == "curated" else read_people_of_tables(root)
    if people.empty:
        raise TableError("The tables of PPMI name participants", got="nobody")
    return people
