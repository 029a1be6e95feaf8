"""The parts of the model: groups, genotype frequencies, shared factors."""

import numpy as np
import pytest

from adestim.datasets.simulation.groups import (
    AGE_SLOPE,
    APOE,
    APOE_CARRIER,
    BLOCK_OF,
    EDUCATION_SLOPE,
    FACTORS,
    MEASURES,
    remainder,
    tilted,
)
from adestim.datasets.simulation.latent import covariance
from adestim.datasets.simulation.tasks import (
    DEMENTIA,
    HEALTHY_PPMI,
    IMPAIRED,
    NORMAL,
    PARKINSON,
    TASKS,
)


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
    assert np.linalg.eigvalsh(covariance(group)).min() > 0.05


def test_tilt_multiplies_the_odds_once_for_every_e4_allele():
    frequencies = dict(zip(APOE, tilted((1, 1, 1, 1, 1, 1), per_e4=3.0), strict=True))
    assert sum(frequencies.values()) == pytest.approx(1)
    assert frequencies["3/4"] / frequencies["3/3"] == pytest.approx(3)
    assert frequencies["4/4"] / frequencies["3/3"] == pytest.approx(9)


def test_remainder_and_part_make_the_whole():
    whole, part = (5, 5, 10, 40, 30, 10), (1, 2, 3, 2, 4, 1)
    rest = remainder(whole, part, 0.3)
    mixed = 0.3 * np.array(part) / sum(part) + 0.7 * np.array(rest)
    np.testing.assert_allclose(mixed, np.array(whole) / sum(whole))
