import errno
import os
import stat
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from adestim.exceptions import InputError
from adestim.store.record import DamagedRecordError, StoredArray, open_record, write_record

ARRAYS = {
    "tokens": np.arange(12, dtype=np.float16).reshape(3, 4),
    "mask": np.array([True, False, True]),
    "ids": np.arange(5, dtype=np.int64),
}


@pytest.fixture
def path(tmp_path):
    write_record(tmp_path / "a.safetensors", ARRAYS, {"modality": "smri"})
    return tmp_path / "a.safetensors"


def test_arrays_come_back_as_they_were(path):
    record = open_record(path)
    for name, values in ARRAYS.items():
        found = record.arrays[name].read()
        np.testing.assert_array_equal(found, values)
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(record.arrays[name].map(), values)
    assert record.metadata["modality"] == "smri"
    record.check()


@pytest.mark.parametrize("loss", [lambda path: path.unlink(), lambda path: path.write_bytes(b"x")])
def test_an_array_whose_record_is_gone_says_what_to_do(path, loss):
    tokens = open_record(path).arrays["tokens"]
    loss(path)
    with pytest.raises(InputError, match=r"feature store.*Encode the subjects again"):
        tokens.read()


def test_a_record_is_a_safetensors_file(path):
    np.testing.assert_array_equal(load_file(path)["tokens"], ARRAYS["tokens"])


def test_empty_and_non_contiguous_arrays_are_kept(tmp_path):
    arrays = {"none": np.zeros((0, 4), np.float32), "turned": np.arange(6.0).reshape(2, 3).T}
    write_record(tmp_path / "b.safetensors", arrays, {})
    record = open_record(tmp_path / "b.safetensors")
    record.check()
    for name, values in arrays.items():
        np.testing.assert_array_equal(record.arrays[name].read(), values)


def test_a_record_is_its_owners_alone(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_else_is_left_in_the_folder(path):
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_record_is_damaged(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DamagedRecordError):
        open_record(path).check()


def test_a_flipped_bit_anywhere_in_the_data_is_found(path):
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    for place in range(start, len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 16
        path.write_bytes(flipped)
        with pytest.raises(DamagedRecordError, match="checksum"):
            open_record(path).check()


def test_a_flipped_bit_in_the_header_never_gives_other_arrays(path):
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    for place in range(start):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        try:
            record = open_record(path)
            record.check()
        except DamagedRecordError:
            continue
        for name, array in record.arrays.items():
            np.testing.assert_array_equal(array.read(), ARRAYS[name])


def test_another_format_is_said(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"format":"1"', b'"format":"9"'))
    with pytest.raises(DamagedRecordError, match="format '9' instead of '1'"):
        open_record(path)


def other_format(path):
    path.write_bytes(path.read_bytes().replace(b'"format":"1"', b'"format":"9"'))


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        (lambda path: None, True),
        (other_format, True),
        (lambda path: path.write_bytes(b"x"), False),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), False),
    ],
    ids=["whole", "another format", "no record", "damaged"],
)
def test_a_record_that_is_whole_or_not_ours_keeps_its_name(path, change, stays):
    change(path)
    before = path.read_bytes()
    write_record(path, {**ARRAYS, "more": np.ones(2)}, {})
    assert (path.read_bytes() == before) is stays


def test_what_was_compared_is_compared_again_when_the_file_changes(path):
    record = open_record(path)
    record.check()
    dates = path.stat()
    time.sleep(0.02)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    os.utime(path, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    with pytest.raises(DamagedRecordError, match="checksum"):
        open_record(path).check_once()


def test_a_disk_that_cannot_read_a_record_has_damaged_it(path, monkeypatch):
    def unreadable(array, file):
        raise OSError(errno.EIO, "Input/output error")

    record = open_record(path)
    monkeypatch.setattr(StoredArray, "_load", unreadable)
    with pytest.raises(DamagedRecordError, match="disk cannot read"):
        record.check()


def test_an_array_of_objects_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"arrays of numbers or bools.*dtype object"):
        write_record(tmp_path / "a.safetensors", {"x": np.array([None])}, {})


def test_big_endian_arrays_are_kept_in_the_order_of_safetensors(tmp_path):
    write_record(tmp_path / "a.safetensors", {"x": np.arange(3, dtype=">i4")}, {})
    found = open_record(tmp_path / "a.safetensors").arrays["x"].read()
    assert found.tolist() == [0, 1, 2]
    assert found.dtype == "<i4"


def test_a_renamed_record_is_that_of_another_key(path):
    path.rename(path.with_name("b.safetensors"))
    with pytest.raises(DamagedRecordError, match="its key is another"):
        open_record(path.with_name("b.safetensors"))


def test_an_absent_record_is_absent(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_record(tmp_path / "absent.safetensors")


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", full)
    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_record(tmp_path / "a.safetensors", ARRAYS, {})
    assert not list(tmp_path.iterdir())


def test_a_process_killed_in_mid_write_leaves_no_record(tmp_path):
    program = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        import numpy as np
        from adestim.store.record import write_record
        os.link = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
        path = Path({str(tmp_path)!r}) / "a.safetensors"
        write_record(path, {{"x": np.ones(9)}}, {{}})
    """)
    done = subprocess.run([sys.executable, "-c", program], check=False, env=dict(os.environ))
    assert done.returncode == -9
    [remains] = list(tmp_path.iterdir())
    assert remains.name.startswith(".")
    assert remains.suffix == ".tmp"
