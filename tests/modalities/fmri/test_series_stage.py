"""Cleaned series in a store: what a model fits in every fold makes nobody read a run again."""

import os
from dataclasses import dataclass

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import KFold

from adestim import FMRIExtractor
from adestim.backbone import find_card
from adestim.extraction.stored import RecalledReading
from adestim.modalities.fmri import timeseries
from adestim.modalities.fmri.series_stage import CleanSeries
from adestim.modalities.fmri.timeseries import RoiSeries
from adestim.store import FeatureStore
from tests.modalities.fmri.model_files import (
    JEPA_TINY,
    SMALL_TINY,
    baselines,
    coordinates_file,
    table_file,
)

N_RUNS, N_ROIS = 6, 30


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store", dtype="float32")


@dataclass(frozen=True)
class Reader:
    """Reading of arrays."""

    t_r: float | None = 2.0

    def read(self, run, layout):
        return RoiSeries(run, np.array([True, False]), self.t_r)


def as_they_are(series):
    return series


def reading(t_r=2.0):
    return CleanSeries(Reader(t_r), None, as_they_are)


@pytest.mark.parametrize("t_r", [2.0, 0.735, None])
def test_series_come_back_bit_for_bit(store, t_r):
    cells = (np.random.default_rng(0).normal(size=(5, 2)),)
    first, again = (
        RecalledReading.of(reading(t_r), store, "series", "fmri", "toy")(cells) for _ in range(2)
    )
    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_array_equal(again.present, first.present)
    assert again.values.dtype == np.float64
    assert again.t_r == t_r
    assert store.info()["records"].tolist() == [1]


def test_without_a_run_there_are_no_series():
    assert reading()((None, "confounds.tsv")) is None


def test_sidecars_of_a_run_count():
    assert reading().also_reads((np.ones((3, 2)),)) == []
    assert [path.name for path in reading().also_reads(("s/sub-1_bold.nii.gz",))][:1] in (
        [],
        ["sub-1_bold.json"],
    )


# Through extractors that fit statistics


def weights_of(name, sizes, folder):
    """A checkpoint of a model of some size, at random weights."""
    torch.manual_seed(0)
    model = find_card(name, "fmri").backbone_class()(**sizes)
    state = {key: torch.randn_like(value) / 10 for key, value in model.state_dict().items()}
    torch.save(state, folder / f"{name}.pt")
    return folder / f"{name}.pt"


def brainlm(folder):
    places = np.random.default_rng(0).integers(-70, 70, size=(N_ROIS, 3))
    return {
        "backbone": "brainlm-13m",
        "weights": weights_of("brainlm-13m", SMALL_TINY, folder),
        "backbone_params": {
            "coordinates": coordinates_file(folder / "A424_Coordinates.dat", places),
            "architecture": SMALL_TINY,
        },
    }


def robust_jepa(folder):
    sizes = JEPA_TINY | {"n_rois": N_ROIS}
    gradients = np.random.default_rng(0).normal(size=(N_ROIS, sizes["n_gradients"]))
    return {
        "backbone": "brain-jepa",
        "weights": weights_of("brain-jepa", sizes, folder),
        "backbone_params": {
            "gradients": table_file(folder / "g.csv", gradients),
            "architecture": sizes,
            "normalization": "robust",
        },
    }


def slabs():
    labels = np.arange(1, N_ROIS + 1, dtype=np.uint8)[:, None, None]
    return nibabel.Nifti1Image(np.tile(labels, (1, 2, 2)), np.eye(4))


def runs(folder):
    """Files of 4-D runs, a table that names them."""
    paths = []
    for seed in range(N_RUNS):
        values = np.tile(baselines(seed, 60, N_ROIS).T[:, None, None], (1, 2, 2, 1))
        image = nibabel.Nifti1Image(values.astype(np.float32), np.eye(4))
        image.header.set_zooms((1, 1, 1, 3.0))
        image.header.set_xyzt_units("mm", "sec")
        paths.append(str(folder / f"sub-{seed}_bold.nii"))
        nibabel.save(image, paths[-1])
    return pd.DataFrame({"bold": paths}, index=[f"sub-{seed}" for seed in range(N_RUNS)])


@pytest.fixture
def opened(monkeypatch):
    """Names of the runs whose files were opened."""
    names, plain = [], timeseries.open_nifti

    def opening(cell, **options):
        names.append(os.fspath(cell))
        return plain(cell, **options)

    monkeypatch.setattr(timeseries, "open_nifti", opening)
    return names


def over_folds(extractor, X):
    """Tokens of all subjects, by the extractor of every fold."""
    return [
        np.stack([cell.tokens for cell in extractor.fit(X.iloc[train]).transform(X)["fmri"]])
        for train, _ in KFold(3).split(X)
    ]


@pytest.mark.parametrize("model", [brainlm, robust_jepa])
def test_every_run_is_read_once_however_many_folds_fit_statistics(store, tmp_path, opened, model):
    X = runs(tmp_path)
    extractor = FMRIExtractor(parcellation=slabs(), device="cpu", **model(tmp_path))
    expected = over_folds(extractor, X)
    assert len(opened) > 3 * N_RUNS
    opened.clear()
    found = over_folds(extractor.set_params(memory=store), X)
    assert sorted(opened) == X["bold"].tolist()
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(found[0], found[1])
    kept = store.info().set_index("stage")["records"]
    assert kept.to_dict() == {"series": N_RUNS, "inputs": 3 * N_RUNS, "tokens": 3 * N_RUNS}


def test_a_second_study_reads_and_encodes_nothing(store, tmp_path, opened):
    X = runs(tmp_path)
    extractor = FMRIExtractor(parcellation=slabs(), device="cpu", memory=store, **brainlm(tmp_path))
    over_folds(extractor, X)
    before = store.info()
    opened.clear()
    over_folds(extractor, X)
    assert not opened
    pd.testing.assert_frame_equal(store.info(), before)


def test_the_connectome_keeps_its_inputs_alone(store, tmp_path):
    FMRIExtractor(parcellation=slabs(), memory=store, min_duration=None).fit_transform(
        runs(tmp_path)
    )
    assert store.info()["stage"].tolist() == ["inputs"]
