import os
import pickle
import time
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest

from adestim._support.keys import content_key
from adestim._support.remarks import gather_remarks, remark
from adestim.encoding import BackboneSpec, Encoding
from adestim.exceptions import DataWarning, VolumeError
from adestim.extraction import stored
from adestim.extraction.prepared import MadeElsewhere, Prepared
from adestim.extraction.stored import (
    RecalledPreparation,
    RecalledReading,
    TokenShelf,
    cell_content,
    recall_encodings,
)
from adestim.store import FeatureStore, claims


@dataclass(frozen=True)
class Doubling:
    """A preparation that tells, in a file, how often it was asked."""

    log: str
    factor: float = 2.0

    def __call__(self, cells):
        with Path(self.log).open("a") as file:
            file.write("x")
        if isinstance(cells[0], str):
            return Prepared(np.loadtxt(cells[0], dtype=np.float32, ndmin=1) * self.factor)
        return Prepared(
            np.full((2, 3), self.factor * cells[0], np.float32), np.array([True, False])
        )


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store")


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log").touch()
    return tmp_path / "log"


def recalling(store, log, **options):
    return RecalledPreparation.of(Doubling(str(log), **options), store, "smri", "toy")


def n_asked(log):
    return len(log.read_text())


def old_file(path, text):
    """Write a file that did not change just now."""
    path.write_text(text)
    os.utime(path, (1e9, 1e9 + len(text)))
    return str(path)


def test_the_same_cell_is_prepared_once(store, log):
    first, second = (recalling(store, log)((3.0,)) for _ in range(2))
    assert n_asked(log) == 1
    np.testing.assert_array_equal(second.inputs.read(), np.full((2, 3), 6.0))
    assert second.mask.read().tolist() == [True, False]
    assert first == second


@pytest.mark.parametrize("change", ["cell", "option"])
def test_another_cell_or_option_is_prepared(store, log, change):
    recalling(store, log)((3.0,))
    recalling(store, log, factor=5.0 if change == "option" else 2.0)(
        (4.0 if change == "cell" else 3.0,)
    )
    assert n_asked(log) == 2


def test_a_file_that_changed_under_its_name_is_prepared_again(store, log, tmp_path):
    path = old_file(tmp_path / "a.txt", "1 2")
    assert recalling(store, log)((path,)).inputs.read().tolist() == [2, 4]
    old_file(tmp_path / "a.txt", "1 2 3")
    assert recalling(store, log)((path,)).inputs.read().tolist() == [2, 4, 6]


def test_the_same_file_elsewhere_is_not_prepared_again(store, log, tmp_path):
    for name in ("a.txt", "b.txt"):
        recalling(store, log)((old_file(tmp_path / name, "1 2"),))
    assert n_asked(log) == 1


def test_a_sidecar_that_changed_makes_another_input(store, log, tmp_path):
    sidecar = tmp_path / "a.json"

    @dataclass(frozen=True)
    class WithSidecar(Doubling):
        def also_reads(self, cells):
            return [sidecar]

    path = old_file(tmp_path / "a.txt", "1 2")
    for text in ("{}", '{"RepetitionTime": 2}'):
        old_file(sidecar, text)
        recalled_by_all = RecalledPreparation(WithSidecar(str(log)), store, "k", "fmri", "toy")
        recalled_by_all((path,))
    assert n_asked(log) == 2


def test_a_file_that_is_not_there_is_left_to_the_preparation(store, log, tmp_path):
    with pytest.raises(FileNotFoundError):
        recalling(store, log)((str(tmp_path / "absent.txt"),))


def test_both_files_of_a_pair_count(store, tmp_path):
    image = old_file(tmp_path / "a.img", "image")
    old_file(tmp_path / "a.hdr", "header")
    before = cell_content(image, store)
    old_file(tmp_path / "a.hdr", "another header")
    assert cell_content(image, store) != before


