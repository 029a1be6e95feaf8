from ast import literal_eval

import pytest
import torch

from adestim.backbone import BackboneCard, load_backbone, register_backbone
from adestim.backbone.registry import registered_cards
from adestim.backbone.weights.layout import canonical_state
from adestim.backbone.weights.recognition import owner_of, verdict_on
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError
from tests.backbone.toys import ToyBackbone, toy

QUERY = "encoder.layer.0.attention.self.query.weight"
ONE = torch.ones(1)
SMALL, LARGE = {"depth": 1}, {"depth": 3, "width": 12}


class OtherBackbone(ToyBackbone):
    """Another architecture in other words."""

    checkpoint = type(ToyBackbone.checkpoint)()


@pytest.fixture
def registered(monkeypatch):
    """Register two sizes of one architecture, and another architecture."""
    monkeypatch.setattr("adestim.backbone.registry._CARDS", {})
    monkeypatch.setattr("adestim.backbone.registry.discover", lambda modality: None)
    for name, home, architecture in (
        ("toy-small", ToyBackbone, SMALL),
        ("toy-large", ToyBackbone, LARGE),
        ("other", OtherBackbone, {}),
    ):
        register_backbone(BackboneCard(name, "smri", home=home, architecture=architecture))


def wrapped(state, prefix="module."):
    return {f"{prefix}{name}": value for name, value in state.items()}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.usefixtures("registered")
def test_the_weights_of_another_architecture_are_named(prefix):
    state = wrapped(toy(**LARGE).state_dict(), prefix)
    verdict = verdict_on(state, "other", OtherBackbone)
    assert verdict.finding == "These look like the weights of 'toy-large'"
    assert verdict.remedy.startswith("Write backbone='toy-large' in the extractor of smri")


@pytest.mark.usefixtures("registered")
def test_another_size_is_named():
    verdict = verdict_on(toy(**LARGE).state_dict(), "toy-small", ToyBackbone)
    expected = "the weights of 'toy-large', the same architecture at another size"
    assert verdict.finding.endswith(expected)


@pytest.mark.usefixtures("registered")
def test_a_size_that_nobody_released_is_said():
    verdict = verdict_on(toy(depth=2).state_dict(), "toy-small", ToyBackbone)
    assert verdict.finding == "These look like weights of the same architecture at another size"
    assert "backbone_params={'architecture'" in verdict.remedy


@pytest.mark.usefixtures("registered")
def test_another_architecture_at_a_size_that_nobody_released_is_named():
    verdict = verdict_on(toy(depth=2).state_dict(), "other", OtherBackbone)
    assert verdict.finding == "These look like the weights of 'toy-small'"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["bert.embeddings.word_embeddings.weight", f"bert.{QUERY}"],
            "a BERT of transformers",
        ),
        (["patch_embed.proj.weight", "blocks.0.attn.qkv.weight"], "a ViT of timm"),
        (["base.layers.0.q_proj.lora_A.weight"], "LoRA adapters, not a whole model"),
    ],
)
@pytest.mark.usefixtures("registered")
def test_architectures_from_elsewhere_are_named(names, said):
    verdict = verdict_on(dict.fromkeys(names, ONE), "toy-small", ToyBackbone)
    assert verdict.finding == f"These look like {said}"


@pytest.mark.usefixtures("registered")
def test_unknown_weights_are_not_guessed_at():
    verdict = verdict_on({"a": ONE}, "toy-small", ToyBackbone)
    assert verdict.finding == ""
    assert (
        verdict.remedy
        == "Pass the weights of 'toy-small', or name the backbone that these belong to"
    )


@pytest.mark.usefixtures("registered")
def test_a_model_that_is_not_registered_is_no_obstacle():
    assert verdict_on({"a": ONE}, "mine", type("Model", (), {})).finding == ""


@pytest.mark.usefixtures("registered")
def test_a_card_whose_class_is_not_there_is_no_obstacle():
    register_backbone(BackboneCard("gone", "smri", home="no_such_module:Model"))
    verdict = verdict_on(toy(**LARGE).state_dict(), "other", OtherBackbone)
    assert "'toy-large'" in verdict.finding


@pytest.mark.usefixtures("registered")
def test_loading_says_whose_weights_the_file_holds(tmp_path):
    torch.save({"state_dict": wrapped(toy(**LARGE).state_dict())}, tmp_path / "model.pt")
    spec = BackboneSpec(
        "toy-small",
        options=(("architecture", tuple(SMALL.items())),),
        sources=(("weights", str(tmp_path / "model.pt")),),
    )
    with pytest.raises(CheckpointError, match=r"unexpected: .* These look like .*'toy-large'"):
        load_backbone(spec)


@pytest.mark.usefixtures("registered")
def test_the_owner_of_a_file_with_several_tables_is_named():
    raw = {"teacher": {"a": ONE}, "state_dict": wrapped(toy(**SMALL).state_dict())}
    assert owner_of(raw) == "toy-small"
    with pytest.raises(CheckpointError, match=r"several: .*look like the weights of 'toy-small'"):
        canonical_state(raw, OtherBackbone.checkpoint, owner_of)


@pytest.mark.usefixtures("registered")
def test_a_file_of_nobody_has_no_owner():
    assert owner_of({"state_dict": {"a": ONE}}) is None


def released_state(path):
    """Return tensors without memory, as a list of a released file names them."""
    rows = [line.split("\t") for line in path.read_text().splitlines() if line[0] != "#"]
    return {
        name: torch.empty(literal_eval(shape), dtype=getattr(torch, kind), device="meta")
        for name, shape, kind in rows
    }


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("keys_brainiac.txt", "brainiac"),
        ("keys_brainjepa.txt", "brain-jepa"),
        ("keys_brainlm_111M.txt", "brainlm-111m"),
        ("keys_brainlm_13M.txt", "brainlm-13m"),
        ("keys_brainlm_650M.txt", "brainlm-650m"),
        ("keys_brainmvp.txt", "brainmvp"),
        ("keys_sammed3d.txt", "sam-med3d"),
    ],
)
def test_released_weights_are_recognised(reference, file, name):
    wanted = {card.home: card for card in registered_cards() if card.home.startswith("adestim.")}
    state = released_state(reference / file)
    for card in wanted.values():
        other = card.name
        finding = verdict_on(state, other, card.backbone_class()).finding
        known = finding.startswith(f"These look like the weights of {name!r}")
        assert known or other == name, other
