"""Tables of PPMI: their names, columns and codes, and the values at baseline.

Names and codes are those of the study's data user guide and data dictionary
(https://www.ppmi-info.org).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from warnings import warn

import pandas as pd

from adestim._support.words import first_names
from adestim.datasets.tables.cells import nothing
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


class Form(NamedTuple):
    """One table: names of the file, its columns, and which of them are numbers."""

    names: tuple[str, ...]
    columns: Mapping[str, str | tuple[str, ...]]
    numeric: tuple[str, ...]
    sentinels: Mapping[str, Sequence[str]] = {}


AGE = Form(("Age_at_visit",), {"age": "AGE_AT_VISIT"}, ("age",))
EDUCATION = Form(("Socio-Economics", "Socio?Economics*"), {"education": "EDUCYRS"}, ("education",))
DEPRESSION = Form(
    ("Geriatric_Depression_Scale*",), {item: item for item in (*GDS_NO, *GDS_YES)},
    (*GDS_NO, *GDS_YES),
)  # fmt: skip
SMELL = Form(
    ("University_of_Pennsylvania_Smell*", "*UPSIT*"),
    {"upsit": ("TOTAL_CORRECT", "UPSIT_TOTAL")},
    ("upsit",),
)
COGNITION = Form(("Montreal_Cognitive_Assessment*", "MoCA"), {"moca": "MCATOT"}, ("moca",))
MOTOR = Form(
    ("MDS?UPDRS_Part_III",),
    {"updrs3": "NP3TOT", "hoehn_yahr": "NHY"},
    ("updrs3", "hoehn_yahr"),
    {"hoehn_yahr": ("101", "UR"), "updrs3": ("101",)},
)
OTHER_PARTS = (
    Form(("MDS?UPDRS_Part_I",), {"rated": "NP1RTOT"}, ("rated",)),
    Form(("MDS?UPDRS_Part_I_Patient*",), {"told": "NP1PTOT"}, ("told",)),
    Form(("MDS?UPDRS_Part_II_*Patient*", "MDS?UPDRS_Part_II"), {"updrs2": "NP2PTOT"}, ("updrs2",)),
)
TRANSPORTER = Form(
    ("DaTScan_SBR_Analysis", "DaTScan_Analysis", "*Quant_SBR*"),
    {
        "putamen_right": ("DATSCAN_PUTAMEN_R", "PUTAMEN_R"),
        "putamen_left": ("DATSCAN_PUTAMEN_L", "PUTAMEN_L"),
    },
    PUTAMEN,
)
SITES = Form(("Center-Subject_List", "Center?Subject*"), {"site": ("CNO", "SITE")}, ())
GENETICS = Form(("iu_genetic_consensus", "*genetic_consensus*"), {"apoe": "APOE"}, ())


def read_form(root: str | Path, form: Form) -> pd.DataFrame | None:
    """Read a table of PPMI; None if it is not there."""
    path = find_table(root, form.names[0], form.names[1:], required=False)
    if path is None:
        return None
    ids = ["subject", *(["site"] if "site" in form.columns else [])]
    table = read_table(
        path, {**KEYS, **form.columns}, ids=ids, dates=["date"], numeric=form.numeric,
        sentinels=form.sentinels, required=["subject"], expected=list(form.columns),
        unreadable="missing",
    )  # fmt: skip
    warn_of_conflicts(table, list(form.columns), path.name)
    return table


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


def at_baseline(table: pd.DataFrame | None, names: Sequence[str]) -> pd.DataFrame:
    """Return values at baseline, or else at screening, by subject.

    Of several rows of one visit, one off medication comes first. Tables without events
    count as a whole.
    """
    if table is None:
        empty = pd.Index([], name="subject", dtype="str")
        return pd.DataFrame({name: nothing(0).set_axis(empty) for name in names})
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
        path, STATUS_COLUMNS, ids=["subject"], dates=["enrolled"], numeric=["age", *ARMS],
        required=["subject", "status", "code"], unreadable="missing",
    )  # fmt: skip
    table = table[table["subject"].notna()]
    return settle_duplicates(table, ["subject"], "last", path.name).set_index("subject")


def depression(table: pd.DataFrame | None) -> pd.Series:
    """Return the short Geriatric Depression Scale; missing where an answer is.

    Sheikh & Yesavage (1986), Clinical Gerontologist 5, 165.
    """
    items = at_baseline(table, [*GDS_NO, *GDS_YES]).astype("float64")
    points = items.assign(**{item: 1 - items[item] for item in GDS_NO})
    return points.sum(axis=1, min_count=points.shape[1])


def dose_at_baseline(root: str | Path, baseline: pd.Series) -> pd.DataFrame:
    """Return levodopa equivalents at baseline.

    Dates are months. What began in the month of the baseline counts as begun after it, and what
    has no start as taken before.
    """
    path = find_table(root, "LEDD_Concomitant_Medication_Log", ["LEDD*Log"], required=False)
    if path is None:
        blank = pd.Series(pd.NA, index=baseline.index)
        return pd.DataFrame({"ledd": blank.astype("Float64").astype("float64"), "medicated": blank})
    log = read_table(
        path, LOG, ids=["subject"], dates=["start", "stop"],
        required=["subject", "start", "dose"], unreadable="missing",
    )  # fmt: skip
    month = log["subject"].map(baseline)
    before = (log["start"] < month) | (log["start"].isna() & month.notna())
    taken = log[before & ~(log["stop"] < month)]
    doses = pd.to_numeric(taken["dose"], errors="coerce").groupby(taken["subject"])
    total = doses.sum().where(doses.count() == doses.size())
    dated = baseline.notna()
    medicated = pd.Series(baseline.index.isin(taken["subject"]), index=baseline.index)
    ledd = total.reindex(baseline.index).where(medicated, 0.0).where(dated)
    return pd.DataFrame({"ledd": ledd, "medicated": medicated.astype(object).where(dated)})
