"""The tables of ADNI in four generations."""

import csv

import numpy as np
import pandas as pd

from adestim.datasets.simulation.genotypes import write_plink
from tests.datasets.writers.people import longitudinal

GENERATIONS = ("tadpole", "2023", "raw-2023", "2025", "adnimerge2")
CODES = {"CN": "1", "MCI": "2", "AD": "3"}
WORDS = {"CN": "CN", "MCI": "MCI", "AD": "Dementia"}
# Order of the export of 2023 to 2025.
ADNIMERGE = [
    "RID", "COLPROT", "ORIGPROT", "PTID", "SITE", "VISCODE", "EXAMDATE", "DX_bl", "AGE",
    "PTGENDER", "PTEDUCAT", "PTETHCAT", "PTRACCAT", "PTMARRY", "APOE4", "FDG", "PIB", "AV45",
    "FBB", "ABETA", "TAU", "PTAU", "CDRSB", "ADAS11", "ADAS13", "ADASQ4", "MMSE",
    "RAVLT_immediate", "RAVLT_learning", "RAVLT_forgetting", "RAVLT_perc_forgetting",
    "LDELTOTAL", "DIGITSCOR", "TRABSCOR", "FAQ", "MOCA", "EcogPtMem", "EcogPtLang",
    "EcogPtVisspat", "EcogPtPlan", "EcogPtOrgan", "EcogPtDivatt", "EcogPtTotal", "EcogSPMem",
    "EcogSPLang", "EcogSPVisspat", "EcogSPPlan", "EcogSPOrgan", "EcogSPDivatt", "EcogSPTotal",
    "FLDSTRENG", "FSVERSION", "IMAGEUID", "Ventricles", "Hippocampus", "WholeBrain",
    "Entorhinal", "Fusiform", "MidTemp", "ICV", "DX", "mPACCdigit", "mPACCtrailsB",
    "EXAMDATE_bl", "CDRSB_bl", "ADAS11_bl", "ADAS13_bl", "ADASQ4_bl", "MMSE_bl",
    "RAVLT_immediate_bl", "RAVLT_learning_bl", "RAVLT_forgetting_bl",
    "RAVLT_perc_forgetting_bl", "LDELTOTAL_BL", "DIGITSCOR_bl", "TRABSCOR_bl", "FAQ_bl",
    "mPACCdigit_bl", "mPACCtrailsB_bl", "FLDSTRENG_bl", "FSVERSION_bl", "IMAGEUID_bl",
    "Ventricles_bl", "Hippocampus_bl", "WholeBrain_bl", "Entorhinal_bl", "Fusiform_bl",
    "MidTemp_bl", "ICV_bl", "MOCA_bl", "EcogPtMem_bl", "EcogPtLang_bl", "EcogPtVisspat_bl",
    "EcogPtPlan_bl", "EcogPtOrgan_bl", "EcogPtDivatt_bl", "EcogPtTotal_bl", "EcogSPMem_bl",
    "EcogSPLang_bl", "EcogSPVisspat_bl", "EcogSPPlan_bl", "EcogSPOrgan_bl", "EcogSPDivatt_bl",
    "EcogSPTotal_bl", "ABETA_bl", "TAU_bl", "PTAU_bl", "FDG_bl", "PIB_bl", "AV45_bl",
    "FBB_bl", "Years_bl", "Month_bl", "Month", "M", "update_stamp",
]  # fmt: skip


def write_adni(frame, target, root, generation="2025", *, quoted=False):
    """Write the tables that tell of a cohort."""
    visits = longitudinal(frame, target)
    if generation in ("tadpole", "2023"):
        write_adnimerge(visits, root, old=generation == "tadpole", quoted=quoted)
    else:
        write_single_tables(visits, root, generation, quoted)


def write_csv(table, root, name, quoted, missing=""):
    """Write a table, every cell quoted or none."""
    root.mkdir(parents=True, exist_ok=True)
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    table.to_csv(root / f"{name}.csv", index=False, quoting=quoting, na_rep=missing)


