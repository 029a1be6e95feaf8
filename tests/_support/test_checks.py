import numpy as np
import pytest

from adestim._support.checks import require_count
from adestim.exceptions import InputError


@pytest.mark.parametrize("value", [2, np.int64(3)])
def test_whole_numbers_from_the_least_on_are_counts(value):
    require_count(value, "the rule", least=2)


@pytest.mark.parametrize("value", [1, 2.0, "2", True, None])
def test_what_is_no_count_is_refused_by_the_rule(value):
    with pytest.raises(InputError, match=r"the rule\. Got"):
        require_count(value, "the rule", least=2)
