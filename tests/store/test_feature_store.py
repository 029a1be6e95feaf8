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
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone

from adestim import SMRIExtractor
from adestim._support import digests
from adestim._support.files import this_machine
from adestim.exceptions import DataWarning, InputError
from adestim.store import FeatureStore, as_store, record
from adestim.store import feature_store as store_module
from tests.damage import mutate

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


def test_damage_whose_date_was_put_back_is_found_and_made_again(store, record_path):
    before = record_path.stat()
    assert store.get("tokens", KEY) is not None
    time.sleep(0.02)
    flip(record_path)
    os.utime(record_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert record_path.stat().st_mtime_ns == before.st_mtime_ns
    with pytest.warns(DataWarning, match="made again"):
        assert store.get("tokens", KEY) is None
    store.put("tokens", KEY, VALUES)
    found = store.get("tokens", KEY).arrays["tokens"].read()
    np.testing.assert_array_equal(found, VALUES["tokens"])


def test_a_record_is_compared_once_while_it_does_not_change(store, record_path, monkeypatch):
    assert store.get("tokens", KEY) is not None
    monkeypatch.setattr(record, "checksum", None)
    store.get("tokens", KEY).arrays["tokens"].read()


@pytest.fixture
def of_another_version(record_path):
    """The content of a record that another version wrote."""
    content = record_path.read_bytes()
    assert b'"format":"1"' in content
    record_path.write_bytes(content.replace(b'"format":"1"', b'"format":"2"'))
    return record_path.read_bytes()


def test_a_record_of_another_version_is_a_miss_and_stays(store, record_path, of_another_version):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.get("tokens", KEY) is None
        assert store.verify() == []
    assert store.info().empty
    assert record_path.read_bytes() == of_another_version


@pytest.mark.parametrize("has_links", [True, False])
def test_a_record_of_another_version_is_not_overwritten(
    store, record_path, of_another_version, monkeypatch, has_links
):
    if not has_links:
        monkeypatch.setattr(os, "link", without_links)
    with pytest.warns(DataWarning, match=r"format '2'.*nothing is lost"):
        assert store.put("tokens", KEY, VALUES) is None
    assert record_path.read_bytes() == of_another_version
    assert [path.name for path in record_path.parent.iterdir()] == [record_path.name]


def without_links(*paths):
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@pytest.mark.parametrize("has_links", [True, False])
def test_a_whole_record_is_not_written_again(store, record_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(os, "link", without_links)
    before = record_path.stat().st_ino
    assert store.put("tokens", KEY, VALUES) is not None
    assert record_path.stat().st_ino == before


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


def test_use_is_noted_once_an_hour(store):
    path = aged(store, "aa", 0.01)
    noted = path.stat().st_mtime_ns
    store.get("tokens", "aa")
    assert path.stat().st_mtime_ns == noted


def left_behind(folder, process, machine=None, days=0.0):
    """A half-written file of a process."""
    path = folder / f".{'0123abcd' * 4}.{machine or this_machine()}.{process}.tmp"
    path.touch()
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def test_prune_removes_what_killed_processes_left_and_not_what_is_being_written(store, record_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    remains = left_behind(record_path.parent, dead.pid)
    at_work = left_behind(record_path.parent, os.getpid())
    store.prune()
    assert not remains.exists()
    assert at_work.exists()
    assert record_path.exists()


@pytest.mark.parametrize("process", [os.getpid(), 999_999_999], ids=["running", "gone"])
def test_prune_leaves_what_another_machine_may_be_writing(store, record_path, process):
    """The number of a process means nothing on another machine."""
    young = left_behind(record_path.parent, process, "00000000", days=0.5)
    store.prune()
    assert young.exists()
    os.utime(young, (time.time() - 2 * 86400,) * 2)
    store.prune()
    assert not young.exists()


# Digests of files


def test_digests_of_files_are_remembered_in_the_folder(store, tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "_KNOWN", {})
    monkeypatch.setattr(digests, "FRESH", -1.0)
    (tmp_path / "a.nii").write_text("abc")
    assert store.file_digest(tmp_path / "a.nii").startswith("ba7816bf8f01cfea")
    [memo] = (Path(store.folder) / "files").iterdir()
    assert "a.nii" in memo.read_text()


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


@settings(max_examples=30)
@given(hnp.arrays(np.float32, 20, elements=st.floats(-59_999, 59_999, width=32)))
def test_half_precision_errs_by_what_its_format_states(tokens):
    narrowed = FeatureStore("unused").narrow(tokens)
    assert narrowed.dtype == np.float16
    error = np.abs(narrowed.astype(np.float64) - tokens)
    normal = np.abs(tokens) >= 2.0**-14
    assert (error[normal] <= 2.0**-11 * np.abs(tokens[normal])).all()
    assert (error[~normal] <= 2.0**-25).all()


# What leads elsewhere, and what others left


@pytest.mark.parametrize(
    ("stage", "key"),
    [
        ("tokens", "../../../outside"), ("tokens", "/etc/passwd"), ("tokens", ".."),
        ("tokens", "a/b"), ("tokens", "a\0b"), ("tokens", ""), ("tokens", "x" * 300),
        ("tokens", ".hidden"), ("tokens", "a\nb"), ("tokens", "C:x"), ("tokens", "ü"),
        ("tokens", 7), ("../tokens", KEY), ("", KEY), ("/tokens", KEY), ("files", KEY), (None, KEY),
    ],
)  # fmt: skip
def test_a_record_never_lies_outside_its_stage(store, tmp_path, stage, key):
    for action in (
        lambda: store.put(stage, key, VALUES),
        lambda: store.get(stage, key),
        lambda: store.claim(stage, [key]).__enter__(),
        lambda: store.wait(stage, [key]),
    ):
        with pytest.raises(InputError, match="A record of the feature store has a stage"):
            action()
    assert not list(tmp_path.glob("**/*"))


def test_what_killed_processes_left_goes_when_a_store_is_opened(store, record_path, monkeypatch):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mark = f"{'0' * 32}.{this_machine()}"
    left = [record_path.with_name(f".{mark}.{dead.pid}.tmp"), record_path.with_name(".ef.claim")]
    left[0].write_bytes(b"half")
    left[1].write_text(f"{this_machine()} {dead.pid}")
    at_work = record_path.with_name(f".{mark}.{os.getpid()}.tmp")
    at_work.write_bytes(b"half")
    monkeypatch.setattr(store_module, "_SWEPT", {})
    opened = FeatureStore(store.folder)
    assert [path.exists() for path in left] == [False, False]
    assert at_work.exists()
    assert opened.get("tokens", KEY) is not None


def test_a_store_is_not_looked_through_whenever_it_is_named(store, monkeypatch):
    monkeypatch.setattr(FeatureStore, "_remove_remains", None)
    FeatureStore(store.folder)


def test_records_are_claimed_by_one(store):
    with store.claim("tokens", [KEY]) as first, store.claim("tokens", [KEY, "cd34"]) as second:
        assert (first, second) == ([True], [False, True])
        assert not store.wait("tokens", [KEY], 0.01)
    assert store.wait("tokens", [KEY], 0.01)


@pytest.mark.filterwarnings("ignore:A record of the feature store is not whole")
def test_a_record_damaged_in_any_way_is_never_returned(store, record_path):
    whole, n_refused = record_path.read_bytes(), 0
    for seed in range(300):
        record_path.write_bytes(mutate(whole, seed))
        found = store.get("tokens", KEY)
        n_refused += found is None
        if found is not None:
            np.testing.assert_array_equal(found.arrays["tokens"].read(), VALUES["tokens"])
    assert n_refused > 270


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\0" * 8, b"\xff" * 64, (2**40).to_bytes(8, "little") + b"{}",
     (100_000).to_bytes(8, "little") + b"[" * 100_000, (2).to_bytes(8, "little") + b"[]",
     (4).to_bytes(8, "little") + b"null"],
)  # fmt: skip
def test_what_is_no_record_is_made_again(store, record_path, content):
    record_path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert store.get("tokens", KEY) is None
        assert store.info().empty
        store.verify()
