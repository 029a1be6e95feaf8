"""The extractor among others: unions, fusion, stores, errors."""

import pickle

import nibabel
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, FreeSurferExtractor, ModalityUnion, list_backbones
from adestim.exceptions import DataWarning, InputError
from adestim.inspection import FusionReport, token_places
from tests.modalities.freesurfer.stats_texts import write_subject

N_SUBJECTS = 16


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Folders of which patients' regions are smaller, one of them missing."""
    folder = tmp_path_factory.mktemp("subjects")
    rng = np.random.default_rng(0)
    ill = np.arange(N_SUBJECTS) % 2 == 1
    paths = [
        str(write_subject(folder / f"s{number}", 1 - 0.3 * sick + 0.02 * rng.normal()))
        for number, sick in enumerate(ill)
    ]
    X = pd.DataFrame({"fs": paths, "tau": rng.normal(size=N_SUBJECTS)})
    X.loc[3, "fs"] = None
    return X, np.where(ill, "AD", "CN")


def pipeline_of(memory=None, **params):
    union = ModalityUnion(
        [("freesurfer", FreeSurferExtractor(**params), "fs"), ("csf", "passthrough", ["tau"])],
        memory=memory,
    )
    settings = {"width": 8, "n_queries": 2, "n_trees": 0, "max_epochs": 1, "random_state": 0}
    return make_pipeline(union, AnchoredFusionClassifier(anchor="freesurfer", **settings))


@pytest.fixture(scope="module")
def fitted(cohort):
    values = np.zeros((6, 6, 6), np.int32)
    values[2, 2, :4] = [17, 10, 1001, 2035]
    values[3, 3, :4] = [4, 1006, 2001, 2006]
    image = nibabel.Nifti1Image(values, np.diag([20.0, 20, 20, 1]))
    return pipeline_of(parcellation=image).fit(*cohort)


def test_it_stands_in_a_union_and_is_an_anchor(fitted, cohort):
    X, y = cohort
    encodings = fitted[0].transform(X)
    assert encodings["freesurfer"].isna().tolist() == [row == 3 for row in range(N_SUBJECTS)]
    assert fitted.score(X, y) > 0.8
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict(X), fitted.predict(X))


def test_a_report_draws_its_regions_on_the_brain(fitted, cohort):
    pytest.importorskip("matplotlib").use("agg")
    assert token_places(fitted, "freesurfer").kind == "regions"
    page = FusionReport(fitted, *cohort, target="AD", n_resamples=0).to_html()
    assert "Mean absolute attribution of freesurfer where its regions are" in page


def test_from_a_store_no_file_is_read_again(cohort, tmp_path, monkeypatch):
    X = cohort[0]
    extractor = FreeSurferExtractor(memory=tmp_path).fit(X[["fs"]])
    first = extractor.transform(X[["fs"]])["freesurfer"]

    def forbidden(*args, **kwargs):
        raise AssertionError("read again")

    monkeypatch.setattr("adestim.modalities.freesurfer.reading.read_stats_files", forbidden)
    again = extractor.transform(X[["fs"]])["freesurfer"]
    np.testing.assert_array_equal(first[0].tokens, again[0].tokens)


def test_a_changed_file_is_read_again(tmp_path):
    folder = write_subject(tmp_path / "bert")
    frame = pd.DataFrame({"fs": [folder]})
    extractor = FreeSurferExtractor(memory=tmp_path / "store", atlas=None).fit(frame)
    before = extractor.transform(frame).iloc[0, 0].tokens
    path = folder / "stats" / "aseg.stats"
    path.write_text(path.read_text().replace("1004.0", "2008.0"))
    after = extractor.transform(frame).iloc[0, 0].tokens
    np.testing.assert_allclose(after[0] / before[0], 2)


def test_failures_are_counted_or_missing(cohort, tmp_path):
    frame = cohort[0][["fs"]].iloc[:3].copy()
    frame.iloc[1, 0] = str(tmp_path)
    with pytest.raises(InputError, match="Subject '1'"):
        FreeSurferExtractor().fit(frame)
    with pytest.warns(DataWarning, match="treated as missing"):
        encodings = FreeSurferExtractor(errors="missing").fit_transform(frame)
    assert encodings["freesurfer"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("measures", [(), ("volume", "curvature"), "volume"])
def test_measures_that_are_none_are_refused(measures):
    with pytest.raises(ValueError, match=r"'measures'.*must"):
        FreeSurferExtractor(measures=measures).fit(pd.DataFrame({"CSF": [1.0]}))


def test_fit_leaves_parameters_alone():
    extractor = FreeSurferExtractor(normalise=None)
    before = extractor.get_params()
    extractor.fit(pd.DataFrame({"CSF": [1.0]}))
    assert extractor.get_params() == before == clone(extractor).get_params()


def test_it_is_listed():
    assert list(list_backbones("freesurfer").index) == ["freesurfer"]
