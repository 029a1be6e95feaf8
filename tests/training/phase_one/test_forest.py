import pickle

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import f_classif
from sklearn.metrics import roc_auc_score

from adestim.encoding.tokens import feature_moments
from adestim.training.phase_one import forest
from adestim.training.phase_one.distinct import DistinctColumns
from adestim.training.phase_one.forest import Grower, grow_forest
from adestim.training.phase_one.logistic import LogisticProblem, association, inner_folds
from adestim.training.phase_one.ridge import RidgeProblem, number_folds

GROWER = Grower(n_trees=10, seed=0)
ALL_SHOWN = np.ones((60, 2), dtype=bool)


def drawn(n_subjects=60, n_classes=2, seed=0):
    """Two blocks, of which the class is told by one column each, unknown values, and classes."""
    rng = np.random.default_rng(seed)
    features = [rng.normal(size=(n_subjects, size)).astype(np.float32) for size in (4, 3)]
    signal = features[0][:, 1] + features[1][:, 2]
    y = np.argsort(np.argsort(signal)) * n_classes // n_subjects
    features[0][::7, 0] = np.nan
    features[1][::5] = np.nan
    return features, y


def grown(features, y, n_classes=2, weight=None, grower=GROWER, folds=None):
    weight = np.ones(len(y)) if weight is None else weight
    folds = inner_folds(y, np.arange(len(y)), 0, 3) if folds is None else folds
    problem = LogisticProblem([], y, weight, n_classes)
    return grow_forest(features, differing(features), problem, n_classes, folds, grower)


def differing(features):
    return [
        DistinctColumns.find(block, np.isfinite(feature_moments(block)[1])) for block in features
    ]


def unseen_odds(head, features):
    """What is said of the subjects by trees that have not seen them; zeros of others."""
    values = head.select(features)
    shown = np.ones((len(values), len(features)), dtype=bool)
    odds = np.zeros((len(values), head.n_classes - 1))
    for part, rows in head.parts():
        odds[rows] = part.odds(values[rows], shown[rows])
    return odds


@pytest.fixture(scope="module")
def fitted():
    features, y = drawn()
    head = grown(features, y)
    return features, y, head, head.select(features)


# The head


def test_log_odds_are_those_of_scikit_learns_forest_with_half_a_tree_for_every_class():
    features, y = drawn()
    [block], shown = [np.hstack(features)], np.ones((60, 1), dtype=bool)
    folds = inner_folds(y, np.arange(60), 0, 2)
    votes = 0
    for seed, (train, _) in zip(np.random.SeedSequence(0).generate_state(2), folds, strict=True):
        direct = RandomForestClassifier(
            5, min_samples_leaf=3, max_features=0.3, max_samples=1.0, random_state=int(seed)
        )
        votes += 5 * direct.fit(block[train], y[train], np.ones(len(train))).predict_proba(block)
    expected = np.log((votes[:, 1:] + 0.5) / (votes[:, :1] + 0.5))
    np.testing.assert_allclose(grown([block], y, folds=folds).odds(block, shown), expected)


def test_odds_are_finite_where_all_trees_agree():
    y = np.arange(60) % 2
    features = [y[:, None].astype(np.float32)]
    head = grown(features, y)
    odds = head.odds(head.select(features), np.ones((60, 1), dtype=bool))[:, 0]
    np.testing.assert_allclose(odds, np.where(y == 1, 1, -1) * np.log(10.5 / 0.5))


def test_columns_of_a_hidden_modality_are_not_read(fitted):
    _, _, head, values = fitted
    shown = np.tile([True, False], (60, 1))
    strange = np.where(head.places == 1, np.float32(99), values)
    found = head.odds(values, shown)
    np.testing.assert_array_equal(head.odds(strange, shown), found)
    assert not np.allclose(found, head.odds(values, ALL_SHOWN))


def test_a_class_that_is_not_among_the_rows_becomes_improbable():
    features, y = drawn(n_classes=3)
    rows = np.flatnonzero(y != 0)
    head = grown([block[rows] for block in features], y[rows], n_classes=3)
    odds = head.odds(head.select(features), ALL_SHOWN)
    assert odds.shape == (60, 2)
    assert np.isfinite(odds).all()
    assert (odds.max(axis=1) > 2).all()


def test_three_classes_are_told_apart():
    features, y = drawn(n_classes=3)
    head = grown(features, y, n_classes=3)
    odds = head.odds(head.select(features), ALL_SHOWN)
    found = np.pad(odds, ((0, 0), (1, 0))).argmax(axis=1)
    assert (found == y).mean() > 0.8


def test_a_heavier_class_becomes_more_probable(fitted):
    features, y, head, values = fitted
    heavy = grown(features, y, weight=np.where(y == 1, 5.0, 1.0))
    gain = heavy.odds(heavy.select(features), ALL_SHOWN) - head.odds(values, ALL_SHOWN)
    assert gain.mean() > 0.3


def test_the_seed_settles_the_forest_and_the_global_generator_is_left_as_found():
    features, y = drawn()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, same, other = (
        head.odds(head.select(features), ALL_SHOWN)
        for head in (grown(features, y, grower=Grower(10, seed)) for seed in (0, 0, 1))
    )
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_a_column_that_is_never_known_or_does_not_vary_is_borne():
    features, y = drawn()
    features[0][:, 0], features[1][:, 0] = np.nan, 2.0
    head = grown(features, y)
    assert [own.tolist() for own in head.columns] == [[1, 2, 3], [1, 2]]
    assert np.isfinite(head.odds(head.select(features), ALL_SHOWN)).all()


