"""Columns that make the diagnosis, known by their names."""

import pytest

from adestim._support.diagnostic_columns import RULES
from adestim.modalities.clinical import diagnostic_columns

SPELLINGS = {
    "Clinical diagnosis form": "DX, DX_bl, dx, dx1, dx5_code, DXCURREN, DXCHANGE, DXDDUE, DXCONFID",
    "Clinical diagnosis": "DIAGNOSIS, diagnosis_sc, age_at_diagnosis",
    "Diagnosis of the Uniform Data Set": (
        "NORMCOG, DEMENTED, PROBAD, PROBADIF, alzdis, MCIAMEM, MCIN2VIS, IMPNOMCI, "
        "NACCUDSD, NACCALZD, NACCALZP, NACCETPR"
    ),
    "Research group": (
        "Group, Research Group, subgroup, COHORT, COHORT_DEFINITION, CONCOHORT_DEFINITION"
    ),
    "Enrolment arm or phenoconversion": "ENRLPRKN, ENRLLRRK2, PHENOCNV, DIAG1, DIAG1VIS",
    "Course after baseline": "converter, time_to_conversion, pMCI, sMCI",
    "Onset or duration of the disease": "PTADDX, PTCOGBEG, disease_duration, age_at_onset",
    "Clinical Dementia Rating": (
        "CDR, cdr, CDRSB, CDRSB_bl, CDGLOBAL, CDRTOT, CDRSUM, CDRGLOB, sumbox, cdr_global, "
        "cdr_sb, CDMEMORY, homehobb"
    ),
    "Mini-Mental State Examination": "MMSE, mmse_bl, MMSCORE, NACCMMSE, MMS, MMSE_m12, WORLDSCORE",
    "Alzheimer's Disease Assessment Scale": (
        "ADAS11, ADAS13_bl, ADASQ4, TOTAL13, TOTSCORE, ADAS-Cog13, adas_cog_11"
    ),
    "Montreal Cognitive Assessment": "MOCA, MOCA_bl, moca, moca_total, MCATOT",
    "Functional Activities Questionnaire": "FAQ, FAQ_bl, FAQTOTAL, FAQFINAN, faq_total",
    "Preclinical Alzheimer Cognitive Composite": "mPACCdigit, mPACCtrailsB_bl",
    "Logical Memory": "LDELTOTAL, LDELTOTAL_BL",
    "Calendar or number of visits": "EXAMDATE, EXAMDATE_bl, n_visits",
    "Unified Parkinson's Disease Rating Scale": (
        "UPDRS, updrs1_score, updrs3_score_on, NP3TOT, NP1RTOT, NP3SPCH, MDS-UPDRS III"
    ),
    "Hoehn and Yahr stage": "HY, hy_on, NHY, H&Y, hoehn_yahr, Hoehn and Yahr",
    "Dopamine transporter binding ratio": "DATSCAN, datscan_caudate_r, mean_sbr, DATSCAN SBR",
    "Dopaminergic medication": "LEDD, ledd_total, PDSTATE",
    "REM Sleep Behaviour Disorder Screening Questionnaire": "rbdsq, RBD_SQ, rbdsq_total",
    "Synuclein seed amplification or biological stage": "CSF_SAA, NSD, nsd_iss_stage",
}
HARMLESS = (
    "age AGE sex PTGENDER PTEDUCAT APOE4 gds weight systolic_mmHg mmhg tau p_tau Ab_42 Genotype "
    "Hippocampus RAVLT_immediate dxa_bone_density DXA_hip faq_page faqir cdr3_length smoca "
    "hypertension hyperlipidemia hy_per age_group blood_group group_therapy birth_cohort np1 np3 "
    "updraft rbd rem PTADDRESS NSDUH saab memory orient commun progesterone adastra"
)


def cases():
    for instrument, names in SPELLINGS.items():
        yield from ((name, instrument) for name in names.split(", "))


@pytest.mark.parametrize(("name", "instrument"), list(cases()))
def test_spellings_of_the_cohorts_are_known(name, instrument):
    assert diagnostic_columns([name])[name].startswith(f"{instrument}: ")


@pytest.mark.parametrize("name", HARMLESS.split())
def test_names_that_only_look_alike_pass(name):
    assert diagnostic_columns([name]) == {}


def test_every_rule_has_a_spelling_that_is_tested():
    assert {rule.instrument for rule in RULES if not rule.company} == set(SPELLINGS)


def test_an_ambiguous_name_is_judged_by_its_company():
    assert list(diagnostic_columns(["memory", "orient", "homehobb"])) == [
        "memory", "orient", "homehobb",
    ]  # fmt: skip
    assert diagnostic_columns(["memory", "orient"]) == {}


def test_the_reason_is_given_in_the_order_of_the_table():
    found = diagnostic_columns(["CDRSB", "age", "MMSE", 3])
    assert list(found) == ["CDRSB", "MMSE"]
    assert found["MMSE"] == "Mini-Mental State Examination: the clinician's diagnosis rests on it"
