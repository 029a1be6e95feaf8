import copy
import errno
import os
import pickle
import stat
import subprocess
import sys
import textwrap
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from adestim import SMRIExtractor
from adestim import store as store_module
from adestim.exceptions import DataWarning, InputError
from adestim.store import FeatureStore, as_store, content_key

VALUES = {"tokens": np.arange(6, dtype=np.float32).reshape(2, 3)}
KEY = "ab12"


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "_WARNED", set())
    return FeatureStore(tmp_path / "store")


@pytest.fixture
def record_path(store):
    store.put("tokens", KEY, VALUES, modality="smri", backbone="vit")
    return Path(store.folder) / "tokens" / "ab" / f"{KEY}.safetensors"


def flip(path, place=-1):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


# Records


def test_what_was_put_is_found(store):
    assert store.get("tokens", KEY) is None
    store.put("tokens", KEY, VALUES)
    np.testing.assert_array_equal(
        store.get("tokens", KEY).arrays["tokens"].read(), VALUES["tokens"]
    )
    assert store.get("inputs", KEY) is None


def test_folders_and_files_are_their_owners_alone(store, record_path):
    folders = [record_path.parent, record_path.parent.parent, Path(store.folder)]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 3
    assert stat.S_IMODE(record_path.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", [flip, lambda path: path.write_bytes(path.read_bytes()[:-3])])
def test_a_damaged_record_is_never_returned_and_made_again(store, record_path, damage):
    damage(record_path)
    with pytest.warns(DataWarning, match=r"not whole.*made again"):
        assert store.get("tokens", KEY) is None
    store.put("tokens", KEY, VALUES)
    assert store.get("tokens", KEY) is not None


def test_verify_removes_what_is_damaged_and_nothing_else(store, record_path):
    store.put("tokens", "cd34", VALUES)
    flip(record_path)
    with pytest.warns(DataWarning, match="not whole"):
        assert store.verify() == [KEY]
    assert store.verify() == []
    assert store.get("tokens", "cd34") is not None


def test_a_record_of_another_version_is_a_miss_and_stays(store, record_path):
    content = record_path.read_bytes().replace(b'"format":"1"', b'"format":"2"')
    record_path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.get("tokens", KEY) is None
    assert record_path.read_bytes() == content


def test_info_counts_by_stage_modality_and_backbone(store, record_path):
    store.put("tokens", "cd34", VALUES, modality="smri", backbone="vit")
    store.put("inputs", "ef56", VALUES, modality="fmri", backbone="vit")
    info = store.info().set_index(["stage", "modality", "backbone"])
    assert info.loc[("tokens", "smri", "vit"), "records"] == 2
    assert info.loc[("inputs", "fmri", "vit"), "records"] == 1
    assert info["bytes"].min() == record_path.stat().st_size or info["bytes"].min() > 0


def test_info_of_nothing_is_empty(store):
    assert store.info().empty


# Upkeep


def aged(store, key, days):
    path = store.put("tokens", key, VALUES) and Path(store.folder) / "tokens" / key[:2]
    path = path / f"{key}.safetensors"
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def test_prune_removes_what_was_not_used_for_longest(store):
    paths = {key: aged(store, key, days) for key, days in (("aa", 3), ("bb", 1), ("cc", 2))}
    size = paths["aa"].stat().st_size
    assert store.prune(max_size=2 * size) == 1
    assert not paths["aa"].exists()
    assert store.prune(older_than=1.5) == 1
    assert [key for key, path in paths.items() if path.exists()] == ["bb"]


def test_reading_a_record_makes_it_recent(store):
    path = aged(store, "aa", 30)
    assert store.get("tokens", "aa") is not None
    assert store.prune(older_than=1) == 0
    assert path.exists()


def test_a_clock_that_goes_backwards_harms_nothing(store):
    path = aged(store, "aa", -1000)
    assert store.get("tokens", "aa") is not None
    assert store.prune(older_than=1) == 0
    assert path.exists()


def test_prune_removes_what_killed_processes_left_and_not_what_is_being_written(store, record_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    remains = record_path.with_name(f".x.{dead.pid}.tmp")
    at_work = record_path.with_name(f".y.{os.getpid()}.tmp")
    for path in (remains, at_work):
        path.touch()
    store.prune()
    assert not remains.exists()
    assert at_work.exists()


# Digests of files


def old(path, text, changed=1e9):
    path.write_text(text)
    os.utime(path, (changed, changed))
    return path


def test_a_digest_is_computed_once_for_a_state_of_a_file(store, tmp_path, monkeypatch):
    path = old(tmp_path / "a.nii", "one")
    first = store.file_digest(path)
    monkeypatch.setattr(store_module.hashlib, "file_digest", None)
    assert store.file_digest(path) == first


@pytest.mark.parametrize(("text", "changed"), [("two", 2e9), ("longer", 1e9)])
def test_a_file_that_changed_has_another_digest(store, tmp_path, text, changed):
    first = store.file_digest(old(tmp_path / "a.nii", "one"))
    assert store.file_digest(old(tmp_path / "a.nii", text, changed)) != first


def test_the_digest_of_a_file_that_has_just_changed_is_not_remembered(store, tmp_path):
    now = time.time()
    first = store.file_digest(old(tmp_path / "a.nii", "one", now))
    assert store.file_digest(old(tmp_path / "a.nii", "two", now)) != first


# Where nothing can be written


@pytest.mark.parametrize(
    ("error", "said"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "Read-only")]
)
def test_without_room_nothing_is_lost_and_it_is_said_once(store, monkeypatch, error, said):
    def refuse(*args, **kwargs):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(store_module, "write_record", refuse)
    with pytest.warns(DataWarning, match=f"{said}.*nothing is lost"):
        assert store.put("tokens", KEY, VALUES) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.put("tokens", KEY, VALUES) is None


def test_a_folder_that_cannot_be_made_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "_WARNED", set())
    (tmp_path / "file").write_text("")
    with pytest.warns(DataWarning, match="could not write"):
        assert FeatureStore(tmp_path / "file").put("tokens", KEY, VALUES) is None