def test_a_head_survives_pickling(fitted):
    _, _, head, values = fitted
    restored = pickle.loads(pickle.dumps(head))
    np.testing.assert_array_equal(restored.odds(values, ALL_SHOWN), head.odds(values, ALL_SHOWN))


def test_a_modality_that_is_missing_only_in_prediction_is_made_up_for_by_the_others():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(300, 1))
    y = (signal[:, 0] > 0).astype(int)
    # The first block tells more, so that trees which always have it would rely on it alone.
    features = [
        (signal + rng.normal(scale=s, size=(300, 2))).astype(np.float32) for s in (0.1, 0.5)
    ]
    head = grown([block[:200] for block in features], y[:200], grower=Grower(50, 0))
    values = head.select([block[200:] for block in features])
    odds = head.odds(values, np.tile([False, True], (100, 1)))[:, 0]
    assert roc_auc_score(y[200:], odds) > 0.9
    assert abs(odds.mean()) < 1


# The columns


def test_the_strongest_columns_are_read_whichever_modality_has_them(monkeypatch):
    monkeypatch.setattr(forest, "N_COLUMNS", 2)
    features, y = drawn(300)
    head = grown(features, y)
    assert [own.tolist() for own in head.columns] == [[1], [2]]
    assert head.places.tolist() == [0, 1]
    np.testing.assert_array_equal(head.select(features)[:, 0], features[0][:, 1])


def test_association_is_the_root_of_the_f_statistic_up_to_a_factor():
    features, y = drawn(n_classes=3)
    values = np.nan_to_num(features[0])
    found = association(values, y, np.ones(60))
    expected = np.sqrt(f_classif(values, y)[0])
    np.testing.assert_allclose(found / found[1], expected / expected[1], rtol=1e-5)


def test_of_columns_that_are_the_same_one_is_read():
    features, y = drawn()
    features[0] = features[0][:, [0, 1, 1, 0, 2]]
    assert grown(features, y).columns[0].tolist() == [0, 1, 4]


# Odds of the training subjects


def test_training_odds_come_from_trees_that_did_not_see_the_label():
    features, y = drawn()
    folds = inner_folds(y, np.arange(60), 0, 3)
    tested = folds[0][1]
    flipped = y.copy()
    flipped[tested] = 1 - flipped[tested]
    before, after = (
        unseen_odds(grown(features, targets, folds=folds), features) for targets in (y, flipped)
    )
    np.testing.assert_array_equal(after[tested], before[tested])
    elsewhere = np.setdiff1d(np.arange(60), tested)
    assert not np.allclose(after[elsewhere], before[elsewhere])


def test_training_odds_do_not_flatter_noise():
    noise = [np.random.default_rng(0).normal(size=(60, 200)).astype(np.float32)]
    y, shown = np.arange(60) % 2, np.ones((60, 1), dtype=bool)
    head = grown(noise, y)
    assert roc_auc_score(y, head.odds(head.select(noise), shown)) > 0.95
    assert roc_auc_score(y, unseen_odds(head, noise)) < 0.7


def test_every_tree_leaves_one_fold_out_and_all_are_as_many_as_asked_for():
    features, y = drawn()
    head = grown(features, y)
    assert sum(len(grove.model.estimators_) for grove in head.groves) == head.n_trees == 10
    tested = np.concatenate([rows for _, rows in head.parts()])
    np.testing.assert_array_equal(np.sort(tested), np.arange(60))


def test_threads_grow_the_same_forest():
    features, y = drawn()
    one, two = (grown(features, y, grower=Grower(10, 0, n_jobs)) for n_jobs in (None, 2))
    np.testing.assert_array_equal(
        one.odds(one.select(features), ALL_SHOWN), two.odds(two.select(features), ALL_SHOWN)
    )


def test_a_forest_of_fewer_trees_than_folds_is_borne():
    features, y = drawn()
    assert len(grown(features, y, grower=Grower(2, 0)).groves) == 2


def test_a_handful_of_subjects_is_borne_without_a_warning():
    features, y = drawn(n_subjects=8)
    folds = inner_folds(y, np.arange(8), 0, 2)
    head = grown(features, y, folds=folds)
    assert [grove.model.max_samples for grove in head.groves] == [4, 4]


# Numbers


def test_numbers_are_predicted_by_the_mean_of_the_trees():
    features, _ = drawn()
    target = np.nan_to_num(features[0][:, 1])
    problem = RidgeProblem([], target, np.ones(60))
    folds = number_folds(target, np.arange(60), 0, 3)
    head = grow_forest(features, differing(features), problem, None, folds, Grower(30, 0))
    values = head.select(features)
    found = head.odds(values, ALL_SHOWN)
    groves = [
        len(grove.model.estimators_) * grove.model.predict(values[:, grove.own].astype(np.float32))
        for grove in head.groves
    ]
    np.testing.assert_allclose(found[:, 0], np.sum(groves, axis=0) / 30, rtol=1e-6)
    assert np.corrcoef(found[:, 0], target)[0, 1] > 0.8
