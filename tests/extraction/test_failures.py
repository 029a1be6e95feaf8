import errno
import os
import struct
import warnings
import zlib

import nibabel
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from nilearn.datasets import load_mni152_template

from adestim import FMRIExtractor, SMRIExtractor
from adestim.exceptions import AdestimError, DataWarning, InputError, SubjectsError, VolumeError
from adestim.extraction.failures import name_failure, naming_subjects
from adestim.extraction.prepared import Prepared
from adestim.extraction.subjects import prepare_subject, readable_raws
from tests.toy_backbone import ToyExtractor, ToyViT, toy_cells, write_weights

FAILURES = [
    OverflowError("cannot convert float infinity to integer"),
    MemoryError(),
    RecursionError("maximum recursion depth exceeded"),
    ValueError("could not convert string to float: 'a patient'"),
    OSError(errno.ELOOP, "Too many levels of symbolic links"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    zlib.error("invalid distance"),
    struct.error("unpack requires a buffer"),
    AttributeError("no such thing"),
    ZeroDivisionError(),
    KeyError("a patient"),
    EOFError(),
    AssertionError(),
    StopIteration(),
]  # fmt: skip


class Failing:
    """A preparation in which one subject's data raise something."""

    def __init__(self, failure):
        self.failure = failure

    def __call__(self, cells):
        if cells[0] == "bad":
            raise self.failure
        return Prepared(np.zeros((1, 1), np.float32))


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_whatever_is_raised_is_that_subjects_failure(failure):
    error = prepare_subject(Failing(failure), ("bad",), "sub-7")
    assert isinstance(error, InputError)
    assert str(error).startswith(
        "Subject 'sub-7': The data of a subject must be readable. "
        f"Got {type(failure).__name__} in extraction/test_failures.py, line "
    )
    assert "a patient" not in str(error)


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), SystemExit(), DataWarning("said")])
def test_interruptions_and_warnings_made_errors_go_through(failure):
    with pytest.raises(type(failure)):
        prepare_subject(Failing(failure), ("bad",), "sub-7")


def test_an_error_of_ours_keeps_its_words():
    error = name_failure(VolumeError("A rule"), 7)
    assert (type(error), str(error)) == (VolumeError, "Subject '7': A rule.")


def test_a_failure_without_a_trace_is_named_too():
    assert "in an unknown place" in str(name_failure(ValueError(), "s"))


def test_models_learn_from_the_subjects_that_can_be_read():
    frame = pd.DataFrame({"cell": ["a", "bad", None]})
    assert len(list(readable_raws(frame, Failing(OverflowError())))) == 1


# All subjects together


class Fragile(ToyExtractor):
    """An extractor in which some subjects' data raise what is not ours."""

    def _preparation(self):
        return prepare_fragile


def prepare_fragile(cells):
    """One subject's cell in, inputs out; text raises."""
    return Prepared(ToyViT.prepare(np.asarray(cells[0], dtype=float)))


@pytest.fixture
def weights(tmp_path):
    return write_weights(tmp_path / "toy.pt")


@pytest.fixture
def table():
    frame = toy_cells(12)[0].astype(object)
    frame.iat[3, 0], frame.iat[9, 0] = "not a number", {"a": 1}
    return frame


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_all_failing_subjects_stand_in_one_error(weights, table, n_jobs):
    extractor = Fragile(weights, n_jobs=n_jobs, batch_size=2)
    with (
        parallel_config(backend="threading"),
        pytest.raises(SubjectsError, match=r"2 subject\(s\).*'sub-03'.*'sub-09'"),
    ):
        extractor.fit_transform(table)


def test_the_run_goes_on_without_them_where_asked_for(weights, table):
    with pytest.warns(DataWarning, match=r"2 subject\(s\).*'sub-03'.*ValueError.*'sub-09'"):
        found = Fragile(weights, errors="missing").fit_transform(table)
    assert found.index[found["img"].isna()].tolist() == ["sub-03", "sub-09"]


class Mistaken(ToyExtractor):
    """An extractor whose model has a mistake in it."""

    def _encode(self, prepared, spec):
        raise RuntimeError("shapes do not fit")


def test_what_is_wrong_with_a_model_is_raised_with_the_batchs_subjects(weights):
    with pytest.raises(RuntimeError, match="shapes do not fit") as caught:
        Mistaken(weights, errors="missing").fit_transform(toy_cells(7)[0])
    [note] = caught.value.__notes__
    assert note == (
        "This happened while toy encoded 'sub-00', 'sub-01', 'sub-02', 'sub-03', 'sub-04' "
        "and 2 more."
    )


def test_nothing_is_noted_on_what_goes_well():
    with naming_subjects(["a"], "toy"):
        pass


# Files


@pytest.fixture(scope="module")
def template():
    image = load_mni152_template(resolution=8)
    return nibabel.Nifti1Image(image.get_fdata().astype("f4"), image.affine)


def damage(path, template, how):
    """Write an image that is damaged in one way."""
    nibabel.save(template, path)
    raw = bytearray(path.read_bytes())
    if how == "linked to itself":
        path.unlink()
        path.symlink_to(path)
        return
    if how == "cut in the header":
        raw = raw[:100]
    if how in OFFSETS:
        raw[108:112] = struct.pack("<f", OFFSETS[how])
    if how in DIMENSIONS:
        raw[40:56] = struct.pack("<8h", *DIMENSIONS[how])
    if how == "noise":
        raw = np.random.default_rng(0).bytes(2000)
    if how == "a pipe":
        path.unlink()
        os.mkfifo(path)
        return
    path.write_bytes(bytes(raw))


OFFSETS = {"offset of inf": np.inf, "offset of nan": np.nan, "offset of -1e30": -1e30}
DIMENSIONS = {
    "huge": (3, 32767, 32767, 32767, 1, 1, 1, 1),
    "negative": (3, -5, 5, 5, 1, 1, 1, 1),
    "nine axes": (9, 5, 5, 5, 1, 1, 1, 1),
}
DAMAGES = ["linked to itself", "cut in the header", *OFFSETS, *DIMENSIONS, "noise", "a pipe"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_image_is_its_subjects_failure(tmp_path, template, how):
    damage(tmp_path / "bad.nii", template, how)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = prepare_subject(SMRIExtractor()._volume_reader(), (tmp_path / "bad.nii",), "s2")
    assert isinstance(error, AdestimError)
    assert error.subject == "s2"


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, "\0", "1" * 5000, '"\\ud800"'])
def test_a_sidecar_of_any_kind_is_its_subjects_failure(tmp_path, text):
    values = np.random.default_rng(0).normal(100, 1, (9, 11, 9, 60)).astype("f4")
    image = nibabel.Nifti1Image(values, np.diag([20.0, 20, 20, 1]))
    nibabel.save(image, tmp_path / "b.nii")
    (tmp_path / "b.json").write_text(text)
    frame = pd.DataFrame({"bold": [str(tmp_path / "b.nii")]}, index=["s1"])
    with pytest.warns(DataWarning, match="'s1'"):
        FMRIExtractor(errors="missing").fit_transform(frame)
