"""Seeds of the built-in regions."""

import numpy as np

from adestim.modalities.smri.seeds import seitzman_seeds

SEEDS = seitzman_seeds()


def seeds_of(name):
    return SEEDS.centres[SEEDS.structure == SEEDS.names.index(name)]


def test_all_seeds_lie_on_one_hemisphere():
    assert (SEEDS.centres[:, 0] >= 0).all()


def test_hippocampus_runs_from_its_anterior_to_its_posterior_seed():
    axis = seeds_of("hippocampus")
    np.testing.assert_allclose(axis[0], [25, -12, -22], atol=1)
    np.testing.assert_allclose(axis[-1], [25, -38, -2], atol=1)
    assert np.linalg.norm(np.diff(axis, axis=0), axis=1).max() <= 4


def test_basal_ganglia_are_told_apart():
    centres = {name: seeds_of(name).mean(axis=0) for name in ("caudate", "putamen", "pallidum")}
    assert centres["caudate"][1] > centres["putamen"][1]
    assert centres["pallidum"][0] < 22 < centres["putamen"][0]
    assert seeds_of("accumbens")[:, 2].max() < 0 < seeds_of("caudate")[:, 2].min()


def test_clusters_of_a_network_are_numbered_from_front_to_back():
    places = [seeds_of(f"DefaultMode_cortex_{number}")[:, 1].mean() for number in range(1, 9)]
    assert places == sorted(places, reverse=True)


def test_every_cortical_seed_has_a_structure():
    n_hippocampal = len(seeds_of("hippocampus"))
    assert len(SEEDS.centres) == 300 - 4 + n_hippocampal
    assert set(SEEDS.structure) == set(range(len(SEEDS.names)))
