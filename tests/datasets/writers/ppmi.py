"""The tables of PPMI, and the curated data cut."""

import numpy as np
import pandas as pd

from adestim.datasets.loaders.ppmi_tables import GDS_NO, GDS_YES
from adestim.datasets.simulation.tables import draw_tables

STAMP = "24Jul2023"
ARMS = {"CN": ("2", "Healthy Control"), "PD": ("1", "Parkinson's Disease"),
        "SWEDD": ("3", "SWEDD"), "Prodromal": ("4", "Prodromal")}  # fmt: skip
SCORES = ["moca", "updrs1", "updrs2", "updrs3", "hoehn_yahr", "ledd", "datscan_putamen"]
RECORDED = ["age", "sex", "education", "gds", "upsit", "apoe", *SCORES]
# Participants have four to six digits.
FIRST = (3000, 40533, 102345)


def make_participants(n_people=10, seed=0, missing=None):
    """Return tables drawn of the simulator, a frame by PATNO as the loader has it, the target."""
    tables = draw_tables(n_people, "nc_pd", missing, seed)
    order = np.arange(n_people)
    names = [str(FIRST[place % 3] + place) for place in order]
    index = pd.Index(names, name="subject", dtype="str")
    target = pd.Series(list(tables.target()), index=index, name="diagnosis")
    frame = tables.clinical.set_axis(index)
    ill = (target == "PD").astype(float)
    frame = frame.assign(
        upsit=34 - 10 * ill, updrs1=4 + ill + order % 3, updrs2=6 * ill, ledd=0.0,
        datscan_putamen=2.1 - 1.2 * ill, site=[f"{place % 4 + 10}" for place in order],
        date=pd.Timestamp(2012, 3, 1),
    )  # fmt: skip
    return tables, frame[[*RECORDED, "site", "date"]], target


def text(values, code=""):
    """Return numbers as text without needless decimals, a code where there is none."""
    return pd.Series(values).map("{:g}".format, na_action="ignore").astype("str").fillna(code)


def answers(score):
    """Return answers to the short Geriatric Depression Scale that add up to a score."""
    items = [*GDS_NO, *GDS_YES]
    points = [[float(place < total) for place in range(len(items))] for total in score]
    table = pd.DataFrame(points, columns=items, index=score.index).mask(score.isna())
    table[list(GDS_NO)] = 1 - table[list(GDS_NO)]
    return table.apply(text)


def write_ppmi(frame, target, root, *, stamp=STAMP, forms=None, **status):
    """Write the tables that tell of a cohort, with later and treated visits besides.

    ``status`` replaces columns of the participant status, ``forms`` names those to write.
    """
    root.mkdir(parents=True, exist_ok=True)
    month = frame["date"].dt.strftime("%m/%Y")
    arms = target.map(ARMS)
    tables = {
        "Participant_Status": participant_status(frame, arms, month, status),
        "Demographics": form(frame, "TRANS", month, SEX=frame["sex"].map({"F": "0", "M": "1"})),
        "Age_at_visit": form(frame, "BL", month, AGE_AT_VISIT=text(frame["age"])),
        "Socio-Economics": form(frame, "SC", month, EDUCYRS=text(frame["education"])),
        "Geriatric_Depression_Scale__Short_Version_": form(
            frame, "BL", month, **answers(frame["gds"])
        ),
        "University_of_Pennsylvania_Smell_Identification_Test": form(
            frame, "BL", month, TOTAL_CORRECT=text(frame["upsit"])
        ),
        "Montreal_Cognitive_Assessment__MoCA_": form(
            frame, "SC", month, MCATOT=text(frame["moca"])
        ),
        "iu_genetic_consensus": pd.DataFrame(
            {"PATNO": frame.index, "APOE": "E" + frame["apoe"].str.replace("/", "/E")}
        ),
        "Center-Subject_List": pd.DataFrame({"PATNO": frame.index, "CNO": frame["site"]}),
        "DaTScan_SBR_Analysis": form(
            frame, "SC", month, DATSCAN_PUTAMEN_R=text(frame["datscan_putamen"] + 0.1),
            DATSCAN_PUTAMEN_L=text(frame["datscan_putamen"] - 0.1),
        ),
        "LEDD_Concomitant_Medication_Log": later_drugs(frame, target),
        **motor_tables(frame, month),
    }  # fmt: skip
    for name, table in tables.items():
        if forms is None or name in forms:
            table.to_csv(root / f"{name}_{stamp}.csv", index=False, quoting=1)


