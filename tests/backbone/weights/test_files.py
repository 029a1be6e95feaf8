import argparse
import collections
import gzip
import json
import os
import pickle
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from adestim.backbone.weights.files import (
    StandIn,
    digest_weights,
    find_acting,
    find_filled,
    list_pickled_names,
    list_weight_files,
    pass_over,
    read_checkpoint,
)
from adestim.exceptions import CheckpointError, MissingDependencyError

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(3)}


class Settings:
    """Settings that a training script keeps in its checkpoints."""

    def __init__(self):
        self.rate = 0.1


class Table(dict):
    """A table that a training script keeps in its checkpoints."""


class Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, path, how):
        self.path, self.how = str(path), how

    def __reduce__(self):
        calls = {
            "open": (open, (self.path, "w")),
            "os": (os.mkdir, (self.path,)),
            "path": (Path.mkdir, (Path(self.path),)),
            "eval": (eval, (f"open({self.path!r}, 'w')",)),
        }
        return calls[self.how]


def saved(path, content, **options):
    """Save with torch and return the path."""
    torch.save(content, path, **options)
    return path


def assert_same(state, expected=STATE):
    assert state.keys() == expected.keys()
    assert all(value.equal(expected[name]) for name, value in state.items())


# What can be read


@pytest.mark.parametrize("name", ["model.safetensors", "model.bin", "model"])
def test_safetensors_are_read_whatever_the_name(tmp_path, name):
    save_file(STATE, tmp_path / name)
    assert_same(read_checkpoint(tmp_path / name))


@pytest.mark.parametrize("name", ["model.pt", "model.pth.tar", "model"])
@pytest.mark.parametrize("new_format", [True, False])
def test_torch_files_of_both_formats_are_read(tmp_path, name, new_format):
    path = saved(tmp_path / name, STATE, _use_new_zipfile_serialization=new_format)
    assert_same(read_checkpoint(path))


def test_a_path_may_be_a_str_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    saved(tmp_path / "model.pt", STATE)
    assert_same(read_checkpoint("~/model.pt"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64])
@pytest.mark.parametrize("write", [torch.save, save_file])
def test_the_precision_of_the_file_is_kept(tmp_path, dtype, write):
    state = {"weight": STATE["weight"].to(dtype)}
    write(state, tmp_path / "model")
    assert_same(read_checkpoint(tmp_path / "model"), state)


@pytest.mark.parametrize("new_format", [True, False])
def test_tensors_stay_on_the_disk_where_the_format_allows_it(tmp_path, monkeypatch, new_format):
    path = saved(tmp_path / "model.pt", STATE, _use_new_zipfile_serialization=new_format)
    mapped, load = [], torch.load

    def spy(*args, mmap, **kwargs):
        mapped.append(mmap)
        return load(*args, mmap=mmap, **kwargs)

    monkeypatch.setattr(torch, "load", spy)
    assert_same(read_checkpoint(path))
    assert mapped == [new_format]


@pytest.mark.parametrize("new_format", [True, False])
def test_other_objects_of_a_training_state_are_passed_over(tmp_path, new_format):
    content = {
        "state_dict": STATE,
        "best": np.float64(0.8),
        "history": np.arange(3.0),
        "args": argparse.Namespace(rate=0.1, out=Path("out")),
        "settings": Settings(),
        "table": Table(a=1),
        "counts": collections.defaultdict(list, {1: [2]}),
        "recent": collections.deque([1, 2], maxlen=3),
        "epoch": 3,
    }
    path = saved(tmp_path / "model.pt", content, _use_new_zipfile_serialization=new_format)
    raw = read_checkpoint(path)
    assert_same(raw["state_dict"])
    assert raw["epoch"] == 3
    assert not isinstance(raw["settings"], Settings)
    assert not isinstance(raw["args"], argparse.Namespace)


def test_nothing_stays_allowed_after_reading(tmp_path):
    path = saved(tmp_path / "model.pt", {"args": argparse.Namespace()})
    before = set(torch.serialization.get_safe_globals())
    read_checkpoint(path)
    assert set(torch.serialization.get_safe_globals()) == before


def test_with_trust_the_objects_themselves_are_made(tmp_path):
    path = saved(tmp_path / "model.pt", {"state_dict": STATE, "settings": Settings()})
    raw = read_checkpoint(path, trust_pickle=True)
    assert raw["settings"].rate == 0.1


