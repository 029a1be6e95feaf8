from ast import literal_eval

import pytest
import torch
from torch import nn

from adestim.backbone import BackboneCard, CheckpointLayout, load_backbone, register_backbone
from adestim.backbone.registry import list_cards
from adestim.backbone.weights.checkpoint import find_owner, judge_state, load_strict, read_state
from adestim.backbone.weights.layout import canonical_state
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError
from tests.backbone.toys import ToyBackbone, toy

ONE, TWO = torch.ones(1), torch.ones(2)
SPEC = BackboneSpec("tiny")
QUERY = "encoder.layer.0.attention.self.query.weight"
ONE = torch.ones(1)
SMALL, LARGE = {"depth": 1}, {"depth": 3, "width": 12}


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)


def tiny_state():
    return {name: value.clone() for name, value in Tiny().state_dict().items()}


def meta_tiny():
    with torch.device("meta"):
        return Tiny()


def test_a_file_is_read_and_renamed(tmp_path):
    torch.save({"model": {"module.a": ONE}}, tmp_path / "model.pt")
    layout = CheckpointLayout(("model",), prefixes=("module.",))
    assert read_state(str(tmp_path / "model.pt"), layout, trust_pickle=False) == {"a": ONE}


def test_weights_inside_an_object_ask_for_trust(tmp_path):
    torch.save({"model": nn.Linear(2, 1)}, tmp_path / "model.pt")
    layout = CheckpointLayout(("model",))
    with pytest.raises(CheckpointError, match=r"'model'\. Got .*linear\.Linear.*trust_checkpoint"):
        read_state(str(tmp_path / "model.pt"), layout, trust_pickle=False)
    state = read_state(str(tmp_path / "model.pt"), layout, trust_pickle=True)
    assert state.keys() == {"weight", "bias"}


# Filling a module


def test_a_module_takes_over_the_tensors():
    module, state = meta_tiny(), tiny_state()
    load_strict(module, state, SPEC)
    assert all(value.equal(state[name]) for name, value in module.state_dict().items())
    assert not any(value.is_meta for value in module.state_dict().values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_keep_the_precision_of_the_file(dtype):
    module = meta_tiny()
    state = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in tiny_state().items()
    }
    load_strict(module, state, SPEC)
    assert module.fc.weight.dtype == dtype
    assert module.norm.num_batches_tracked.dtype == torch.int64


def problem_of(state):
    """Return the message about a state that does not fit."""
    with pytest.raises(CheckpointError, match="'tiny' must hold exactly") as caught:
        load_strict(meta_tiny(), state, SPEC)
    return caught.value.got


def test_missing_names_are_counted_and_named():
    state = tiny_state()
    del state["fc.bias"], state["norm.weight"]
    assert problem_of(state) == "2 of 7 missing: fc.bias, norm.weight"


def test_unexpected_names_are_counted_and_the_first_named():
    state = tiny_state() | {f"head.{place}": ONE for place in range(6)}
    assert problem_of(state) == "6 unexpected: head.0, head.1, head.2, head.3 and 2 more"


def test_other_shapes_are_named():
    state = tiny_state() | {"fc.weight": torch.ones(2, 5)}
    assert problem_of(state) == "1 of 7 of another shape: fc.weight (2, 5) instead of (2, 3)"


def test_quantised_weights_are_named():
    state = tiny_state() | {"fc.weight": torch.ones(2, 3, dtype=torch.int8)}
    expected = "1 of 7 of another kind of number: fc.weight torch.int8 instead of torch.float32"
    assert problem_of(state) == expected


def test_all_problems_are_said_at_once():
    state = tiny_state() | {"fc.weight": ONE, "head": ONE}
    del state["fc.bias"]
    said = problem_of(state)
    for what in ("1 of 7 missing", "1 unexpected", "of another shape"):
        assert what in said


def test_a_module_that_does_not_fit_is_left_as_it_was():
    module = meta_tiny()
    with pytest.raises(CheckpointError):
        load_strict(module, {"fc.weight": torch.ones(2, 3)}, SPEC)
    assert all(value.is_meta for value in module.state_dict().values())


class OtherBackbone(ToyBackbone):
    """Another architecture in other words."""

    checkpoint = type(ToyBackbone.checkpoint)()


@pytest.fixture
def registered(monkeypatch):
    """Register two sizes of one architecture, and another architecture."""
    monkeypatch.setattr("adestim.backbone.registry._CARDS", {})
    monkeypatch.setattr("adestim.backbone.registry.discover", lambda modality=None: None)
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
    verdict = judge_state(state, "other", OtherBackbone)
    assert verdict.finding == "These look like the weights of 'toy-large'"
    assert verdict.remedy.startswith("Write backbone='toy-large' in the extractor of smri")


