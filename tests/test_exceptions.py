"""Errors say the rule, the value and the remedy, and keep saying them across processes."""

import pickle

import pytest

from adestim import exceptions
from adestim.exceptions import (
    AdestimError,
    AdestimWarning,
    CellTypeError,
    InputError,
    MissingDependencyError,
    SavedModelError,
    SubjectsError,
    TableError,
    VolumeError,
)

CLASSES = [getattr(exceptions, name) for name in exceptions.__all__]
ERRORS = [cls for cls in CLASSES if issubclass(cls, AdestimError)]


def test_message_holds_subject_rule_value_and_remedy():
    error = AdestimError("A volume has 3 dimensions", "4", "Pass one volume", "sub-01")
    assert str(error) == ("Subject 'sub-01': A volume has 3 dimensions. Got 4. Pass one volume.")


def test_what_is_not_known_is_not_said():
    assert str(AdestimError("A volume has 3 dimensions")) == "A volume has 3 dimensions."
    assert str(AdestimError("The rule", remedy="Do this")) == "The rule. Do this."


def test_full_stops_are_not_doubled():
    assert str(AdestimError("The rule.", remedy="Do this.")) == "The rule. Do this."


def test_empty_subject_is_named_too():
    assert str(AdestimError("The rule", subject="")) == "Subject '': The rule."


@pytest.mark.parametrize("cls", ERRORS)
def test_about_names_the_subject_and_keeps_the_rest(cls):
    error = cls("The rule", got="a", remedy="Do b")
    named = error.about(17)
    assert type(named) is cls
    assert (named.rule, named.got, named.remedy, named.subject) == ("The rule", "a", "Do b", "17")
    assert error.subject is None


@pytest.mark.parametrize("cls", ERRORS)
def test_error_survives_pickling(cls):
    error = cls("The rule", got="a", remedy="Do b", subject="sub-01")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_every_class_descends_from_one_of_two():
    assert all(issubclass(cls, (AdestimError, AdestimWarning)) for cls in CLASSES)
    assert issubclass(AdestimWarning, UserWarning)


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (InputError, ValueError),
        (VolumeError, ValueError),
        (TableError, ValueError),
        (SavedModelError, ValueError),
        (SubjectsError, ValueError),
        (CellTypeError, TypeError),
        (MissingDependencyError, ImportError),
    ],
)
def test_error_is_caught_as_the_builtin_it_is(cls, builtin):
    assert issubclass(cls, builtin)
