"""The four tasks hold the published numbers."""

import numpy as np
import pytest

from adestim.datasets.simulation.tasks import DEMENTIA, IMPAIRED, MCI_APOE, NORMAL, TASKS

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


def test_stable_and_progressive_make_the_published_mci_group():
    stable, progressive = TASKS["smci_pmci"].groups
    mixture = stable.share * stable.apoe_probabilities
    mixture = mixture + progressive.share * progressive.apoe_probabilities
    np.testing.assert_allclose(mixture, np.array(MCI_APOE) / sum(MCI_APOE))
    for score, (mean, _) in TASKS["nc_mci"].groups[1].scores.items():
        mixed = stable.share * stable.scores[score][0]
        mixed += progressive.share * progressive.scores[score][0]
        assert mixed == pytest.approx(mean, rel=0.02), score
