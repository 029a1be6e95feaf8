"""A first row of whole numbers is told from a volume by evidence, or not at all."""

import numpy as np
import pytest

from adestim.exceptions import DataWarning
from adestim.modalities.fmri._label_rows import share_of_form, tell_labels

RNG = np.random.default_rng(0)


def written(values, fmt="%d"):
    return [[fmt % number for number in row] for row in values]


DECIMALS = written(RNG.normal(100, 1, (50, 5)), "%.4f")
COUNTS = written(RNG.integers(9000, 9400, (50, 5)))
NEAR_ZERO = written(RNG.integers(-20, 20, (50, 5)))


@pytest.mark.parametrize(
    ("labels", "rows", "verdict"),
    [
        ("2001 2002 2101 2102 3001", DECIMALS, True),
        ("12 1001 7 2001 5", DECIMALS, True),
        ("1.0 2.0 3.0 4.0 6.0", DECIMALS, True),
        ("98 99 100 101 102", DECIMALS, True),
        ("101 99 100 98 102", DECIMALS, None),
        ("2001 2001 2101 2102 3001", DECIMALS, None),
        ("100 100 99 101 100", DECIMALS, False),
        ("2001 2002 2101 2102 3001", COUNTS, True),
        ("1 2 3 4 5", COUNTS, True),
        ("12 1001 7 2001 5", COUNTS, None),
        ("9100 9050 9300 9010 9222", COUNTS, False),
        ("9000 9050 9100 9200 9222", COUNTS, None),
        ("0 0 0 0 0", COUNTS, False),
        ("0 1 2 3 4", NEAR_ZERO, True),
        ("5 0 3 2 7", NEAR_ZERO, False),
    ],
)
def test_labels_are_told_from_a_volume_or_left_open(labels, rows, verdict):
    assert tell_labels(labels.split(), rows) is verdict


def test_few_columns_in_order_are_a_volume_with_a_warning():
    with pytest.warns(DataWarning, match="is taken for a volume"):
        assert tell_labels(["3", "7", "9"], [row[:3] for row in NEAR_ZERO]) is False


def test_first_volume_brighter_than_the_others_is_a_volume():
    level = np.array([5000, 9000, 7000, 12000, 6000])
    rows = written(level + RNG.integers(-50, 50, (50, 5)))
    assert tell_labels([str(round(1.4 * number)) for number in level], rows) is False


def test_columns_without_a_number_say_nothing():
    rows = [["n/a", *row[1:]] for row in DECIMALS]
    assert tell_labels(["2001", "2002", "2101", "2102", "3001"], rows) is True
    assert tell_labels(["2001", "2002"], [["n/a", "n/a"]] * 9) is not False


@pytest.mark.parametrize(
    ("labels", "rows", "share"),
    [
        (["1", "2"], [["1.5", "2"], ["n/a", "-3"]], 3 / 5),
        (["1.0", "2.0"], [["1.0", "2"], ["0.5", "-3.0"]], 4 / 6),
        (["1", "2"], [["1.0", "2.0"]], 1 / 4),
    ],
)
def test_share_of_numbers_written_alike(labels, rows, share):
    assert share_of_form(labels, rows) == pytest.approx(share)
