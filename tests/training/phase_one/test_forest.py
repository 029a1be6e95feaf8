import pickle

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import f_classif
from sklearn.metrics import roc_auc_score

from adestim.training.phase_one import forest
from adestim.training.phase_one.forest import (
    Grower,
    TreeOdds,
    association,
    fit_forest,
    grow_on_folds,
)
from adestim.training.phase_one.logistic import inner_folds

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


def grown(features, y, n_classes=2, weight=None, grower=GROWER):
    weight = np.ones(len(y)) if weight is None else weight
    return fit_forest(features, y, weight, n_classes, grower)


@pytest.fixture(scope="module")
def fitted():
    features, y = drawn()
    head = grown(features, y)
    return features, y, head, head.select(features)


# The head


def test_log_odds_are_those_of_scikit_learns_forest_with_half_a_tree_for_every_class():
    features, y = drawn()
    [block], shown = [np.hstack(features)], np.ones((60, 1), dtype=bool)
    direct = RandomForestClassifier(10, min_samples_leaf=3, max_features=0.3, random_state=0)
    votes = 10 * direct.fit(block, y, sample_weight=np.ones(60)).predict_proba(block)
    expected = np.log((votes[:, 1:] + 0.5) / (votes[:, :1] + 0.5))
    np.testing.assert_allclose(grown([block], y).log_odds(block, shown), expected)


def test_odds_are_finite_where_all_trees_agree():
    y = np.arange(60) % 2
    features = [y[:, None].astype(np.float32)]
    head = grown(features, y)
    odds = head.log_odds(head.select(features), np.ones((60, 1), dtype=bool))[:, 0]
    np.testing.assert_allclose(odds, np.where(y == 1, 1, -1) * np.log(10.5 / 0.5))


def test_columns_of_a_hidden_modality_are_not_read(fitted):
    _, _, head, values = fitted
    shown = np.tile([True, False], (60, 1))
    strange = np.where(head.places == 1, np.float32(99), values)
    found = head.log_odds(values, shown)
    np.testing.assert_array_equal(head.log_odds(strange, shown), found)
    assert not np.allclose(found, head.log_odds(values, ALL_SHOWN))


def test_a_class_that_is_not_among_the_rows_becomes_improbable():
    features, y = drawn(n_classes=3)
    rows = np.flatnonzero(y != 0)
    head = grown([block[rows] for block in features], y[rows], n_classes=3)
    odds = head.log_odds(head.select(features), ALL_SHOWN)
    assert odds.shape == (60, 2)
    assert np.isfinite(odds).all()
    assert (odds.max(axis=1) > 2).all()


def test_three_classes_are_told_apart():
    features, y = drawn(n_classes=3)
    head = grown(features, y, n_classes=3)
    odds = head.log_odds(head.select(features), ALL_SHOWN)
    found = np.pad(odds, ((0, 0), (1, 0))).argmax(axis=1)
    assert (found == y).mean() > 0.8


def test_a_heavier_class_becomes_more_probable(fitted):
    features, y, head, values = fitted
    heavy = grown(features, y, weight=np.where(y == 1, 5.0, 1.0))
    gain = heavy.log_odds(heavy.select(features), ALL_SHOWN) - head.log_odds(values, ALL_SHOWN)
    assert gain.mean() > 0.3


def test_the_seed_settles_the_forest_and_the_global_generator_is_left_as_found():
    features, y = drawn()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, same, other = (
        head.log_odds(head.select(features), ALL_SHOWN)
        for head in (grown(features, y, grower=Grower(10, seed)) for seed in (0, 0, 1))
    )
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_a_column_that_is_never_known_or_does_not_vary_is_borne():
    features, y = drawn()
    features[0][:, 0], features[1][:, 0] = np.nan, 2.0
    head = grown(features, y)
    assert np.isfinite(head.log_odds(head.select(features), ALL_SHOWN)).all()


def test_a_head_survives_pickling(fitted):
    _, _, head, values = fitted
    restored = pickle.loads(pickle.dumps(head))
    np.testing.assert_array_equal(
        restored.log_odds(values, ALL_SHOWN), head.log_odds(values, ALL_SHOWN)
    )


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
    odds = head.log_odds(values, np.tile([False, True], (100, 1)))[:, 0]
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


