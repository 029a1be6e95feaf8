"""NACC: the Uniform Data Set of the Alzheimer's Disease Research Centers, one row a visit.

Columns and codes are those of the Researcher's Data Dictionary, Uniform Data Set, version 3
(https://naccdata.org); the genotypes' codes are those of NACC's own derivation of NACCAPOE
(https://github.com/naccdata/nacc-attribute-deriver).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from warnings import warn

import pandas as pd
from sklearn.utils import Bunch

from adestim._support.words import first_names
from adestim.datasets.labelling.diagnoses import NOT_AD
from adestim.datasets.loaders.attach import extract_numbers
from adestim.datasets.loaders.oasis_tables import IMPAIRED, choose_first
from adestim.datasets.loaders.study import Request, Study, assemble_cohort, check_request
from adestim.datasets.tables.cells import fold_codes, take_lasting, translate_codes
from adestim.datasets.tables.read_table import find_table, read_table, settle_duplicates
from adestim.datasets.tables.visit_codes import DAYS_A_MONTH
from adestim.exceptions import DataWarning, InputError, TableError

WHERE = (
    "the quick-access file of the Uniform Data Set, investigator_nacc<release>.csv, naccdata.org"
)
NAMES = ("investigator_nacc*", "investigator_ftldlbd_nacc*")
PATTERN = r"(?i)^(?:sub-)?(?:NACC)?0*(\d+)(?:_.*)?$"
CAUSES = ("primary", "any")
COLUMNS = {
    "subject": "NACCID",
    "visit": "NACCVNUM",
    "year": "VISITYR",
    "month": "VISITMO",
    "day": "VISITDAY",
    "status": "NACCUDSD",
    "alzheimer": "NACCALZD",
    "contribution": "NACCALZP",
    "site": "NACCADC",
    "age": "NACCAGE",
    "sex": "SEX",
    "education": "EDUC",
    "family_history": "NACCFAM",
    "gds": "NACCGDS",
    "apoe": "NACCAPOE",
    "race": "RACE",
    "hispanic": "HISPANIC",
    "mmse": "NACCMMSE",
    "moca": "NACCMOCA",
    "cdr": "CDRGLOB",
    "cdrsb": "CDRSUM",
}
NEEDED = ("subject", "visit", "year", "month", "day", "status")
DATES = ("year", "month", "day")
# 88 and 95 to 98 say why a test was not done; of ages and years of birth they are none.
NOT_DONE = ("88", "95", "96", "97", "98", "99")
SENTINELS = {
    "*": ("-4",),
    "year": ("8888", "9999"),
    "month": ("88", "99"),
    "day": ("88", "99"),
    "age": ("888", "999"),
    "education": ("99",),
    "gds": ("88",),
    "mmse": NOT_DONE,
    "moca": ("88", "99"),
    "family_history": ("9",),
    "apoe": ("9",),
    "race": ("99",),
    "hispanic": ("9",),
}
SEXES = {"1": "M", "2": "F"}
STATES = {"1": "CN", "2": IMPAIRED, "3": "MCI", "4": "demented"}
ANSWERS = {"0": "no", "1": "yes"}
GENOTYPES = {"1": "3/3", "2": "3/4", "3": "2/3", "4": "4/4", "5": "2/4", "6": "2/2"}
RACES = {
    "1": "White",
    "2": "Black or African American",
    "3": "American Indian or Alaska Native",
    "4": "Native Hawaiian or other Pacific Islander",
    "5": "Asian",
    "50": "other",
}
# Codes that another release may add to; an unknown one costs a cell and not the cohort.
WORDS = {"apoe": GENOTYPES, "family_history": ANSWERS, "race": RACES, "hispanic": ANSWERS}
CLINICAL = ("age", "sex", "education", "family_history", "gds")
DIAGNOSTIC = ("mmse", "moca", "cdr", "cdrsb")
BACKGROUND = ("race", "hispanic")
NOTES = {
    "primary": "AD: dementia of which Alzheimer's disease is the primary cause (NACCALZP).",
    "any": "AD: dementia to which Alzheimer's disease is thought to contribute (NACCALZD).",
}


def load_nacc(
    root: str | Path,
    task: str = "nc_ad",
    *,
    cause: str = "primary",
    images: str | Path | pd.DataFrame | None = None,
    genotypes: str | Path | Sequence[str | Path] | None = None,
    window_days: float | None = 183,
    horizon: float = 36,
    history_months: float | None = None,
    require: Sequence[str] = (),
    label_params: Mapping[str, Any] | None = None,
) -> Bunch:
    r"""Load the Uniform Data Set of NACC, the Alzheimer's Disease Research Centers' together.

    Parameters
    ----------
    root : str or Path
        Folder with ``investigator_nacc<release>.csv`` (or ``investigator_ftldlbd_nacc...``), or
        the file.
    task : {"nc_ad", "nc_mci", "cn_mci_ad", "smci_pmci"}, default="nc_ad"
        Diagnosis at baseline: controls and Alzheimer's dementia, controls and mild cognitive
        impairment, or all three; or stable and progressive mild cognitive impairment.
    cause : {"primary", "any"}, default="primary"
        When dementia is ``"AD"``: Alzheimer's disease is its primary cause (``NACCALZP`` 1), or
        is thought to be among its causes at all (``NACCALZD`` 1).
    images : str, Path or DataFrame, default=None
        Folder of images in BIDS or CAPS whose subjects are named by NACCID
        (``sub-NACC000123``); or what :func:`adestim.datasets.index_images` says of one.
    genotypes : str, Path or sequence of these, default=None
        Prefixes of PLINK file sets whose samples are named by NACCID.
    window_days : float or None, default=183
        Largest distance in days between the index visit and an image. None: any.
    horizon : float, default=36
        Months within which progression counts, for ``"smci_pmci"``. Visits are a year apart.
    history_months : float, default=None
        Months of earlier visits: the index visit is the first with a diagnosis that comes at least
        so long after a subject's first visit, and the column ``visits`` has all visits up to it,
        :class:`~adestim.datasets.Visits` for :class:`~adestim.VisitSummary`. None: the index
        visit is the first, and there is no such column.
    require : sequence of str, default=()
        Columns without which a subject is excluded, such as ``["t1w"]``.
    label_params : mapping, default=None
        Further parameters of :func:`adestim.datasets.progression_labels` or
        :func:`adestim.datasets.baseline_labels`.

    Returns
    -------
    Bunch
        As of :func:`adestim.datasets.load_adni`: ``frame`` (index NACCID), ``target``, ``groups``,
        ``site`` (the centre, ``NACCADC``), ``columns``, ``flow``, ``labels``, ``images``,
        ``description``, ``name``. The frame has ``age`` and ``education`` in years, ``sex``,
        ``family_history`` (of cognitive impairment in a parent, sibling or child), ``gds``,
        ``apoe``; the diagnostic ``mmse``, ``moca``, ``cdr``, ``cdrsb``; and ``race`` and
        ``hispanic``, which are in ``columns["background"]``, for reports by group, and which no
        extractor is given.

    Raises
    ------
    TableError
        When the file, a column or a code is not what it should be, or nobody has a label.
    InputError
        When a parameter is out of range, or images are of another study.

    Warns
    -----
    DataWarning
        When a visit has no possible date, rows of one visit differ, or a column is absent.

    See Also
    --------
    load_oasis3 : A centre of NACC, whose forms are the same.
    acknowledgement : What to cite.

    Notes
    -----
    *Diagnosis.* ``NACCUDSD`` 1 is normal, 3 mild cognitive impairment of whatever cause, 4
    dementia. 2, impaired but not MCI, is no class, and dementia of another cause neither; both are
    counted in ``flow``.

    *Codes for missing values* are dropped column by column: -4 everywhere; 88 and 95 to 98 in the
    MMSE, 88 and 99 in the MoCA, 99 in education, 9 in APOE and family history.

    *Index visit.* The first visit; images must lie within ``window_days`` of it.

    References
    ----------
    .. [1] NACC Uniform Data Set, Researcher's Data Dictionary, version 3.0, March 2015.
    .. [2] Beekly et al. (2007), Alzheimer Disease and Associated Disorders 21, 249.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import load_nacc
    >>> names = (
    ...     "NACCID,NACCADC,NACCVNUM,VISITMO,VISITDAY,VISITYR,NACCAGE,SEX,EDUC,RACE,HISPANIC,"
    ...     "NACCFAM,NACCGDS,NACCAPOE,NACCUDSD,NACCALZD,NACCALZP,NACCMMSE,NACCMOCA,CDRGLOB,CDRSUM"
    ... )
    >>> rows = [
    ...     "NACC000001,100,1,3,14,2012,71,2,16,1,0,1,2,2,1,8,8,29,-4,0,0",
    ...     "NACC000002,101,1,5,2,2012,78,1,99,2,0,9,88,9,4,1,1,95,-4,1,5",
    ... ]
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "investigator_nacc99.csv").write_text("\n".join([names, *rows]))
    ...     cohort = load_nacc(folder)
    >>> cohort.frame[["age", "sex", "education", "apoe", "mmse"]]
                 age sex  education apoe  mmse
    subject
    NACC000001  71.0   F       16.0  3/4  29.0
    NACC000002  78.0   M        NaN  NaN   NaN
    >>> list(cohort.target)
    ['CN', 'AD']
    """
    request = Request(
        task, images, genotypes, window_days, horizon, require, "keep", label_params or {},
        history=history_months,
    )  # fmt: skip
    check_request(request)
    if cause not in CAUSES:
        raise InputError(
            f"The 'cause' parameter must be one of {', '.join(map(repr, CAUSES))}",
            got=f"{cause!r} instead",
        )
    return assemble_cohort(read_nacc(root, cause), request)


def read_nacc(root: str | Path, cause: str) -> Study:
    """Read the file as people and visits."""
    path = find_nacc_file(root)
    rows = read_nacc_rows(path)
    rows = rows.assign(
        date=join_dates(rows, path.name), diagnosis=diagnose_nacc(rows, cause, path.name)
    )
    visits = time_visits(rows)
    people = build_nacc_people(rows, path.name)
    kept = ["number", "subject", "months", "day", "date", "diagnosis", "age", "gds", *DIAGNOSTIC]
    return Study(
        "NACC", people, visits[kept], PATTERN, CLINICAL, DIAGNOSTIC, notes=(NOTES[cause],),
        background=BACKGROUND,
    )  # fmt: skip


def find_nacc_file(root: str | Path) -> Path:
    """Return the file of the Uniform Data Set, whatever its name where it is named itself."""
    path = Path(root).expanduser()
    if path.is_file():
        return path
    found = find_table(path, NAMES[0], NAMES[1:], where=WHERE)
    assert found is not None
    return found


def read_nacc_rows(path: Path) -> pd.DataFrame:
    """Return one row a visit, codes for missing values as missing."""
    numeric = [*DATES, "age", "education", "gds", *DIAGNOSTIC]
    rest = [name for name in COLUMNS if name not in NEEDED]
    rows = read_table(
        path, COLUMNS, ids=["subject", "visit"], numeric=numeric, sentinels=SENTINELS,
        required=NEEDED, expected=rest, unreadable="missing",
    )  # fmt: skip
    rows = rows[rows["subject"].notna()]
    rows = rows.assign(number=extract_numbers(rows["subject"], PATTERN))
    strange = rows["number"].isna()
    if strange.any():
        raise TableError(
            f"Identifiers of {path.name!r} are NACC followed by digits",
            got=f"others in {int(strange.sum())} rows",
            remedy="Check that the file is NACC's",
        )
    return settle_duplicates(rows, ["subject", "visit"], "last", path.name)


def join_dates(rows: pd.DataFrame, source: str) -> pd.Series:
    """Return the dates of visits; one that cannot be is missing, with a warning."""
    dates = pd.to_datetime(rows[list(DATES)], errors="coerce")
    if dates.isna().any():
        whom = first_names(rows.loc[dates.isna(), "subject"].unique())
        warn(
            f"{int(dates.isna().sum())} visits of {source!r} have no possible date in "
            f"VISITYR, VISITMO and VISITDAY, and are left out: {whom}.",
            DataWarning,
            stacklevel=3,
        )
    return dates


def diagnose_nacc(rows: pd.DataFrame, cause: str, source: str) -> pd.Series:
    """Return diagnoses by NACCUDSD, and of dementia by its cause."""
    column = "contribution" if cause == "primary" else "alzheimer"
    if rows[column].isna().all():
        raise TableError(
            f"{source!r} says of dementia whether it is due to Alzheimer's disease",
            got=f"no cell in {COLUMNS[column]!r}",
            remedy="Request the column, or choose the other 'cause'",
        )
    states = translate_codes(rows["status"], STATES, "NACCUDSD", source)
    causes = fold_codes(rows[column])
    demented = states.eq("demented")
    conditions = {name: states.eq(name) for name in ("CN", "MCI", IMPAIRED)}
    conditions["AD"] = demented & causes.eq("1")
    # Dementia whose cause nobody recorded is no diagnosis, neither of one kind nor the other.
    conditions[NOT_AD] = demented & causes.notna()
    return choose_first({name: held.fillna(False) for name, held in conditions.items()})


def time_visits(rows: pd.DataFrame) -> pd.DataFrame:
    """Add days and months since each one's first visit; visits without a date are left out."""
    dated = rows[rows["date"].notna()]
    first = dated.groupby("subject")["date"].transform("min")
    days = (dated["date"] - first).dt.days.astype("float64")
    visits = dated.assign(day=days, months=days / DAYS_A_MONTH)
    return visits.sort_values(["subject", "day"], kind="stable").reset_index(drop=True)


def build_nacc_people(rows: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return what does not change in a person, by NACCID."""
    worded = rows.assign(
        sex=translate_codes(rows["sex"], SEXES, "SEX", source),
        **{name: word_codes(rows[name], codes, source) for name, codes in WORDS.items()},
    )
    lasting = ("site", "sex", "education", *WORDS)
    people = pd.DataFrame(index=pd.Index(sorted(rows["subject"].unique()), name="subject"))
    known = {name: take_lasting(worded, name, source).reindex(people.index) for name in lasting}
    number = rows.groupby("subject")["number"].first()
    origin = rows.groupby("subject")["date"].min()
    return people.assign(**known, number=number, person=people.index, origin=origin)


def word_codes(cells: pd.Series, codes: Mapping[str, str], source: str) -> pd.Series:
    """Return words for codes; another code is missing, with a warning."""
    words = fold_codes(cells).map(codes).astype("str")
    strange = cells.notna() & words.isna()
    if strange.any():
        warn(
            f"Column {COLUMNS[str(cells.name)]!r} of {source!r} has codes that version 3 of the "
            f"Researcher's Data Dictionary does not name in {int(strange.sum())} rows, which count "
            "as missing.",
            DataWarning,
            stacklevel=4,
        )
    return words