def test_with_trust_a_whole_module_is_its_state(tmp_path):
    module = torch.nn.Linear(2, 1)
    path = saved(tmp_path / "model.pt", module)
    assert_same(read_checkpoint(path, trust_pickle=True), module.state_dict())


# What is refused


@pytest.mark.parametrize("how", ["open", "os", "path", "eval"])
@pytest.mark.parametrize("new_format", [True, False])
def test_code_in_a_checkpoint_is_never_run(tmp_path, how, new_format):
    content = {"state_dict": STATE, "extra": Touches(tmp_path / "marker", how)}
    path = saved(tmp_path / "model.pt", content, _use_new_zipfile_serialization=new_format)
    with pytest.raises(CheckpointError, match=r"runs code that it names.*trust_checkpoint=True"):
        read_checkpoint(path)
    assert not (tmp_path / "marker").exists()


def test_code_in_a_checkpoint_is_run_where_it_is_trusted(tmp_path):
    content = {"state_dict": STATE, "extra": Touches(tmp_path / "marker", "os")}
    read_checkpoint(saved(tmp_path / "model.pt", content), trust_pickle=True)
    assert (tmp_path / "marker").exists()


def test_the_message_names_what_the_file_would_call(tmp_path):
    path = saved(tmp_path / "model.pt", {"extra": Touches(tmp_path / "marker", "eval")})
    with pytest.raises(CheckpointError, match=r"Got builtins\.eval\."):
        read_checkpoint(path)


def test_a_pickle_of_a_newer_protocol_asks_for_trust(tmp_path):
    path = saved(tmp_path / "model.pt", STATE, pickle_protocol=4)
    with pytest.raises(CheckpointError, match=r"Got a kind of pickle that must be run\."):
        read_checkpoint(path)
    assert_same(read_checkpoint(path, trust_pickle=True))


def test_a_whole_module_is_refused_by_its_kind(tmp_path):
    path = saved(tmp_path / "model.pt", torch.nn.Linear(2, 1))
    with pytest.raises(CheckpointError, match=r"type torch\.nn\.modules\.linear\.Linear"):
        read_checkpoint(path)


def test_a_list_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="object of type list"):
        read_checkpoint(saved(tmp_path / "model.pt", [STATE]))


def test_a_class_that_is_not_installed_is_named_where_trust_asks_for_it(tmp_path, monkeypatch):
    path = saved(tmp_path / "model.pt", {"settings": Settings()})
    monkeypatch.delattr("tests.backbone.weights.test_files.Settings")
    with pytest.raises(CheckpointError, match=r"'Settings'.*leave trust_checkpoint=False"):
        read_checkpoint(path, trust_pickle=True)


def test_no_file_is_said(tmp_path):
    with pytest.raises(CheckpointError, match=r"existing file. Got .*absent\.pt"):
        read_checkpoint(tmp_path / "absent.pt")


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.99])
def test_a_truncated_torch_file_is_recognised(tmp_path, new_format, share):
    path = saved(tmp_path / "model.pt", STATE, _use_new_zipfile_serialization=new_format)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"damaged or truncated file of .* bytes. Download"):
        read_checkpoint(path)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.6, 0.99])
