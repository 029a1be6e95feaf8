"""The simulated cohort of times to conversion."""

import numpy as np
import pandas as pd
import pytest

from adestim._support.survival_targets import read_survival
from adestim.datasets import make_cohort, make_survival_cohort
from adestim.datasets.simulation.make_survival_cohort import (
    YEARLY_HAZARD,
    draw_years,
    mix_survival,
)
from adestim.exceptions import InputError

COARSE = {"missing": None, "resolution": 12, "bold_resolution": 12}
TIMES = np.array([0.0, 1.0, 2.9, 3.0, 5.0])


@pytest.fixture(scope="module")
def cohort():
    return make_survival_cohort(16, times=TIMES, random_state=3, **COARSE)


def test_targets_are_events_and_years(cohort):
    event, time = read_survival(cohort.target)
    truth = cohort.truth
    np.testing.assert_array_equal(event, truth["years"] <= truth["followed"])
    np.testing.assert_allclose(time, truth[["years", "followed"]].min(axis=1))
    assert ((truth["years"] <= 3) == (truth["group"] == "pMCI")).all()
    assert truth["followed"].between(0.5, 6).all()


def test_subjects_are_those_of_the_same_seed(cohort):
    same = make_cohort(16, "smci_pmci", random_state=3, **COARSE)
    pd.testing.assert_frame_equal(cohort.truth[same.truth.columns], same.truth)
    assert (cohort.truth["group"] == same.target).all()


def test_oracle_is_a_survival_function(cohort):
    assert cohort.oracle.index.equals(cohort.frame.index)
    np.testing.assert_array_equal(cohort.oracle.columns, TIMES)
    values = cohort.oracle.to_numpy()
    assert (values[:, 0] == 1).all()
    assert (np.diff(values, axis=1) <= 0).all()


def test_survival_is_how_many_have_not_converted():
    generator = np.random.default_rng(0)
    posterior = np.repeat([0.1, 0.6], 40_000)
    years = draw_years(generator.random(80_000) < posterior, generator)
    for own in (0.1, 0.6):
        left = [(years[posterior == own] > time).mean() for time in TIMES]
        np.testing.assert_allclose(mix_survival(np.array([own]), TIMES)[0], left, atol=0.01)


def test_the_hazard_of_the_cohort_is_constant():
    np.testing.assert_allclose(
        mix_survival(np.array([0.38]), TIMES)[0], np.exp(-YEARLY_HAZARD * TIMES)
    )


def test_a_cohort_tells_what_it_is(cohort):
    assert "16 subjects, of whom" in repr(cohort)
    assert "target: array of 16 rows" in repr(cohort)
    assert "oracle: DataFrame of 16 rows and 5 columns" in repr(cohort)


@pytest.mark.parametrize("times", [[], [-1.0], [np.nan], 3.0])
def test_times_that_are_none_are_refused(times):
    with pytest.raises(InputError, match="'times' parameter of make_survival_cohort"):
        make_survival_cohort(4, times=times)


@pytest.mark.parametrize("follow_up", [(0, 1), (2, 1), (1, np.inf), 3.0, (1, 2, 3), "ab"])
def test_a_follow_up_that_is_none_is_refused(follow_up):
    with pytest.raises(InputError, match="'follow_up' parameter of make_survival_cohort"):
        make_survival_cohort(4, follow_up=follow_up)