def test_a_store_that_cannot_be_written_loses_nothing(log, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(match="nothing is lost"):
        prepared = recalling(FeatureStore(tmp_path / "file"), log)((3.0,))
    np.testing.assert_array_equal(prepared.inputs, np.full((2, 3), 6.0))


def test_an_image_whose_file_changed_is_prepared_again(store, tmp_path):
    path, found = tmp_path / "a.nii", []
    preparation = RecalledPreparation.of(mean_of_image, store, "smri", "toy")
    for value in (1.0, 2.0):
        nibabel.save(nibabel.Nifti1Image(np.full((2, 2, 2), value), np.eye(4)), path)
        found.append(preparation((nibabel.load(path),)).inputs.read().tolist())
    assert found == [[1.0], [2.0]]


def mean_of_image(cells):
    return Prepared(np.array([np.mean(cells[0].get_fdata())], dtype=np.float32))


class Unreadable:
    """A cell of whose content nothing can be said: an image of a damaged file, for one."""

    affine = np.eye(4)
    header = None

    @property
    def dataobj(self):
        raise EOFError("Compressed file ended before the end-of-stream marker was reached")


def test_what_is_wrong_with_a_cell_is_left_to_the_preparation_to_say(store):
    def refuse(cells):
        raise VolumeError("A volume must be readable")

    preparation = RecalledPreparation(refuse, store, "k", "smri", "toy")
    with pytest.raises(VolumeError, match="must be readable"):
        preparation((Unreadable(),))


@pytest.mark.parametrize("name", ["FORMAT", "PREPARATION_VERSION"])
def test_another_version_has_keys_of_its_own(store, log, monkeypatch, name):
    recalling(store, log)((3.0,))
    monkeypatch.setattr(stored, name, "another")
    recalling(store, log)((3.0,))
    assert n_asked(log) == 2


def test_a_record_that_was_damaged_meanwhile_is_made_again(store, log):
    recalling(store, log)((3.0,))
    [path] = Path(store.folder).glob("inputs/*/*.safetensors")
    dates, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    time.sleep(0.02)
    path.write_bytes(content)
    os.utime(path, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    with pytest.warns(DataWarning, match="made again"):
        prepared = recalling(store, log)((3.0,))
    np.testing.assert_array_equal(prepared.inputs.read(), np.full((2, 3), 6.0))
    assert n_asked(log) == 2


def test_it_survives_pickling(store, log):
    preparation = recalling(store, log)
    assert pickle.loads(pickle.dumps(preparation)) == preparation


# Tokens


def shelf(store, digest="d", precision="float32"):
    spec = BackboneSpec("toy", digest, (("home", "a:B"), ("preparation", digest)))
    return TokenShelf(store, spec, "smri", precision)


def encode_all(calls):
    """An encoder that notes which rows it was given."""

    def encode(inputs, keep):
        calls.append([row for row, item in enumerate(inputs) if item is not None])
        spec = BackboneSpec("toy", "d")
        return [
            None
            if item is None
            else keep(row, Encoding(item, np.ones((2, 4), np.float32), None, spec, np.ones(4)))
            for row, item in enumerate(inputs)
        ]

    return encode


def inputs_of(*values):
    return [None if value is None else Prepared(np.full(3, value, np.float32)) for value in values]


def test_tokens_are_made_once_an_input(store):
    calls = []
    recall_encodings(shelf(store), inputs_of(1, None, 2), encode_all(calls))
    found = recall_encodings(shelf(store), inputs_of(2, 1, 3, None), encode_all(calls))
    assert calls == [[0, 2], [2]]
    assert [encoding is None for encoding in found] == [False, False, False, True]
    np.testing.assert_array_equal(found[0].tokens, np.ones((2, 4)))
    assert found[0].tokens.dtype == np.float16
    assert found[0].pooled.shape == (4,)


@pytest.mark.parametrize("change", [{"digest": "other"}, {"precision": "bfloat16"}])
def test_other_weights_or_another_precision_make_other_tokens(store, change):
    calls = []
    recall_encodings(shelf(store), inputs_of(1), encode_all(calls))
    recall_encodings(shelf(store, **change), inputs_of(1), encode_all(calls))
    assert calls == [[0], [0]]


def test_tokens_of_another_format_are_apart(store, monkeypatch):
    calls = []
    recall_encodings(shelf(store), inputs_of(1), encode_all(calls))
    monkeypatch.setattr(stored, "FORMAT", "another")
    recall_encodings(shelf(store), inputs_of(1), encode_all(calls))
    assert calls == [[0], [0]]


def test_without_a_store_everything_is_made(store):
    calls = []
    made = recall_encodings(None, inputs_of(1, None), encode_all(calls))
    assert calls == [[0]]
    assert made[0].tokens.dtype == np.float32


# What is read, before a model has seen it


@dataclass(frozen=True)
class Scaling:
    """Reading of arrays by an option, whose results are kept as they are."""

    factor: float = 1.0

    def __call__(self, cells):
        return None if cells[0] is None else self.factor * cells[0]

    def pack(self, raw):
        return {"values": raw}

    def unpack(self, arrays):
        return arrays["values"]


def recalling_reading(store, **options):
    return RecalledReading.of(Scaling(**options), store, "series", "fmri", "toy")


def test_another_cell_or_another_option_is_read(store):
    for factor, cell in ((1.0, np.ones((3, 2))), (2.0, np.ones((3, 2))), (1.0, np.zeros((3, 2)))):
        recalling_reading(store, factor=factor)((cell,))
    assert store.info()["records"].sum() == 3


def test_what_was_read_is_not_read_again(store):
    first = recalling_reading(store)((np.ones((3, 2)),))
    np.testing.assert_array_equal(recalling_reading(store)((np.ones((3, 2)),)), first)
    assert store.info()["records"].tolist() == [1]


def test_what_is_missing_is_no_record(store):
    assert recalling_reading(store)((None,)) is None
    assert store.info().empty


def test_where_results_are_kept_is_no_part_of_what_they_are(store, tmp_path):
    other = FeatureStore(tmp_path / "moved")
    assert content_key(recalling_reading(store)) == content_key(recalling_reading(other))
    assert content_key(recalling_reading(store)) != content_key(
        recalling_reading(store, factor=3.0)
    )
    read = recalling_reading(store)
    assert pickle.loads(pickle.dumps(read)) == read


@dataclass(frozen=True)
class Remarking:
    """A preparation, and a reading, with something to say."""

    def __call__(self, cells):
        remark("mirrored")
        return Prepared(np.full((2, 3), cells[0], np.float32))

    def pack(self, raw):
        return {"inputs": raw.inputs}

    def unpack(self, arrays):
        return Prepared(arrays["inputs"])


def test_remarks_are_kept_with_what_was_prepared(store):
    preparation = RecalledPreparation.of(Remarking(), store, "smri", "toy")
    assert [preparation((3.0,)).remarks for _ in range(2)] == [("mirrored",)] * 2


def test_remarks_are_kept_with_what_was_read(store):
    reading = RecalledReading.of(Remarking(), store, "series", "fmri", "toy")
    for _ in range(2):
        with gather_remarks() as said:
            reading((3.0,))
        assert said == ["mirrored"]


# Several processes


def test_what_another_process_prepares_is_not_prepared(store, log):
    prepare = recalling(store, log)
    key = prepare._key_of((3.0,))
    with store.claim("inputs", [key]) as [own]:
        assert own
        assert isinstance(prepare((3.0,)), MadeElsewhere)
    assert n_asked(log) == 0
    assert isinstance(prepare.wait_for((3.0,)), Prepared)
    assert n_asked(log) == 1


def test_what_another_process_does_not_bring_to_an_end_is_prepared(store, log, monkeypatch):
    monkeypatch.setattr(claims, "PATIENCE", 0.02)
    prepare = recalling(store, log)
    with store.claim("inputs", [prepare._key_of((3.0,))]):
        assert isinstance(prepare.wait_for((3.0,)), Prepared)
    assert n_asked(log) == 1


def test_what_another_process_reads_is_waited_for(store, monkeypatch):
    monkeypatch.setattr(claims, "PATIENCE", 0.02)
    read, cells = recalling_reading(store), (np.ones((3, 2)),)
    key = stored.key_of_cells(read.key, cells, [], store)
    with store.claim("series", [key]):
        np.testing.assert_array_equal(read(cells), cells[0])


def test_tokens_that_others_make_are_made_last_and_once(store, monkeypatch):
    calls, prepared = [], inputs_of(1, 2, 3, 4)
    own, lost = shelf(store), shelf(store)
    with lost.claim([prepared[1]]) as held:
        assert held == [True]
        monkeypatch.setattr(claims, "PATIENCE", 0.1)
        found = recall_encodings(own, prepared, encode_all(calls), batch_size=2)
    assert calls == [[0], [2, 3], [1]]
    assert all(encoding is not None for encoding in found)


def test_subjects_that_are_the_same_are_made_once(store):
    calls = []
    recall_encodings(shelf(store), inputs_of(1, 1, 2), encode_all(calls), batch_size=4)
    assert calls == [[0, 2]]
