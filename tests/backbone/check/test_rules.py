"""Every rule of the contract has a model here that breaks it, and it alone."""

import pytest
import torch
from torch import nn

from adestim.backbone import check_backbone
from adestim.backbone.check import rules
from adestim.backbone.check.rules import BEHAVIOUR, SHAPES
from adestim.exceptions import InputError
from tests.backbone.toys import ToyBackbone, subjects, toy

BROKEN = {}


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
    monkeypatch.setattr(rules, "broken_before", lambda case, block: tried.append(block))
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
