"""Concordance, beside pairs counted by hand."""

import numpy as np
import pytest

from adestim._support.concordance import compute_concordance
from adestim.exceptions import InputError

EVENT = np.array([True, False, True, True])
TIME = np.array([1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize(
    ("risk", "expected"),
    [([4, 3, 2, 1], 1.0), ([1, 2, 3, 4], 0.0), ([0, 0, 0, 0], 0.5), ([2, 3, 1, 0], 3 / 4)],
)
def test_pairs_are_counted(risk, expected):
    # Comparable are the first with all others, and the third with the fourth.
    assert compute_concordance(EVENT, TIME, np.array(risk)) == expected


def test_a_censored_subject_is_later_than_an_event_of_its_time():
    event, time = np.array([True, False]), np.array([1.0, 1.0])
    assert compute_concordance(event, time, np.array([1.0, 0.0])) == 1


def test_weights_are_those_of_the_earlier_subject():
    risk = np.array([3.0, 0.0, 1.0, 2.0])
    assert compute_concordance(EVENT, TIME, risk) == 3 / 4
    assert compute_concordance(EVENT, TIME, risk, np.array([1.0, 1, 3, 1])) == 3 / 6


def test_subjects_of_whom_nothing_is_known_are_refused():
    with pytest.raises(InputError, match="a pair of subjects"):
        compute_concordance(np.array([False, True]), np.array([1.0, 2.0]), np.zeros(2))
