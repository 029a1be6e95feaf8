"""Made-up people with several visits, to be written in a study's format."""

import numpy as np
import pandas as pd

from adestim.datasets.simulation.tables import draw_tables

HISTORIES = {
    "CN": {0: "CN", 12: "CN", 24: "CN"},
    "MCI": {0: "MCI", 12: "MCI", 24: "MCI"},
    "AD": {0: "AD", 12: "AD"},
    "sMCI": {0: "MCI", 12: "MCI", 24: "MCI", 36: "MCI"},
    "pMCI": {0: "MCI", 12: "MCI", 24: "AD"},
}
SCORES = ["mmse", "cdrsb", "adas13", "faq", "moca", "gds"]
PHASES = ["ADNI1", "ADNIGO", "ADNI2", "ADNI3", "ADNI4"]
STARTS = {"ADNI1": 2006, "ADNIGO": 2010, "ADNI2": 2012, "ADNI3": 2018, "ADNI4": 2023}


def make_people(n_people=10, task="nc_ad", seed=0, missing=None):
    """Return tables drawn of the simulator, a frame by PTID as a loader has it, and the target."""
    tables = draw_tables(n_people, task, missing, seed)
    frame = tables.clinical.drop(columns=["family_history", "memory_complaint", "phase"])
    order = np.arange(n_people)
    frame["phase"] = np.array(PHASES)[order % 5]
    # Roster numbers have five digits since ADNI4; one of ADNI1 has two.
    numbers = np.where(frame["phase"] == "ADNI4", 10001, np.where(order == 0, 31, 2001)) + order
    frame["site"] = [f"{place % 7 + 2:03d}" for place in order]
    names = [f"{site}_S_{number:04d}" for site, number in zip(frame["site"], numbers, strict=True)]
    frame.index = pd.Index(names, name="subject", dtype="str")
    years = frame["phase"].map(STARTS)
    frame["date"] = pd.to_datetime({"year": years, "month": 1, "day": 1}) + pd.to_timedelta(
        order * 7, unit="D"
    )
    frame[SCORES] = frame[SCORES].abs()
    return tables, frame, pd.Series(list(tables.target()), index=frame.index, name="diagnosis")


def longitudinal(frame, target):
    """Return one row a person and visit; only the first has the frame's scores."""
    rows = []
    for subject, person in frame.iterrows():
        for month, diagnosis in HISTORIES[target[subject]].items():
            days = round(month * 365.25 / 12)
            rows.append(
                {
                    **person.to_dict(),
                    **{score: person[score] + (month > 0) for score in SCORES},
                    "subject": subject,
                    "rid": str(int(subject.rsplit("_", 1)[1])),
                    "month": month,
                    "diagnosis": diagnosis,
                    "date": person["date"] + pd.Timedelta(days=days),
                    "baseline": person["date"],
                }
            )
    return pd.DataFrame(rows)
