import os
import time
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from adestim import GeneticsExtractor
from adestim.evaluation import compare
from adestim.evaluation.comparing.jobs import describe_settings
from adestim.evaluation.comparing.named_files import describe_path, digest_cells, list_named_files

N_SUBJECTS = 24


class ReadsFiles(ClassifierMixin, BaseEstimator):
    """A classifier of the number in each subject's file, and in one of its own."""

    def __init__(self, calls, offset=None):
        self.calls = calls
        self.offset = offset

    def fit(self, X, y):
        Path(self.calls, uuid4().hex).touch()
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        values = np.array([float(Path(path).read_text()) for path in X.iloc[:, 0]])
        chance = 1 / (1 + np.exp(-values))
        return np.column_stack([1 - chance, chance])


@pytest.fixture
def study(tmp_path):
    """A table of paths, their classes, and what counts fits."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"sub-{number:02d}_T1w.txt" for number in range(N_SUBJECTS)]
    for path, value in zip(paths, rng.normal(size=N_SUBJECTS), strict=True):
        path.write_text(f"{value:.6f}")
    X = pd.DataFrame({"t1w": list(map(str, paths))}, index=[path.stem for path in paths])
    (tmp_path / "calls").mkdir()
    return X, np.where(np.arange(N_SUBJECTS) % 2, "AD", "CN"), tmp_path / "calls"


def predictions_of(study, folder, **params):
    X, y, calls = study
    model = ReadsFiles(str(calls), **params)
    settings = {"cv": 2, "controls": False, "resume": folder}
    return compare({"model": model}, X, y, **settings).predictions


def n_fits(study):
    return len(list(study[2].iterdir()))


def test_files_that_stay_are_not_read_for_predictions_again(study, tmp_path):
    first = predictions_of(study, tmp_path / "kept")
    pd.testing.assert_frame_equal(predictions_of(study, tmp_path / "kept"), first)
    assert n_fits(study) == 2


@pytest.mark.parametrize("change", ["content", "content of the same size and date", "gone"])
def test_a_file_that_changed_behind_its_path_is_noticed(study, tmp_path, change):
    predictions_of(study, tmp_path / "kept")
    path = tmp_path / "sub-03_T1w.txt"
    before = path.stat()
    if change == "gone":
        path.unlink()
        path.write_text("0")
    else:
        path.write_text("1.234567")
    if change == "content of the same size and date":
        other = tmp_path / "other"
        other.write_text("7.654321"[: before.st_size].ljust(before.st_size, "0"))
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(path)
    predictions_of(study, tmp_path / "kept")
    assert n_fits(study) == 4


def test_a_file_whose_date_alone_changed_is_the_same(study, tmp_path):
    predictions_of(study, tmp_path / "kept")
    os.utime(tmp_path / "sub-03_T1w.txt", (time.time() - 99, time.time() - 99))
    predictions_of(study, tmp_path / "kept")
    assert n_fits(study) == 2


def test_a_file_that_a_parameter_names_is_noticed(study, tmp_path):
    (tmp_path / "weights.pt").write_text("one")
    predictions_of(study, tmp_path / "kept", offset=tmp_path / "weights.pt")
    (tmp_path / "weights.pt").write_text("two")
    predictions_of(study, tmp_path / "kept", offset=tmp_path / "weights.pt")
    assert n_fits(study) == 4


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)


def names_of(files):
    return [file.name for file in files]


def test_what_is_read_with_a_file_counts_too(tmp_path):
    touch(tmp_path, "b_bold.nii.gz", "b_bold.json", "a.hdr", "a.img", "g.bed", "g.bim", "g.fam")
    assert names_of(list_named_files(tmp_path / "b_bold.nii.gz")) == [
        "b_bold.nii.gz",
        "b_bold.json",
    ]
    assert names_of(list_named_files(tmp_path / "a.hdr")) == ["a.hdr", "a.img"]
    for name in ("g.bed", "g"):
        assert names_of(list_named_files(tmp_path / name)) == ["g.bed", "g.bim", "g.fam"]


def test_of_folders_those_of_models_count(tmp_path):
    touch(tmp_path, "model/config.json", "model/model.safetensors", "other/file")
    assert names_of(list_named_files(tmp_path / "model")) == ["config.json", "model.safetensors"]
    assert list_named_files(tmp_path / "other") == []


@pytest.mark.parametrize(
    "text", ["AD", "", "a note\nof two lines", "x" * 5000, "a\0b", "nowhere/a"]
)
def test_text_that_names_no_file_is_left_alone(text):
    assert list_named_files(text) == []
    assert describe_path(text, None) == text


def test_cells_of_numbers_are_not_looked_at(tmp_path):
    touch(tmp_path, "a.nii")
    cells = [tmp_path / "a.nii", str(tmp_path / "a.nii"), None]
    table = pd.DataFrame({"age": [1.0, 2, 3], "t1w": cells, "sex": ["F", "M", "F"]})
    assert len(digest_cells(table, tmp_path / "memo")) == 1
    assert digest_cells(table[["age"]], tmp_path / "memo") == []


def test_a_file_that_cannot_be_read_has_no_digest(tmp_path, monkeypatch):
    touch(tmp_path, "a.nii")
    monkeypatch.setattr("pathlib.Path.open", lambda *_: (_ for _ in ()).throw(OSError(5, "EIO")))
    table = pd.DataFrame({"t1w": [str(tmp_path / "a.nii")]})
    assert digest_cells(table, tmp_path / "memo") == []


def test_genotypes_of_an_extractor_are_part_of_what_it_is(tmp_path):
    touch(tmp_path, "g.bed", "g.bim", "g.fam")
    extractor = GeneticsExtractor(genotypes=str(tmp_path / "g"))
    first = describe_settings(extractor, tmp_path / "memo")
    assert describe_settings(extractor, tmp_path / "memo") == first
    (tmp_path / "g.fam").write_text("another")
    assert describe_settings(extractor, tmp_path / "memo") != first
