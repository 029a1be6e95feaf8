"""The tables of OASIS-3, as NITRC-IR and as XNAT Central handed them out, and its sessions."""

import json

import numpy as np
import pandas as pd

from adestim.datasets.loaders.oasis_tables import FLAGS, MCI_FLAGS
from adestim.datasets.simulation.tables import draw_tables
from tests.datasets.writers.bids import tiny_image, write
from tests.datasets.writers.people import HISTORIES

CDR = {"CN": 0.0, "MCI": 0.5, "AD": 1.0}
WORDS = {"CN": "Cognitively normal", "MCI": "uncertain dementia", "AD": "AD Dementia"}
RECORDED = ["age", "sex", "education", "family_history", "gds", "apoe", "mmse", "cdr", "cdrsb"]
A_MONTH = 365.25 / 12


def make_participants(n_people=10, task="nc_ad", seed=0, missing=None):
    """Return a frame by subject as the loader has it, and the target."""
    tables = draw_tables(n_people, task, missing, seed)
    names = [f"OAS3{number:04d}" for number in range(1, n_people + 1)]
    index = pd.Index(names, name="subject", dtype="str")
    target = pd.Series(list(tables.target()), index=index, name="diagnosis")
    frame = tables.clinical.set_axis(index)
    first = target.map(lambda label: HISTORIES[label][0])
    return frame.assign(cdr=first.map(CDR), cdrsb=frame["cdrsb"].abs())[RECORDED], target


def longitudinal(frame, target, days):
    """Return one row a visit; ``days`` is that of each one's index visit."""
    rows = []
    for place, (subject, person) in enumerate(frame.iterrows()):
        for month, diagnosis in HISTORIES[target[subject]].items():
            day = days[subject] + round(month * A_MONTH)
            rows.append(
                {
                    **person.to_dict(),
                    "subject": subject,
                    "place": place,
                    "day": day,
                    "age": round(person["age"] + month / 12, 1),
                    "cdr": CDR[diagnosis],
                    "mmse": person["mmse"] - (month > 0),
                    "diagnosis": diagnosis,
                }
            )
    return pd.DataFrame(rows)


def plain(values, code="."):
    """Return numbers as text without needless decimals, a code where there is none."""
    return pd.Series(values).map("{:g}".format, na_action="ignore").astype("str").fillna(code)


def apoe_digits(apoe, places):
    """Return two digits, in either order."""
    low, high = apoe.str[0], apoe.str[2]
    return (low + high).where(places % 2 == 0, high + low).fillna("")


def labels_of(visits, form, shift=0):
    """Return the labels of sessions of a form, and their days."""
    days = (visits["day"] + shift).astype(int)
    return visits["subject"] + f"_{form}_d" + days.map("{:04d}".format), days


def keyed(visits, form, shift=0, **columns):
    """Return a table of the newer kind."""
    label, day = labels_of(visits, form, shift)
    keys = {"OASISID": visits["subject"], "OASIS_session_label": label, "days_to_visit": day}
    return pd.DataFrame({**keys, **columns})


def flags_of(visits):
    """Return the flags of form D1: empty where skip logic left them, causes by version."""
    flags = pd.DataFrame("", index=visits.index, columns=list(FLAGS))
    diagnosis = visits["diagnosis"]
    flags["NORMCOG"] = np.where(diagnosis == "CN", "1", "0")
    flags.loc[diagnosis != "CN", "DEMENTED"] = np.where(
        diagnosis[diagnosis != "CN"] == "AD", "1", "0"
    )
    third = visits["place"] % 2 == 1
    ill = diagnosis == "AD"
    flags.loc[ill & ~third, "PROBAD"] = "1"
    flags.loc[ill & third, ["ALZDIS", "ALZDISIF"]] = "1"
    for row in visits.index[diagnosis == "MCI"]:
        flags.loc[row, MCI_FLAGS[visits.loc[row, "place"] % len(MCI_FLAGS)]] = "1"
    return flags.rename(columns={"ALZDIS": "alzdis", "ALZDISIF": "alzdisif"})


def write_oasis3(frame, target, root, *, generation="new", days=None, typos=True):
    """Write the tables that tell of a cohort.

    ``days`` by subject: of the index visit, since entry.
    """
    days = pd.Series(0, index=frame.index) if days is None else days
    visits = longitudinal(frame, target, days)
    (write_old if generation == "old" else write_new)(frame, visits, days, root, typos)


