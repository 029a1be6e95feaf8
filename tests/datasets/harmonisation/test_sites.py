"""Sites as names and numbers."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets.harmonisation.sites import (
    require_rows,
    require_separable,
    site_labels,
    site_numbers,
    unadjusted_sites,
)
from adestim.exceptions import DataWarning, InputError


@pytest.mark.parametrize("column", [[2, 11], [2.0, 11.0], ["2", "11"], np.array([2, 11], object)])
def test_a_site_has_the_same_name_however_it_is_stored(column):
    assert site_labels(pd.Series(column)).tolist() == ["2", "11"]


def test_small_sites_share_the_last_number():
    labels = np.array(["a", "b", "b", "c", "d", "d", "d"], object)
    numbers, pooled = site_numbers(labels, 2)
    assert numbers.tolist() == [2, 0, 0, 2, 1, 1, 1]
    assert pooled.tolist() == ["a", "c"]


def test_without_small_sites_numbers_are_consecutive():
    numbers, pooled = site_numbers(np.array(["b", "a", "b", "a"], object), 2)
    assert numbers.tolist() == [1, 0, 1, 0]
    assert len(pooled) == 0


def test_a_covariate_that_tells_the_site_is_refused():
    numbers = np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(InputError, match="Covariates vary within sites"):
        require_separable(numbers, numbers[:, None] - 0.5)


def test_a_covariate_twice_is_refused():
    age = np.array([1.0, -2, 3, 4, -6, 0])[:, None]
    with pytest.raises(InputError, match="2 directions for 3 sites and covariates"):
        require_separable(np.zeros(6, int), np.hstack([age, 2 * age]))


def test_a_covariate_that_does_not_vary_is_no_obstacle():
    require_separable(np.array([0, 0, 1, 1]), np.zeros((4, 1)))


def test_too_few_rows_are_refused():
    with pytest.raises(InputError, match=r"more rows than sites.*2 row\(s\) for 2"):
        require_separable(np.array([0, 1]), np.empty((2, 0)))


def test_unadjusted_sites_are_named():
    with pytest.warns(DataWarning, match=r"1 row\(s\) of sites .* not adjusted: 'x'"):
        unadjusted_sites(np.array(["x"], object), 5)


def test_a_new_site_of_few_rows_is_refused_by_name():
    labels = np.array(["x", "y", "y"], object)
    require_rows(labels, np.array(["y"]), 2)
    with pytest.raises(InputError, match="fewer of 'x'"):
        require_rows(labels, np.array(["x", "y"]), 2)
