"""Cohorts as users get them."""

import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score

from adestim.datasets import make_cohort
from adestim.datasets._anatomy import REGIONS, grid_mm, make_t1w
from adestim.datasets._function import load_atlas, make_run
from adestim.datasets._tables import draw_tables
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


@pytest.fixture(scope="module")
def scans():
    """T1-weighted volumes of both tasks at 5 mm, with their labels and sites."""
    made = {}
    for task in ("nc_ad", "nc_mci"):
        tables = draw_tables(260, task, None, seed=3)
        rows = zip(tables.latent.measures, tables.acquisition.site, strict=True)
        images = [
            make_t1w(measures, site, 5, np.random.default_rng([3, row]))
            for row, (measures, site) in enumerate(rows)
        ]
        made[task] = (images, tables.latent.y, tables.acquisition.site)
    return made


def intensities(images):
    """Brain voxels of images on one grid."""
    volumes = np.array([np.asarray(image.dataobj) for image in images], dtype=np.float32)
    return volumes[:, volumes.max(axis=0) > 0]


def hippocampal_signal(images):
    """Mean intensity within 8 mm of the hippocampal seeds, against white matter's."""
    image = images[0]
    mm = grid_mm(image.shape, image.affine)
    centres = np.array(REGIONS["hippocampus"][0])
    distance = np.min([np.linalg.norm(mm - c[:, None, None, None], axis=0) for c in centres], 0)
    volumes = np.array([np.asarray(image.dataobj) for image in images], dtype=np.float32)
    white = np.percentile(volumes[:, volumes.max(axis=0) > 0], 90, axis=1)
    return volumes[:, distance < 8].mean(axis=1) / white


def network_correlation(run, network):
    """Mean Fisher z between the regions of a network."""
    members = load_atlas().networks == network
    correlation = np.corrcoef(run.series[:, members].T)
    return np.arctanh(correlation[np.triu_indices(members.sum(), 1)]).mean()


def auc_with_error(y, score):
    """AUC and its standard error (Hanley and McNeil)."""
    auc = roc_auc_score(y, score)
    n1, n0 = y.sum(), (1 - y).sum()
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n1 - 1) * (q1 - auc**2) + (n0 - 1) * (q2 - auc**2)
    return auc, np.sqrt(variance / (n1 * n0))


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


def test_runs_state_their_repetition_time(written):
    _, cohort = written
    runs, tables = (cohort.frame[name].dropna() for name in ("bold", "roi_series"))
    for path, series in zip(runs, tables, strict=True):
        t_r = nibabel.load(path).header.get_zooms()[3]
        facts = json.loads(Path(path.replace(".nii.gz", ".json")).read_text())
        assert facts["RepetitionTime"] == pytest.approx(t_r)
        time = pd.read_csv(series, sep="\t")["time"]
        assert time.iloc[1] == pytest.approx(t_r, abs=0.006)


def test_voxels_at_a_region_follow_its_series():
    cohort = make_cohort(4, missing=None, bold=True, bold_resolution=6, resolution=12)
    run, table = cohort.frame["bold"].iloc[0], cohort.frame["roi_series"].iloc[0]
    inverse = np.linalg.inv(run.affine)
    atlas = load_atlas()
    nearest = np.rint(atlas.coordinates @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    series = np.asarray(run.dataobj)[tuple(nearest.T)].astype(float)
    own = [np.corrcoef(series[place], table[name])[0, 1] for place, name in enumerate(atlas.names)]
    assert np.median(own) > 0.6


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


def test_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"must be empty.*other files.*new folder"):
        make_cohort(4, root=tmp_path, **COARSE)
    with pytest.raises(InputError, match="must name a folder"):
        make_cohort(4, root=tmp_path / "notes.txt", **COARSE)


@pytest.mark.parametrize(("task", "low", "high"), [("nc_ad", 0.83, 0.90), ("nc_mci", 0.68, 0.75)])
def test_hippocampus_in_the_images_separates_as_published(scans, task, low, high):
    images, y, _ = scans[task]
    auc, error = auc_with_error(y, -hippocampal_signal(images))
    assert low - 3 * error <= auc <= high + 3 * error
    assert 0.62 < auc < 0.93


def test_whole_image_is_not_too_easy(scans):
    images, y, _ = scans["nc_mci"]
    voxels = intensities(images)[:, ::7]
    voxels = voxels / np.percentile(voxels, 90, axis=1, keepdims=True)
    score = cross_val_score(RidgeClassifier(100.0), voxels, y, cv=5, scoring="roc_auc").mean()
    assert 0.52 < score < 0.78


def test_site_shows_in_raw_intensities(scans):
    images, _, site = scans["nc_ad"]
    voxels = intensities(images)
    summary = np.column_stack([voxels.mean(axis=1), voxels.std(axis=1), np.median(voxels, axis=1)])
    forest = RandomForestClassifier(50, random_state=0)
    assert cross_val_score(forest, summary, site, cv=3).mean() > 0.5


def test_connectivity_in_the_series_falls_as_aimed_at():
    tables = draw_tables(240, "nc_ad", None, seed=0)
    y, acquired = tables.latent.y, tables.acquisition
    runs = [
        make_run(measures, min(volumes, 197), 3.0, np.random.default_rng([9, row]))
        for row, (measures, volumes) in enumerate(
            zip(tables.latent.measures, acquired.volumes, strict=True)
        )
    ]
    found = np.array([network_correlation(run, "DefaultMode") for run in runs])
    pooled = np.sqrt((found[y == 0].var() + found[y == 1].var()) / 2)
    effect = (found[y == 0].mean() - found[y == 1].mean()) / pooled
    error = np.sqrt(1 / y.sum() + 1 / (1 - y).sum())
    assert 0.3 - 3 * error <= effect <= 0.7 + 3 * error
    assert effect > 0
    assert np.corrcoef(found, tables.latent.measure("dmn"))[0, 1] > 0.8


def test_series_are_block_networks_with_memory():
    run = make_run(np.zeros(10), 4000, 3.0, np.random.default_rng(0))
    networks = load_atlas().networks
    correlation = np.corrcoef(run.series.T)
    visual, auditory = networks == "Visual", networks == "Auditory"
    within = correlation[np.ix_(visual, visual)][np.triu_indices(visual.sum(), 1)].mean()
    between = correlation[np.ix_(visual, auditory)].mean()
    assert 0.15 < within < 0.30
    assert abs(between) < 0.10
    step = run.series[:, 0] - run.series[:, 0].mean()
    assert np.corrcoef(step[1:], step[:-1])[0, 1] > 0.5
