"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, however busy the machine is.
settings.register_profile("adestim", deadline=None, derandomize=True)
settings.load_profile("adestim")

REALDATA = Path(
    os.environ.get(
        "ADESTIM_REALDATA", Path(__file__).resolve().parents[1].parent / "shared" / "realdata"
    )
)


@pytest.fixture
def realdata() -> Path:
    """Folder of open real data; the test is skipped where it is not at hand."""
    if not REALDATA.is_dir():
        pytest.skip(
            f"the open real data are not at {REALDATA}; set ADESTIM_REALDATA to their folder"
        )
    return REALDATA
