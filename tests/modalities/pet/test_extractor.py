"""The extractor among others: unions, fusion, stores, errors."""

import pickle

import nibabel
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, ModalityUnion, PETExtractor, list_backbones
from adestim.exceptions import DataWarning, InputError
from adestim.inspection import FusionReport, token_places
from tests.modalities.pet.phantom import LABELS, atlas, save_scan, scan, uptake

N_SUBJECTS = 16
SETTINGS = {"parcellation": atlas(), "labels": LABELS, "reference": "cerebellum"}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Scans of which patients' take up more in one region, one of them missing."""
    folder = tmp_path_factory.mktemp("pet")
    rng = np.random.default_rng(0)
    ill = np.arange(N_SUBJECTS) % 2 == 1
    paths = [
        save_scan(
            folder / f"sub-{number}_pet.nii.gz", uptake(temporal=3 + sick + 0.1 * rng.normal())
        )
        for number, sick in enumerate(ill)
    ]
    X = pd.DataFrame({"scan": paths, "tau": rng.normal(size=N_SUBJECTS)})
    X.loc[3, "scan"] = None
    return X, np.where(ill, "AD", "CN")


def pipeline_of(anchor="pet"):
    union = ModalityUnion(
        [("pet", PETExtractor(**SETTINGS), "scan"), ("csf", "passthrough", ["tau"])]
    )
    settings = {"width": 8, "n_queries": 2, "n_trees": 0, "max_epochs": 1, "random_state": 0}
    return make_pipeline(union, AnchoredFusionClassifier(anchor=anchor, **settings))


@pytest.fixture(scope="module")
def fitted(cohort):
    return pipeline_of().fit(*cohort)


def test_it_stands_in_a_union_and_is_an_anchor(fitted, cohort):
    X, y = cohort
    encodings = fitted[0].transform(X)
    assert encodings["pet"].isna().tolist() == [row == 3 for row in range(N_SUBJECTS)]
    assert fitted.score(X, y) > 0.8
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict(X), fitted.predict(X))


def test_it_is_an_auxiliary_modality(cohort):
    assert pipeline_of("csf").fit(*cohort).score(*cohort) > 0.8


def test_a_report_draws_its_regions_on_the_brain(fitted, cohort):
    pytest.importorskip("matplotlib").use("agg")
    assert token_places(fitted, "pet").kind == "regions"
    page = FusionReport(fitted, *cohort, target="AD", n_resamples=0).to_html()
    assert "Mean absolute attribution of pet where its regions are" in page


def test_from_a_store_no_image_is_read_again(cohort, tmp_path, monkeypatch):
    X = cohort[0]
    extractor = PETExtractor(memory=tmp_path, **SETTINGS).fit(X[["scan"]])
    first = extractor.transform(X[["scan"]])["pet"]

    def forbidden(*args, **kwargs):
        raise AssertionError("read again")

    monkeypatch.setattr("adestim.modalities.pet.volume.open_uptake", forbidden)
    again = extractor.transform(X[["scan"]])["pet"]
    np.testing.assert_array_equal(first[0].tokens, again[0].tokens)
    with pytest.raises(InputError, match="AssertionError"):
        PETExtractor(memory=tmp_path, **{**SETTINGS, "reference": "frontal"}).fit_transform(
            X[["scan"]]
        )


def test_failures_are_errors_or_missing(cohort, tmp_path):
    frame = cohort[0][["scan"]].iloc[:3].copy()
    frame.iloc[1, 0] = str(tmp_path / "no.nii")
    with pytest.raises(InputError, match="Subject '1'"):
        PETExtractor(**SETTINGS).fit_transform(frame)
    with pytest.warns(DataWarning, match="treated as missing"):
        encodings = PETExtractor(errors="missing", **SETTINGS).fit_transform(frame)
    assert encodings["pet"].isna().tolist() == [False, True, False]


def test_two_columns_are_refused(cohort):
    with pytest.raises(InputError, match=r"one column, the PET image. Got 2 columns"):
        PETExtractor(**SETTINGS).fit(cohort[0])


def test_a_foundation_model_has_no_regions():
    with pytest.raises(InputError, match="must be left out"):
        PETExtractor(backbone="somebody", **SETTINGS).fit(pd.DataFrame({"scan": [scan()]}))


def test_fit_leaves_parameters_alone():
    extractor = PETExtractor(frames=[0], **SETTINGS)
    before = extractor.get_params()
    extractor.fit(pd.DataFrame({"scan": [scan()]}))
    assert extractor.get_params() == before
    assert clone(extractor).get_params()["reference"] == "cerebellum"


def test_images_in_memory_are_cells(tmp_path):
    path = tmp_path / "one.nii"
    nibabel.save(scan(), path)
    frame = pd.DataFrame({"scan": [scan(), path]})
    one, other = PETExtractor(**SETTINGS).fit_transform(frame)["pet"]
    np.testing.assert_array_equal(one.tokens, other.tokens)


def test_it_is_listed():
    assert list(list_backbones("pet").index) == ["suvr"]
