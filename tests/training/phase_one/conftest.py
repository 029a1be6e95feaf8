"""Phase 1 is tested with the penalties that users have."""

import pytest

from tests.penalties import USERS, penalties


@pytest.fixture(scope="module", autouse=True)
def users_penalties(few_penalties):
    """All penalties."""
    with penalties(USERS):
        yield
