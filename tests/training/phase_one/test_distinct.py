import numpy as np

from adestim.training.phase_one.distinct import DistinctColumns

TABLE = np.array(
    [[1.0, 5.0, 1.0, 2.0, np.nan, np.nan], [2.0, 5.0, 2.0, 1.0, 3.0, 3.0]], dtype=np.float32
)
VARIES = np.array([True, False, True, True, True, True])


def test_columns_that_vary_and_are_no_copy_are_found():
    found = DistinctColumns.find(TABLE, VARIES)
    np.testing.assert_array_equal(found.first, [0, 3, 4])
    np.testing.assert_array_equal(found.copies, [2, 1, 2])
    np.testing.assert_array_equal(found.own, [0, -1, 0, 1, 2, 2])


def test_weights_are_split_between_copies_and_constant_columns_have_none():
    found = DistinctColumns.find(TABLE, VARIES)
    spread = found.spread(np.array([[2.0], [3.0], [-1.0]]))
    np.testing.assert_array_equal(spread[:, 0], [1, 0, 1, 3, -0.5, -0.5])


def test_a_table_without_columns_that_vary_is_borne():
    found = DistinctColumns.find(TABLE, np.zeros(6, dtype=bool))
    assert len(found.first) == len(found.copies) == 0
    assert not found.spread(np.zeros((0, 2))).any()
