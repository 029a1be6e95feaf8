import os
import stat
import subprocess
import sys
import textwrap
import time

import pytest

from adestim._support import files
from adestim._support.files import (
    DAY,
    is_abandoned,
    make_private,
    name_pointer,
    replace_whole,
    require_fetched,
    this_machine,
    write_whole,
)
from adestim.exceptions import TableError


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder):
    return [path.name for path in folder.iterdir()]


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


# Folders and files of their owner


def test_folders_are_their_owners_alone_whatever_the_umask(tmp_path, umask):
    make_private(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_folder_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o750)
    make_private(tmp_path / "a" / "b")
    assert mode(tmp_path / "a") == 0o750


def test_two_processes_may_make_one_folder(tmp_path, monkeypatch):
    plain = files.Path.mkdir

    def overtaken(path, mode=0o777):
        plain(path, mode)
        raise FileExistsError(path)

    monkeypatch.setattr(files.Path, "mkdir", overtaken)
    make_private(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="a"):
        make_private(tmp_path / "a" / "b")


def test_a_file_is_its_owners_alone_whatever_the_umask(tmp_path, umask):
    write_whole(tmp_path / "a", b"content")
    assert mode(tmp_path / "a") == 0o600


# Whole or not at all


def test_a_file_is_there_with_its_content_and_nothing_beside_it(tmp_path):
    for content in (b"one", b"another"):
        write_whole(tmp_path / "a", content)
        assert (tmp_path / "a").read_bytes() == content
    assert names_in(tmp_path) == ["a"]


def without_links(*paths):
    raise OSError(95, "Operation not supported")


@pytest.mark.parametrize("has_links", [True, False])
@pytest.mark.parametrize(("stays", "kept"), [(True, b"one"), (False, b"two")])
def test_a_file_that_keeps_its_name_is_not_replaced(tmp_path, monkeypatch, has_links, stays, kept):
    if not has_links:
        monkeypatch.setattr(os, "link", without_links)
    write_whole(tmp_path / "a", b"one")
    write_whole(tmp_path / "a", b"two", stays=lambda path: stays)
    assert (tmp_path / "a").read_bytes() == kept
    assert names_in(tmp_path) == ["a"]


def test_where_there_are_no_links_a_first_file_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", without_links)
    write_whole(tmp_path / "a", b"one", stays=lambda path: path.exists())
    assert (tmp_path / "a").read_bytes() == b"one"


@pytest.mark.parametrize("content", ["not bytes", None])
def test_what_cannot_be_written_leaves_nothing(tmp_path, content):
    with pytest.raises(TypeError):
        write_whole(tmp_path / "a", content)
    assert not names_in(tmp_path)


def test_a_process_killed_in_mid_write_leaves_a_file_that_is_known_for_its(tmp_path):
    program = f"""
        import os, signal
        from pathlib import Path
        from adestim._support.files import write_whole
        os.link = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
        write_whole(Path({str(tmp_path)!r}) / "a", b"content")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert done.returncode == -9
    [left] = tmp_path.iterdir()
    assert is_abandoned(left, time.time())


def test_temporary_name_is_beside_the_file_hidden_and_of_its_ending(tmp_path):
    path = tmp_path / "sub-0001_T1w.nii.gz"
    with replace_whole(path, ending=".nii.gz") as temporary:
        temporary.write_bytes(b"voxels")
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".nii.gz")
    assert names_in(tmp_path) == [path.name]


# Pointers to files that were never fetched


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "git-lfs"),
        (b"/annex/objects/MD5E-s12--0.nii.gz\n", "git-annex"),
        (b"subject,age\n", None),
        (b"", None),
    ],
)
def test_pointers_are_told_from_files(tmp_path, start, expected):
    path = tmp_path / "table.csv"
    path.write_bytes(start)
    assert name_pointer(start) == expected
    if expected is None:
        require_fetched(path, TableError)
        return
    with pytest.raises(TableError, match=f"table.csv must be .*a {expected} pointer.*with git "):
        require_fetched(path, TableError)


# What was left behind


@pytest.fixture
def dead():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def temporary(folder, process, machine=None, changed=None):
    path = folder / f".{'0123abcd' * 4}.{machine or this_machine()}.{process}.tmp"
    path.touch()
    os.utime(path, (changed or time.time(),) * 2)
    return path


def test_a_file_of_a_process_that_is_no_more_is_abandoned(tmp_path, dead):
    assert is_abandoned(temporary(tmp_path, dead), time.time())
    assert is_abandoned(temporary(tmp_path, 999_999_999), time.time())


def test_a_file_of_a_process_that_runs_is_not(tmp_path):
    long_ago = time.time() - 100 * DAY
    assert not is_abandoned(temporary(tmp_path, os.getpid(), changed=long_ago), time.time())
    # Process 1 is another user's wherever it is not ours.
    assert not is_abandoned(temporary(tmp_path, 1), time.time())


@pytest.mark.parametrize(("days", "expected"), [(0.5, False), (1.5, True)])
def test_of_another_machine_only_the_age_counts(tmp_path, dead, days, expected):
    for process in (dead, os.getpid()):
        changed = time.time() - days * DAY
        path = temporary(tmp_path, process, machine="00000000", changed=changed)
        assert is_abandoned(path, time.time()) is expected


def test_while_a_clock_is_put_back_nothing_of_another_machine_is_abandoned(tmp_path, dead):
    path = temporary(tmp_path, dead, machine="00000000")
    assert not is_abandoned(path, time.time() - 400 * DAY)
    assert is_abandoned(path, time.time() + 2 * DAY)


@pytest.mark.parametrize("name", ["a.tmp", ".a.tmp", ".x.12.tmp", f".{'0' * 32}.tmp", "record"])
def test_files_of_others_are_never_abandoned(tmp_path, name):
    (tmp_path / name).touch()
    assert not is_abandoned(tmp_path / name, time.time() + 900 * DAY)
