"""The four tasks hold the published numbers."""

import numpy as np
import pytest

from adestim.datasets.simulation.latent import compute_covariance
from adestim.datasets.simulation.tasks import (
    AGE_SLOPE,
    APOE,
    APOE_CARRIER,
    BLOCK_OF,
    DEMENTIA,
    EDUCATION_SLOPE,
    FACTORS,
    HEALTHY_PPMI,
    IMPAIRED,
    MCI_APOE,
    MEASURES,
    NORMAL,
    PARKINSON,
    TASKS,
    subtract_share,
    tilt_frequencies,
)

# Means and SDs of ADNI's public aggregates: 1215 controls, 1338 impaired, 477 with dementia.
PUBLISHED = {
    "CN": {
        "age": (71.0, 7.1), "education": (16.5, 2.6), "mmse": (29.0, 1.2),
        "adas13": (8.9, 4.4), "cdrsb": (0.0, 0.2), "faq": (0.2, 1.0),
    },
    "MCI": {
        "age": (72.4, 7.7), "education": (15.9, 2.8), "mmse": (27.5, 1.9),
        "adas13": (16.4, 6.7), "cdrsb": (1.5, 1.0), "faq": (3.2, 4.1),
    },
    "AD": {
        "age": (74.6, 8.0), "education": (15.2, 2.9), "mmse": (23.1, 2.3),
        "adas13": (29.8, 8.2), "cdrsb": (4.4, 1.7), "faq": (13.0, 6.9),
    },
}  # fmt: skip
FEMALE = {"CN": 0.605, "MCI": 0.435, "AD": 0.444}
APOE_COUNTS = {
    "CN": (5, 117, 22, 577, 271, 37),
    "MCI": (3, 67, 29, 537, 430, 124),
    "AD": (1, 14, 11, 129, 195, 87),
}
GROUPS = [group for task in TASKS.values() for group in task.groups]
LABELS = {
    "nc_ad": ("CN", "AD"),
    "nc_mci": ("CN", "MCI"),
    "smci_pmci": ("sMCI", "pMCI"),
    "nc_pd": ("CN", "PD"),
    "teaching": ("CN", "AD"),
}


@pytest.mark.parametrize("group", [NORMAL, IMPAIRED, DEMENTIA], ids=lambda group: group.label)
def test_aggregates_are_the_published_ones(group):
    held = {"age": group.age, "education": group.education, **group.scores}
    for name, numbers in PUBLISHED[group.label].items():
        # A mean that is published as 0.0 is one below 0.05.
        assert held[name] == pytest.approx(numbers, abs=0.05), name
    assert group.female == FEMALE[group.label]
    assert group.apoe == APOE_COUNTS[group.label]


def test_parkinson_cohort_has_the_published_scores():
    controls, patients = TASKS["nc_pd"].groups
    assert controls.scores["updrs3"] == (0.6, 1.5)
    assert patients.scores["updrs3"] == (20.4, 9.0)
    assert (controls.female, patients.female) == pytest.approx((0.36, 0.35))
    assert patients.share == pytest.approx(122 / 172)


def test_tasks_are_named_after_their_classes():
    found = {name: tuple(group.label for group in task.groups) for name, task in TASKS.items()}
    assert found == LABELS
    assert all(task.name == name for name, task in TASKS.items())


def test_gate_of_every_task_is_observed():
    gates = {name: (task.gate, task.disease) for name, task in TASKS.items()}
    assert gates.pop("nc_pd") == ("rbd", "pd")
    assert set(gates.values()) == {("apoe4", "ad")}


@pytest.mark.parametrize("name", list(TASKS))
def test_shares_of_the_classes_sum_to_one(name):
    assert sum(group.share for group in TASKS[name].groups) == pytest.approx(1)


def test_shares_of_the_classes_are_the_published_counts():
    first, second = TASKS["nc_mci"].groups
    assert second.share / first.share == pytest.approx(1338 / 1215)
    first, second = TASKS["nc_ad"].groups
    assert second.share / first.share == pytest.approx(477 / 1215)


def test_both_groups_of_a_task_have_the_same_scores():
    for task in TASKS.values():
        first, second = task.groups
        assert list(first.scores) == list(second.scores)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.label)
def test_every_member_has_one_subtype(group):
    rates = np.sum([kind.rates for kind in group.subtypes], axis=0)
    np.testing.assert_allclose(rates, 1)
    names = [kind.name for kind in group.subtypes]
    assert len(names) == len(set(names))


