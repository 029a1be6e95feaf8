import numpy as np
import pytest
import torch
from torch import nn

from adestim.backbone import ReferenceBackbone, check_backbone
from adestim.backbone.check import checks
from adestim.backbone.check.checks import BEHAVIOUR, SHAPES
from adestim.exceptions import InputError
from tests.backbone.toys import ToyBackbone, subjects, toy

BROKEN = {}


@pytest.mark.parametrize("lengths", [(4, 4), (5, 3), (1, 2, 7)])
def test_a_good_backbone_passes(lengths):
    assert check_backbone(toy(), subjects(*lengths)) is None


def test_a_backbone_in_double_precision_passes():
    model = toy().double()
    assert check_backbone(model, [table.astype(float) for table in subjects()]) is None


@pytest.mark.parametrize("n_tokens", [0, 4])
def test_the_reference_backbone_passes_with_a_summary(n_tokens):
    sizes = {"n_features": 3, "width": 8, "depth": 2, "n_heads": 2, "dropout": 0.3}
    model = toy(ReferenceBackbone, n_tokens=n_tokens, **sizes)
    assert check_backbone(model, subjects(4, 4)) is None


def test_the_model_is_left_as_it_was_found():
    model = toy().train()
    model.blocks[0].eval()
    model.toy.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    check_backbone(model, subjects())
    assert model.training
    assert model.blocks[1].training
    assert not model.blocks[0].training
    assert not model.gradient_checkpointing
    assert not model.toy.weight.requires_grad
    assert model.out.weight.requires_grad
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


