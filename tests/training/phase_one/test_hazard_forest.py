"""The forest of hazards."""

import numpy as np
import pytest
from scipy.special import expit

from adestim.training.phase_one.distinct import DistinctColumns
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.hazard import HazardProblem, hazard_folds
from adestim.training.phase_one.hazard_forest import grow_hazard_forest


@pytest.fixture(scope="module")
def grown():
    """Two modalities; the first column brings the event early in half of the subjects."""
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(200, 2)).astype(np.float32) for _ in range(2)]
    lived = np.where(features[0][:, 0] > 0, 1.0, -3.0)
    problem = HazardProblem([], lived, np.ones(200), 3)
    folds = hazard_folds(lived, np.arange(200), 0, 2)
    distinct = [DistinctColumns.find(block, np.ones(2, dtype=bool)) for block in features]
    return grow_hazard_forest(features, distinct, problem, folds, Grower(20, 0)), features


def hazards_of(forest, features, shown=(True, True)):
    present = np.tile(shown, (len(features[0]), 1))
    return expit(forest.odds(forest.select(features), present))


def test_hazards_follow_column_and_interval(grown):
    forest, features = grown
    early = features[0][:, 0] > 0.2
    hazards = hazards_of(forest, features)
    assert hazards.shape == (200, 3)
    assert hazards[early, 0].mean() > 0.7
    assert hazards[features[0][:, 0] < -0.2].mean() < 0.1
    assert hazards[early, 2].mean() < hazards[early, 0].mean()


def test_what_is_hidden_is_unknown(grown):
    forest, features = grown
    hidden = hazards_of(forest, features, (False, True))
    known = hazards_of(forest, features)
    assert np.ptp(hidden[:, 0]) < np.ptp(known[:, 0])


def test_trees_of_a_part_have_not_seen_its_subjects(grown):
    forest, _ = grown
    parts = forest.parts()
    assert np.sort(np.concatenate([tested for _, tested in parts])).tolist() == [*range(200)]
    assert [part.n_trees for part, _ in parts] == [10, 10]
    assert forest.n_trees == 20
