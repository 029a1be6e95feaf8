"""The connectome: numerics against scikit-learn and plain loops."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from adestim.modalities.fmri.connectome import Connectome, fisher_z
from adestim.modalities.fmri.timeseries import RoiLayout, RoiSeries

NETWORKS = ("B", "A", "A", "B", "C", "A")
LAYOUT = RoiLayout(tuple(f"r{number}" for number in range(6)), NETWORKS)


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return rng.normal(size=(80, 6)) + rng.normal(size=(80, 1))


def series_of(values, present=None):
    present = np.ones(values.shape[1], dtype=bool) if present is None else np.asarray(present)
    return RoiSeries(np.where(present, values, 0.0), present, 2.0)


def reference_z(values):
    standard = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    covariance = LedoitWolf().fit(standard).covariance_
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / scale[:, None] / scale[None, :]
    np.fill_diagonal(correlation, 0)
    return 0.5 * np.log((1 + correlation) / (1 - correlation))


def test_is_the_fisher_z_of_the_ledoit_wolf_correlation(values):
    np.testing.assert_allclose(fisher_z(values), reference_z(values), atol=1e-10)


def test_is_shrunk(values):
    plain = np.arctanh(np.corrcoef(values.T) - np.eye(6))
    assert abs(fisher_z(values)).sum() < abs(plain).sum()


def test_scale_of_the_signals_does_not_matter(values):
    np.testing.assert_allclose(fisher_z(values * [1, 9, 1, 2, 1e4, 1] + 7), fisher_z(values))


def test_identical_series_stay_finite(values):
    values[:, 1] = values[:, 0]
    assert np.isfinite(fisher_z(values)).all()


def test_more_regions_than_volumes_stay_finite():
    z = fisher_z(np.random.default_rng(0).normal(size=(30, 90)))
    assert np.isfinite(z).all()
    np.testing.assert_allclose(z, z.T, atol=1e-12)


def test_profile_of_regions_is_the_matrix_of_z(values):
    connectome = Connectome(LAYOUT, "regions")
    tokens, mask = connectome(series_of(values))
    np.testing.assert_allclose(tokens, reference_z(values), atol=1e-6)
    assert mask is None
    assert tokens.dtype == np.float32
    assert connectome.feature_names == tuple(f"z_r{number}" for number in range(6))


def expected_profile(z, present):
    """The profile of networks, written as loops."""
    rows = []
    for region in range(6):
        others = [i for i in range(6) if i != region and present[i]]
        groups = {name: [i for i in others if NETWORKS[i] == name] for name in "ABC"}
        means = [z[region, group].mean() if group else 0 for group in groups.values()]
        outside = [i for i in others if NETWORKS[i] != NETWORKS[region]]
        positive = np.clip(z[region], 0, None)
        sums = np.array([positive[group].sum() for group in groups.values()])
        participation = 1 - ((sums / sums.sum()) ** 2).sum() if sums.sum() else 0
        within = means["ABC".index(NETWORKS[region])]
        rows.append(
            [*means, within, z[region, outside].mean(), positive[others].mean(), participation]
        )
    return np.where(np.asarray(present)[:, None], rows, 0)


@pytest.mark.parametrize("absent", [[], [2], [4]])
def test_profile_of_networks(values, absent):
    present = np.array([region not in absent for region in range(6)])
    z = np.zeros((6, 6))
    z[np.ix_(present, present)] = reference_z(values[:, present])
    tokens, mask = Connectome(LAYOUT)(series_of(values, present))
    np.testing.assert_allclose(tokens, expected_profile(z, present), atol=1e-6)
    assert (mask is None) == (not absent)


def test_masked_region_does_not_touch_the_others(values):
    present = np.array([True, True, False, True, True, True])
    tokens, mask = Connectome(LAYOUT, "regions")(series_of(values, present))
    np.testing.assert_array_equal(mask, present)
    assert (tokens[2] == 0).all()
    assert (tokens[:, 2] == 0).all()
    np.testing.assert_allclose(
        tokens[np.ix_(present, present)], reference_z(values[:, present]), atol=1e-6
    )


def test_name_tag_names_tokens_and_features(values):
    connectome = Connectome(LAYOUT)
    spec = connectome.spec()
    tokens, _ = connectome(series_of(values))
    assert spec.option("token_names") == LAYOUT.names
    assert len(spec.option("feature_names")) == tokens.shape[1]
    assert spec.option("feature_names")[:4] == ("z_A", "z_B", "z_C", "within_strength")
    assert hash(spec) == hash(connectome.spec())
