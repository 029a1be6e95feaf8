import pytest

from adestim.fusion import block_average
from adestim.training.phase_one import logistic


@pytest.fixture
def few_penalties(monkeypatch):
    """Two penalties instead of eight, where phase 1 only has to be quick."""
    for module in (logistic, block_average):
        monkeypatch.setattr(module, "PENALTIES", module.PENALTIES[[3, 5]])