def test_truncated_safetensors_are_recognised(tmp_path, share):
    path = tmp_path / "model.safetensors"
    save_file(STATE, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title>", "a web page"),
        (b"\n\n  <html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "a git-lfs point"),
        (gzip.compress(b"weights", mtime=0), "a gzip archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(9), "an HDF5 file"),
        (b"GGUF" + bytes(9), "a GGUF file"),
        (b'{"model_type": "bert"}', "a text file in JSON"),
        (pickle.dumps({"a": 1}), "a pickle that torch.save did not write"),
        (bytes(range(200, 256)), "a file of another kind, 56 bytes"),
    ],
)
@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_files_of_another_kind_are_recognised(tmp_path, content, said, name):
    (tmp_path / name).write_bytes(content)
    if said.startswith("a file of another kind") and name.endswith("safetensors"):
        said = "a damaged or truncated file"
    with pytest.raises(CheckpointError, match=f"must be a .*checkpoint, as .*Got {said}"):
        read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("new_format", [True, False])
def test_a_torch_file_under_the_wrong_name_is_recognised(tmp_path, new_format):
    path = tmp_path / "model.safetensors"
    saved(path, STATE, _use_new_zipfile_serialization=new_format)
    with pytest.raises(CheckpointError, match=r"wrong name\. Let its name end in \.pt"):
        read_checkpoint(path)


def test_a_zip_archive_around_the_weights_is_recognised(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("weights/model.pt", b"weights")
    with pytest.raises(CheckpointError, match=r"Got a zip archive. Unpack it"):
        read_checkpoint(tmp_path / "model.pt")


def test_a_tar_archive_is_recognised(tmp_path):
    saved(tmp_path / "model.pt", STATE)
    with tarfile.open(tmp_path / "model.tar", "w") as archive:
        archive.add(tmp_path / "model.pt", arcname="model.pt")
    with pytest.raises(CheckpointError, match=r"Got a tar archive. Unpack it"):
        read_checkpoint(tmp_path / "model.tar")


def test_a_program_of_torchscript_is_recognised(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("model/data.pkl", b"")
        archive.writestr("model/constants.pkl", b"")
    with pytest.raises(CheckpointError, match=r"TorchScript program. Save its state_dict\(\)"):
        read_checkpoint(tmp_path / "model.pt")


def test_safetensors_without_the_package_are_refused(tmp_path, monkeypatch):
    save_file(STATE, tmp_path / "model.safetensors")
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        read_checkpoint(tmp_path / "model.safetensors")


# Folders


def write_shards(folder, write=save_file, suffix=".safetensors", stem="model"):
    """Write the state in two shards, as transformers does."""
    names = [f"{stem}-0000{place}-of-00002{suffix}" for place in (1, 2)]
    for name, key in zip(names, STATE, strict=True):
        write({key: STATE[key]}, folder / name)
    index = {"metadata": {}, "weight_map": dict(zip(STATE, names, strict=True))}
    (folder / f"{stem}{suffix}.index.json").write_text(json.dumps(index))
    return names


@pytest.mark.parametrize(
    ("name", "write"), [("model.safetensors", save_file), ("pytorch_model.bin", torch.save)]
)
def test_the_weights_of_a_folder_are_found(tmp_path, name, write):
    write(STATE, tmp_path / name)
    (tmp_path / "config.json").write_text("{}")
    torch.save({"other": torch.ones(1)}, tmp_path / "training_args.bin")
    assert_same(read_checkpoint(tmp_path))


def test_safetensors_come_before_pickles(tmp_path):
    save_file(STATE, tmp_path / "model.safetensors")
    torch.save({"other": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    assert_same(read_checkpoint(tmp_path))


@pytest.mark.parametrize(
    ("write", "suffix", "stem"),
    [(save_file, ".safetensors", "model"), (torch.save, ".bin", "pytorch_model")],
)
def test_shards_are_put_together(tmp_path, write, suffix, stem):
    write_shards(tmp_path, write, suffix, stem)
    assert_same(read_checkpoint(tmp_path))
    assert_same(read_checkpoint(tmp_path / f"{stem}{suffix}.index.json"))


def test_the_only_file_of_a_folder_is_taken(tmp_path):
    path = saved(tmp_path / "anything.pth", STATE)
    (tmp_path / "README.md").write_text("Weights")
    assert list_weight_files(tmp_path) == [path]


@pytest.mark.parametrize(("names", "got"), [((), "none"), (("a.pt", "b.pt"), "a.pt, b.pt")])
def test_a_folder_of_none_or_several_is_refused(tmp_path, names, got):
    for name in names:
        saved(tmp_path / name, STATE)
    with pytest.raises(CheckpointError, match=f"one file of weights, .* with {got}"):
        read_checkpoint(tmp_path)


def test_a_missing_shard_is_named(tmp_path):
    names = write_shards(tmp_path)
    (tmp_path / names[1]).unlink()
    with pytest.raises(CheckpointError, match=f"All 2 files .* Got 1 missing: {names[1]}"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{", '{"weight_map": 3}'])
def test_an_index_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(CheckpointError, match="must map the names of weights to files"):
        read_checkpoint(tmp_path)


# Digests


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "model").write_bytes(b"abc")
    assert digest_weights(tmp_path / "model").startswith("ba7816bf8f01cfea")


def test_the_digest_follows_the_content(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"abc")
    before = digest_weights(path)
    path.write_bytes(b"abcd")
    assert digest_weights(path) != before


def test_the_digest_of_a_folder_does_not_depend_on_where_it_is(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_shards(tmp_path / name)
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "b" / "README.md").write_text("Weights")
    assert digest_weights(tmp_path / "a") == digest_weights(tmp_path / "b")


@pytest.mark.parametrize(
    "changed", ["config.json", "vocab.txt", "model-00002-of-00002.safetensors"]
)
def test_the_digest_of_a_folder_follows_weights_and_vocabulary(tmp_path, changed):
    write_shards(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "vocab.txt").write_text("a")
    before = digest_weights(tmp_path)
    with (tmp_path / changed).open("ab") as file:
        file.write(b" ")
    assert digest_weights(tmp_path) != before


@pytest.mark.parametrize("new_format", [True, False])
def test_names_in_a_file_are_found_in_the_words_of_python_3(tmp_path, new_format):
    content = {"args": argparse.Namespace(), "counts": collections.defaultdict(list)}
    path = tmp_path / "model.pt"
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    expected = {"argparse.Namespace", "collections.defaultdict", "builtins.list"}
    assert list_pickled_names(path) == expected


@pytest.mark.parametrize(
    "name",
    [
        "builtins.eval",
        "builtins.exec",
        "builtins.__import__",
        "os.system",
        "posix.system",
        "subprocess.Popen",
        "importlib.import_module",
        "operator.attrgetter",
        "_io.open",
        "urllib.request.urlopen",
    ],
)
def test_what_acts_is_no_data(name):
    assert find_acting({name, "argparse.Namespace"}) == [name]


def test_data_may_be_named():
    names = {"builtins.list", "numpy.dtype", "collections.defaultdict", "ostrich.Settings"}
    assert find_acting(names) == []


def test_a_stand_in_accepts_everything_and_keeps_nothing():
    thing = StandIn(1, a=2)
    thing.__setstate__({"b": 3})
    thing["c"] = 4
    assert vars(thing) == {}


def test_stand_ins_bear_the_name_of_what_they_stand_for(tmp_path):
    torch.save({"args": argparse.Namespace(a=1)}, tmp_path / "model.pt")
    with pass_over({"argparse.Namespace": StandIn}):
        content = torch.load(tmp_path / "model.pt", weights_only=True)
    assert content["args"].kind() == "argparse.Namespace"
    assert isinstance(content["args"], StandIn)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            "Can only SETITEMS for dict, but got <class 'a.Table'>",
            ("a.Table", collections.OrderedDict),
        ),
        ("Can only append to lists, but got <class 'a.Table'>", ("a.Table", list)),
        ("Can only SETITEMS for dict, but got <class 'b.Table'>", None),
        ("Unsupported class <class 'a.Table'>", None),
    ],
)
def test_what_a_stand_in_was_filled_like_is_read_from_the_complaint(message, kind):
    assert find_filled(message, ["a.Table", "a.Other"]) == kind


# Names and shapes alone


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.safetensors", save_file),
        ("a.pt", torch.save),
        ("a.pth", partial(torch.save, _use_new_zipfile_serialization=False)),
    ],
)
def test_on_the_meta_device_names_and_shapes_are_read_alone(tmp_path, name, write):
    state = {"a": torch.ones(2, 3).half(), "b": torch.tensor(3), "c": torch.ones(4).bfloat16()}
    write(state, tmp_path / name)
    with torch.device("meta"):
        outline = read_checkpoint(tmp_path / name)
    assert all(value.is_meta for value in outline.values())
    described = {key: (value.shape, value.dtype) for key, value in outline.items()}
    assert described == {key: (value.shape, value.dtype) for key, value in state.items()}
    assert not any(value.is_meta for value in read_checkpoint(tmp_path / name).values())


def test_shards_are_outlined_too(tmp_path):
    write_shards(tmp_path)
    with torch.device("meta"):
        outline = read_checkpoint(tmp_path)
    assert {key: value.shape for key, value in outline.items()} == {
        key: value.shape for key, value in STATE.items()
    }
