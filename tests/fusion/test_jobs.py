"""Anchors that are trained at the same time."""

import numpy as np
import pytest

from adestim import AnchoredFusionClassifier, AnchoredFusionRegressor
from tests.fusion_tables import numeric_table, with_missing

SMALL = {"width": 8, "n_trees": 0, "n_folds": 3, "max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def table():
    X, y = numeric_table(40)
    return with_missing(X), y


def test_the_number_of_jobs_changes_no_bit(table):
    alone, together = (AnchoredFusionClassifier(n_jobs=n, **SMALL).fit(*table) for n in (1, 3))
    assert together.history_ == alone.history_
    found, expected = together.predict_proba(table[0]), alone.predict_proba(table[0])
    np.testing.assert_array_equal(found, expected)


def test_numbers_are_predicted_alike(table):
    X, y = table
    number = (y == y[0]) + np.linspace(0, 1, len(y))
    alone, together = (AnchoredFusionRegressor(n_jobs=n, **SMALL).fit(X, number) for n in (1, 2))
    np.testing.assert_array_equal(together.predict(X), alone.predict(X))


def test_records_are_in_the_order_of_anchors(table):
    model = AnchoredFusionClassifier(n_jobs=4, **SMALL).fit(*table)
    places = [model.anchors_.index(record["anchor"]) for record in model.history_]
    assert places == sorted(places)
    assert {record["epoch"] for record in model.history_} == {0, 1, 2}


def test_whoever_trains_the_nets_gets_all_anchors_at_once(table):
    model = AnchoredFusionClassifier(n_jobs=2, **SMALL)
    sizes = []
    for training in model.fit_nets(*table):
        sizes.append(len(training.teams))
        training.run()
    assert sizes == [len(model.anchors_)]


def test_who_watches_epochs_sees_one_anchor_after_the_other(table, capsys):
    model = AnchoredFusionClassifier(n_jobs=2, verbose=1, **SMALL)
    sizes = []
    for training in model.fit_nets(*table):
        sizes.append(len(training.teams))
        training.run()
    assert sizes == [1] * len(model.anchors_)
