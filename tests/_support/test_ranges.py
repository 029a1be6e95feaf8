import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
