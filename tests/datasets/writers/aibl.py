"""The tables of AIBL."""

import pandas as pd

from tests.datasets.writers.people import longitudinal

CODES = {"CN": "1", "MCI": "2", "AD": "3"}


def write_aibl(frame, target, root, *, dated=True):
    """Write the tables that tell of a cohort; without dates, only codes tell when visits were."""
    visits = longitudinal(frame, target)
    first = visits[visits["month"] == 0]
    births = "/" + (first["date"].dt.year - first["age"].round()).astype(int).astype("str")
    write(root, "pdxconv", visits, DXCURREN=visits["diagnosis"].map(CODES))
    write(root, "ptdemog", first, PTDOB=births, PTGENDER=first["sex"].map({"M": "1", "F": "2"}))
    write(root, "apoeres", first, APGEN1=first["apoe"].str[2], APGEN2=first["apoe"].str[0])
    dates = {"EXAMDATE": visits["date"].dt.strftime("%m/%d/%Y") if dated else "-4"}
    write(root, "mmse", visits, **dates, MMSCORE=visits["mmse"])
    write(root, "cdr", visits, CDGLOBAL=visits["cdrsb"])


def write(root, name, visits, **columns):
    """Write a table under its dated name."""
    codes = visits["month"].map(lambda month: f"m{month}" if month else "bl")
    keys = pd.DataFrame({"RID": visits["rid"], "SITEID": "2", "VISCODE": codes})
    table = keys.assign(**columns)
    table.to_csv(root / f"aibl_{name}_01-Jun-2018.csv", index=False, na_rep="-4")