def write_new(frame, visits, days, root, typos):
    """Write the tables of NITRC-IR, each deep in a folder of its own."""
    places = pd.Series(range(len(frame)), index=frame.index)
    entry = (frame["age"] - days / 365.25).round(4)
    demographics = pd.DataFrame(
        {
            "OASISID": frame.index, "AgeatEntry": plain(entry.to_numpy()).to_numpy(),
            "GENDER": frame["sex"].map({"M": "1", "F": "2"}).fillna("").to_numpy(),
            "EDUC": plain(frame["education"].to_numpy()).to_numpy(), "HAND": "R",
            "APOE": apoe_digits(frame["apoe"], places).to_numpy(), "race": "White",
        }
    )  # fmt: skip
    put(demographics, root, "OASIS3_demographics.csv")
    cdr = keyed(
        visits, "USDb4" if typos else "UDSb4",
        **{"age at visit": plain(visits["age"]), "MMSE": plain(visits["mmse"], "88")},
        memory="0", orient="0", CDRSUM=plain(visits["cdrsb"]), CDRTOT=plain(visits["cdr"]),
        dx1_code="1", dx1=visits["diagnosis"].map(WORDS), dx2=".",
    )  # fmt: skip
    put(cdr, root, "scans/UDSb4-Form_B4/resources/csv/files/OASIS3_UDSb4_cdr.csv")
    # Forms of one visit are not always of one day.
    diagnoses = pd.concat([keyed(visits, "UDSd1", shift=2), flags_of(visits)], axis=1)
    put(diagnoses, root, "scans/UDSd1-Form_D1/resources/csv/files/OASIS3_UDSd1_diagnoses.csv")
    put(keyed(visits, "UDSb6", GDS=plain(visits["gds"], "88")), root, "OASIS3_UDSb6_gds.csv")
    parents = keyed(
        visits, "USDa3", MOMDEM=visits["family_history"].map({"yes": "1", "no": "0"}).fillna("9"),
        DADDEM="9",
    )  # fmt: skip
    name = "USDa3" if typos else "UDSa3"
    put(parents, root, f"scans/{name}-Form_A3/OASIS3_{name}_family_history.csv")


def write_old(frame, visits, days, root, typos):
    """Write the table of XNAT Central, and that of the subjects."""
    entry = frame["age"] - days / 365.25
    label, _ = labels_of(visits, "ClinicalData")
    clinical = pd.DataFrame(
        {
            "ADRC_ADRCCLINICALDATA ID": label, "Subject": visits["subject"],
            "mmse": plain(visits["mmse"]), "ageAtEntry": visits["subject"].map(entry).round(4),
            "commun": "0", "dx1": visits["diagnosis"].map(WORDS), "cdr": plain(visits["cdr"]),
            "apoe": apoe_digits(visits["apoe"], visits["place"]), "sumbox": plain(visits["cdrsb"]),
        }
    )  # fmt: skip
    put(clinical, root, "ADRC Clinical Data.csv")
    subjects = pd.DataFrame(
        {
            "Subject": frame.index, "M/F": frame["sex"].fillna("").to_numpy(),
            "Education": plain(frame["education"].to_numpy()).to_numpy(),
        }
    )  # fmt: skip
    put(subjects, root, "OASIS3_subjects.csv")


def put(table, root, path):
    """Write a table into a folder."""
    write(root / path, table.to_csv(index=False))


def write_sessions(sessions, root, *, with_json=None):
    """Write sessions of images, ``(subject, day, modalities)``, as they are downloaded."""
    rows = []
    for subject, day, modalities in sessions:
        label = f"{subject}_MR_d{day:04d}"
        start = f"sub-{subject}_ses-d{day:04d}"
        if "t1w" in modalities:
            write(root / label / "anat2" / f"{start}_T1w.nii.gz", tiny_image(3))
        if "bold" in modalities:
            run = root / label / "func1" / f"{start}_task-rest_run-01_bold"
            write(run.with_suffix(".nii.gz"), tiny_image(4))
            write(run.with_suffix(".json"), json.dumps({"RepetitionTime": 2.2}))
        rows.append(
            {
                "subject_id": subject, "label": label, "filename": f"{start}_T1w.nii.gz",
                "scan category": "T1w", "RepetitionTime": "2.4", "Manufacturer": "Siemens",
                "ManufacturersModelName": "TrioTim" if day % 2 else "Biograph_mMR",
                "MagneticFieldStrength": "3",
            }
        )  # fmt: skip
    if with_json is not None:
        put(pd.DataFrame(rows), with_json, "OASIS3_MR_json.csv")