def write_adnimerge(visits, root, *, old, quoted):
    """Write ADNIMERGE, or its forerunner with NL and changes of the diagnosis."""
    at_baseline = visits.groupby("subject")[["age", "mmse", "diagnosis"]].transform("first")
    diagnosis = visits["diagnosis"].map(WORDS)
    if old:
        changed = (visits["diagnosis"] == "AD") & (at_baseline["diagnosis"] == "MCI")
        diagnosis = diagnosis.replace("CN", "NL").mask(changed, "MCI to Dementia")
    table = pd.DataFrame(dict.fromkeys(ADNIMERGE, ""), index=visits.index)
    filled = {
        "RID": visits["rid"],
        "COLPROT": visits["phase"],
        "ORIGPROT": visits["phase"],
        "PTID": visits["subject"],
        "SITE": visits["site"].astype(int),
        "VISCODE": visits["month"].map(lambda month: f"m{month:02d}" if month else "bl"),
        "EXAMDATE": visits["date"].dt.strftime("%Y-%m-%d"),
        "DX": diagnosis,
        "DX_bl": at_baseline["diagnosis"].replace("MCI", "LMCI"),
        "AGE": at_baseline["age"],
        "PTGENDER": visits["sex"].map({"F": "Female", "M": "Male"}),
        "PTEDUCAT": visits["education"],
        "APOE4": visits["apoe"].str.count("4"),
        "MMSE_bl": at_baseline["mmse"],
        "EXAMDATE_bl": visits["baseline"].dt.strftime("%Y-%m-%d"),
        "ABETA": ">1700",
        "TAU": "<80",
        "PTAU": "21.5",
        **{name: visits[name.lower()] for name in ("MMSE", "CDRSB", "ADAS13", "FAQ", "MOCA")},
    }
    write_csv(table.assign(**filled), root, "ADNIMERGE" if old else "ADNIMERGE_23Dec2025", quoted)


def write_single_tables(visits, root, generation, quoted):
    """Write the forms."""
    old, words = generation == "raw-2023", generation == "adnimerge2"
    ending = "" if old or words else "_23Dec2025"
    first = visits[visits["month"] == 0]

    def write(name, rows, **columns):
        table = keys(rows, name, "COLPROT" if words else "Phase" if old else "PHASE")
        table = table.assign(**columns)
        write_csv(table, root, name + ending, quoted, missing="" if words else "-4")

    write("DXSUM_PDXCONV_ADNIALL" if old else "DXSUM", visits, **diagnoses(visits, old, words))
    sex = {"F": "Female", "M": "Male"} if words else {"F": "2", "M": "1"}
    births = first["date"] - pd.to_timedelta((first["age"] * 365.25).round(), unit="D")
    write(
        "PTDEMOG", first, PTGENDER=first["sex"].map(sex), PTEDUCAT=first["education"],
        PTDOB=births.dt.strftime("%m/%Y"), PTADBEG="9999",
    )  # fmt: skip
    write("APOERES", first, **genotypes(first["apoe"], old))
    write("MMSE", visits, MMSCORE=visits["mmse"])
    write("CDR", visits, **ratings(visits))
    write("ADAS", visits, TOTSCORE="-4", TOTAL13=visits["adas13"])
    write("FAQ", visits, FAQTOTAL=visits["faq"])
    write("MOCA", visits, MOCA=visits["moca"])
    write("GDSCALE", visits, GDTOTAL=visits["gds"])


def keys(visits, form, phase):
    """Return what every form begins with; screening is where phases after the first diagnose."""
    early = visits["phase"] == "ADNI1"
    screened = form in ("MMSE", "CDR", "GDSCALE", "PTDEMOG", "APOERES") or form.startswith("DXSUM")
    zero = np.where(screened & ~early | (form == "MMSE"), "sc", "bl")
    code = np.where(visits["month"] == 0, zero, visits["month"].map("m{:02d}".format))
    untranslated = np.where(visits["phase"] == "ADNI2", "v01", code)
    untranslated = np.where(visits["phase"] == "ADNI4", [f"4_{c}" for c in code], untranslated)
    dates = visits["date"].dt.strftime("%m/%d/%Y" if phase == "Phase" else "%Y-%m-%d")
    return pd.DataFrame(
        {
            phase: visits["phase"],
            "PTID": visits["subject"],
            "RID": visits["rid"],
            "VISCODE": untranslated,
            "VISCODE2": code,
            "EXAMDATE" if form.startswith("DXSUM") else "VISDATE": dates,
            "ID": range(len(visits)),
            "SITEID": "14",
            "USERDATE": visits["date"].dt.strftime("%Y-%m-%d"),
        }
    )


