"""Participants of PPMI at baseline, from its tables: their names, columns and codes.

Names and codes are those of the study's data user guide and data dictionary
(https://www.ppmi-info.org).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from warnings import warn

import numpy as np
import pandas as pd

from adestim._support.words import first_names
from adestim.datasets.tables.cells import (
    as_numbers,
    as_text,
    compute_ages,
    make_empty_column,
    take_lasting,
    translate_codes,
)
from adestim.datasets.tables.files import read_cells
from adestim.datasets.tables.read_table import find_table, read_table, settle_duplicates
from adestim.exceptions import DataWarning

WHERE = "study data of PPMI at ida.loni.usc.edu (ppmi-info.org)"
# Screening comes up to two months before the baseline; some tests are only done then.
BASELINE = ("BL", "SC")
KEYS = {
    "subject": "PATNO",
    "event": "EVENT_ID",
    "date": ("INFODT", "visit_date"),
    "state": "PDSTATE",
}
SEXES = {"0": "F", "1": "M"}
ARMS = ("ENRLPINK1", "ENRLPRKN", "ENRLLRRK2", "ENRLSNCA", "ENRLGBA")
# In the short Geriatric Depression Scale five questions score a point for "no".
GDS_NO = ("GDSSATIS", "GDSGSPIR", "GDSHAPPY", "GDSALIVE", "GDSENRGY")
GDS_YES = (
    "GDSDROPD", "GDSEMPTY", "GDSBORED", "GDSAFRAD", "GDSHLPLS", "GDSHOME", "GDSMEMRY", "GDSWRTLS",
    "GDSHOPLS", "GDSBETER",
)  # fmt: skip
PUTAMEN = ("putamen_right", "putamen_left")


STATUS_COLUMNS = {
    "subject": "PATNO",
    "definition": "COHORT_DEFINITION",
    "code": "COHORT",
    "status": "ENROLL_STATUS",
    "enrolled": "ENROLL_DATE",
    "age": "ENROLL_AGE",
    **{arm: arm for arm in ARMS},
}
DEMOGRAPHICS = {**KEYS, "birth": "BIRTHDT", "sex": "SEX"}
LOG = {
    "subject": "PATNO",
    "start": "STARTDT",
    "stop": "STOPDT",
    "dose": "LEDD",
}


COHORTS = {"1": "PD", "2": "CN", "3": "SWEDD", "4": "Prodromal"}
# How the words of COHORT_DEFINITION begin.
DEFINITIONS = {"parkinson": "PD", "healthy": "CN", "swedd": "SWEDD", "prodromal": "Prodromal"}
# Withdrawn and complete participants were enrolled.
ENROLLED = r"(?i)^(?:enrolled|withdr|complete)"


class PPMIForm(NamedTuple):
    """One table: names of the file, its columns, and which of them are numbers."""

    names: tuple[str, ...]
    columns: Mapping[str, str | tuple[str, ...]]
    numeric: tuple[str, ...]
    sentinels: Mapping[str, Sequence[str]] = {}
    lasts: bool = False  # whether what it holds does not change


AGE = PPMIForm(("Age_at_visit",), {"age": "AGE_AT_VISIT"}, ("age",))
EDUCATION = PPMIForm(
    ("Socio-Economics", "Socio?Economics*"), {"education": "EDUCYRS"}, ("education",), lasts=True
)
DEPRESSION = PPMIForm(
    ("Geriatric_Depression_Scale*",), {item: item for item in (*GDS_NO, *GDS_YES)},
    (*GDS_NO, *GDS_YES),
)  # fmt: skip
SMELL = PPMIForm(
    ("University_of_Pennsylvania_Smell*", "*UPSIT*"),
    {"upsit": ("TOTAL_CORRECT", "UPSIT_TOTAL")},
    ("upsit",),
)
COGNITION = PPMIForm(("Montreal_Cognitive_Assessment*", "MoCA"), {"moca": "MCATOT"}, ("moca",))
MOTOR = PPMIForm(
    ("MDS?UPDRS_Part_III",),
    {"updrs3": "NP3TOT", "hoehn_yahr": "NHY"},
    ("updrs3", "hoehn_yahr"),
    {"hoehn_yahr": ("101", "UR"), "updrs3": ("101",)},
)
OTHER_PARTS = (
    PPMIForm(("MDS?UPDRS_Part_I",), {"rated": "NP1RTOT"}, ("rated",)),
    PPMIForm(("MDS?UPDRS_Part_I_Patient*",), {"told": "NP1PTOT"}, ("told",)),
    PPMIForm(
        ("MDS?UPDRS_Part_II_*Patient*", "MDS?UPDRS_Part_II"), {"updrs2": "NP2PTOT"}, ("updrs2",)
    ),
)
TRANSPORTER = PPMIForm(
    ("DaTScan_SBR_Analysis", "DaTScan_Analysis", "*Quant_SBR*"),
    {
        "putamen_right": ("DATSCAN_PUTAMEN_R", "PUTAMEN_R"),
        "putamen_left": ("DATSCAN_PUTAMEN_L", "PUTAMEN_L"),
    },
    PUTAMEN,
)
SITES = PPMIForm(
    ("Center-Subject_List", "Center?Subject*"), {"site": ("CNO", "SITE")}, (), lasts=True
)
GENETICS = PPMIForm(
    ("iu_genetic_consensus", "*genetic_consensus*"), {"apoe": "APOE"}, (), lasts=True
)


def read_ppmi_form(root: str | Path, form: PPMIForm) -> pd.DataFrame | None:
    """Read a table of PPMI; None if it is not there."""
    path = find_table(root, form.names[0], form.names[1:], required=False)
    if path is None:
        return None
    ids = ["subject", *(["site"] if "site" in form.columns else [])]
    table = read_table(
        read_distinct_rows(path), {**KEYS, **form.columns}, ids=ids, dates=["date"],
        numeric=form.numeric, sentinels=form.sentinels, required=["subject"],
        expected=list(form.columns), unreadable="missing",
    )  # fmt: skip
    table.attrs["name"] = path.name
    if not form.lasts:
        warn_of_conflicts(table, list(form.columns), path.name)
    return table


def read_distinct_rows(path: Path) -> pd.DataFrame:
    """Return the cells of a table; rows that are the same in every cell are one."""
    return read_cells(path).drop_duplicates(ignore_index=True)


def warn_of_conflicts(table: pd.DataFrame, names: Sequence[str], source: str) -> None:
    """Warn of baselines with differing values, of which the first counts."""
    event = table["event"].str.upper()
    early = table[event.isna() | event.isin(BASELINE)]
    spread = early.groupby(["subject", "event", "state"], dropna=False)[list(names)].nunique()
    double = spread[spread.gt(1).any(axis=1)]
    if len(double):
        whose = first_names(double.index.get_level_values("subject").unique())
        warn(
            f"{source!r} has differing rows of one baseline visit for {whose}; the first counts.",
            DataWarning,
            stacklevel=3,
        )


def select_baseline(table: pd.DataFrame | None, names: Sequence[str]) -> pd.DataFrame:
    """Return values at baseline, or else at screening, by subject.

    Of several rows of one visit, one off medication comes first. Tables without events
    count as a whole.
    """
    if table is None:
        empty = pd.Index([], name="subject", dtype="str")
        return pd.DataFrame({name: make_empty_column(0).set_axis(empty) for name in names})
    event = table["event"].str.upper()
    known = pd.Series(True, index=table.index) if event.isna().all() else event.isin(BASELINE)
    on = table["state"].str.upper().eq("ON").fillna(False).astype(bool)
    ordered = table.assign(screening=event.eq("SC").fillna(False).astype(bool), on=on)[known]
    ordered = ordered.sort_values(["screening", "on"], kind="stable")
    return ordered.groupby("subject")[list(names)].first()


def read_status(root: str | Path) -> pd.DataFrame:
    """Return one row a participant of ``Participant_Status``."""
    path = find_table(root, "Participant_Status", where=WHERE)
    table = read_table(
        read_distinct_rows(path), STATUS_COLUMNS, ids=["subject"], dates=["enrolled"],
        numeric=["age", *ARMS], required=["subject", "status", "code"], unreadable="missing",
    )  # fmt: skip
    table = table[table["subject"].notna()]
    return settle_duplicates(table, ["subject"], "last", path.name).set_index("subject")


def score_depression(table: pd.DataFrame | None) -> pd.Series:
    """Return the short Geriatric Depression Scale; missing where an answer is.

    Sheikh & Yesavage (1986), Clinical Gerontologist 5, 165.
    """
    items = select_baseline(table, [*GDS_NO, *GDS_YES]).astype("float64")
    points = items.assign(**{item: 1 - items[item] for item in GDS_NO})
    return points.sum(axis=1, min_count=points.shape[1])


def read_dose_at_baseline(root: str | Path, baseline: pd.Series) -> pd.DataFrame:
    """Return levodopa equivalents at baseline.

    Dates are months. What began in the month of the baseline counts as begun after it, and what
    has no start as taken before.
    """
    path = find_table(root, "LEDD_Concomitant_Medication_Log", ["LEDD*Log"], required=False)
    if path is None:
        blank = pd.Series(pd.NA, index=baseline.index)
        return pd.DataFrame({"ledd": blank.astype("Float64").astype("float64"), "medicated": blank})
    log = read_table(
        read_distinct_rows(path), LOG, ids=["subject"], dates=["start", "stop"],
        required=["subject", "start", "dose"], unreadable="missing",
    )  # fmt: skip
    month = log["subject"].map(baseline)
    before = (log["start"] < month) | (log["start"].isna() & month.notna())
    taken = log[before & ~(log["stop"] < month)]
    doses = as_numbers(taken["dose"], f"column 'LEDD' of {path.name!r}")
    doses = doses.groupby(taken["subject"])
    total = doses.sum().where(doses.count() == doses.size())
    dated = baseline.notna()
    medicated = pd.Series(baseline.index.isin(taken["subject"]), index=baseline.index)
    ledd = total.reindex(baseline.index).where(medicated, 0.0).where(dated)
    return pd.DataFrame({"ledd": ledd, "medicated": medicated.astype(object).where(dated)})


def find_arm(definition: pd.Series, code: pd.Series) -> pd.Series:
    """Return the arm of the study: by its definition's words, by its code where there are none."""
    words = definition.str.strip().str.casefold()
    named = definition.str.strip()
    for start, label in DEFINITIONS.items():
        named = named.mask(words.str.startswith(start).fillna(False).astype(bool), label)
    plain = code.str.strip().str.replace(r"\.0+$", "", regex=True)
    coded = as_text(plain.map(COHORTS)).fillna(as_text(code.map(parse_arm)))
    return named.fillna(coded).fillna("code " + plain)


