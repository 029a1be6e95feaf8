import pytest
import torch
from torch import nn

from adestim.backbone import Backbone
from adestim.backbone.contract import sizes_of
from adestim.backbone.weights.files import digest_weights
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError
from adestim.inspection import TokenPlaces
from tests.backbone.toys import ToyBackbone, subjects, toy


def spec_of(path, **architecture):
    return BackboneSpec(
        "toy",
        options=(("architecture", tuple(architecture.items())),),
        sources=(("weights", str(path)),),
    )


def write(path, model):
    torch.save({"state_dict": {f"module.{n}": v for n, v in model.state_dict().items()}}, path)
    return path


# Pooling


def test_pool_averages_the_real_own_tokens_by_default():
    tokens = torch.randn(2, 7, 8)
    own = torch.tensor([[True, False, True], [False, True, False]])
    expected = torch.stack([(tokens[0, 0] + tokens[0, 2]) / 2, tokens[1, 1]])
    torch.testing.assert_close(Backbone().pool(tokens, own), expected)


def test_pool_of_no_real_token_is_zero():
    pooled = Backbone().pool(torch.randn(1, 3, 8), torch.zeros(1, 3, dtype=torch.bool))
    assert (pooled == 0).all()


def test_pool_looks_at_readable_tokens_alone():
    class FirstStandsForNoData(Backbone):
        def readable(self, own):
            return own & (torch.arange(own.shape[1]) > 0)

    tokens, own = torch.randn(2, 5, 4), torch.ones(2, 3, dtype=torch.bool)
    pooled = FirstStandsForNoData().pool(tokens, own)
    torch.testing.assert_close(pooled, tokens[:, 1:3].mean(dim=1))


# Defaults


def test_inputs_of_one_size_are_stacked():
    assert Backbone().collate(subjects(4, 4)).shape == (2, 4, 3)


def test_all_tokens_are_real_by_default():
    assert Backbone().own_mask(torch.ones(2, 3)) is None


def test_what_a_model_must_say_itself_is_not_implemented():
    for call in (
        lambda: Backbone.prepare(None),
        lambda: Backbone().embed(torch.ones(1)),
        lambda: Backbone().encode(torch.ones(1, 1, 1), None, 1),
    ):
        with pytest.raises(NotImplementedError):
            call()


def test_options_are_settled_without_reading_anybody():
    def nobody():
        raise AssertionError("a subject was read")
        yield

    assert Backbone.learn(nobody(), scale=2) == {"scale": 2}
    assert Backbone.files(scale=2) == {}
    assert Backbone.input_size(width=2) == {}


def test_the_digest_is_that_of_the_file(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"abc")
    assert Backbone.digest(tmp_path / "model.pt") == digest_weights(tmp_path / "model.pt")


# Loading


def test_a_model_is_built_at_its_size_and_filled(tmp_path):
    original = toy(depth=1, width=12)
    model = ToyBackbone.load(spec_of(write(tmp_path / "m.pt", original), depth=1, width=12))
    assert not model.training
    inputs = original.collate(subjects())
    with torch.no_grad():
        torch.testing.assert_close(model.embed(inputs), original.embed(inputs))


def test_no_weight_is_drawn_in_vain(tmp_path):
    spec = spec_of(write(tmp_path / "m.pt", toy()))
    before = torch.get_rng_state()
    ToyBackbone.load(spec)
    assert torch.get_rng_state().equal(before)


def test_the_wrong_size_is_refused(tmp_path):
    spec = spec_of(write(tmp_path / "m.pt", toy(depth=1)), depth=2)
    with pytest.raises(CheckpointError, match=r"14 of 32 missing: blocks\.1\."):
        ToyBackbone.load(spec)


# Precision and gradients


def test_large_layers_alone_are_put_into_half_precision():
    model = toy().half().cast(torch.bfloat16)
    assert model.toy.weight.dtype == model.blocks[0].fc1.bias.dtype == torch.bfloat16
    assert model.blocks[0].norm1.weight.dtype == torch.float32


def gradient_of(model, checkpointing):
    model.gradient_checkpointing = checkpointing
    model.zero_grad()
    tokens = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    model.encode(tokens, torch.zeros(2, 4), 4).square().sum().backward()
    return model.blocks[0].fc1.weight.grad.clone()


def test_checkpointing_changes_no_gradient():
    model = toy()
    torch.testing.assert_close(gradient_of(model, True), gradient_of(model, False))


def test_checkpointing_runs_blocks_twice():
    calls = []

    class Counted(nn.Linear):
        def forward(self, x):
            calls.append(1)
            return super().forward(x)

    backbone, block = Backbone(), Counted(2, 2)
    for checkpointing in (False, True):
        backbone.gradient_checkpointing = checkpointing
        backbone.run(block, torch.ones(1, 2)).sum().backward()
    assert len(calls) == 3
    with torch.no_grad():
        backbone.run(block, torch.ones(1, 2))
    assert len(calls) == 4


# What tokens stand for


def test_tokens_of_a_model_that_says_nothing_have_names_alone():
    named = TokenPlaces("smri", "columns", ("a", "b"))
    assert Backbone.place_tokens(named, BackboneSpec("toy")) is named
    assert not Backbone.reads_words
    with pytest.raises(NotImplementedError):
        Backbone.word_reader(BackboneSpec("toy"))


def test_sizes_are_those_of_the_spec_and_else_the_defaults():
    class Sized(Backbone):
        def __init__(self, edge=4, width=8):
            super().__init__()

    spec = BackboneSpec("sized", options=(("architecture", (("edge", 2),)),))
    assert sizes_of(Sized, spec) == {"edge": 2, "width": 8}
