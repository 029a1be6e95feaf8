"""What we take from scikit-learn's private side."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.callback import ProgressBar

from adestim._support import sklearn
from adestim._support.sklearn import (
    CallbackSupportMixin,
    check_params,
    draw_seeds,
    list_callbacks,
    take_rows,
)


def global_state():
    """Return NumPy's global generator's state, in comparable form."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - it is what must not change
    return name, keys.tobytes(), *rest


@pytest.mark.parametrize("random_state", [None, 0, np.random.RandomState(3)], ids=str)
def test_global_generator_is_left_as_found(random_state):
    before = global_state()
    draw_seeds(random_state, 4)
    assert global_state() == before


def test_same_integer_gives_same_seeds():
    assert draw_seeds(5, 3) == draw_seeds(5, 3)
    assert draw_seeds(5, 3) != draw_seeds(6, 3)


def test_more_seeds_begin_like_fewer():
    assert draw_seeds(5, 4)[:2] == draw_seeds(5, 2)


def test_none_gives_fresh_seeds_whatever_the_global_seed():
    np.random.seed(0)  # noqa: NPY002 - the point of the test
    first = draw_seeds(None, 3)
    np.random.seed(0)  # noqa: NPY002
    assert draw_seeds(None, 3) != first


def test_generator_instance_moves_on():
    generator = np.random.RandomState(0)
    assert draw_seeds(generator, 2) != draw_seeds(generator, 2)


def test_seeds_are_plain_integers_that_every_library_takes():
    seeds = draw_seeds(0, 50)
    assert all(type(seed) is int and 0 <= seed < 2**31 for seed in seeds)
    assert len(set(seeds)) == 50


def test_number_is_refused_where_a_seed_is_due():
    with pytest.raises(ValueError, match="cannot be used to seed"):
        draw_seeds("seed", 1)


def test_door_offers_what_it_promises():
    assert all(hasattr(sklearn, name) for name in sklearn.__all__)


@pytest.mark.parametrize("rows", [np.array([2, 0, 2]), np.array([False, True, True])], ids=str)
def test_rows_are_taken_from_whatever_holds_a_table(rows):
    cells = np.array([[1, None], [2, "b"], [3, "c"]], dtype=object)
    frame = pd.DataFrame(cells, index=list("abc"))
    assert take_rows(cells, rows).tolist() == cells[rows].tolist()
    pd.testing.assert_frame_equal(take_rows(frame, rows), frame.iloc[rows])
    assert take_rows(cells.tolist(), rows) == cells[rows].tolist()


class Watched(CallbackSupportMixin, BaseEstimator):
    """An estimator with a parameter that must be a bool."""

    _parameter_constraints = {"wanted": ["boolean"]}  # noqa: RUF012

    def __init__(self, wanted=True):
        self.wanted = wanted


def test_callbacks_of_an_estimator_are_those_that_were_set():
    bar = ProgressBar()
    assert list_callbacks(Watched().set_callbacks(bar)) == [bar]
    assert list_callbacks(Watched()) == list_callbacks(object()) == []


def test_parameters_are_checked_without_a_fit():
    check_params(Watched())
    with pytest.raises(ValueError, match="'wanted' parameter of Watched"):
        check_params(Watched(wanted="yes"))
