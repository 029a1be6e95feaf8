"""Tables of OASIS-3, as handed out by NITRC-IR since 2024 and by XNAT Central before.

Columns and codes are those of the study's data dictionary (https://sites.wustl.edu/oasisbrains);
forms are those of the Uniform Data Set of the NACC.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from adestim.datasets.labelling.diagnoses import NOT_AD
from adestim.datasets.labelling.matching import match_visits
from adestim.datasets.tables.cells import (
    as_text,
    make_empty_column,
    take_first_known,
    take_lasting,
    translate_codes,
)
from adestim.datasets.tables.columns import Spellings, Wanted
from adestim.datasets.tables.read_table import find_table, read_table, settle_duplicates
from adestim.exceptions import TableError

RULES = ("uds", "dx1", "cdr")
IMPAIRED = "Impaired (not MCI)"
UNCERTAIN = "Uncertain"
OTHER = "Other diagnosis"
# Sub-domains of mild cognitive impairment, as version 1 and 2 of the Uniform Data Set name them.
MCI_FLAGS = (
    "MCIAMEM", "MCIAPLUS", "MCIAPLAN", "MCIAPATT", "MCIAPEX", "MCIAPVIS", "MCINON1", "MCIN1LAN",
    "MCIN1ATT", "MCIN1EX", "MCIN1VIS", "MCINON2", "MCIN2LAN", "MCIN2ATT", "MCIN2EX", "MCIN2VIS",
)  # fmt: skip
STATES = ("NORMCOG", "DEMENTED", "IMPNOMCI")
CAUSES = ("PROBAD", "ALZDIS", "ALZDISIF")
FLAGS = (*STATES, *CAUSES, *MCI_FLAGS)
# Words of the field dx1, the first that fits.
DOUBT = r"uncertain|unc(?:\.|:|\b)|questionable|\bques\b|no dementia|in memory only"
WORDS = (
    ("CN", r"^cognitively normal$"),
    (UNCERTAIN, DOUBT),
    ("AD", r"^(?:ad dem|dat\b|alzheimer)"),
    (NOT_AD, r"dem|dlbd|lewy|vascular|frontotemporal"),
)


WHERE = "OASIS3_data_files of OASIS-3 at NITRC-IR (sites.wustl.edu/oasisbrains)"
# Tables lie deep below the folder of a download.
DEPTH = 6
# Forms of one visit may be dated a few days apart.
SAME_VISIT = 30
DAYS_A_YEAR = 365.25
SEXES = {"1": "M", "2": "F", "m": "M", "f": "F", "male": "M", "female": "F"}
PARENTS = ("MOMDEM", "DADDEM", "MOMNEUR", "DADNEUR")
# Codes for a missing value, by column: 8, 9 and 88 are also scores, sums, years and days.
UNKNOWN = ("888", "999", "9999", "-4")
FORM_CODES = ("8", "9", "88", "99", *UNKNOWN)
SENTINELS = {
    "age": UNKNOWN,
    "age_at_entry": UNKNOWN,
    "cdr": FORM_CODES,
    "cdrsb": ("88", "99", *UNKNOWN),
    "mmse": ("88", "95", "96", "97", "98", "99", *UNKNOWN),
    "gds": ("88", "99", *UNKNOWN),
    "education": ("88", "99", *UNKNOWN),
    "sex": FORM_CODES,
    "apoe": FORM_CODES,
    **dict.fromkeys((*FLAGS, *PARENTS), FORM_CODES),
}
KEYS = {
    "subject": ("OASISID", "Subject", "subject_id"),
    "label": ("OASIS_session_label", "ADRC_ADRCCLINICALDATA ID", "label"),
    "day": "days_to_visit",
}
CLINICAL = {
    **KEYS,
    "age": ("age at visit", "ageAtVisit"),
    "age_at_entry": ("AgeatEntry", "ageAtEntry"),
    "mmse": "MMSE",
    "cdr": ("CDRTOT", "cdr"),
    "cdrsb": ("CDRSUM", "sumbox"),
    "dx1": "dx1",
    "apoe": "APOE",
}
PEOPLE = {
    "subject": KEYS["subject"],
    "age_at_entry": ("AgeatEntry", "ageAtEntry"),
    "sex": ("GENDER", "M/F", "Sex"),
    "education": ("EDUC", "Education"),
    "apoe": "APOE",
}
SCANNER = {
    **KEYS,
    "maker": "Manufacturer",
    "model": ("ManufacturersModelName", "ManufacturerModelName"),
    "tesla": "MagneticFieldStrength",
}


def diagnose_by_forms(flags: pd.DataFrame, cdr: pd.Series) -> pd.Series:
    """Return diagnoses by form D1 and the global CDR."""
    yes = flags.eq(1)
    mci = yes[list(MCI_FLAGS)].any(axis=1)
    # PROBAD ends with version 2 of the form; version 3 has a disease and whether it is primary.
    alzheimer = yes["PROBAD"] | (yes["ALZDIS"] & yes["ALZDISIF"])
    states = {"CN": yes["NORMCOG"], "MCI": mci, IMPAIRED: yes["IMPNOMCI"], "AD": yes["DEMENTED"]}
    single = sum(state.astype(int) for state in states.values()) == 1
    conditions = {
        "CN": states["CN"] & cdr.eq(0),
        "MCI": states["MCI"],
        IMPAIRED: states[IMPAIRED],
        NOT_AD: states["AD"] & ~alzheimer,
        "AD": states["AD"] & alzheimer & cdr.ge(0.5),
    }
    return choose_first({name: single & condition for name, condition in conditions.items()})


def diagnose_by_words(words: pd.Series, cdr: pd.Series) -> pd.Series:
    """Return diagnoses by the text of ``dx1`` and the global CDR; there is no word for MCI."""
    text = words.fillna("").str.strip().str.casefold()
    conditions = {name: text.str.contains(pattern) for name, pattern in WORDS}
    labels = choose_first({**conditions, OTHER: text.ne("")})
    contradicted = (labels.eq("CN") & ~cdr.eq(0)) | (labels.eq("AD") & ~cdr.ge(0.5))
    return labels.mask(contradicted)


def diagnose_by_cdr(cdr: pd.Series) -> pd.Series:
    """Return 0 as normal, 0.5 as mild impairment, more as dementia of whatever cause."""
    return choose_first({"CN": cdr.eq(0), "MCI": cdr.eq(0.5), "AD": cdr.ge(1)})


def choose_first(conditions: dict[str, pd.Series]) -> pd.Series:
    """Return the name of the first condition that holds; missing where none does."""
    first = next(iter(conditions.values()))
    cells = [condition.to_numpy(bool) for condition in conditions.values()]
    names = np.select(cells, np.array(list(conditions), dtype=object), default=None)
    return as_text(pd.Series(names, index=first.index, dtype=object))


def list_form_names(form: str) -> list[str]:
    """Return the names of a form's table; some are handed out as USD for UDS."""
    return [f"{start}{form}*" for start in ("OASIS3_UDS", "OASIS3_USD", "*UDS", "*USD")]


