import io
import pickle
import tracemalloc
import zipfile
from collections import OrderedDict

import pytest
import torch

from adestim.backbone.weights.bounds import measure_old_pickles, require_bounded_checkpoint
from adestim.backbone.weights.files import read_checkpoint
from adestim.exceptions import CheckpointError

LARGEST = 10_000


def save(path, content, old=False):
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


def pack_pickle(path, n_bytes, compression=zipfile.ZIP_DEFLATED):
    """A checkpoint whose pickle is nothing but one long text."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps("x" * n_bytes, protocol=2))
        archive.writestr("archive/version", "3")
    return path


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_tensors_may_be_as_large_as_they_are(tmp_path, old):
    path = save(tmp_path / "a.pt", {"weight": torch.zeros(100_000)}, old)
    require_bounded_checkpoint(path, LARGEST)
    assert read_checkpoint(path)["weight"].shape == (100_000,)


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_objects_beside_tensors_have_a_bound(tmp_path, old):
    path = save(tmp_path / "a.pt", {"weight": torch.zeros(3), "log": "x" * LARGEST}, old)
    with pytest.raises(CheckpointError, match=r"a\.pt must hold tensors, and little beside them"):
        require_bounded_checkpoint(path, LARGEST)
    require_bounded_checkpoint(path, 2 * LARGEST)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_pickle_that_fills_the_memory_is_refused_unread(tmp_path, compression):
    path = pack_pickle(tmp_path / "bomb.pt", 2**27, compression)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=r"67108864 bytes at most. Got 134\d+ bytes"):
            read_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_an_archive_that_grows_beyond_measure_is_refused(tmp_path):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", bytes(10 * LARGEST))
        archive.writestr("archive/data/1", bytes(40 * LARGEST))
    with pytest.raises(CheckpointError, match="bytes or more"):
        require_bounded_checkpoint(path, LARGEST)


def test_of_an_old_file_no_more_than_the_bound_is_read(tmp_path):
    path = save(tmp_path / "a.pt", OrderedDict(log="x" * (10 * LARGEST)), old=True)
    tracemalloc.start()
    try:
        assert measure_old_pickles(path, LARGEST) > LARGEST
        assert tracemalloc.get_traced_memory()[1] < 5 * LARGEST
    finally:
        tracemalloc.stop()


def test_whoever_trusts_a_file_reads_it_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(require_bounded_checkpoint, "__defaults__", (LARGEST,))
    path = save(tmp_path / "a.pt", {"log": "x" * (2 * LARGEST)})
    with pytest.raises(CheckpointError, match="trust_checkpoint=True"):
        read_checkpoint(path)
    assert len(read_checkpoint(path, trust_pickle=True)["log"]) == 2 * LARGEST


def test_a_row_of_noise_is_measured_too(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(io.BytesIO(b"\x80\x02\x8a\nl\xfc" + b"\xff" * 50).getvalue())
    assert measure_old_pickles(path, LARGEST) <= 60