# Odds of a table


@pytest.fixture
def counted(fitted, monkeypatch):
    """The odds of all subjects, and a list that grows with every call of the forest."""
    features, _, head, _ = fitted
    calls, log_odds = [], type(head).log_odds

    def counting(self, values, present):
        calls.append(present[0])
        return log_odds(self, values, present)

    monkeypatch.setattr(type(head), "log_odds", counting)
    return TreeOdds([(head, np.arange(60))], features), calls


def test_odds_are_those_of_the_forest_for_what_is_shown(fitted):
    features, _, head, values = fitted
    rows = np.array([3, 8, 20, 41])
    shown = np.array([[True, True], [False, True], [True, False], [True, True]])
    odds = TreeOdds([(head, np.arange(60))], features)(rows, shown)
    np.testing.assert_array_equal(odds, head.log_odds(values[rows], shown))


def test_nothing_is_computed_before_it_is_asked_for_and_nothing_twice(counted):
    odds, calls = counted
    assert len(calls) == 0
    rows = np.array([1, 2, 1])
    for _ in range(2):
        odds(rows, ALL_SHOWN[rows])
    assert len(calls) == 1
    hidden = np.array([[True, False], [True, True], [True, False]])
    for _ in range(2):
        odds(rows, hidden)
    assert len(calls) == 2


def test_hiding_what_a_subject_lacks_costs_nothing(counted):
    odds, calls = counted
    rows = np.arange(0, 60, 5)
    lacking = np.tile([True, False], (len(rows), 1))
    np.testing.assert_array_equal(odds(rows, lacking), odds(rows, ALL_SHOWN[rows]))
    assert len(calls) == 1


def test_odds_once_given_may_be_changed(fitted):
    features, _, head, _ = fitted
    odds, rows = TreeOdds([(head, np.arange(60))], features), np.arange(60)
    first = odds(rows, ALL_SHOWN)
    kept = first.copy()
    first += 1
    np.testing.assert_array_equal(odds(rows, ALL_SHOWN), kept)


# Odds of the training subjects


def test_training_odds_come_from_forests_that_did_not_see_the_label():
    features, y = drawn()
    folds, weight, rows = inner_folds(y, np.arange(60), 0, 3), np.ones(60), np.arange(60)
    tested = folds[0][1]
    flipped = y.copy()
    flipped[tested] = 1 - flipped[tested]
    before, after = (
        grow_on_folds(features, targets, weight, folds, 2, GROWER)(rows, ALL_SHOWN)
        for targets in (y, flipped)
    )
    np.testing.assert_array_equal(after[tested], before[tested])
    elsewhere = np.setdiff1d(rows, tested)
    assert not np.allclose(after[elsewhere], before[elsewhere])


def test_training_odds_do_not_flatter_noise():
    noise = [np.random.default_rng(0).normal(size=(60, 200)).astype(np.float32)]
    y, shown = np.arange(60) % 2, np.ones((60, 1), dtype=bool)
    folds = inner_folds(y, np.arange(60), 0, 3)
    seen = grown(noise, y)
    unseen = grow_on_folds(noise, y, np.ones(60), folds, 2, GROWER)
    assert roc_auc_score(y, seen.log_odds(seen.select(noise), shown)) > 0.95
    assert roc_auc_score(y, unseen(np.arange(60), shown)) < 0.7


def test_who_is_tested_by_no_fold_has_even_odds():
    features, y = drawn()
    folds = inner_folds(y, np.arange(60), 0, 3)[1:]
    odds = grow_on_folds(features, y, np.ones(60), folds, 2, GROWER)(np.arange(60), ALL_SHOWN)
    untested = np.setdiff1d(np.arange(60), np.concatenate([test for _, test in folds]))
    assert not odds[untested].any()
    assert odds[folds[0][1]].any()


def test_a_forest_may_read_nothing_of_a_modality():
    features, y = drawn()
    features[1] = features[1][:, :0]
    odds = TreeOdds([(grown(features, y), np.arange(60))], features)
    hidden = np.tile([True, False], (60, 1))
    np.testing.assert_array_equal(odds(np.arange(60), hidden), odds(np.arange(60), ALL_SHOWN))
