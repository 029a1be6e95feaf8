"""A fifth modality is one new folder: ``fifth/asl``. Nothing else of the package knows it."""

import pickle
import re
import sys
from importlib import import_module
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from sklearn.pipeline import make_pipeline

import adestim.modalities
from adestim import AnchoredFusionClassifier, ModalityUnion, check_backbone, list_backbones
from adestim.backbone import registry
from adestim.exceptions import InputError
from adestim.inspection import (
    FusionReport,
    TokenMapDisplay,
    model_card,
    token_attribution,
    token_places,
)
from adestim.tuning import search_space, suggest
from adestim.tuning.declared import read_reasons, read_space

FIFTH = Path(__file__).with_name("fifth")
N_SUBJECTS = 24
PART = "right_front_high"


@pytest.fixture(scope="module")
def asl():
    """The package of the modality, as if its folder lay beside the others."""
    with pytest.MonkeyPatch.context() as patch:
        folders = [*adestim.modalities.__path__, str(FIFTH)]
        patch.setattr(adestim.modalities, "__path__", folders)
        yield import_module("adestim.modalities.asl")
        for name in registry.names_of("asl"):
            del registry._CARDS[name]
    for name in [name for name in sys.modules if name.startswith("adestim.modalities.asl")]:
        del sys.modules[name]
    del adestim.modalities.asl


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Volumes of which patients have more in one part, and a number beside them."""
    folder = tmp_path_factory.mktemp("asl")
    rng = np.random.default_rng(0)
    ill = np.arange(N_SUBJECTS) % 2 == 1
    paths = []
    for number, sick in enumerate(ill):
        values = rng.uniform(0.9, 1.1, (8, 8, 8)).astype(np.float32)
        values[4:, 4:, 4:] += 0.4 * sick
        paths.append(str(folder / f"{number}.nii"))
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), paths[-1])
    X = pd.DataFrame({"scan": paths, "tau": rng.normal(size=N_SUBJECTS)})
    X.loc[3, "scan"] = None
    return X, np.where(ill, "AD", "CN")


@pytest.fixture(scope="module")
def weights(asl, tmp_path_factory):
    path = tmp_path_factory.mktemp("cubes") / "cubes.safetensors"
    torch.manual_seed(0)
    save_file(import_module("adestim.modalities.asl.models.cubes").Cubes().state_dict(), path)
    return path


def pipeline_of(extractor, anchor="asl", memory=None):
    union = ModalityUnion(
        [("asl", extractor, "scan"), ("csf", "passthrough", ["tau"])], memory=memory
    )
    settings = {"width": 8, "n_queries": 2, "n_trees": 0, "max_epochs": 1, "random_state": 0}
    return make_pipeline(union, AnchoredFusionClassifier(anchor=anchor, **settings))


@pytest.fixture(scope="module")
def fitted(asl, cohort):
    return pipeline_of(asl.ASLExtractor()).fit(*cohort)


@pytest.fixture(scope="module")
def fitted_cubes(asl, cohort, weights):
    extractor = asl.ASLExtractor(backbone="asl-cubes", weights=weights)
    return pipeline_of(extractor).fit(*cohort)


def test_it_stands_in_a_union_with_a_missing_cell(fitted, cohort):
    encodings = fitted[0].transform(cohort[0])
    assert repr(encodings.loc[0, "asl"]) == "<Encoding perfusion 8x1>"
    assert encodings["asl"].isna().tolist() == [row == 3 for row in range(N_SUBJECTS)]


def test_its_errors_name_the_subject(asl, cohort, tmp_path):
    path = tmp_path / "small.nii"
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 2, 2), np.float32), np.eye(4)), path)
    with pytest.raises(InputError, match=r"Subject 's1'.*8 x 8 x 8 voxels"):
        asl.ASLExtractor().fit_transform(pd.DataFrame({"scan": [str(path)]}, index=["s1"]))


@pytest.mark.parametrize("name", ["fitted", "fitted_cubes"])
def test_it_is_an_anchor(name, cohort, request):
    X, y = cohort
    pipeline = request.getfixturevalue(name)
    assert pipeline[-1].anchors_ == ["asl"]
    assert pipeline.predict_proba(X).shape == (N_SUBJECTS, 2)
    assert pipeline.score(X, y) > 0.7


@pytest.mark.parametrize("name", ["fitted", "fitted_cubes"])
def test_it_is_saved_and_loaded(name, cohort, request):
    pipeline = request.getfixturevalue(name)
    copy = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(copy.predict(cohort[0]), pipeline.predict(cohort[0]))


def test_its_model_keeps_the_contract(asl):
    cubes = import_module("adestim.modalities.asl.models.cubes").Cubes()
    volumes = np.random.default_rng(0).uniform(0.9, 1.1, (3, 8, 8, 8)).astype(np.float32)
    check_backbone(cubes, [cubes.prepare(volume) for volume in volumes])


def test_its_card_names_its_model(fitted_cubes):
    assert "asl-cubes" in model_card(fitted_cubes)


def test_it_is_an_auxiliary_modality(asl, cohort):
    fusion = pipeline_of(asl.ASLExtractor(), anchor="csf").fit(*cohort)
    assert fusion.score(*cohort) > 0.7


@pytest.mark.parametrize("backbone", ["perfusion", "asl-cubes"])
def test_from_a_store_nothing_is_read_again(backbone, asl, cohort, weights, tmp_path, monkeypatch):
    params = {} if backbone == "perfusion" else {"backbone": backbone, "weights": weights}
    first = pipeline_of(asl.ASLExtractor(**params), memory=tmp_path)[:-1].fit_transform(cohort[0])

    def forbidden(*args, **kwargs):
        raise AssertionError("read or run again")

    monkeypatch.setattr("adestim.modalities.asl.extractor.read_flow", forbidden)
    monkeypatch.setattr("adestim.modalities.asl.models.cubes.Cubes.encode", forbidden)
    second = pipeline_of(asl.ASLExtractor(**params), memory=tmp_path)[:-1].fit_transform(cohort[0])
    for one, other in zip(first["asl"].drop(3), second["asl"].drop(3), strict=True):
        np.testing.assert_array_equal(one.tokens, other.tokens)


def test_its_models_are_listed(asl):
    table = list_backbones("asl")
    assert list(table.index) == ["perfusion", "asl-cubes"]
    assert "asl" in set(list_backbones()["modality"])
    card = registry.find_card("asl-cubes", "asl")
    assert card.use == 'ASLExtractor(backbone="asl-cubes", weights="cubes.safetensors")'


def test_an_unknown_model_is_told_with_the_choice(asl, cohort):
    with pytest.raises(InputError, match=r"Did you mean 'asl-cubes'\?.*'perfusion'"):
        asl.ASLExtractor(backbone="asl-cube", weights="w").fit(cohort[0][["scan"]])


def test_its_tokens_have_places(fitted, cohort, asl):
    places = token_places(fitted, "asl")
    assert (places.modality, places.kind, len(places.names)) == ("asl", "regions", 8)
    alone = token_places(fitted[-1], "asl")
    own = asl.ASLExtractor().fit(cohort[0][["scan"]]).token_places()
    assert places.names == alone.names == own.names
    values = np.arange(1.0, 9.0)
    for one in (places, alone, own):
        assert one.to_image(values).get_fdata()[7, 7, 7] == 8


def test_cubes_have_places(fitted_cubes):
    places = token_places(fitted_cubes, "asl")
    assert (places.kind, places.names[-1]) == ("grid", "patch 1-1-1")
    assert token_places(fitted_cubes[-1], "asl").names == places.names
    assert fitted_cubes[0].transformers_[0][1].token_places().names == places.names


def test_attributions_name_its_tokens(fitted, cohort):
    table = token_attribution(fitted, cohort[0], target="AD", n_steps=4).frame()
    table = table[table["modality"] == "asl"].set_index("token")
    assert table["mean_absolute"].drop("score of its own model").idxmax() == PART


def test_it_is_drawn_on_the_brain(fitted, cohort):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    display = TokenMapDisplay.from_estimator(fitted, cohort[0], "asl", kind="map", n_steps=2)
    assert display.places.in_mni
    assert display.ax_.get_title(loc="left").startswith("asl: attribution")
    matplotlib.pyplot.close("all")


def test_its_report_names_its_tokens_and_draws_the_brain(fitted, cohort):
    page = FusionReport(fitted, *cohort, target="AD", n_resamples=0).to_html()
    assert "Not shown" not in page
    assert re.search(rf'th scope="row">{PART}</th>', page)
    assert "Mean absolute attribution of asl where its regions are" in page


def test_its_parameters_are_searched_on_request(fitted):
    assert not any("asl" in name for name in search_space(fitted))
    name = "modalityunion__asl__reference"
    assert list(search_space(fitted, only=["reference"])) == [name]
    optuna = pytest.importorskip("optuna")
    trial = optuna.trial.FixedTrial({name: "back"})
    params = suggest(trial, fitted, only=["reference"])
    assert fitted.get_params()[name] == "whole"
    assert params == {name: "back"}


def test_every_parameter_is_searched_or_left_out_for_a_reason(asl):
    declared = set(read_space(asl.ASLExtractor)) | set(read_reasons(asl.ASLExtractor))
    assert declared == set(asl.ASLExtractor().get_params())
