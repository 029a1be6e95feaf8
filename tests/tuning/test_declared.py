"""That the tables of what is searched stay complete when parameters are added."""

import inspect

import pytest

import adestim
from adestim.tuning.declared import LEFT_OUT, SPACES

CLASSES = pytest.mark.parametrize("kind", SPACES, ids=lambda kind: kind.__name__)


def parameters(kind):
    return set(inspect.signature(kind.__init__).parameters) - {"self"}


@CLASSES
def test_every_parameter_is_searched_or_left_out_for_a_reason(kind):
    missing = parameters(kind) - set(SPACES[kind]) - set(LEFT_OUT[kind])
    assert not missing, f"put {missing} of {kind.__name__} into SPACES or, with why, LEFT_OUT"


@CLASSES
def test_no_entry_is_stale(kind):
    stale = (set(SPACES[kind]) | set(LEFT_OUT[kind])) - parameters(kind)
    assert not stale, f"{kind.__name__} has no {stale}"


@CLASSES
def test_nothing_is_both_searched_and_left_out(kind):
    assert not set(SPACES[kind]) & set(LEFT_OUT[kind])


@CLASSES
def test_every_default_is_part_of_its_range(kind):
    signature = inspect.signature(kind.__init__).parameters
    outside = [n for n, each in SPACES[kind].items() if not each.contains(signature[n].default)]
    assert not outside, f"defaults of {kind.__name__} outside of their ranges: {outside}"


@CLASSES
def test_every_value_of_the_table_is_one_that_the_class_accepts(kind):
    constraints = kind._parameter_constraints
    for name, values in SPACES[kind].items():
        ends = values.options if hasattr(values, "options") else (values.low, values.high)
        for value in ends:
            accepted(kind, name, value, constraints)


def accepted(kind, name, value, constraints):
    required = {"estimator": adestim.LateFusionClassifier(), "transformers": []}
    given = {key: required[key] for key in parameters(kind) & set(required)}
    estimator = kind(**given | {name: value})
    if name in constraints:
        estimator._validate_params()


def test_every_estimator_of_the_package_is_in_the_tables():
    estimators = {
        value
        for name in adestim.__all__
        if inspect.isclass(value := getattr(adestim, name)) and hasattr(value, "get_params")
    }
    assert estimators == set(SPACES) == set(LEFT_OUT)


def test_reasons_are_words():
    assert all(reason for reasons in LEFT_OUT.values() for reason in reasons.values())
