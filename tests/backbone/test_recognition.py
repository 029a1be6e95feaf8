import pytest
import torch

from adestim.backbone import BackboneCard, load_backbone, register_backbone
from adestim.backbone.recognition import verdict_on
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError
from tests.backbone.toys import ToyBackbone, toy

ONE = torch.ones(1)
SMALL, LARGE = {"depth": 1}, {"depth": 3, "width": 12}


class OtherBackbone(ToyBackbone):
    """Another architecture in other words."""

    checkpoint = type(ToyBackbone.checkpoint)()


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Register two sizes of one architecture, and another architecture."""
    monkeypatch.setattr("adestim.backbone.registry._CARDS", {})
    monkeypatch.setattr("adestim.backbone.registry.discover", lambda: None)
    for name, home, architecture in (
        ("toy-small", ToyBackbone, SMALL),
        ("toy-large", ToyBackbone, LARGE),
        ("other", OtherBackbone, {}),
    ):
        register_backbone(BackboneCard(name, "smri", home=home, architecture=architecture))


def home_of(cls):
    return f"{cls.__module__}:{cls.__qualname__}"


def wrapped(state, prefix="module."):
    return {f"{prefix}{name}": value for name, value in state.items()}


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_weights_of_another_architecture_are_named(prefix):
    state = wrapped(toy(**LARGE).state_dict(), prefix)
    verdict = verdict_on(state, "other", home_of(OtherBackbone))
    assert verdict.finding == "These look like the weights of 'toy-large'"
    assert verdict.remedy.startswith("Write backbone='toy-large' in the extractor of smri")


def test_another_size_is_named():
    verdict = verdict_on(toy(**LARGE).state_dict(), "toy-small", home_of(ToyBackbone))
    expected = "the weights of 'toy-large', the same architecture at another size"
    assert verdict.finding.endswith(expected)


def test_a_size_that_nobody_released_is_said():
    verdict = verdict_on(toy(depth=2).state_dict(), "toy-small", home_of(ToyBackbone))
    assert verdict.finding == "These look like weights of the same architecture at another size"
    assert "backbone_params={'architecture'" in verdict.remedy


def test_another_architecture_at_a_size_that_nobody_released_is_named():
    verdict = verdict_on(toy(depth=2).state_dict(), "other", home_of(OtherBackbone))
    assert verdict.finding == "These look like the weights of 'toy-small'"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["bert.embeddings.word_embeddings.weight"]
            + ["bert.encoder.layer.0.attention.self.query.weight"],
            "a BERT of transformers",
        ),
        (["patch_embed.proj.weight", "blocks.0.attn.qkv.weight"], "a ViT of timm"),
        (["base.layers.0.q_proj.lora_A.weight"], "LoRA adapters, not a whole model"),
    ],
)
def test_architectures_from_elsewhere_are_named(names, said):
    verdict = verdict_on(dict.fromkeys(names, ONE), "toy-small", home_of(ToyBackbone))
    assert verdict.finding == f"These look like {said}"


def test_unknown_weights_are_not_guessed_at():
    verdict = verdict_on({"a": ONE}, "toy-small", home_of(ToyBackbone))
    assert verdict.finding == ""
    assert (
        verdict.remedy
        == "Pass the weights of 'toy-small', or name the backbone that these belong to"
    )


@pytest.mark.parametrize("home", [None, "no_such_module:Model"])
def test_a_model_that_is_not_registered_is_no_obstacle(home):
    assert verdict_on({"a": ONE}, "mine", home).finding == ""


def test_a_card_whose_class_is_not_there_is_no_obstacle():
    register_backbone(BackboneCard("gone", "smri", home="no_such_module:Model"))
    verdict = verdict_on(toy(**LARGE).state_dict(), "other", home_of(OtherBackbone))
    assert "'toy-large'" in verdict.finding


def test_loading_says_whose_weights_the_file_holds(tmp_path):
    torch.save({"state_dict": wrapped(toy(**LARGE).state_dict())}, tmp_path / "model.pt")
    spec = BackboneSpec(
        "toy-small",
        options=(("home", home_of(ToyBackbone)), ("architecture", tuple(SMALL.items()))),
        sources=(("weights", str(tmp_path / "model.pt")),),
    )
    with pytest.raises(CheckpointError, match="unexpected: .* These look like .*'toy-large'"):
        load_backbone(spec)