def diagnoses(visits, old, words):
    """Return the columns of the diagnosis, which before October 2024 went by phase."""
    code = visits["diagnosis"].map(WORDS if words else CODES)
    due = pd.Series(np.where(visits["diagnosis"] == "AD", "1", None), index=visits.index)
    if not old:
        return {"DIAGNOSIS": code, "DXDDUE": due}
    before = visits.groupby("subject")["diagnosis"].shift().map(CODES).fillna(code).astype(int)
    change = (before * 10 + code.astype(int)).map(
        {11: "1", 22: "2", 33: "3", 12: "4", 23: "5", 13: "6"}
    )
    middle = visits["phase"].isin(["ADNIGO", "ADNI2"])
    return {
        "DXCURREN": code.where(visits["phase"] == "ADNI1"),
        "DXCHANGE": change.where(middle),
        "DIAGNOSIS": code.where(~middle & (visits["phase"] != "ADNI1")),
        "DXDDUE": due,
    }


def genotypes(apoe, old):
    """Return APOE in one column, or in two with the alleles of every second in the other order."""
    if not old:
        return {"GENOTYPE": apoe}
    swapped = np.arange(len(apoe)) % 2 == 0
    low, high = apoe.str[0], apoe.str[2]
    return {"APGEN1": np.where(swapped, high, low), "APGEN2": np.where(swapped, low, high)}


def ratings(visits):
    """Return the boxes of the Clinical Dementia Rating; their sum is there since ADNI3 only."""
    left, boxes = visits["cdrsb"], {}
    for box in ("CDMEMORY", "CDORIENT", "CDJUDGE", "CDCOMMUN", "CDHOME", "CDCARE"):
        boxes[box] = left.clip(upper=3)
        left = left - boxes[box]
    late = visits["phase"].isin(["ADNI3", "ADNI4"])
    return {**boxes, "CDGLOBAL": "0.5", "CDRSB": visits["cdrsb"].where(late)}


def write_genotypes(tables, frame, root, *, by_phase, early_build="hg18"):
    """Write PLINK file sets; by phase: a build for the first, alleles swapped in others."""
    root.mkdir(parents=True, exist_ok=True)
    people = pd.DataFrame({"female": (frame["sex"] == "F").to_numpy()}, index=frame.index)
    early = (frame["phase"] == "ADNI1").to_numpy()
    sets = {"later": ("hg19", np.ones_like(early), False)}
    if by_phase:
        sets = {"adni1": (early_build, early, False), "later": ("hg19", ~early, True)}
    for name, (build, members, swapped) in sets.items():
        rows = np.flatnonzero(members)
        write_plink(root / name, tables.genotypes, people, rows, build=build, swapped=swapped)
    return [root / name for name in sets]


def write_archive(frame, root, *, days=0):
    """Write images as the archive hands them out, so many days after the first visit."""
    for number, (subject, date) in enumerate(frame["date"].items()):
        time = (date + pd.Timedelta(days=days)).strftime("%Y-%m-%d_10_30_00.0")
        folder = root / "ADNI" / subject / "MP-RAGE" / time / f"I{100000 + number}"
        folder.mkdir(parents=True)
        (folder / f"ADNI_{subject}_MR_MP-RAGE_I{100000 + number}.nii").write_bytes(bytes(400))


def write_bids(frame, root, *, sessions=("M000", "M012"), prefix="ADNI"):
    """Write images, runs and confounds as Clinica names people and sessions."""
    for subject in frame.index:
        label = f"sub-{prefix}{subject.replace('_', '')}"
        for session in sessions:
            stem = f"{label}_ses-{session}"
            folder = root / label / f"ses-{session}"
            for name in (
                f"anat/{stem}_T1w.nii.gz",
                f"func/{stem}_task-rest_bold.nii.gz",
                f"func/{stem}_task-rest_desc-confounds_timeseries.tsv",
            ):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(b"image")
