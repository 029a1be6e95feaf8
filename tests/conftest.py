"""Fixtures shared by all tests."""

import io
import os
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings
from tqdm import tqdm

from adestim.training.phase_one.remembered import MEMORY
from tests.modalities.clinical.language_folders import small_folder
from tests.penalties import FEW, USERS, penalties
from tests.toy_backbone import write_weights

# The same examples in every run, however busy the machine is.
settings.register_profile("adestim", deadline=None, derandomize=True)
settings.load_profile("adestim")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Run long tests first, so that no worker waits for another's at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


SHARED = Path(__file__).resolve().parents[2] / "shared"


def folder_at_hand(variable: str, name: str, what: str) -> Path:
    """Return a folder that lies beside the project or where a variable says, or skip the test."""
    folder = Path(os.environ.get(variable, SHARED / name))
    if not folder.is_dir():
        pytest.skip(f"the {what} are not at {folder}; set {variable} to their folder")
    return folder


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of open real data."""
    return folder_at_hand("ADESTIM_REALDATA", "realdata", "open real data")


@pytest.fixture(scope="session")
def parity() -> Path:
    """Folder of outputs of the models' reference code, at random weights."""
    return folder_at_hand("ADESTIM_PARITY", "parity", "outputs of the reference code")


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of the lists of names and shapes in released checkpoints."""
    return folder_at_hand("ADESTIM_REFERENCE", "reference", "lists of released checkpoints")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    """A terminal on which progress bars are drawn; pytest keeps standard error to itself."""
    stream = Terminal()
    monkeypatch.setattr("adestim._support.progress.tqdm", partial(tqdm, file=stream))
    return stream


@pytest.fixture(scope="session", autouse=True)
def own_digests(tmp_path_factory):
    """Digests of weights that tests make are not remembered in the user's cache."""
    folder = tmp_path_factory.mktemp("digests")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adestim._support.digests.user_cache", lambda: folder)
        yield


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """File of the toy model's weights, which tests only read."""
    return write_weights(tmp_path_factory.mktemp("weights") / "toy.pt")


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory) -> Path:
    """Folder of a tiny encoder with random weights, which tests only read."""
    return small_folder(tmp_path_factory.mktemp("bert"), "bert")


@pytest.fixture(scope="session", autouse=True)
def few_penalties():
    """Two penalties instead of eight: the search for one was most of the time of a small fit."""
    with penalties(FEW):
        yield


@pytest.fixture(autouse=True)
def phase_one_forgotten():
    """No test gets what another's fits have left behind."""
    MEMORY.forget()


@pytest.fixture
def all_penalties(few_penalties):
    """The users' penalties, where a test looks at them or other processes have them."""
    with penalties(USERS):
        yield
