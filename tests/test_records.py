import os
import stat
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from safetensors.numpy import load_file

from adestim.exceptions import InputError
from adestim.records import DamagedRecordError, open_record, write_record

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
        from adestim import records
        os.link = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
        path = Path({str(tmp_path)!r}) / "a.safetensors"
        records.write_record(path, {{"x": np.ones(9)}}, {{}})
    """)
    done = subprocess.run([sys.executable, "-c", program], check=False, env=dict(os.environ))
    assert done.returncode == -9
    [remains] = list(tmp_path.iterdir())
    assert remains.name.startswith(".")
    assert remains.suffix == ".tmp"