@pytest.mark.usefixtures("registered")
def test_another_size_is_named():
    verdict = judge_state(toy(**LARGE).state_dict(), "toy-small", ToyBackbone)
    expected = "the weights of 'toy-large', the same architecture at another size"
    assert verdict.finding.endswith(expected)


@pytest.mark.usefixtures("registered")
def test_a_size_that_nobody_released_is_said():
    verdict = judge_state(toy(depth=2).state_dict(), "toy-small", ToyBackbone)
    assert verdict.finding == "These look like weights of the same architecture at another size"
    assert "backbone_params={'architecture'" in verdict.remedy


@pytest.mark.usefixtures("registered")
def test_another_architecture_at_a_size_that_nobody_released_is_named():
    verdict = judge_state(toy(depth=2).state_dict(), "other", OtherBackbone)
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
    verdict = judge_state(dict.fromkeys(names, ONE), "toy-small", ToyBackbone)
    assert verdict.finding == f"These look like {said}"


def names_of_v1(prefix, dimensions=3):
    """Some names of a ResNet-50, and shapes of so many dimensions."""
    names = ("conv1", "layer1.0.conv1", "layer1.0.conv3", "layer4.0.conv1", "layer4.2.conv3")
    return {f"{prefix}{name}.weight": torch.ones((1, 1) + (1,) * dimensions) for name in names}


def names_of_fine_tuned(prefix, n_channels=4):
    """Some names of BrainMVP's encoder, as its code for downstream tasks writes them."""
    shapes = {
        "patch_embed1.proj.weight": (64, n_channels, 2, 2, 2),
        "patch_embed4.proj.weight": (512, 320, 2, 2, 2),
        "blocks1.0.conv1.weight": (64, 64, 1, 1, 1),
        "blocks3.0.attn.qkv.weight": (960, 320),
    }
    state = {f"{prefix}encoder.{name}": torch.ones(1).expand(shapes[name]) for name in shapes}
    return state | {f"{prefix}decoder.out.conv.conv.bias": torch.ones(3)}


@pytest.mark.parametrize("name", ["brainmvp", "brainiac", "sam-med3d", "toy"])
@pytest.mark.parametrize(
    ("state", "said"),
    [
        (names_of_v1("backbone."), "BrainIAC v1 of 2025"),
        (names_of_v1("module.backbone."), "BrainIAC v1 of 2025"),
        (names_of_v1(""), "BrainIAC v1 of 2025"),
        (names_of_fine_tuned(""), "weights of BrainMVP that its authors' code has fine-tuned"),
        (names_of_fine_tuned("module.", 1), "weights of BrainMVP that its authors' code has fine"),
        (names_of_fine_tuned("model.uniformer.", 5), "weights of BrainMVP that its authors' code"),
    ],
)
def test_relatives_of_a_model_are_named_whichever_was_wanted(name, state, said):
    card = next((card for card in list_cards() if card.name == name), None)
    model = ToyBackbone if card is None else card.backbone_class()
    verdict = judge_state(canonical_state(state, model.checkpoint), name, model)
    assert verdict.finding.startswith(f"These look like {said}")
    assert "Pass the " in verdict.remedy


def test_a_flat_resnet_is_no_relative():
    verdict = judge_state(names_of_v1("", dimensions=2), "brainiac", ToyBackbone)
    assert verdict.finding == "These look like a ResNet of torchvision"


@pytest.mark.usefixtures("registered")
def test_unknown_weights_are_not_guessed_at():
    verdict = judge_state({"a": ONE}, "toy-small", ToyBackbone)
    assert verdict.finding == ""
    assert (
        verdict.remedy
        == "Pass the weights of 'toy-small', or name the backbone that these belong to"
    )


@pytest.mark.usefixtures("registered")
def test_a_model_that_is_not_registered_is_no_obstacle():
    assert judge_state({"a": ONE}, "mine", type("Model", (), {})).finding == ""


@pytest.mark.usefixtures("registered")
def test_a_card_whose_class_is_not_there_is_no_obstacle():
    register_backbone(BackboneCard("gone", "smri", home="no_such_module:Model"))
    verdict = judge_state(toy(**LARGE).state_dict(), "other", OtherBackbone)
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
    assert find_owner(raw) == "toy-small"
    with pytest.raises(CheckpointError, match=r"several: .*look like the weights of 'toy-small'"):
        canonical_state(raw, OtherBackbone.checkpoint, find_owner)


@pytest.mark.usefixtures("registered")
def test_a_file_of_nobody_has_no_owner():
    assert find_owner({"state_dict": {"a": ONE}}) is None


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
    wanted = {card.home: card for card in list_cards() if card.home.startswith("adestim.")}
    state = released_state(reference / file)
    for card in wanted.values():
        other = card.name
        finding = judge_state(state, other, card.backbone_class()).finding
        known = finding.startswith(f"These look like the weights of {name!r}")
        assert known or other == name, other