def read_oasis_form(
    root: str | Path,
    names: Sequence[str],
    columns: Spellings,
    *,
    numeric: Sequence[str] = (),
    required: Collection[str] = (),
    expected: Wanted = (),
    missing_ok: bool = True,
) -> pd.DataFrame | None:
    """Read a table by visits, with the day of each; None if it is not there."""
    path = find_table(root, names[0], names[1:], where=WHERE, depth=DEPTH, required=not missing_ok)
    if path is None:
        return None
    table = read_table(
        path, columns, ids=["subject"], numeric=["day", *numeric], sentinels=SENTINELS,
        required=["subject", *required], expected=expected, unreadable="missing",
    )  # fmt: skip
    table = table[table["subject"].notna()].assign(day=read_days(table))
    return settle_duplicates(table.drop(columns="label"), ["subject", "day"], "last", path.name)


def read_days(table: pd.DataFrame) -> pd.Series:
    """Return days since entry, from their column or else from the session's label."""
    labelled = table["label"].str.extract(r"_d(\d+)$", expand=False)
    return pd.to_numeric(labelled).astype("float64").fillna(table["day"])


def read_clinical(root: str | Path) -> pd.DataFrame:
    """Return one row a clinical visit: form B4, or the older table of clinical data."""
    names = [*list_form_names("b4"), "*ADRC*Clinical*", "*clinical*data*"]
    numbers = ["age", "age_at_entry", "mmse", "cdr", "cdrsb"]
    table = read_oasis_form(
        root, names, CLINICAL, numeric=numbers, required=["cdr"], expected=["mmse", "cdrsb", "dx1"],
        missing_ok=False,
    )  # fmt: skip
    if table["day"].isna().all():
        raise TableError(
            "Clinical visits of OASIS-3 have a day, in 'days_to_visit' or in their label",
            got="none in any row",
        )
    return table


