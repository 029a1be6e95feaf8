import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from adestim.backbone import BackboneCard, load_backbone, register_backbone, registry
from adestim.exceptions import CheckpointError, DataWarning, InputError
from adestim.extraction.foundation import (
    ModelPreparation,
    ModelRequest,
    open_foundation,
    require_card,
    require_own_weights,
)
from tests.backbone.toys import ToyBackbone, toy


class Learner(ToyBackbone):
    """A model that standardises by the training rows, and reads a further file."""

    @classmethod
    def files(cls, table=None, **params):
        return {} if table is None else {"table": table}

    @classmethod
    def input_size(cls, n_features=3, **architecture):
        return {"n_features": n_features}

    @classmethod
    def learn(cls, raws, n_features=3, table=None, scale=1.0):
        return {"mean": np.mean([np.mean(raw, axis=0) for raw in raws], axis=0), "scale": scale}

    @staticmethod
    def prepare(raw, mean, scale):
        return ((np.asarray(raw) - mean) * scale).astype(np.float32)


@pytest.fixture(autouse=True)
def cards(monkeypatch):
    """Register two models for the length of a test."""
    monkeypatch.setattr(registry, "_CARDS", {card.name: card for card in registry.list_cards()})
    architecture = {"depth": 1}
    register_backbone(BackboneCard("toy", "smri", home=ToyBackbone, architecture=architecture))
    register_backbone(BackboneCard("learner", "smri", home=Learner, architecture=architecture))


@pytest.fixture
def weights(tmp_path):
    torch.save(toy(depth=1).state_dict(), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def asked(weights, backbone="toy", modality="smri", **others):
    return ModelRequest("SMRIExtractor", modality, backbone, weights, **others)


RAWS = [np.ones((4, 3)), 3 * np.ones((2, 3))]


def opened(weights, raws=RAWS, **others):
    return open_foundation(asked(weights, **others), iter(raws))


def test_a_model_is_opened_by_its_name(weights):
    model = opened(weights)
    assert model.spec.name == "toy"
    assert model.spec.digest == ToyBackbone.digest(weights)
    assert model.spec.source("weights") == str(weights)
    assert load_backbone(model.spec).blocks[0].fc1.in_features == 8


def test_the_preparation_is_that_of_the_model(weights):
    prepared = opened(weights, params={"scale": 2}).prepare(np.ones((2, 3)))
    assert prepared.mask is None
    np.testing.assert_array_equal(prepared.inputs, 2 * np.ones((2, 3)))


def test_what_is_learned_on_training_rows_is_applied_to_others(weights):
    model = opened(weights, backbone="learner")
    np.testing.assert_array_equal(model.prepare(np.full((1, 3), 5.0)).inputs, [[3, 3, 3]])


def test_nobody_is_read_where_nothing_is_learned(weights):
    def nobody():
        raise AssertionError("a subject was read")
        yield

    assert open_foundation(asked(weights), nobody()).spec.name == "toy"


def test_a_model_can_be_sent_to_workers(weights):
    model = opened(weights, backbone="learner")
    copy = pickle.loads(pickle.dumps(model))
    assert copy.spec == model.spec
    np.testing.assert_array_equal(copy.prepare(RAWS[0]).inputs, model.prepare(RAWS[0]).inputs)


def test_the_architecture_can_be_changed_in_part(tmp_path):
    torch.save(toy(depth=1, width=12).state_dict(), tmp_path / "model.pt")
    model = opened(tmp_path / "model.pt", params={"architecture": {"width": 12}})
    assert dict(model.spec.option("architecture")) == {"depth": 1, "width": 12}
    assert load_backbone(model.spec).width == 12


def test_further_files_are_sources_and_their_content_counts(weights, tmp_path):
    specs = []
    for folder, content in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / folder).mkdir()
        table = tmp_path / folder / "table.csv"
        table.write_text(content)
        specs.append(opened(weights, backbone="learner", params={"table": table}).spec)
    assert specs[0].source("table") == str(tmp_path / "a" / "table.csv")
    assert specs[0] == specs[1] != specs[2]


def test_where_the_weights_are_does_not_count(weights, tmp_path):
    (tmp_path / "copy.pt").write_bytes(Path(weights).read_bytes())
    assert opened(weights).spec == opened(tmp_path / "copy.pt").spec


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"scale": 2.0}},
        {"raws": [np.zeros((2, 3))]},
        {"params": {"architecture": {"depth": 2}}},
    ],
)
def test_what_changes_the_tokens_changes_the_name_tag(weights, change):
    before = opened(weights, backbone="learner").spec
    assert opened(weights, backbone="learner", **change).spec != before


def test_trust_travels_with_the_name_tag_and_does_not_count(weights):
    trusted = opened(weights, trust=True).spec
    assert trusted.source("trust") == "pickle"
    assert trusted == opened(weights).spec


