"""ComBat's formulas: against a plain implementation, and where values are missing."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from adestim.datasets.harmonisation.combat import Standard, least_squares, site_effects


def plain_parametric(z):
    """Posterior means of one site's features, one after the other, as the papers write them."""
    n, n_features = z.shape
    gamma_hat = [sum(z[:, g]) / n for g in range(n_features)]
    delta_hat = [sum((z[:, g] - gamma_hat[g]) ** 2) / (n - 1) for g in range(n_features)]
    usual, tau2 = np.mean(gamma_hat), np.var(gamma_hat, ddof=1)
    v, s2 = np.mean(delta_hat), np.var(delta_hat, ddof=1)
    lam, theta = 2 + v**2 / s2, v * (1 + v**2 / s2)
    gammas, deltas = [], []
    for g in range(n_features):
        gamma, delta = gamma_hat[g], delta_hat[g]
        for _ in range(500):
            gamma = (n * tau2 * gamma_hat[g] + delta * usual) / (n * tau2 + delta)
            delta = (theta + 0.5 * sum((z[:, g] - gamma) ** 2)) / (n / 2 + lam - 1)
        gammas.append(gamma)
        deltas.append(delta)
    return np.array(gammas), np.sqrt(deltas)


def plain_empirical(z):
    """Means over other features, weighted by densities of the rows under their estimates."""
    gamma_hat, delta_hat = z.mean(axis=0), z.var(axis=0, ddof=1)
    gammas, deltas = [], []
    for g in range(z.shape[1]):
        others = [o for o in range(z.shape[1]) if o != g]
        weights = [
            np.prod(
                np.exp(-((z[:, g] - gamma_hat[o]) ** 2) / (2 * delta_hat[o]))
                / np.sqrt(2 * np.pi * delta_hat[o])
            )
            for o in others
        ]
        gammas.append(np.average(gamma_hat[others], weights=weights))
        deltas.append(np.average(delta_hat[others], weights=weights))
    return np.array(gammas), np.sqrt(deltas)


def rows(n=9, n_features=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(rng.normal(size=n_features), rng.uniform(0.5, 2, n_features), (n, n_features))


def nobody(n_features):
    return np.zeros(n_features, dtype=bool)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("parametric", "plain"), [(True, plain_parametric), (False, plain_empirical)]
)
def test_effects_are_those_of_the_published_formulas(parametric, plain, seed):
    z = rows(seed=seed)
    found = site_effects(z, nobody(6), parametric)
    for mine, theirs in zip(found, plain(z), strict=True):
        assert_allclose(mine, theirs, rtol=1e-7)


def test_empirical_weights_do_not_underflow():
    location, scale = site_effects(rows(n=3000), nobody(6), parametric=False)
    assert np.isfinite(location).all()
    assert (scale > 0).all()


@pytest.mark.parametrize("parametric", [True, False])
def test_effects_of_many_rows_are_hardly_shrunken(parametric):
    z = np.random.default_rng(0).normal(2.0, 3.0, (4000, 30))
    location, scale = site_effects(z, nobody(30), parametric)
    assert_allclose(location, 2.0, atol=0.2)
    assert_allclose(scale, 3.0, atol=0.2)


def test_effects_are_nearer_to_each_other_than_estimates_are():
    z = rows(n=4, n_features=40)
    location, scale = site_effects(z, nobody(40))
    assert location.std() < z.mean(axis=0).std()
    assert scale.std() < z.std(axis=0, ddof=1).std()


def test_a_single_feature_is_not_shrunken():
    z = rows(n_features=1)
    location, scale = site_effects(z, nobody(1))
    assert_allclose(location, z.mean(axis=0))
    assert_allclose(scale, z.std(axis=0, ddof=1))


@pytest.mark.parametrize("parametric", [True, False])
def test_a_feature_that_a_site_lacks_gets_what_is_usual_there(parametric):
    z = rows(n_features=40)
    z[:, 0] = np.nan
    location, scale = site_effects(z, nobody(40), parametric)
    assert abs(location[0] - np.nanmean(z)) < 0.1
    assert 0.5 < scale[0] < 2.0


@pytest.mark.parametrize("parametric", [True, False])
def test_a_flat_feature_is_left_alone_and_tells_nothing(parametric):
    z = rows()
    with_flat = np.column_stack([z, np.zeros(len(z))])
    flat = np.array([False] * 6 + [True])
    location, scale = site_effects(with_flat, flat, parametric)
    alone = site_effects(z, nobody(6), parametric)
    assert (location[6], scale[6]) == (0.0, 1.0)
    assert_allclose(location[:6], alone[0])
    assert_allclose(scale[:6], alone[1])


def test_a_feature_that_does_not_vary_in_a_site_keeps_a_positive_scale():
    z = rows()
    z[:, 0] = 1.0
    assert (site_effects(z, nobody(6))[1] > 0).all()


def test_least_squares_are_those_of_the_rows_that_are_known():
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(12), rng.normal(size=12)])
    values = rng.normal(size=(12, 3))
    values[:4, 1] = values[6, 2] = np.nan
    found = least_squares(design, values)
    for g in range(3):
        known = ~np.isnan(values[:, g])
        slope, intercept = np.polyfit(design[known, 1], values[known, g], 1)
        assert_allclose(found[:, g], [intercept, slope])


def test_location_weights_sites_by_their_rows():
    values = np.array([[0.0], [0.2], [0.1], [3.0]])
    standard = Standard.learn(values, np.array([0, 0, 0, 1]), np.empty((4, 0)))
    assert_allclose(standard.location, values.mean())


def test_scale_is_that_of_residuals_over_all_rows():
    values = np.array([[1.0], [3.0], [10.0], [14.0]])
    standard = Standard.learn(values, np.array([0, 0, 1, 1]), np.empty((4, 0)))
    assert_allclose(standard.scale, np.sqrt((1 + 1 + 4 + 4) / 4))


def test_a_constant_feature_is_flat():
    values = np.column_stack([np.full(6, 7.3), np.arange(6.0)])
    standard = Standard.learn(values, np.array([0, 0, 0, 1, 1, 1]), np.empty((6, 0)))
    assert standard.flat.tolist() == [True, False]
    assert standard.scale[0] == 1.0
