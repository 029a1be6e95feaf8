"""Where files that moved are looked for."""

import os

import huggingface_hub.constants as hub
import pytest

from adestim import BackboneCard
from adestim.backbone import registry
from adestim.backbone.weights.files import digest_weights
from adestim.backbone.weights.moved import (
    describe_sources,
    find_sources,
    find_weights,
    say_where,
    whence,
)
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError

HOME = "tests.backbone.toys:ToyBackbone"


@pytest.fixture(autouse=True)
def nothing_elsewhere(monkeypatch, tmp_path):
    """No search path and an empty cache."""
    monkeypatch.delenv("ADESTIM_WEIGHTS", raising=False)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    return path


def spec_of(path, name="toy", files=(), **sources):
    """The name tag of a file of weights, and of files beside it."""
    digests = tuple((key, digest_weights(sources[key])) for key in files)
    described = {**describe_sources({"weights": path, **sources}), "home": HOME}
    options = (("architecture", ()), ("files", digests))
    return BackboneSpec(name, digest_weights(path), options, tuple(described.items()))


def test_files_are_where_fit_saw_them(path):
    assert find_weights(spec_of(path)) == path


def test_a_model_without_weights_has_none():
    assert find_weights(BackboneSpec("dosage")) is None


def test_sources_are_told_by_place_and_size(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    assert describe_sources({"weights": "model.pt"}) == {
        "weights": "model.pt",
        "weights from the root": str(path),
        "weights in bytes": "7",
    }


def test_only_files_of_the_right_size_are_read(path, monkeypatch, tmp_path):
    spec = spec_of(path)
    (tmp_path / "far" / "away").mkdir(parents=True)
    now = path.rename(tmp_path / "far" / "away" / "any.name")
    (tmp_path / "far" / "larger.pt").write_bytes(b"other weights")
    read = []

    class Model:
        @staticmethod
        def digest(file):
            read.append(file.name)
            return digest_weights(file)

    monkeypatch.setattr("adestim.backbone.weights.moved.class_named", lambda *_: Model)
    monkeypatch.setenv("ADESTIM_WEIGHTS", str(tmp_path / "far"))
    assert find_weights(spec) == now
    assert "larger.pt" not in read


@pytest.mark.parametrize("entries", [(), ("",), ("/nowhere",), ("{file}",), ("/nowhere", "{up}")])
def test_the_search_path_names_folders_or_files(path, monkeypatch, tmp_path, entries):
    spec = spec_of(path)
    (tmp_path / "b").mkdir()
    now = path.rename(tmp_path / "b" / "renamed.pt")
    named = [entry.format(file=now, up=tmp_path) for entry in entries]
    monkeypatch.setenv("ADESTIM_WEIGHTS", os.pathsep.join(named))
    if any("{" in entry for entry in entries):
        assert find_weights(spec) == now
        return
    with pytest.raises(CheckpointError, match=r"model\.pt: no such file.*nor are they in ADESTIM"):
        find_weights(spec)


@pytest.mark.parametrize("filename", ["model.pt", "inner/model.pt", ""])
def test_the_cache_of_the_hub_has_them_in_any_revision(path, monkeypatch, tmp_path, filename):
    card = BackboneCard("here", "smri", home=HOME, hub="lab/here", filename=filename)
    monkeypatch.setitem(registry._CARDS, "here", card)
    if filename:
        source = path
    else:
        source = tmp_path / "folder"
        source.mkdir()
        path.rename(source / "model.safetensors")
    spec = spec_of(source, "here")
    snapshot = tmp_path / "cache" / "models--lab--here" / "snapshots"
    for revision in ("0abc", "9def"):
        now = snapshot / revision / filename
        now.parent.mkdir(parents=True, exist_ok=True)
    source.rename(now)
    assert find_weights(spec) == now


def test_what_the_user_says_comes_first_and_nothing_else_is_taken(path, tmp_path):
    spec = spec_of(path)
    (tmp_path / "b").mkdir()
    copy = tmp_path / "b" / "copy.pt"
    copy.write_bytes(b"weights")
    assert find_weights(say_where(spec, {"weights": copy})) == copy
    assert find_weights(say_where(spec, {"weights": copy.parent})) == copy
    assert say_where(spec, {"weights": str(path)}) == spec
    copy.write_bytes(b"others!")
    with pytest.raises(CheckpointError, match=r"copy\.pt: another content\. Put them back"):
        find_weights(say_where(spec, {"weights": copy}))
    # A path at which there is nothing says nothing.
    assert find_weights(say_where(spec, {"weights": tmp_path / "none"})) == path


def test_files_beside_the_weights_are_found_as_they_are(path, monkeypatch, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("1,2")
    spec = spec_of(path, files=("table",), table=table)
    (tmp_path / "b").mkdir()
    now = table.rename(tmp_path / "b" / "renamed.csv")
    # Of a file that is gone the model says what it needs, in words of its own.
    assert find_sources(spec).source("table") == str(table)
    assert find_sources(say_where(spec, {"table": now})).source("table") == str(now)
    monkeypatch.setenv("ADESTIM_WEIGHTS", str(tmp_path / "b"))
    found = find_sources(spec)
    assert (found.source("table"), found.source("weights")) == (str(now), str(path))
    assert found == spec


def test_a_tag_from_before_sizes_were_noted_is_found(path, monkeypatch, tmp_path):
    spec = BackboneSpec(
        "toy", digest_weights(path), sources=(("weights", str(path)), ("home", HOME))
    )
    (tmp_path / "b").mkdir()
    now = path.rename(tmp_path / "b" / "renamed.pth")
    (tmp_path / "b" / "notes.md").write_text("not weights")
    monkeypatch.setenv("ADESTIM_WEIGHTS", str(tmp_path / "b"))
    assert find_weights(spec) == now


def test_a_model_of_ones_own_is_known_by_its_digest(path):
    spec = spec_of(path)
    assert whence(spec, spec.digest) == f"the file whose SHA-256 is {spec.digest}"