def test_parameters_are_left_as_they_are(weights):
    params = {"architecture": {"depth": 1}, "scale": 2}
    opened(weights, params=params)
    assert params == {"architecture": {"depth": 1}, "scale": 2}


# What is refused


def test_an_unknown_name_lists_those_there_are(weights):
    with pytest.raises(InputError, match=r"Choose from .*'morphometry'.*'toy'.*register yours"):
        opened(weights, backbone="quite-another")


@pytest.mark.parametrize(("name", "near"), [("Toy", "toy"), ("lerner", "learner")])
def test_a_near_name_is_suggested(weights, name, near):
    with pytest.raises(InputError, match=rf"Got '{name}'\. Did you mean '{near}'\? Choose from"):
        opened(weights, backbone=name)


def test_a_name_of_another_modality_is_refused(weights):
    with pytest.raises(InputError, match=r"must name a backbone of its modality\. Got 'toy'"):
        open_foundation(asked(weights, modality="fmri"), iter(()))


def test_missing_weights_are_said():
    with pytest.raises(CheckpointError, match="Backbone 'toy' needs its weights"):
        opened(None)


def test_a_preparation_is_small_and_finds_its_class():
    preparation = ModelPreparation("a toy", {"scale": 3}, "tests.backbone.toys:ToyBackbone")
    copy = pickle.loads(pickle.dumps(preparation))
    np.testing.assert_array_equal(copy(np.ones((1, 3))).inputs, 3 * np.ones((1, 3)))


@pytest.mark.parametrize(
    "given",
    [{"architecture": "big"}, {"architecture": ["depth"]}, {1: 2}, {"architecture": {1: 2}}],
)
def test_options_must_be_named(weights, given):
    with pytest.raises(InputError, match="must map names of options to values"):
        opened(weights, params=given)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"width": "8"}, r"'width' in 'architecture'.*must be a number.*Got '8'"),
        ({"width": True}, r"must be a number.*Got True"),
        ({"width": 7}, r"heads must divide the width.*2 heads for a width of 7"),
        ({"depth": 1.5}, r"sizes of which the model can be made.*TypeError"),
        ({"n_features": 0}, r"leave toy.weight empty"),
    ],
)
def test_sizes_of_which_no_model_can_be_made_are_refused_before_anything_is_read(sizes, words):
    with pytest.raises(InputError, match=words):
        opened("nowhere.pt", params={"architecture": sizes})


def test_what_load_hands_to_the_constructor_is_not_asked_for(weights, monkeypatch):
    def demanding(self, body, depth=1):
        """Need a part that the user cannot name."""

    monkeypatch.setattr(ToyBackbone, "__init__", demanding)
    assert opened(weights).spec.name == "toy"


def test_the_models_own_weights_are_passed_without_being_kept(weights):
    assert require_own_weights(asked(weights)) is None


def wrong(folder, what):
    """Write weights that are not those of the toy."""
    path = folder / "wrong.pt"
    state = toy(depth=1).state_dict()
    if what == "of another size":
        state = toy(depth=1, width=12).state_dict()
    elif what == "without a layer":
        del state["toy.bias"]
    elif what == "with a decoder":
        state["decoder.weight"] = torch.ones(2)
    elif what == "quantised":
        state["toy.weight"] = state["toy.weight"].to(torch.int8)
    torch.save(state, path)
    if what == "a web page":
        path.write_text("<html>")
    elif what == "broken off":
        path.write_bytes(path.read_bytes()[:500])
    return path


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("of another size", "of another shape.*same architecture at another size"),
        ("without a layer", "1 of .* missing: toy.bias"),
        ("with a decoder", "1 unexpected: decoder.weight"),
        ("quantised", "of another kind of number"),
        ("a web page", "a web page"),
        ("broken off", "damaged or truncated"),
    ],
)
def test_other_weights_are_refused_by_names_and_shapes(tmp_path, what, words):
    with pytest.raises(CheckpointError, match=words):
        require_own_weights(asked(wrong(tmp_path, what)))


def test_a_way_to_load_that_needs_numbers_is_left_to_loading(weights, monkeypatch):
    def load(spec):
        return bool(torch.ones(1) > 0)

    monkeypatch.setattr(ToyBackbone, "load", load)
    assert require_own_weights(asked(weights)) is None


def test_another_file_than_the_released_one_is_said_once(weights, recwarn):
    card = BackboneCard("toy", "smri", home=ToyBackbone, architecture={"depth": 1}, sha256="0" * 64)
    register_backbone(card)
    require_own_weights(asked(weights))
    assert not recwarn.list
    with pytest.warns(DataWarning, match="not the released file"):
        opened(weights)


def test_a_model_that_has_seen_a_cohort_is_refused_with_the_leak():
    request = ModelRequest("SMRIExtractor", "smri", "BrainG3N")
    with pytest.raises(InputError, match=r"does not offer BrainG3N.*is a leak.*ADNI, PPMI"):
        require_card(request)