# Many processes

WRITER = """
    import sys
    import numpy as np
    from adestim.store import FeatureStore
    store = FeatureStore(sys.argv[1])
    for number in range(60):
        key = f"{number % 30:04d}"
        values = np.full((50, 20), float(number % 30))
        store.put("tokens", key, {"tokens": values})
        assert (store.get("tokens", key).arrays["tokens"].read() == number % 30).all()
"""


def test_two_processes_may_write_the_same_records(store):
    command = [sys.executable, "-c", textwrap.dedent(WRITER), store.folder]
    writers = [subprocess.Popen(command) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert store.verify() == []
    assert store.info()["records"].sum() == 30


# As a parameter


def test_a_store_is_small_equal_and_itself_when_cloned(store):
    for other in (pickle.loads(pickle.dumps(store)), copy.deepcopy(store), clone(store)):
        assert other == store
    extractor = clone(SMRIExtractor(memory=store))
    assert extractor.memory == store
    assert len(pickle.dumps(store)) < 500


def test_memory_may_be_a_path_or_a_store(store, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert as_store(None) is None
    assert as_store(store) is store
    expected = FeatureStore(tmp_path / "cache")
    assert as_store("~/cache") == as_store("cache") == as_store(Path("cache")) == expected


def test_an_unknown_precision_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"'dtype'.*'float64'"):
        FeatureStore(tmp_path, dtype="float64")


def test_half_precision_is_kept_where_it_can_hold_the_tokens(tmp_path):
    store = FeatureStore(tmp_path)
    assert store.narrow(np.float32([1, -1000])).dtype == np.float16
    assert store.narrow(np.float32([1, 1e5])).dtype == np.float32
    assert store.narrow(np.float32([1, np.nan])).dtype == np.float32
    assert FeatureStore(tmp_path, dtype="float32").narrow(np.float32([1])).dtype == np.float32


def test_half_precision_errs_by_less_than_a_thousandth(tmp_path):
    tokens = np.random.default_rng(0).normal(0, 5, 10_000).astype(np.float32)
    tokens = tokens[np.abs(tokens) > 1e-3]
    error = np.abs(FeatureStore(tmp_path).narrow(tokens).astype(np.float64) / tokens - 1)
    assert error.max() < 5e-4


# Keys


@dataclass(frozen=True)
class Options:
    scale: float
    names: tuple


def examples():
    """Pairs of equal parts, made independently."""
    return [
        (1, "a", None, float("nan")),
        (Options(1.5, ("a", "b")), np.arange(5.0)),
        (pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}),),
        ({"b": 1, "a": [1, 2]},),
    ]


def test_equal_content_has_equal_keys():
    for one, other in zip(examples(), examples(), strict=True):
        assert content_key(*one) == content_key(*other)


def test_other_content_has_other_keys():
    keys = {content_key(*parts) for parts in examples()}
    keys |= {content_key(np.arange(5.0, dtype=np.float32)), content_key("1"), content_key(1)}
    assert len(keys) == 7


def test_keys_do_not_depend_on_the_process():
    program = "from adestim.store import content_key; print(content_key({'b', 'a'}, 'x', (1, 2.5)))"
    keys = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(keys) == 1
