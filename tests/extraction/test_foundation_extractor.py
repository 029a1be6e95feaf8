"""What extractors share that a built-in backbone or a foundation model serves."""

import numpy as np
import pytest

from adestim import (
    ClinicalExtractor,
    FMRIExtractor,
    GeneticsExtractor,
    PETExtractor,
    SMRIExtractor,
)
from adestim.exceptions import InputError
from adestim.extraction import FoundationExtractor
from adestim.extraction.foundation_extractor import given_parameters
from tests.toy_backbone import ToyExtractor, toy_cells, toy_spec, write_weights

EXTRACTORS = {
    SMRIExtractor: "morphometry",
    FMRIExtractor: "connectome",
    ClinicalExtractor: "tabular",
    GeneticsExtractor: "dosage",
    PETExtractor: "suvr",
}


HOOKS = (
    "_learn_rows", "_built_in_model", "_open_model", "_request", "_training_raws", "_preparation",
    "_prepare_all", "_encode",
)  # fmt: skip


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_every_extractor_says_the_same_things_in_the_same_order(extractor):
    own = [name for name in vars(extractor) if name in HOOKS]
    assert own == sorted(own, key=HOOKS.index)
    assert {"_learn_rows", "_built_in_model", "_training_raws"} <= set(own)
    assert {"_preparation", "_prepare_all"} & set(own)
    shared = {"fit", "fit_transform", "transform", "_learn", "_spec", "_is_built_in"}
    assert not shared & set(vars(extractor))


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_every_parameter_that_the_base_declares_is_one_of_the_extractor(extractor):
    declared = set(FoundationExtractor._parameter_constraints)
    assert declared <= set(extractor().get_params())


@pytest.mark.parametrize("given", [{"weights": "a.bin"}, {"backbone_params": {}}])
@pytest.mark.parametrize(("extractor", "built_in"), EXTRACTORS.items())
def test_options_of_foundation_models_are_refused_for_built_in_ones(extractor, built_in, given):
    [name] = given
    words = rf"{name} of {extractor.__name__} must be left out: the built-in backbone {built_in!r}"
    with pytest.raises(InputError, match=words):
        extractor(**given).fit([["x"], ["y"]])


def test_what_is_left_at_its_default_was_not_given():
    array = np.ones(3)
    assert (
        given_parameters({"resolution": 3, "labels": None}, {"resolution": 3.0, "labels": None})
        == {}
    )
    assert given_parameters({"labels": array}, {"labels": None}) == {"labels": array}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "toy.pt")


def test_phase_one_of_a_built_in_backbone_is_refused(weights):
    X, y = toy_cells(n=8)
    for method in ("fit", "fit_transform"):
        extractor = ToyExtractor(weights, backbone="plain", adapt="head")
        with pytest.raises(InputError, match=r"adapts foundation models.*adapt='head'.*'plain'"):
            getattr(extractor, method)(X, y)


def test_cross_fitted_encodings_bear_the_name_of_the_final_model(weights):
    X, y = toy_cells(n=24, missing=(2,))
    params = {"max_epochs": 1, "n_folds": 2}
    extractor = ToyExtractor(weights, adapt="lora", adapt_params=params, cross_fit=True)
    encodings = extractor.fit_transform(X, y)["img"]
    assert encodings.iloc[2] is None
    assert {cell.backbone for cell in encodings.dropna()} == {extractor.backbone_}
    assert extractor.backbone_ != toy_spec(weights)
