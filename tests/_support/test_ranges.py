import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adestim.exceptions import InputError
from adestim.tuning import Choice, Range

RANGES = [
    Range(1e-4, 1e-1, log=True),
    Range(0.0, 0.5),
    Range(16, 64, step=16),
    Range(2, 32, log=True),
    Choice((None, "temperature", True, 3)),
]


@pytest.mark.parametrize("values", RANGES, ids=str)
def test_what_is_suggested_is_contained(values):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    assert all(values.contains(values.suggest(study.ask(), "a")) for _ in range(20))


def test_whole_ends_give_whole_numbers():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    assert isinstance(Range(2, 32, log=True).suggest(study.ask(), "whole"), int)
    assert isinstance(Range(2.0, 32.0).suggest(study.ask(), "real"), float)


@given(st.floats(allow_nan=True))
def test_only_numbers_between_the_ends_are_contained(value):
    assert Range(0.0, 0.5).contains(value) == (0 <= value <= 0.5)


@pytest.mark.parametrize("value", [17, 16.5, True, None, "16", 80])
def test_other_values_are_not_contained(value):
    assert not Range(16, 64, step=16).contains(value)


def test_options_are_compared_with_their_type():
    assert Choice((True, False)).contains(True)
    assert not Choice((True, False)).contains(1)


@pytest.mark.parametrize(
    ("ends", "options"),
    [
        ((2, 1), {}),
        ((0.5, 0.1), {}),
        ((0.0, float("nan")), {}),
        ((0.0, float("inf")), {}),
        (("1", "2"), {}),
        ((None, 1), {}),
        ((False, True), {}),
        ((0, 10), {"log": True}),
        ((-1.0, 1.0), {"log": True}),
    ],
)
def test_ends_that_enclose_nothing_are_refused(ends, options):
    with pytest.raises(InputError, match="The ends of a Range are finite numbers"):
        Range(*ends, **options)


@pytest.mark.parametrize(
    ("ends", "options"),
    [
        ((1, 8), {"step": 0}),
        ((1, 8), {"step": -1}),
        ((1, 8), {"step": 0.5}),
        ((1.0, 8.0), {"step": "1"}),
        ((1, 8), {"step": 2, "log": True}),
    ],
)
def test_steps_that_lead_nowhere_are_refused(ends, options):
    with pytest.raises(InputError, match="The step of a Range"):
        Range(*ends, **options)


@pytest.mark.parametrize("options", [(), [], "mean"])
def test_a_choice_of_nothing_is_refused(options):
    with pytest.raises(InputError, match="options of a Choice"):
        Choice(options)


def test_a_range_of_one_value_has_that_one():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    assert Range(3, 3).suggest(study.ask(), "a") == 3


def test_a_range_from_a_whole_number_to_a_broken_one_has_those_between():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = [Range(0, 0.5).suggest(study.ask(), "a") for _ in range(5)]
    assert len(set(found)) == 5
    assert all(0 <= value <= 0.5 for value in found)
