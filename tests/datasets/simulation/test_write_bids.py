"""A cohort as a BIDS folder."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim.datasets import make_cohort
from adestim.datasets.simulation.function import make_run
from adestim.datasets.simulation.write_bids import (
    SubjectFiles,
    claim_folder,
    name_temporary,
    replace_file,
    write_function,
    write_image,
    write_json,
    write_table,
    write_tables,
)
from adestim.exceptions import InputError

COARSE = {"resolution": 12, "bold_resolution": 12}
REQUEST = {"n_subjects": 4, "missing": None, "random_state": 0}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A cohort on disk."""
    root = tmp_path_factory.mktemp("bids") / "cohort"
    return root, make_cohort(6, missing=None, root=root, random_state=3, **COARSE)


@pytest.fixture
def subjects():
    """Two rows as a cohort has them."""
    return pd.DataFrame(
        {
            "age": [70.1, np.nan],
            "sex": ["F", "M"],
            "apoe": ["3/4", None],
            "diagnosis": ["CN", "AD"],
        },
        index=["sub-0001", "sub-0002"],
    )


def test_files_are_a_bids_folder(written):
    root, cohort = written
    description = json.loads((root / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    participants = pd.read_csv(root / "participants.tsv", sep="\t", index_col=0)
    assert list(participants.index) == list(cohort.frame.index)
    assert list(participants["diagnosis"]) == list(cohort.target)
    assert set(json.loads((root / "participants.json").read_text())) == set(participants)
    visits = pd.read_csv(root / "sub-0001" / "sub-0001_sessions.tsv", sep="\t")
    assert visits["session_id"].tolist() == ["ses-M000"]
    assert not list(root.rglob(".*"))


def test_runs_state_their_repetition_time(written):
    _, cohort = written
    runs, tables = (cohort.frame[name] for name in ("bold", "roi_series"))
    for path, series in zip(runs, tables, strict=True):
        t_r = nibabel.load(path).header.get_zooms()[3]
        facts = json.loads(Path(path.replace(".nii.gz", ".json")).read_text())
        assert facts["RepetitionTime"] == pytest.approx(t_r)
        time = pd.read_csv(series, sep="\t")["time"]
        assert time.iloc[1] == pytest.approx(t_r, abs=0.006)


def test_names_follow_the_entities_of_bids():
    files = SubjectFiles(Path("cohort"), "sub-0001")
    anatomy, run = "sub-0001_space-MNI152NLin2009aSym", "sub-0001_task-rest"
    assert files.t1w == Path("cohort/sub-0001/anat") / f"{anatomy}_T1w.nii.gz"
    assert files.bold.name == f"{run}_space-MNI152NLin2009aSym_bold.nii.gz"
    assert files.sidecar.name == files.bold.name.replace(".nii.gz", ".json")
    assert files.confounds.name == f"{run}_desc-confounds_timeseries.tsv"


def test_run_without_an_image_says_how_often_it_was_sampled(tmp_path):
    files = SubjectFiles(tmp_path, "sub-0001")
    write_function(files, make_run(np.zeros(10), 5, 2.4, np.random.default_rng(0)), None)
    facts = json.loads(files.series_sidecar.read_text())
    assert facts["SamplingFrequency"] == pytest.approx(1 / 2.4)
    assert not files.bold.exists()
    assert not files.sidecar.exists()


def test_missing_displacement_of_the_first_volume_is_written_as_bids_wants(tmp_path):
    files = SubjectFiles(tmp_path, "sub-0001")
    write_function(files, make_run(np.zeros(10), 5, 2.4, np.random.default_rng(0)), None)
    first = files.confounds.read_text().splitlines()[1]
    assert first.split("\t")[-1] == "n/a"


def test_participants_table_has_the_columns_given_and_na_where_missing(tmp_path, subjects):
    write_tables(tmp_path, subjects)
    lines = (tmp_path / "participants.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["participant_id", *subjects]
    assert lines[2].split("\t") == ["sub-0002", "n/a", "M", "n/a", "AD"]


def test_table_of_visits_leaves_out_what_never_changes(tmp_path, subjects):
    write_tables(tmp_path, subjects)
    visits = pd.read_csv(SubjectFiles(tmp_path, "sub-0001").sessions, sep="\t")
    assert list(visits) == ["session_id", "age", "diagnosis"]


def test_folder_may_be_claimed_again_for_the_same_cohort(tmp_path):
    for _ in range(2):
        claim_folder(tmp_path / "cohort", REQUEST)
    description = json.loads((tmp_path / "cohort" / "dataset_description.json").read_text())
    assert description["GeneratedBy"][0]["Parameters"] == REQUEST


def test_folder_of_another_request_is_refused_and_left_as_it_was(tmp_path):
    claim_folder(tmp_path, REQUEST)
    before = (tmp_path / "dataset_description.json").read_bytes()
    with pytest.raises(InputError, match=r"same cohort.*another data set.*new folder"):
        claim_folder(tmp_path, {**REQUEST, "random_state": 1})
    assert (tmp_path / "dataset_description.json").read_bytes() == before


@pytest.mark.parametrize("text", ["{}", "not JSON", "[]", '{"GeneratedBy": []}'])
def test_somebody_else_s_data_set_is_refused(tmp_path, text):
    (tmp_path / "dataset_description.json").write_text(text)
    with pytest.raises(InputError, match="another data set"):
        claim_folder(tmp_path, REQUEST)


def test_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"must be empty.*other files.*new folder"):
        claim_folder(tmp_path, REQUEST)
    with pytest.raises(InputError, match="must name a folder"):
        claim_folder(tmp_path / "notes.txt", REQUEST)


def test_what_an_interrupted_write_left_behind_is_no_obstacle(tmp_path):
    (tmp_path / ".1-dataset_description.json").write_text("{")
    claim_folder(tmp_path, REQUEST)
    assert (tmp_path / "dataset_description.json").is_file()


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


def test_temporary_name_is_beside_the_file_and_keeps_its_suffixes():
    path = Path("anat") / "sub-0001_T1w.nii.gz"
    temporary = name_temporary(path)
    assert temporary.parent == path.parent
    assert temporary.name.startswith(".")
    assert temporary.suffixes == path.suffixes


def test_missing_values_are_written_as_bids_wants(tmp_path):
    path = tmp_path / "participants.tsv"
    write_table(path, pd.DataFrame({"age": [70.5, np.nan], "apoe": [None, "3/4"]}), index=False)
    assert path.read_bytes() == b"age\tapoe\n70.5\tn/a\nn/a\t3/4\n"