def test_the_global_generators_are_left_as_found():
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    check_backbone(toy(), subjects())
    assert torch.get_rng_state().equal(states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002


class Unfinished(ToyBackbone):
    def embed(self, inputs):
        raise NotImplementedError


def test_a_method_that_raises_is_named():
    with pytest.raises(InputError, match=r"Unfinished must keep .*\[embed\] raised NotImplemented"):
        check_backbone(toy(Unfinished), subjects())


def test_all_broken_rules_are_named():
    class Careless(ToyBackbone):
        lora_targets = ("qkv",)

        def encode(self, tokens, log_mask, n_own):
            return super().encode(tokens.detach(), log_mask, n_own)

    with pytest.raises(InputError) as caught:
        check_backbone(toy(Careless), subjects())
    for name in ("home", "gradient", "lora_targets"):
        assert f"[{name}]" in caught.value.got


def test_a_looser_tolerance_forgives():
    class Imprecise(ToyBackbone):
        def pool(self, tokens, own):
            return super().pool(tokens, own) * (1 + 1e-3 * len(own))

    with pytest.raises(InputError, match=r"\[alone\]"):
        check_backbone(toy(Imprecise), subjects())
    with pytest.raises(InputError) as caught:
        check_backbone(toy(Imprecise), subjects(), tolerance=1e-2)
    assert "[alone]" not in caught.value.got


def test_a_class_in_place_of_a_model_is_refused():
    with pytest.raises(InputError, match="Pass MyModel"):
        check_backbone(ToyBackbone, subjects())


def test_one_subject_is_too_few():
    with pytest.raises(InputError, match="two subjects' inputs or more"):
        check_backbone(toy(), subjects(4))


def breaks(name):
    """Register a model as one that breaks a rule."""

    def register(cls):
        BROKEN[name] = cls
        return cls

    return register


@breaks("collate")
class StacksRagged(ToyBackbone):
    def collate(self, inputs):
        return super().collate(inputs)[:1]


@breaks("embed")
class EmbedsAtAnotherWidth(ToyBackbone):
    def __init__(self):
        super().__init__()
        self.width = 7


@breaks("encode")
class EncodesAtAnotherWidth(ToyBackbone):
    def __init__(self):
        super().__init__()
        self.width_out = 8


@breaks("pool")
class PoolsToOneNumber(ToyBackbone):
    def pool(self, tokens, own):
        return super().pool(tokens, own).mean(dim=1)


@breaks("pool_own")
class PoolsAuxiliary(ToyBackbone):
    def pool(self, tokens, own):
        return super().pool(tokens, own) + (tokens[:, own.shape[1] :] > 50).any()


@breaks("methods")
class PreparesByItself(ToyBackbone):
    def prepare(self, raw):
        return raw


def local_class():
    class Local(ToyBackbone):
        pass

    return Local


BROKEN["home"] = local_class()


@breaks("buffers")
class ForgetsPositions(ToyBackbone):
    def __init__(self):
        super().__init__()
        self.register_buffer("positions", torch.arange(9.0), persistent=False)
        self.scale = torch.ones(1)


@breaks("repeatable")
class Counts(ToyBackbone):
    def __init__(self):
        super().__init__()
        self.register_buffer("n_calls", torch.zeros(()))

    def embed(self, inputs):
        self.n_calls += 1
        return super().embed(inputs)


@breaks("modes")
class StaysInTraining(ToyBackbone):
    def train(self, mode=True):
        if mode:
            for weight in self.out.parameters():
                weight.data += 1
        return super().train(mode)


@breaks("untouched")
class WritesOnTokens(ToyBackbone):
    def encode(self, tokens, log_mask, n_own):
        encoded = super().encode(tokens, log_mask, n_own)
        if not tokens.requires_grad:
            tokens *= 2
        return encoded


@breaks("alone")
class CentresTheBatch(ToyBackbone):
    def pool(self, tokens, own):
        pooled = super().pool(tokens, own)
        return pooled + (len(own) - 1)


@breaks("padding")
class ReadsPadding(ToyBackbone):
    def encode(self, tokens, log_mask, n_own):
        leak = (tokens[:, :n_own].abs() > 50).any(dim=2, keepdim=True).any(dim=1, keepdim=True)
        return super().encode(tokens, log_mask, n_own) + leak


@breaks("open")
class ScalesWithoutMask(ToyBackbone):
    def encode(self, tokens, log_mask, n_own):
        return super().encode(tokens, log_mask, n_own) + (log_mask is None)


@breaks("closed")
class CountsAuxiliary(ToyBackbone):
    def encode(self, tokens, log_mask, n_own):
        return super().encode(tokens, log_mask, n_own) + tokens.shape[1] - n_own


@breaks("auxiliary")
class HardlyReadsAuxiliary(ToyBackbone):
    def encode(self, tokens, log_mask, n_own):
        if n_own == self.n_stand_in:
            return super().encode(tokens, log_mask, n_own)
        alone = super().encode(
            tokens[:, :n_own], None if log_mask is None else log_mask[:, :n_own], n_own
        )
        together = super().encode(tokens, log_mask, n_own)
        own = alone + 1e-7 * (together[:, :n_own] - alone)
        return torch.cat([own, together[:, n_own:]], dim=1)


@breaks("gradient")
class CutsTheGradient(ToyBackbone):
    def encode(self, tokens, log_mask, n_own):
        return super().encode(tokens.detach(), log_mask, n_own)


@breaks("gate")
class CutsTheGate(ToyBackbone):
    def encode(self, tokens, log_mask, n_own):
        return super().encode(tokens, None if log_mask is None else log_mask.detach(), n_own)


@breaks("frozen")
class Thaws(ToyBackbone):
    def encode(self, tokens, log_mask, n_own):
        self.out.bias.requires_grad_(True)
        return super().encode(tokens, log_mask, n_own)


@breaks("lora_targets")
class NamesNoLayer(ToyBackbone):
    lora_targets = ("fc1", "attn.qkv")


@breaks("stand_in")
class NeedsFourTokens(ToyBackbone):
    def encode(self, tokens, log_mask, n_own):
        if n_own < 3:
            raise RuntimeError("3 tokens or more")
        return super().encode(tokens, log_mask, n_own)


@breaks("checkpointing")
class ForgetsUnderCheckpointing(ToyBackbone):
    def run(self, block, *args):
        return super().run(block, *args) * (0.5 if self.gradient_checkpointing else 1)


class ToyOfAnyDepth(ToyBackbone):
    block_list = "blocks"

    def encode(self, tokens, log_mask, n_own):
        return self.out(self.run_blocks(tokens, as_mask(log_mask, tokens), n_own))


def as_mask(log_mask, tokens):
    return torch.zeros(tokens.shape[:2]) if log_mask is None else log_mask


@breaks("depth")
class NamesBlocksAndRunsThemItself(ToyBackbone):
    block_list = "blocks"


def test_every_rule_has_a_model_that_breaks_it():
    assert BROKEN.keys() == {*SHAPES, *BEHAVIOUR}


@pytest.mark.parametrize("name", [*SHAPES, *BEHAVIOUR])
def test_a_broken_rule_is_named_and_no_other(name):
    with pytest.raises(InputError) as caught:
        check_backbone(toy(BROKEN[name]), subjects(5, 3))
    assert caught.value.got.startswith(f"[{name}] ")
    assert caught.value.got.count("[") == 1, caught.value.got


def test_a_model_that_runs_its_blocks_by_the_helper_can_be_joined_at_any_depth():
    assert check_backbone(toy(ToyOfAnyDepth, depth=3), subjects(5, 3)) is None


@pytest.mark.parametrize(("depth", "n_rules"), [(1, 0), (2, 1), (5, 2)])
def test_the_first_and_the_last_block_that_can_be_joined_are_tried(depth, n_rules, monkeypatch):
    tried = []
    monkeypatch.setattr(checks, "find_broken_before", lambda case, block: tried.append(block))
    check_backbone(toy(ToyOfAnyDepth, depth=depth), subjects(5, 3))
    assert tried == [1, depth - 1][:n_rules]


def test_a_model_whose_later_blocks_hear_no_auxiliary_tokens_is_found():
    class Deaf(ToyOfAnyDepth):
        def encode(self, tokens, log_mask, n_own):
            mask = as_mask(log_mask, tokens)
            if self.join_at:
                mask = torch.cat([mask[:, :n_own], torch.full_like(mask[:, n_own:], -1e4)], 1)
            return super().encode(tokens, mask, n_own)

    with pytest.raises(InputError, match=r"\[depth\] .*before block 1, they must change what is"):
        check_backbone(toy(Deaf), subjects())


def test_a_model_that_encodes_a_subject_alone_otherwise_at_depth_is_found():
    class Shifted(ToyOfAnyDepth):
        def encode(self, tokens, log_mask, n_own):
            return super().encode(tokens, log_mask, n_own) + self.join_at

    with pytest.raises(InputError, match=r"\[depth\] .*must be encoded as ever without them"):
        check_backbone(toy(Shifted), subjects())


def test_a_model_is_left_at_the_depth_it_was_found_at():
    model = toy(ToyOfAnyDepth, depth=3)
    model.join_before(2)
    check_backbone(model, subjects())
    assert model.join_at == 2


def test_dropout_that_ignores_the_mode_is_found():
    class Noisy(ToyBackbone):
        def pool(self, tokens, own):
            return nn.functional.dropout(super().pool(tokens, own), 0.5)

    with torch.random.fork_rng(devices=[]), pytest.raises(InputError, match=r"\[repeatable\] two"):
        check_backbone(toy(Noisy), subjects())


def test_a_model_that_reads_nothing_where_tokens_stand_in_is_found():
    class ReadsFirstTokens(ToyBackbone):
        def readable(self, own):
            return own & (torch.arange(own.shape[1]) < 2)

        n_stand_in = 5

    with pytest.raises(InputError, match=r"\[stand_in\] .* must follow auxiliary tokens"):
        check_backbone(toy(ReadsFirstTokens), subjects())


def test_a_model_that_ignores_the_log_mask_is_found():
    class Deaf(ToyBackbone):
        def encode(self, tokens, log_mask, n_own):
            return super().encode(tokens, None, n_own)

    with pytest.raises(InputError) as caught:
        check_backbone(toy(Deaf), subjects())
    for name in ("alone", "padding", "closed", "gate"):
        assert f"[{name}]" in caught.value.got
