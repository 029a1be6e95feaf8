"""People who are measured step by step."""

from itertools import pairwise

import numpy as np

from adestim.evaluation.measuring.alike import read_reference
from adestim.evaluation.measuring.steps import Judge, Walk
from tests.evaluation.measuring.patients import fitted, measurements

PRICES = np.array([3.0, np.inf, 1.0, 1.0])


def walk(n_subjects=20):
    model, X, _ = fitted()
    reference = read_reference(model, X, None, None, 5)
    table, _ = measurements(n_subjects, 7)
    present = np.ones((n_subjects, 4), dtype=bool)
    return Walk(reference, table, present, np.array([False, False, True, False]), PRICES)


def first_option(table, known, options):
    return options.argmax(axis=1)


def test_each_step_adds_one_modality_to_who_is_not_settled():
    states = list(walk().take_steps(first_option))
    assert len(states) == 1 + walk().n_steps == 3
    for before, after in pairwise(states):
        added = after.known.sum(axis=1) - before.known.sum(axis=1)
        assert set(added[before.decided]) <= {0}
        assert set(added[~before.decided]) <= {1}


def test_what_is_not_known_is_not_shown():
    shown = walk().show(np.tile([False, False, True, False], (20, 1)))
    assert shown.filter(like="smri__").isna().all(axis=None)
    assert shown.filter(like="clinical__").notna().all(axis=None)


def test_costs_are_those_of_what_was_measured():
    model = fitted()[0]
    y = measurements(20, 7)[1]
    judge = Judge(model, y, (y == "CN").astype(int), ["accuracy"], walk())
    curve, subjects = judge.measure_all()
    assert curve["cost"].tolist() == [4.0]
    assert set(subjects["order"]) == {"smri, genetics"}