def participant_status(frame, arms, month, status):
    """Return one row a participant."""
    columns = {
        "PATNO": frame.index, "COHORT": arms.str[0], "COHORT_DEFINITION": arms.str[1],
        "ENROLL_DATE": month, "ENROLL_STATUS": np.resize(["Enrolled", "Withdrew", "Complete"],
                                                         len(frame)),
        "ENROLL_AGE": text(frame["age"] - 0.2), "ENRLLRRK2": "0", "ENRLGBA": "",
    }  # fmt: skip
    return pd.DataFrame({**columns, **status})


def form(frame, event, month, **columns):
    """Return a form of one visit."""
    keys = {"PATNO": frame.index, "EVENT_ID": event, "INFODT": month}
    return pd.DataFrame({**keys, **columns})


def motor_tables(frame, month):
    """Return the parts of the UPDRS: at baseline, then treated, a year later worse."""
    names = {
        "MDS-UPDRS_Part_I": {"NP1RTOT": text(frame["updrs1"] - 3)},
        "MDS-UPDRS_Part_I_Patient_Questionnaire": {"NP1PTOT": text(frame["updrs1"] * 0 + 3)},
        "MDS_UPDRS_Part_II__Patient_Questionnaire": {"NP2PTOT": text(frame["updrs2"])},
        "MDS-UPDRS_Part_III": {
            "PDSTATE": "OFF", "NP3TOT": text(frame["updrs3"]), "NHY": text(frame["hoehn_yahr"]),
        },
    }  # fmt: skip
    tables = {}
    for name, columns in names.items():
        first = form(frame, "BL", month, **columns)
        later = form(frame, "V04", "03/2013", **dict.fromkeys(columns, "77"))
        treated = first.assign(**{**dict.fromkeys(columns, "55"), "PDSTATE": "ON"})
        on = [treated] if "PDSTATE" in columns else []
        tables[name] = pd.concat([later, *on, first])
    return tables


def later_drugs(frame, target):
    """Return a log of medication that began after the baseline, in patients."""
    patients = frame.index[target == "PD"]
    return pd.DataFrame(
        {"PATNO": patients, "LEDTRT": "LEVODOPA", "STARTDT": "06/2013", "STOPDT": "", "LEDD": "300"}
    )


def write_curated(frame, target, root, *, suffix=".csv", words=False, **columns):
    """Write a curated data cut, as a workbook of three sheets or as one of them."""
    root.mkdir(parents=True, exist_ok=True)
    arms = target.map(ARMS)
    first = pd.DataFrame(
        {
            "PATNO": frame.index, "SITE": frame["site"],
            "COHORT": arms.str[1] if words else arms.str[0],
            "subgroup": target.map({"PD": "Sporadic PD"}).fillna("Healthy Control"),
            "EVENT_ID": "BL", "YEAR": "0", "visit_date": frame["date"].dt.strftime("%m/%Y"),
            "age_at_visit": text(frame["age"], "."),
            "SEX": frame["sex"].map({"F": "0", "M": "1"}).fillna("."),
            "EDUCYRS": text(frame["education"], "."), "APOE": "E" + frame["apoe"].str.replace(
                "/", "/E"), "hy": text(frame["hoehn_yahr"], "."), "LEDD": text(frame["ledd"], "."),
            "mean_putamen": text(frame["datscan_putamen"], "."), "rem": "4",
            **{name: text(frame[name], ".") for name in ("gds", "upsit", "moca")},
            **{f"updrs{part}_score": text(frame[f"updrs{part}"], ".") for part in (1, 2, 3)},
            **columns,
        }
    )  # fmt: skip
    later = first.assign(EVENT_ID="V04", YEAR="1", age_at_visit="99", updrs3_score="77", moca="3")
    visits = pd.concat([later, first])
    if suffix == ".csv":
        visits.to_csv(root / "PPMI_Curated_Data_Cut_Public_20241211.csv", index=False)
        return
    with pd.ExcelWriter(root / "PPMI_Curated_Data_Cut_Public_20241211.xlsx") as book:
        pd.DataFrame({"Read me": ["PATNO"]}).to_excel(book, sheet_name="README", index=False)
        numbers = visits.assign(PATNO=visits["PATNO"].astype(int))
        numbers.to_excel(book, sheet_name="20241211", index=False)
        pd.DataFrame({"Variable": ["PATNO"]}).to_excel(book, sheet_name="Dictionary", index=False)
