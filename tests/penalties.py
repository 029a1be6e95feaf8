"""Among how many penalties phase 1 chooses: eight for users, two in most tests."""

from contextlib import contextmanager

import pytest

from adestim.fusion import block_average
from adestim.training.phase_one import hazard, logistic

USERS = logistic.PENALTIES
FEW = USERS[[3, 5]]


@contextmanager
def penalties(chosen):
    """Let phase 1 choose among some penalties, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (logistic, hazard, block_average):
            patch.setattr(module, "PENALTIES", chosen)
        yield
