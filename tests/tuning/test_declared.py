"""That what is searched of every class stays complete when parameters are added."""

import inspect
import json
from pathlib import Path

import pytest

import adestim
from adestim.tuning.declared import read_reasons, read_space

# What was searched, and among which values, before classes said so themselves.
FROZEN = json.loads(Path(__file__).with_name("spaces.json").read_text(encoding="utf-8"))
ESTIMATORS = [
    value
    for name in adestim.__all__
    if inspect.isclass(value := getattr(adestim, name)) and hasattr(value, "get_params")
]
CLASSES = pytest.mark.parametrize("kind", ESTIMATORS, ids=lambda kind: kind.__name__)


def parameters(kind):
    return set(inspect.signature(kind.__init__).parameters) - {"self"}


@CLASSES
def test_spaces_and_their_order_are_the_same_as_ever(kind):
    frozen = FROZEN[kind.__name__]
    found = [(name, repr(values)) for name, values in read_space(kind).items()]
    assert found == list(frozen["searched"].items())
    assert read_reasons(kind) == frozen["left_out"]


@CLASSES
def test_every_parameter_is_searched_or_left_out_for_a_reason(kind):
    missing = parameters(kind) - set(read_space(kind)) - set(read_reasons(kind))
    assert not missing, (
        f"put {missing} of {kind.__name__} into its _search_space or, with why, its _not_searched"
    )


@CLASSES
def test_no_entry_is_stale(kind):
    stale = (set(read_space(kind)) | set(read_reasons(kind))) - parameters(kind)
    assert not stale, f"{kind.__name__} has no {stale}"


@CLASSES
def test_nothing_is_both_searched_and_left_out(kind):
    assert not set(read_space(kind)) & set(read_reasons(kind))


@CLASSES
def test_every_default_is_part_of_its_range(kind):
    signature = inspect.signature(kind.__init__).parameters
    space = read_space(kind)
    outside = [n for n, each in space.items() if not each.contains(signature[n].default)]
    assert not outside, f"defaults of {kind.__name__} outside of their ranges: {outside}"


@CLASSES
def test_every_value_of_the_table_is_one_that_the_class_accepts(kind):
    constraints = kind._parameter_constraints
    for name, values in read_space(kind).items():
        ends = values.options if hasattr(values, "options") else (values.low, values.high)
        for value in ends:
            accepted(kind, name, value, constraints)


def accepted(kind, name, value, constraints):
    required = {
        "estimator": adestim.LateFusionClassifier(),
        "extractor": adestim.ClinicalExtractor(),
        "transformers": [],
    }
    given = {key: required[key] for key in parameters(kind) & set(required)}
    estimator = kind(**given | {name: value})
    if name in constraints:
        estimator._validate_params()


def test_every_estimator_of_the_package_is_in_the_frozen_tables():
    assert {kind.__name__ for kind in ESTIMATORS} == set(FROZEN)


def test_what_declares_nothing_has_nothing_to_search():
    assert read_space(object) == {} == read_reasons(object)


@CLASSES
def test_reasons_are_words(kind):
    assert all(read_reasons(kind).values())
