import numpy as np
import pytest

from adestim.exceptions import InputError
from adestim.inspection.tokens import long_tables
from adestim.inspection.tokens.long_tables import long_frame, require_level


def test_too_many_rows_are_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(long_tables, "MAX_ROWS", 5)
    axes = {"subject": range(2), "token": range(3)}
    with pytest.raises(
        InputError, match=r"at most 5 rows. Got 6 rows, subject x token.*level='tok"
    ):
        long_frame(np.zeros((2, 3)), axes, "weight")


def test_unknown_level_is_told_with_the_choice():
    with pytest.raises(InputError, match=r"Got 'voxel'. Choose from"):
        require_level("voxel", ["token"])
