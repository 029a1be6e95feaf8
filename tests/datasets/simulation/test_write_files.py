"""Files are whole or not there."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim.datasets.simulation.write_files import (
    replace_file,
    write_image,
    write_json,
    write_table,
)


def image_of(value):
    return nibabel.Nifti1Image(np.full((2, 3, 4), value, dtype=np.uint8), np.eye(4))


def test_folders_are_made_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "sub-0001" / "anat" / "facts.json"
    write_json(path, {"RepetitionTime": 3.0})
    assert json.loads(path.read_text()) == {"RepetitionTime": 3.0}
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


@pytest.mark.parametrize("content", ["text\n", b"\x6c\x1b\x01"])
def test_text_and_bytes_replace_what_was_there(tmp_path, content):
    path = tmp_path / "file"
    path.write_text("something longer than the new content")
    replace_file(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())


def test_interruption_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "table.tsv"
    replace_file(path, "old")

    def half_written(self, content):
        with self.open("wb") as stream:
            stream.write(content[: len(content) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", half_written)
    with pytest.raises(KeyboardInterrupt):
        replace_file(path, "new content")
    assert path.read_text() == "old"


def test_new_file_takes_the_place_of_the_old_one_at_once(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"old": True})
    before = path.stat().st_ino
    write_json(path, {"new": True})
    assert path.stat().st_ino != before


def test_interrupted_image_does_not_appear_under_its_name(tmp_path, monkeypatch):
    def half_saved(image, path):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    path = tmp_path / "sub-0001_T1w.nii.gz"
    monkeypatch.setattr(nibabel, "save", half_saved)
    with pytest.raises(KeyboardInterrupt):
        write_image(path, image_of(1))
    assert not path.exists()


def test_image_is_read_back(tmp_path):
    path = tmp_path / "anat" / "sub-0001_T1w.nii.gz"
    write_image(path, image_of(7))
    stored = nibabel.load(path)
    assert stored.get_data_dtype() == np.uint8
    assert (np.asarray(stored.dataobj) == 7).all()


def test_missing_values_are_written_as_bids_wants(tmp_path):
    path = tmp_path / "participants.tsv"
    write_table(path, pd.DataFrame({"age": [70.5, np.nan], "apoe": [None, "3/4"]}), index=False)
    assert path.read_bytes() == b"age\tapoe\n70.5\tn/a\nn/a\t3/4\n"
