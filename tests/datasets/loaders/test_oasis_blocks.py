"""OASIS-3's tables of measures beside the index visit."""

import pandas as pd
import pytest

from adestim.datasets import load_oasis3
from adestim.exceptions import DataWarning, TableError
from tests.datasets.writers.oasis import make_participants, put, write_oasis3


@pytest.fixture
def study(tmp_path):
    """Write OASIS-3's tables; -> the folder, and its people."""
    frame, target = make_participants(6)
    write_oasis3(frame, target, tmp_path)
    return tmp_path, list(frame.index)


def label(people, what, day=20):
    return [f"{name}_{what}_d{day:04d}" for name in people]


def test_freesurfer_bears_the_names_of_freesurfer(study):
    root, people = study
    table = {
        "Subject": people, "MR_session": label(people, "MR"), "FS QC Status": "Passed with edits",
        "IntraCranialVol": 1.5e6, "Left-Hippocampus_volume": 3500, "lh_insula_thickness": 2.9,
        "TOTAL_HIPPOCAMPUS_VOLUME": 7000, "CortexVol": 4e5, "version": "5.3",
    }  # fmt: skip
    put(pd.DataFrame(table), root, "deep/down/OASIS3_Freesurfer_output.csv")
    cohort = load_oasis3(root, tables=["freesurfer"])
    names = ["IntraCranialVol", "Left-Hippocampus", "lh_insula_thickness"]
    assert cohort.columns["freesurfer"] == [f"freesurfer__{name}" for name in names]
    assert cohort.frame["freesurfer__Left-Hippocampus"].eq(3500).all()
    assert cohort.tables["days_apart"].eq(20).all()


def test_scans_of_the_unified_pipeline_are_told_apart_by_tracer(study):
    root, people = study
    tracers = ["AV45", "AV45", "AV45", "FDG", "FDG", "AV45"]
    quality = ["Passed", "Failed", "Passed", "Passed", "Passed", "Passed"]
    table = {
        "PUP_PUPTIMECOURSEDATA ID": [
            f"{name}_{tracer}_PUPTIMECOURSE_d0030"
            for name, tracer in zip(people, tracers, strict=True)
        ],
        "tracer": tracers, "PET TC QC Status": quality, "PET_fSUVR_TOT_CORTMEAN": 1.4,
        "PET_fSUVR_rsf_TOT_CORTMEAN": 1.5, "Centil_fSUVR_TOT_CORTMEAN": [-9, 1, 2, "", "", 3],
    }  # fmt: skip
    put(pd.DataFrame(table), root, "OASIS3_PUP.csv")
    with pytest.warns(DataWarning, match=r"1 rows of 'OASIS3_PUP.csv' did not pass"):
        cohort = load_oasis3(root, tables=["amyloid_pet", "fdg_pet"])
    frame = cohort.frame.loc[people]
    assert cohort.columns["amyloid_pet"] == [
        "amyloid_pet__TOT_CORTMEAN_SUVR",
        "amyloid_pet__CENTILOIDS",
    ]
    assert frame["amyloid_pet__CENTILOIDS"].dropna().tolist() == [-9, 2, 3]
    known = frame["fdg_pet__TOT_CORTMEAN_SUVR"].notna().tolist()
    assert known == [tracer == "FDG" for tracer in tracers]


def test_rows_without_a_session_are_refused(study):
    root, people = study
    table = {"Subject": people, "MR_session": "MR1", "IntraCranialVol": 1.5e6}
    put(pd.DataFrame(table), root, "OASIS3_Freesurfer_output.csv")
    with pytest.raises(TableError, match=r"names its subject and session.*6 rows that do not"):
        load_oasis3(root, tables=["freesurfer"])