def parse_arm(code: object) -> object:
    """Return the arm whose words stand where a code is due, as in some data cuts."""
    text = str(code).strip().casefold()
    return next((arm for start, arm in DEFINITIONS.items() if text.startswith(start)), np.nan)


def read_people_of_tables(root: str | Path) -> pd.DataFrame:
    """Return everybody in ``Participant_Status`` or ``Demographics`` with what baseline says."""
    status, demographics = read_status(root), read_demographics(root)
    forms = {
        form.names[0]: read_ppmi_form(root, form) for form in (AGE, MOTOR, COGNITION, *OTHER_PARTS)
    }
    everybody = status.index.union(demographics["subject"].unique(), sort=False)
    status = status.reindex(everybody)
    people = pd.DataFrame(index=pd.Index(everybody, name="subject", dtype="str"))
    people["cohort"] = find_arm(status["definition"], status["code"])
    people["status"] = status["status"]
    people["enrolled"] = status["status"].str.contains(ENROLLED).fillna(False).astype(bool)
    people["genetic"] = status[list(ARMS)].eq(1).any(axis=1)
    people["date"] = find_baseline_dates([demographics, *forms.values()]).reindex(everybody)
    people["seen"] = people["date"].notna() | everybody.isin(find_subjects_seen(forms))
    people["date"] = people["date"].fillna(status["enrolled"])
    people = people.join(read_lasting_columns(root, demographics))
    people = people.join(read_form_scores(root, forms)).join(
        read_dose_at_baseline(root, people["date"])
    )
    born = compute_ages(people.pop("birth"), people["date"])
    people["age"] = people["age"].fillna(status["age"]).fillna(born).round(1)
    return people