def read_flags(root: str | Path) -> pd.DataFrame:
    """Return form D1: one row a visit, flags as numbers."""
    try:
        flags = read_oasis_form(
            root, list_form_names("d1"), {**KEYS, **{flag: flag for flag in FLAGS}}, numeric=FLAGS,
            required=STATES[:2], missing_ok=False,
        )  # fmt: skip
    except TableError as failure:
        raise TableError(
            failure.rule, failure.got, "Download form D1, or choose rule='dx1' or rule='cdr'"
        ) from None
    if flags[list(CAUSES)].isna().all(axis=None) and flags["DEMENTED"].eq(1).any():
        raise TableError(
            "Form D1 says of dementia whether it is due to Alzheimer's disease",
            got="no cell in 'PROBAD', 'alzdis' and 'alzdisif'",
        )
    return flags


def match_form(
    visits: pd.DataFrame, table: pd.DataFrame | None, names: Sequence[str]
) -> pd.DataFrame:
    """Return columns of another form of the same visit, indexed as the visits."""
    if table is None:
        return pd.DataFrame({name: np.full(len(visits), np.nan) for name in names}, visits.index)
    keys = visits[["subject", "day"]]
    columns = table[["subject", "day", *names]].dropna(subset=["day"])
    matched = match_visits(keys, columns, image_time="day", visit_time="day", window=SAME_VISIT)
    return matched[list(names)]


def read_oasis_people(root: str | Path, visits: pd.DataFrame) -> pd.DataFrame:
    """Return sex, education, APOE, parents with dementia and age at entry by subject."""
    names = ["OASIS3_demographics", "*demographics*", "*subjects*"]
    path = find_table(root, names[0], names[1:], where=WHERE, depth=DEPTH, required=False)
    source = "demographics" if path is None else path.name
    table = read_table(
        visits[["subject", "age_at_entry", "apoe"]].astype("str") if path is None else path,
        PEOPLE, ids=["subject"], numeric=["age_at_entry", "education"], sentinels=SENTINELS,
        required=["subject"], expected=[] if path is None else ["sex", "education"],
    )  # fmt: skip
    table = table.assign(
        sex=translate_codes(table["sex"], SEXES, "GENDER", source),
        apoe=table["apoe"].str.replace(r"\.0+$", "", regex=True),
    )
    everybody = pd.concat([table["subject"], visits["subject"]]).dropna().unique()
    people = pd.DataFrame(index=pd.Index(everybody, name="subject", dtype="str"))
    known = {
        name: take_lasting(table, name, source)
        for name in ("sex", "education", "apoe", "age_at_entry")
    }
    for name in ("apoe", "age_at_entry"):
        known[name] = known[name].combine_first(take_first_known(visits, name))
    known["family_history"] = read_parents(root)
    return people.assign(**{name: cells.reindex(people.index) for name, cells in known.items()})


def read_parents(root: str | Path) -> pd.Series:
    """Return by subject whether form A3 knows of a demented parent."""
    columns = {**KEYS, **{parent: parent for parent in PARENTS}}
    table = read_oasis_form(
        root, list_form_names("a3"), columns, numeric=PARENTS, expected=[PARENTS]
    )
    if table is None:
        return make_empty_column(0)
    parents, subjects = table[list(PARENTS)], table["subject"]
    known = parents.isin([0, 1]).any(axis=1).groupby(subjects).any()
    yes = parents.eq(1).any(axis=1).groupby(subjects).any()
    return yes.map({True: "yes", False: "no"}).where(known).astype("str")


def read_scanners(root: str | Path) -> pd.DataFrame | None:
    """Return maker, model and field strength of each session's scanner; None if unknown."""
    path = find_table(root, "OASIS3_MR_json", ["*MR_json*"], depth=DEPTH, required=False)
    if path is None:
        return None
    table = read_table(
        path, SCANNER, ids=["subject"], numeric=["day", "tesla"], required=["subject", "label"],
        expected=["maker", "model", "tesla"], unreadable="missing",
    )  # fmt: skip
    tesla = table["tesla"].map("{:.1f} T".format, na_action="ignore")
    parts = pd.DataFrame({"maker": table["maker"], "model": table["model"], "tesla": tesla})
    words = parts.apply(lambda row: " ".join(row.dropna()), axis=1).astype("str")
    table = table.assign(day=read_days(table), scanner=words.mask(words.eq("")))
    return table.groupby(["subject", "day"], as_index=False)["scanner"].first()
