import errno
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adestim._support import digests
from adestim._support.digests import digest_file, user_cache

# Hashes a file named by its argument; a second argument forbids to read it.
PROGRAM = """
import sys
from adestim._support import digests
if len(sys.argv) > 2:
    digests.hashlib.file_digest = None
print(digests.digest_file(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "_KNOWN", {})
    return tmp_path / "digests"


@pytest.fixture
def forgetful(monkeypatch):
    """Forgets what this process remembers, so that only the folder is left."""
    return lambda: monkeypatch.setattr(digests, "_KNOWN", {})


@pytest.fixture
def settled(monkeypatch):
    """Takes files for settled that were written just now."""
    monkeypatch.setattr(digests, "FRESH", -1.0)


def written(path, text, changed=1e9):
    """Write a file and date it; what has the same date again differs by its time of change."""
    time.sleep(0.02)
    path.write_text(text)
    os.utime(path, (changed, changed))
    return path


def unreadable(*args):
    raise AssertionError("It was to be remembered")


def test_it_is_the_sha256(folder, tmp_path):
    path = written(tmp_path / "a", "abc")
    assert digest_file(path, folder).startswith("ba7816bf8f01cfea")


def test_it_is_computed_once_for_a_state_of_a_file(
    folder, tmp_path, monkeypatch, settled, forgetful
):
    path = written(tmp_path / "a.nii", "one")
    first = digest_file(path, folder)
    monkeypatch.setattr(digests.hashlib, "file_digest", unreadable)
    assert digest_file(path, folder) == first
    forgetful()
    assert digest_file(path, folder) == first


@pytest.mark.parametrize(
    ("text", "changed"), [("two", 2e9), ("longer", 1e9), ("two", 1e9)], ids=["date", "size", "none"]
)
def test_a_file_that_changed_has_another(folder, tmp_path, settled, text, changed):
    first = digest_file(written(tmp_path / "a.nii", "one"), folder)
    assert digest_file(written(tmp_path / "a.nii", text, changed), folder) != first


def test_that_of_a_file_that_has_just_changed_is_not_remembered(folder, tmp_path):
    path = tmp_path / "a.nii"
    path.write_text("one")
    first = digest_file(path, folder)
    path.write_text("two")
    assert digest_file(path, folder) != first
    assert not folder.exists()


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_was_moved_makes_no_digest_of_another_content(
    folder, tmp_path, monkeypatch, forgetful, hours
):
    moved = time.time() + 3600 * hours
    monkeypatch.setattr(digests.time, "time", lambda: moved)
    path = tmp_path / "a.nii"
    found = set()
    for text in ("one", "two", "six"):
        time.sleep(0.02)
        path.write_text(text)
        found.add(digest_file(path, folder))
        forgetful()
        assert digest_file(path, folder) in found
    assert len(found) == 3


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    folder, tmp_path, monkeypatch, settled
):
    path, plain = written(tmp_path / "a", "one"), digests.hashlib.file_digest

    def changing(file, name):
        path.write_text("longer")
        return plain(file, name)

    monkeypatch.setattr(digests.hashlib, "file_digest", changing)
    digest_file(path, folder)
    assert not folder.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": 1}', '{"digest": "x"}'])
def test_a_damaged_memo_is_written_again(folder, tmp_path, settled, forgetful, content):
    path = written(tmp_path / "a", "one")
    first = digest_file(path, folder)
    [memo] = folder.iterdir()
    memo.write_text(content)
    forgetful()
    assert digest_file(path, folder) == first
    assert json.loads(memo.read_text())["digest"] == first


def test_memos_are_their_owners_alone(folder, tmp_path, settled):
    digest_file(written(tmp_path / "a", "one"), folder)
    [memo] = folder.iterdir()
    assert stat.S_IMODE(memo.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_without_room_this_process_remembers_alone(folder, tmp_path, monkeypatch, settled):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(digests, "write_whole", full)
    path = written(tmp_path / "a", "one")
    first = digest_file(path, folder)
    monkeypatch.setattr(digests.hashlib, "file_digest", unreadable)
    assert digest_file(path, folder) == first


def test_a_file_that_is_not_there_is_an_error(folder, tmp_path):
    with pytest.raises(FileNotFoundError):
        digest_file(tmp_path / "absent", folder)


def test_the_cache_is_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert user_cache() == tmp_path / ".cache" / "adestim" / "files"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert user_cache() == tmp_path / "elsewhere" / "adestim" / "files"


def test_without_a_home_this_process_remembers_alone(folder, tmp_path, monkeypatch, settled):
    plain = Path.expanduser

    def homeless(path):
        if str(path).startswith("~"):
            raise RuntimeError("Could not determine home directory.")
        return plain(path)

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.expanduser", homeless)
    monkeypatch.setattr(digests, "user_cache", user_cache)
    path = written(tmp_path / "a", "one")
    assert user_cache() is None
    first = digest_file(path)
    monkeypatch.setattr(digests.hashlib, "file_digest", unreadable)
    assert digest_file(path) == first


def test_weights_are_read_by_one_process_of_many(tmp_path):
    weights = tmp_path / "model.pt"
    weights.write_bytes(b"weights")
    # The time of change cannot be put back: it must have passed.
    time.sleep(digests.FRESH + 0.1)
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}

    def digest(*arguments):
        command = [sys.executable, "-c", PROGRAM, str(weights), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    first = digest()
    assert len(first) == 64
    assert digest("without reading it") == first