def read_demographics(root: str | Path) -> pd.DataFrame:
    """Read the demographics, sex translated."""
    path = find_table(root, "Demographics", ["Screening___Demographics"], where=WHERE)
    table = read_table(
        read_distinct_rows(path), DEMOGRAPHICS, ids=["subject"], dates=["date", "birth"],
        required=["subject", "sex"], unreadable="missing",
    )  # fmt: skip
    table = table[table["subject"].notna()]
    table = table.assign(sex=translate_codes(table["sex"], SEXES, "SEX", path.name))
    warn_of_conflicts(table, ["date"], path.name)
    table.attrs["name"] = path.name
    return table


def put_baseline_first(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the baseline, then those of the screening, then the others."""
    event = table["event"].str.upper()
    late = event.map({name: place for place, name in enumerate(BASELINE)}).fillna(len(BASELINE))
    return table.iloc[late.argsort(kind="stable")].reset_index(drop=True)


def find_baseline_dates(tables: list[pd.DataFrame | None]) -> pd.Series:
    """Return the month of the baseline visit, or of the screening, by subject."""
    rows = [t[["subject", "event", "state", "date"]] for t in tables if t is not None]
    return select_baseline(pd.concat(rows, ignore_index=True).dropna(subset=["event"]), ["date"])[
        "date"
    ]


def find_subjects_seen(forms: dict[str, pd.DataFrame | None]) -> set[str]:
    """Return who has a form of the baseline or the screening."""
    return {s for table in forms.values() for s in select_baseline(table, ["date"]).index}


def read_lasting_columns(root: str | Path, demographics: pd.DataFrame) -> pd.DataFrame:
    """Return what does not change: sex, birth, education, centre and APOE."""
    columns = {name: take_at_baseline(demographics, name) for name in ("sex", "birth")}
    for name, form in (("education", EDUCATION), ("site", SITES), ("apoe", GENETICS)):
        table = read_ppmi_form(root, form)
        columns[name] = (
            pd.Series(dtype="object") if table is None else take_at_baseline(table, name)
        )
    frame = pd.DataFrame(columns)
    return frame.astype({"education": "float64", "birth": "datetime64[us]"})


def take_at_baseline(table: pd.DataFrame, column: str) -> pd.Series:
    """Return what does not change, of the baseline where it tells; a change is warned of."""
    return take_lasting(put_baseline_first(table), column, table.attrs["name"])


def read_form_scores(root: str | Path, forms: dict[str, pd.DataFrame | None]) -> pd.DataFrame:
    """Return age and scores at baseline by subject."""
    parts = [select_baseline(forms[form.names[0]], form.numeric) for form in
             (AGE, MOTOR, COGNITION, *OTHER_PARTS)]  # fmt: skip
    putamen = select_baseline(read_ppmi_form(root, TRANSPORTER), PUTAMEN).astype("float64")
    table = pd.concat([*parts, select_baseline(read_ppmi_form(root, SMELL), SMELL.numeric)], axis=1)
    table = table.astype("float64")
    return table.assign(
        updrs1=table.pop("rated") + table.pop("told"),
        gds=score_depression(read_ppmi_form(root, DEPRESSION)),
        datscan_putamen=putamen.mean(axis=1, skipna=False),
    )
