"""Cohorts as users get them."""

import re
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config

from adestim.datasets import make_cohort
from adestim.exceptions import InputError

COARSE = {"resolution": 12, "bold_resolution": 12}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A cohort on disk."""
    root = tmp_path_factory.mktemp("bids") / "cohort"
    return root, make_cohort(30, root=root, random_state=3, **COARSE)


@pytest.fixture(scope="module")
def held():
    """The same cohort in memory."""
    return make_cohort(30, random_state=3, **COARSE)


def test_bunch_holds_what_it_promises(held):
    assert list(held.frame.index) == list(held.target.index) == list(held.oracle.index)
    assert held.frame.index[0] == "sub-0001"
    assert set(held.target) == {"CN", "AD"}
    assert held.groups.is_unique
    assert held.oracle.between(0, 1).all()
    named = [name for names in held.columns.values() for name in names]
    assert set(named) | {"site", "phase"} == set(held.frame)
    assert "says nothing about patients" in held.description.replace("\n", " ")


@pytest.mark.parametrize(
    ("task", "labels"),
    [("nc_mci", {"CN", "MCI"}), ("smci_pmci", {"sMCI", "pMCI"}), ("nc_pd", {"CN", "PD"})],
)
def test_tasks_have_their_labels(task, labels):
    cohort = make_cohort(6, task, missing=None, **COARSE)
    assert set(cohort.target) == labels
    assert set(cohort.columns["diagnostic"]) <= set(cohort.frame)


def test_cells_in_memory_are_images_and_tables(held):
    t1w = held.frame["t1w"].dropna().iloc[0]
    assert isinstance(t1w, nibabel.Nifti1Image)
    assert t1w.ndim == 3
    table = held.frame["roi_series"].dropna().iloc[0]
    assert table.shape[1] == 301
    assert table.columns[0] == "time"
    assert table["time"].iloc[1] in (3.0, 0.607)
    assert "bold" not in held.frame
    assert held.frame["rs429358"].dropna().isin([0, 1, 2]).all()


def test_bold_is_made_in_memory_if_asked_for():
    cohort = make_cohort(4, missing=None, bold=True, **COARSE)
    runs = cohort.frame["bold"]
    assert {run.ndim for run in runs} == {4}
    lengths = [len(table) for table in cohort.frame["roi_series"]]
    assert [run.shape[3] for run in runs] == lengths


def test_missing_cells_are_missing_and_nothing_is_missing_if_so_asked(held):
    assert held.frame["roi_series"].isna().any()
    whole = make_cohort(6, missing=None, **COARSE)
    dosages = [name for name in whole.columns["genetics"] if name != "apoe"]
    assert whole.frame.drop(columns=dosages).notna().all(axis=None)


def test_rate_drops_whole_blocks():
    cohort = make_cohort(40, missing=0.5, **COARSE)
    clinical = cohort.frame[cohort.columns["clinical"]].isna()
    assert clinical.any(axis=None)
    assert (clinical.all(axis=1) == clinical.any(axis=1)).all()
    genetics = cohort.frame[["apoe", "rs429358"]].isna()
    assert (genetics["apoe"] == genetics["rs429358"]).all()


def same_cells(first, second):
    """Whether two object columns hold the same images or tables."""
    for one, other in zip(first, second, strict=True):
        if one is None or other is None:
            assert one is other
        elif isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
        else:
            np.testing.assert_array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))


def test_same_seed_gives_the_same_cohort(held):
    with parallel_config(backend="threading"):
        again = make_cohort(30, random_state=3, n_jobs=2, **COARSE)
    objects = ["t1w", "confounds", "roi_series"]
    pd.testing.assert_frame_equal(
        held.frame.drop(columns=objects), again.frame.drop(columns=objects)
    )
    for name in objects:
        same_cells(held.frame[name], again.frame[name])
    pd.testing.assert_series_equal(held.oracle, again.oracle)


def test_another_seed_gives_another_cohort(held):
    other = make_cohort(30, random_state=4, **COARSE)
    assert (held.frame["age"] != other.frame["age"]).any()


@pytest.mark.parametrize("kind", [np.random.default_rng, np.random.RandomState])
def test_generators_are_accepted(kind):
    first, second = (make_cohort(4, random_state=kind(7), **COARSE) for _ in range(2))
    pd.testing.assert_series_equal(first.oracle, second.oracle)


def test_global_generator_is_left_alone():
    before = np.random.get_state()  # noqa: NPY002, the legacy generator is what is guarded
    make_cohort(4, random_state=None, **COARSE)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_subjects": 3}, "'n_subjects' parameter .* at least 4.* Got 3"),
        ({"n_subjects": 10.0}, "'n_subjects' parameter"),
        ({"task": "ad"}, "'task' parameter .* 'nc_ad'.* Got 'ad'"),
        ({"missing": 1.0}, "'missing' parameter"),
        ({"missing": "random"}, "'missing' parameter .* Got 'random'"),
        ({"missing": True}, "'missing' parameter"),
        ({"resolution": 0}, "'resolution' parameter .* mm"),
        ({"bold_resolution": 3.5}, "'bold_resolution' parameter .* whole number"),
        ({"builds": "hg38"}, "'builds' parameter"),
        ({"builds": "by_phase"}, "'builds' parameter .* 'root'"),
        ({"random_state": -1}, "'random_state' parameter"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    with pytest.raises(InputError, match=message):
        make_cohort(**parameters)


def test_paths_of_the_frame_lead_to_files(written):
    root, cohort = written
    for name in ("t1w", "bold", "confounds", "roi_series"):
        for cell in cohort.frame[name].dropna():
            assert Path(cell).is_file()
    assert not re.search("CN|AD", " ".join(cohort.frame["t1w"].dropna().str[len(str(root)) :]))


def test_files_hold_what_memory_holds(written, held):
    _, cohort = written
    for path, image in zip(cohort.frame["t1w"], held.frame["t1w"], strict=True):
        if image is not None:
            stored = nibabel.load(path)
            np.testing.assert_array_equal(np.asarray(stored.dataobj), np.asarray(image.dataobj))
            np.testing.assert_array_equal(stored.affine, image.affine)
    for path, table in zip(cohort.frame["roi_series"], held.frame["roi_series"], strict=True):
        if table is not None:
            stored = pd.read_csv(path, sep="\t")
            np.testing.assert_allclose(stored, table, atol=0.0051)
    pd.testing.assert_series_equal(cohort.oracle, held.oracle)


def test_interrupted_run_is_repeated(written):
    root, cohort = written
    kept, lost = (Path(cell) for cell in cohort.frame["t1w"].dropna().iloc[:2])
    before = kept.stat().st_mtime_ns
    lost.unlink()
    again = make_cohort(30, root=root, random_state=3, **COARSE)
    pd.testing.assert_frame_equal(again.frame, cohort.frame)
    assert kept.stat().st_mtime_ns == before
    assert nibabel.load(lost).ndim == 3


def test_folder_of_another_cohort_is_refused(written):
    root, _ = written
    with pytest.raises(InputError, match=r"same cohort.*another data set.*random_state"):
        make_cohort(30, root=root, random_state=4, **COARSE)
