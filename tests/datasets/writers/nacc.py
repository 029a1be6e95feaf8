"""The quick-access file of NACC."""

import numpy as np
import pandas as pd

from tests.datasets.writers import people
from tests.datasets.writers.people import longitudinal

STATUS = {"CN": "1", "MCI": "3", "AD": "4"}
CONTRIBUTION = {"CN": "8", "MCI": "1", "AD": "1"}
GENOTYPES = {"3/3": "1", "3/4": "2", "2/3": "3", "4/4": "4", "2/4": "5", "2/2": "6"}
CDR = {"CN": 0.0, "MCI": 0.5, "AD": 1.0}


def make_participants(n_people=10, task="nc_ad", seed=0, missing=None):
    """Return a frame by NACCID as the loader has it, and the target."""
    _, frame, target = people.make_people(n_people, task, seed, missing)
    names = pd.Index([f"NACC{number:06d}" for number in range(41, 41 + n_people)], name="subject")
    frame, target = frame.set_axis(names), target.set_axis(names)
    frame["cdr"] = target.map(lambda label: CDR[people.HISTORIES[label][0]])
    for name in ("mmse", "moca", "gds"):
        frame[name] = frame[name].round()
    order = np.arange(n_people)
    frame["family_history"] = np.array(["yes", "no"])[order % 2]
    frame["race"] = np.array(["White", "Black or African American", "Asian"])[order % 3]
    frame["hispanic"] = np.array(["no", "yes"])[order % 2]
    return frame, target


def build_rows(frame, target):
    """Return the file's rows: one a visit, codes where nothing is known."""
    spelled = {subject: subject.replace("NACC", "_S_") for subject in frame.index}
    visits = longitudinal(frame.rename(index=spelled), target.rename(index=spelled))
    visits["subject"] = visits["subject"].str.replace("_S_", "NACC")
    yes_no = {"no": "0", "yes": "1"}
    races = {"White": "1", "Black or African American": "2", "Asian": "5"}
    number = visits.groupby("subject").cumcount() + 1
    years = visits["age"] + visits["month"] / 12
    rows = {
        "NACCID": visits["subject"], "NACCADC": visits["site"],
        "PACKET": np.where(number == 1, "I", "F"), "FORMVER": "3", "NACCVNUM": number,
        "VISITMO": visits["date"].dt.month, "VISITDAY": visits["date"].dt.day,
        "VISITYR": visits["date"].dt.year, "NACCAGE": years,
        "SEX": code(visits["sex"], {"M": "1", "F": "2"}, "-4"),
        "EDUC": plain(visits["education"], "99"),
        "HISPANIC": code(visits["hispanic"], yes_no, "9"),
        "RACE": code(visits["race"], races, "99"),
        "NACCFAM": code(visits["family_history"], yes_no, "9"),
        "NACCGDS": plain(visits["gds"], "88"),
        "NACCUDSD": visits["diagnosis"].map(STATUS),
        "NACCALZD": visits["diagnosis"].map(CONTRIBUTION),
        "NACCALZP": visits["diagnosis"].map(CONTRIBUTION),
        "NACCMMSE": plain(visits["mmse"], "95"), "NACCMOCA": plain(visits["moca"], "88"),
        "CDRGLOB": plain(visits["cdr"], "-4"), "CDRSUM": plain(visits["cdrsb"], "-4"),
        "NACCAPOE": code(visits["apoe"], GENOTYPES, "9"),
    }  # fmt: skip
    return pd.DataFrame(rows)


def code(cells, codes, missing):
    """Return codes for words."""
    return cells.map(codes).fillna(missing)


def plain(cells, missing):
    """Return numbers as text, a code where there is none."""
    return cells.map("{!r}".format, na_action="ignore").astype("str").fillna(missing)


def write_nacc(frame, target, root, *, release=71):
    """Write the file that tells of a cohort; return its path."""
    path = root / f"investigator_nacc{release}.csv"
    build_rows(frame, target).to_csv(path, index=False)
    return path
