import hashlib
import sys
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from adestim import BackboneCard
from adestim.backbone.weights.hub import resolve_weights
from adestim.exceptions import CheckpointError, DataWarning, MissingDependencyError

URL = "https://example.org/weights"
ON_HUB = BackboneCard("there", "smri", home="a:A", hub="lab/there", filename="model.pt")
WHOLE = BackboneCard("whole", "clinical", home="a:A", hub="lab/whole", revision="v2")
ELSEWHERE = BackboneCard("elsewhere", "smri", home="a:A", filename="model.pt", url=URL)


def card_with(card, **changes):
    return BackboneCard(**{**vars(card), **changes})


def hub_error(cls):
    """Return an error as the hub's client raises it."""
    if not issubclass(cls, errors.HfHubHTTPError):
        return cls("not to be had")

    # The client's own HTTP library differs between its versions.
    response = SimpleNamespace(headers={}, request=None, status_code=403)
    return cls("not to be had", response=response)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Fail where a test would reach for the network."""

    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)


@pytest.fixture
def released(tmp_path):
    path = tmp_path / "released.pt"
    path.write_bytes(b"weights")
    return path


# A path


@pytest.mark.parametrize("card", [ON_HUB, WHOLE, ELSEWHERE])
def test_a_path_is_taken_without_the_network(card, released):
    assert resolve_weights(card, released) == released
    assert resolve_weights(card, str(released.parent)) == released.parent


def test_a_tilde_is_the_home_folder(released, monkeypatch):
    monkeypatch.setenv("HOME", str(released.parent))
    assert resolve_weights(ON_HUB, "~/released.pt") == released


def test_a_path_without_a_file_says_where_to_get_it(tmp_path):
    with pytest.raises(CheckpointError, match=rf"absent\.pt\. Get model\.pt from {URL}, and pass"):
        resolve_weights(ELSEWHERE, tmp_path / "absent.pt")


def test_another_file_than_the_released_one_is_used_with_a_word(released):
    card = card_with(ELSEWHERE, sha256="0" * 64)
    with pytest.warns(DataWarning, match=r"released\.pt is not the released file .*'elsewhere'"):
        assert resolve_weights(card, released) == released


def test_the_released_file_is_used_without_a_word(released):
    card = card_with(ELSEWHERE, sha256=hashlib.sha256(b"weights").hexdigest())
    assert resolve_weights(card, released) == released


def test_a_folder_without_the_released_file_is_used_without_a_word(released):
    card = card_with(ELSEWHERE, sha256="0" * 64)
    assert resolve_weights(card, released.parent) == released.parent


@pytest.mark.parametrize(("card", "name"), [(WHOLE, "model.safetensors"), (ELSEWHERE, "model.pt")])
def test_another_file_in_a_folder_than_the_released_one_is_used_with_a_word(card, name, tmp_path):
    (tmp_path / name).write_bytes(b"weights")
    with pytest.warns(DataWarning, match=rf"{name} is not the released file of "):
        assert resolve_weights(card_with(card, sha256="0" * 64), tmp_path) == tmp_path


@pytest.mark.parametrize(("card", "name"), [(WHOLE, "model.safetensors"), (ELSEWHERE, "model.pt")])
def test_the_released_file_in_a_folder_is_used_without_a_word(card, name, tmp_path):
    (tmp_path / name).write_bytes(b"weights")
    right = card_with(card, sha256=hashlib.sha256(b"weights").hexdigest())
    assert resolve_weights(right, tmp_path) == tmp_path


# The hub


def test_a_file_is_asked_for_at_its_revision(released, monkeypatch):
    asked = []

    def download(*args, **kwargs):
        asked.append((args, kwargs))
        return str(released)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert resolve_weights(card_with(ON_HUB, revision="abc"), None) == released
    assert asked == [(("lab/there", "model.pt"), {"revision": "abc"})]


@pytest.mark.parametrize("only_bin", [False, True])
def test_a_whole_model_is_downloaded_in_one_format(tmp_path, monkeypatch, only_bin):
    offered = ["config.json", "pytorch_model.bin", *([] if only_bin else ["model.safetensors"])]
    asked = []

    def download(repository, *, revision, allow_patterns, ignore_patterns):
        asked.append((repository, revision))
        chosen = huggingface_hub.utils.filter_repo_objects(
            [*offered, "onnx/config.json"],
            allow_patterns=allow_patterns,
            ignore_patterns=ignore_patterns,
        )
        for name in chosen:
            (tmp_path / name).write_bytes(b"")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert resolve_weights(WHOLE, None) == tmp_path
    weights = "pytorch_model.bin" if only_bin else "model.safetensors"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", weights]
    assert set(asked) == {("lab/whole", "v2")}


def test_a_repository_without_weights_is_refused(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    with pytest.raises(CheckpointError, match="must hold weights for PyTorch"):
        resolve_weights(WHOLE, None)


def test_a_download_that_is_not_the_released_file_is_refused(released, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: str(released))
    with pytest.raises(
        CheckpointError, match=r"must be those that were released.*Delete that file"
    ):
        resolve_weights(card_with(ON_HUB, sha256="0" * 64), None)
    right = hashlib.sha256(b"weights").hexdigest()
    assert resolve_weights(card_with(ON_HUB, sha256=right), None) == released


def test_a_download_of_a_whole_model_is_checked_by_its_weights(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    with pytest.raises(CheckpointError, match=r"model\.safetensors with another SHA-256"):
        resolve_weights(card_with(WHOLE, sha256="0" * 64), None)
    right = hashlib.sha256(b"weights").hexdigest()
    assert resolve_weights(card_with(WHOLE, sha256=right), None) == tmp_path


def test_weights_that_are_not_on_the_hub_are_said_to_be_elsewhere():
    expected = rf"not on the Hugging Face hub\. Get model\.pt from {URL}, and pass its path as wei"
    with pytest.raises(CheckpointError, match=expected):
        resolve_weights(ELSEWHERE, None)


def test_weights_of_which_nothing_is_known_are_with_the_authors():
    with pytest.raises(CheckpointError, match="Get the folder of the model from its authors"):
        resolve_weights(BackboneCard("mine", "smri", home="a:A"), None)


def test_the_client_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'adestim\[foundation\]'; or: "):
        resolve_weights(ON_HUB, None)


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (
            errors.GatedRepoError,
            r"Accept the licence at https://huggingface.co/lab/there and log in with "
            r"`hf auth login`, or: Get model.pt .*weights=",
        ),
        (errors.RepositoryNotFoundError, "no such repository for you"),
        (errors.RevisionNotFoundError, "must be in revision 'main'"),
        (errors.RemoteEntryNotFoundError, "must be among the files"),
        (errors.LocalEntryNotFoundError, "cannot be reached. .*Try again with a network"),
        (errors.OfflineModeIsEnabled, "was not downloaded before"),
        (errors.HfHubHTTPError, "could not be downloaded from .*not to be had"),
        (errors.HFValidationError, "could not be downloaded from .*not to be had"),
        (PermissionError, "could not be downloaded from .*not to be had"),
    ],
)
@pytest.mark.parametrize("card", [ON_HUB, card_with(WHOLE, hub="lab/there", revision="main")])
def test_errors_of_the_hub_say_what_to_do(cls, said, card, monkeypatch):
    def fail(*args, **kwargs):
        raise hub_error(cls)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    said = said.replace("model.pt", "(model.pt|the folder of the model)")
    with pytest.raises(CheckpointError, match=said) as caught:
        resolve_weights(card, None)
    assert isinstance(caught.value.__cause__, cls)
    assert card.name in str(caught.value)


def test_offline_mode_is_named(monkeypatch):
    def fail(*args, **kwargs):
        raise errors.LocalEntryNotFoundError("not there")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(
        CheckpointError, match=r"HF_HUB_OFFLINE forbids it now.*Unset HF_HUB_OFFLINE"
    ):
        resolve_weights(ON_HUB, None)


def test_offline_mode_keeps_to_what_was_downloaded(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"was not downloaded before, and .* forbids it now"):
        resolve_weights(ON_HUB, None)
    snapshot = tmp_path / "models--lab--there" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model.pt").write_bytes(b"weights")
    (tmp_path / "models--lab--there" / "refs").mkdir()
    (tmp_path / "models--lab--there" / "refs" / "main").write_text("abc")
    assert resolve_weights(ON_HUB, None) == snapshot / "model.pt"
    assert resolve_weights(card_with(ON_HUB, filename=""), None) == snapshot
