"""Phase 1 is tested with the penalties that users have."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def users_penalties(all_penalties):
    """All penalties."""
