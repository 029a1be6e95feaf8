import pytest

from adestim import heads
from adestim.estimators import block_average


@pytest.fixture
def few_penalties(monkeypatch):
    """Two penalties instead of eight, where phase 1 only has to be quick."""
    for module in (heads, block_average):
        monkeypatch.setattr(module, "PENALTIES", module.PENALTIES[[3, 5]])
