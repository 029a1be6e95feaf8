from dataclasses import replace

import numpy as np
import pytest

from adestim.exceptions import InputError
from adestim.training.adaptation_rows import AdaptationRequest, adapt_to_rows, adaptation_folds
from tests.toy_backbone import N_FEATURES, N_PLACES, toy_spec

N_SUBJECTS = 30


@pytest.fixture(scope="module")
def spec(weights):
    return toy_spec(weights)


def asked(**changes):
    """What an extractor asks for."""
    request = AdaptationRequest(
        owner="SMRIExtractor",
        kind="head",
        params={"max_epochs": 2, "n_folds": 3},
        device="cpu",
        random_state=0,
    )
    return replace(request, **changes)


def rows(missing=()):
    rng = np.random.default_rng(0)
    inputs = list(rng.normal(size=(N_SUBJECTS, N_PLACES, N_FEATURES)).astype(np.float32))
    for row in missing:
        inputs[row] = None
    return inputs, np.array(["AD", "CN"])[np.arange(N_SUBJECTS) % 2], np.arange(N_SUBJECTS)


def test_rows_without_the_modality_take_no_part(spec):
    inputs, y, groups = rows(missing=(0, 3))
    expected = adapt_to_rows(
        asked(),
        spec,
        [item for item in inputs if item is not None],
        y[[1, 2, *range(4, 30)]],
        groups[[1, 2, *range(4, 30)]],
    )
    found = adapt_to_rows(asked(), spec, inputs, y, groups)
    np.testing.assert_allclose(found.coef, expected.coef)


def test_folds_cover_the_rows_that_have_the_modality_once():
    inputs, y, groups = rows(missing=(0, 3))
    folds = adaptation_folds(asked(), inputs, y, groups)
    assert len(folds) == 3
    tested = np.concatenate([test for _, test in folds])
    assert sorted(tested) == [row for row in range(N_SUBJECTS) if row not in (0, 3)]
    assert all(inputs[row] is not None for train, _ in folds for row in train)


def test_folds_keep_groups_whole():
    inputs, y, _ = rows()
    groups = np.arange(N_SUBJECTS) // 3
    for train, test in adaptation_folds(asked(), inputs, y, groups):
        assert not set(groups[train]) & set(groups[test])


def test_a_class_too_small_for_folds_is_refused():
    inputs, _, groups = rows()
    y = np.where(groups == 0, "rare", "common")
    with pytest.raises(InputError, match=r"cross_fit=True.*too few groups.*cross_fit=False"):
        adaptation_folds(asked(), inputs, y, groups)


def test_labels_are_needed(spec):
    inputs, _, groups = rows()
    with pytest.raises(InputError, match=r"needs the class labels. Got y=None"):
        adapt_to_rows(asked(), spec, inputs, None, groups)


def test_labels_must_be_as_many_as_the_rows(spec):
    inputs, y, groups = rows()
    with pytest.raises(InputError, match="Got 30 and 29"):
        adapt_to_rows(asked(), spec, inputs, y[1:], groups)


def test_numbers_are_no_classes(spec):
    inputs, _, groups = rows()
    with pytest.raises(ValueError, match="Unknown label type"):
        adapt_to_rows(asked(), spec, inputs, np.linspace(0, 1, N_SUBJECTS), groups)


def test_two_classes_must_have_the_modality(spec):
    inputs, y, groups = rows(missing=range(0, N_SUBJECTS, 2))
    with pytest.raises(InputError, match=r"at least 2 classes.*Got 1 among 15 subjects"):
        adapt_to_rows(asked(), spec, inputs, y, groups)


def test_an_unknown_option_is_refused_with_those_to_choose_from(spec):
    inputs, y, groups = rows()
    wrong = asked(params={"epochs": 3})
    with pytest.raises(InputError, match=r"adapt_params.*'epochs'.*max_epochs"):
        adapt_to_rows(wrong, spec, inputs, y, groups)


@pytest.mark.parametrize(
    "wrong",
    [
        {"validation_fraction": None},
        {"max_epochs": 0},
        {"max_epochs": 1.5},
        {"body_learning_rate": 0},
        {"weight_decay": -1},
        {"dropout": 1.5},
    ],
)
def test_an_option_out_of_range_is_refused(spec, wrong):
    inputs, y, groups = rows()
    [(name, value)] = wrong.items()
    with pytest.raises(InputError, match=rf"'{name}' in the 'adapt_params'.*Got {value}"):
        adapt_to_rows(asked(params=wrong), spec, inputs, y, groups)


def test_every_subject_needs_a_label(spec):
    inputs, y, groups = rows()
    y = np.array([None, *y[1:]], dtype=object)
    with pytest.raises(InputError, match=r"needs a label of every subject. Got 1 missing"):
        adapt_to_rows(asked(), spec, inputs, y, groups)
