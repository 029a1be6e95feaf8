"""ADNI's tables of measures beside the index visit."""

import numpy as np
import pandas as pd
import pytest

from adestim import FreeSurferExtractor
from adestim.datasets import load_adni
from adestim.exceptions import DataWarning, InputError, TableError
from tests.datasets.writers.adni import write_adni
from tests.datasets.writers.people import make_people


@pytest.fixture(scope="module")
def people():
    return make_people(6)


@pytest.fixture
def study(people, tmp_path):
    """Write ADNI's tables, and one of measures, a row a person some days after the first visit."""
    _, frame, target = people
    write_adni(frame, target, tmp_path)

    def write(name, days=10, date="EXAMDATE", ending="_23Dec2025", **columns):
        dates = (frame["date"] + pd.to_timedelta(days, unit="D")).dt.strftime("%Y-%m-%d")
        keys = {"RID": [int(name[-5:].strip("_S")) for name in frame.index], "PTID": frame.index}
        table = pd.DataFrame({**keys, "VISCODE2": "bl", date: dates.to_numpy(), **columns})
        table.to_csv(tmp_path / f"{name}{ending}.csv", index=False)
        return tmp_path

    return write


def test_freesurfer_bears_the_names_of_freesurfer(study, people):
    root = study("UCSFFSX7", OVERALLQC="Pass", ST29SV=3500, ST88SV=3600.5, ST24TA=3.1, ST83CV=1800,
                 ST24TS=0.5, ST130SA=2000, ST10CV=1.5e6, ST149SV=4e5)  # fmt: skip
    cohort = load_adni(root, tables=["freesurfer"])
    names = [
        "Left-Hippocampus", "Right-Hippocampus", "lh_entorhinal_thickness",
        "rh_entorhinal_volume", "rh_insula_area", "eTIV",
    ]  # fmt: skip
    assert cohort.columns["freesurfer"] == [f"freesurfer__{name}" for name in names]
    assert cohort.frame["freesurfer__Right-Hippocampus"].eq(3600.5).all()
    assert cohort.tables["days_apart"].eq(10).all()
    encodings = FreeSurferExtractor().fit_transform(cohort.frame[cohort.columns["freesurfer"]])
    tokens = dict(zip(encodings.iloc[0, 0].backbone.option("token_names"),
                      encodings.iloc[0, 0].tokens, strict=True))  # fmt: skip
    assert tokens["Left-Hippocampus"][0] == pytest.approx(3500 / 1500)


def test_rows_that_failed_the_quality_control_are_left_out(study, people):
    quality = ["Fail", "Partial", "Pass", "Pass", "Pass", "Pass"]
    root = study("UCSFFSX6", OVERALLQC=quality, ST29SV=3500)
    with pytest.warns(DataWarning, match=r"1 rows of 'UCSFFSX6_23Dec2025.csv' did not pass"):
        cohort = load_adni(root, tables=["UCSFFSX6"])
    known = cohort.frame["freesurfer__Left-Hippocampus"].notna()
    assert known[people[1].index].tolist() == [False, *[True] * 5]


def test_centiloids_may_be_minus_four(study):
    root = study("UCBERKELEY_AMY_6MM", date="SCANDATE", TRACER="FBP", qc_flag=2, CENTILOIDS=-4,
                 SUMMARY_SUVR=1.1, CTX_LH_INSULA_SUVR=-4, CTX_LH_INSULA_VOLUME=7000)  # fmt: skip
    cohort = load_adni(root, tables=["amyloid_pet"])
    assert cohort.columns["amyloid_pet"] == ["amyloid_pet__CENTILOIDS", "amyloid_pet__SUMMARY_SUVR"]
    assert cohort.frame["amyloid_pet__CENTILOIDS"].eq(-4).all()
    assert cohort.tables["tracer"].eq("FBP").all()


def test_mixed_tracers_are_warned_of(study):
    root = study("UCBERKELEY_AMY_6MM", date="SCANDATE", TRACER=["FBP", "FBB"] * 3, qc_flag=2,
                 CENTILOIDS=20, SUMMARY_SUVR=1.1)  # fmt: skip
    with pytest.warns(DataWarning, match=r"'amyloid_pet' are of the tracers 'FBP', 'FBB'"):
        load_adni(root, tables=["amyloid_pet"])


def test_fluids_and_tau_stand_side_by_side(study, people):
    study("UCBERKELEY_TAUPVC_6MM", date="SCANDATE", TRACER="FTP", qc_flag=2, BRAAK1_SUVR=1.9)
    study("UPENN_PLASMA_FUJIREBIO_QUANTERIX", pT217_F=0.4, NfL_Q=20, Comment="x")
    root = study("UPENNBIOMK_ROCHE_ELECSYS", ABETA42=[">1700", *[900] * 5], TAU=200, PTAU=20)
    cohort = load_adni(root, tables=["tau_pet_pvc", "plasma", "csf"])
    assert cohort.columns["tau_pet_pvc"] == ["tau_pet_pvc__BRAAK1_SUVR"]
    assert cohort.columns["plasma"] == ["plasma__pT217_F", "plasma__NfL_Q"]
    assert cohort.frame.loc[people[1].index[0], "csf__ABETA42"] == 1700
    assert set(cohort.tables["table"]) == {"tau_pet_pvc", "plasma", "csf"}


def test_rows_beyond_max_days_are_missing(study):
    root = study("UPENN_PLASMA_FUJIREBIO_QUANTERIX", days=200, pT217_F=0.4)
    assert load_adni(root, tables=["plasma"]).columns["plasma"] == []
    cohort = load_adni(root, tables=["plasma"], max_days=None)
    assert np.isclose(cohort.frame["plasma__pT217_F"], 0.4).all()


def test_a_row_without_a_date_is_of_the_visit_that_it_names(study):
    root = study("UPENN_PLASMA_FUJIREBIO_QUANTERIX", days=[np.nan] * 6, pT217_F=0.4)
    assert load_adni(root, tables=["plasma"], max_days=5).frame["plasma__pT217_F"].notna().all()


def test_measures_can_be_required(study, people):
    root = study("UPENN_PLASMA_FUJIREBIO_QUANTERIX", pT217_F=[-4, *[0.4] * 5])
    cohort = load_adni(root, tables=["plasma"], require=["plasma__pT217_F"])
    assert len(cohort.frame) == 5


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"tables": ["petscan"]}, "'tables' parameter names some of.*'petscan' instead"),
        ({"tables": "plasma"}, "'tables' parameter must be a list"),
        ({"tables": ["plasma"], "max_days": -1}, "'max_days' parameter must be 0 or more"),
    ],
)
def test_parameters_out_of_range_are_refused(study, params, said):
    root = study("UPENN_PLASMA_FUJIREBIO_QUANTERIX", pT217_F=0.4)
    with pytest.raises(InputError, match=said):
        load_adni(root, **params)


def test_tables_that_are_not_there_or_hold_nothing_are_refused(study):
    root = study("UPENN_PLASMA_FUJIREBIO_QUANTERIX", other=1)
    with pytest.raises(TableError, match="'UCSFFSX7' is in the folder"):
        load_adni(root, tables=["freesurfer"])
    with pytest.raises(TableError, match=r"measures for 'plasma'. Got none"):
        load_adni(root, tables=["plasma"])