def test_carriers_of_e4_lose_hippocampus_and_others_connectivity():
    kinds = {kind.name: kind for kind in IMPAIRED.subtypes}
    limbic, sparing = kinds["limbic"], kinds["hippocampal-sparing"]
    assert limbic.rates[1] > limbic.rates[0]
    assert sparing.rates[1] < sparing.rates[0]
    assert limbic.shift["hippocampus"] < -1 < sparing.shift["hippocampus"]
    assert sparing.shift["dmn"] < 0 < limbic.shift["dmn"]


def test_what_teaching_makes_up_shows_in_every_modality_and_must_be_read_together():
    control, patient = (group.subtypes[0] for group in TASKS["teaching"].groups)
    assert {BLOCK_OF[name] for name in patient.shift} == {"smri", "fmri", "clinical"}
    assert TASKS["teaching"].groups[1].snp_effect > DEMENTIA.snp_effect
    assert control.by_gate == patient.by_gate == {"dmn": pytest.approx(0.8)}
    assert control.by_education == patient.by_education


def test_stable_and_progressive_make_the_published_mci_group():
    stable, progressive = TASKS["smci_pmci"].groups
    mixture = stable.share * stable.apoe_probabilities
    mixture = mixture + progressive.share * progressive.apoe_probabilities
    np.testing.assert_allclose(mixture, np.array(MCI_APOE) / sum(MCI_APOE))
    for score, (mean, _) in TASKS["nc_mci"].groups[1].scores.items():
        mixed = stable.share * stable.scores[score][0]
        mixed += progressive.share * progressive.scores[score][0]
        assert mixed == pytest.approx(mean, rel=0.02), score


@pytest.mark.parametrize(
    ("group", "carriers"), [(NORMAL, 0.321), (IMPAIRED, 0.490), (DEMENTIA, 0.670)]
)
def test_shares_of_e4_carriers_are_the_published_ones(group, carriers):
    assert group.gate_rate == pytest.approx(carriers, abs=0.0006)


@pytest.mark.parametrize(
    ("group", "frequencies"),
    [
        (NORMAL, (0.072, 0.749, 0.178)),
        (IMPAIRED, (0.043, 0.660, 0.297)),
        (DEMENTIA, (0.031, 0.534, 0.435)),
    ],
)
def test_allele_frequencies_are_the_published_ones(group, frequencies):
    copies = np.array([[genotype.count(allele) for genotype in APOE] for allele in "234"])
    assert copies @ group.apoe_probabilities / 2 == pytest.approx(frequencies, abs=0.001)


@pytest.mark.parametrize(("group", "rate"), [(HEALTHY_PPMI, 0.18), (PARKINSON, 0.40)])
def test_gate_of_the_parkinson_cohort_is_not_apoe(group, rate):
    assert group.gate_rate == rate


def test_carriers_have_an_e4_allele():
    assert [name for name, carrier in zip(APOE, APOE_CARRIER, strict=True) if carrier] == [
        "2/4", "3/4", "4/4",
    ]  # fmt: skip


def test_every_measurement_belongs_to_one_modality():
    assert set(BLOCK_OF) == set(MEASURES)
    assert set(BLOCK_OF.values()) == {"smri", "fmri", "clinical"}


def test_effects_name_measurements_of_the_model():
    named = {name for effects in (AGE_SLOPE, EDUCATION_SLOPE, *FACTORS) for name in effects}
    shifts = {
        name
        for task in TASKS.values()
        for group in task.groups
        for kind in group.subtypes
        for name in (*kind.shift, *kind.by_education, *kind.by_gate)
    }
    assert named | shifts <= set(MEASURES)


@pytest.mark.parametrize("group", [NORMAL, IMPAIRED, DEMENTIA, HEALTHY_PPMI, PARKINSON])
def test_shared_factors_leave_every_measurement_a_variance_of_its_own(group):
    assert np.linalg.eigvalsh(compute_covariance(group)).min() > 0.05


def test_tilt_multiplies_the_odds_once_for_every_e4_allele():
    frequencies = dict(zip(APOE, tilt_frequencies((1, 1, 1, 1, 1, 1), per_e4=3.0), strict=True))
    assert sum(frequencies.values()) == pytest.approx(1)
    assert frequencies["3/4"] / frequencies["3/3"] == pytest.approx(3)
    assert frequencies["4/4"] / frequencies["3/3"] == pytest.approx(9)


def test_remainder_and_part_make_the_whole():
    whole, part = (5, 5, 10, 40, 30, 10), (1, 2, 3, 2, 4, 1)
    rest = subtract_share(whole, part, 0.3)
    mixed = 0.3 * np.array(part) / sum(part) + 0.7 * np.array(rest)
    np.testing.assert_allclose(mixed, np.array(whole) / sum(whole))
