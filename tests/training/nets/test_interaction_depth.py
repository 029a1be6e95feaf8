"""Every family's auxiliary tokens join before any block, as in a run of two parts by hand.

Language models: tests/clinical/test_language_depth.py.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch

from adestim.backbone import CLOSED, ReferenceBackbone
from adestim.backbone.loading import skeleton
from adestim.exceptions import InputError
from adestim.modalities.fmri.models.brain_jepa import BrainJEPA
from adestim.modalities.fmri.models.brainlm import BrainLM
from adestim.modalities.fmri.models.brainlm_13m import BrainLM13M
from adestim.modalities.genetics.models.dnabert2 import distance_bias
from adestim.modalities.genetics.models.esm import rotary_angles
from adestim.modalities.smri.models.layers import grid_of, tokens_of
from tests.modalities.fmri.model_files import JEPA_TINY, SMALL_TINY, VIT_TINY
from tests.modalities.genetics.genomes import lively, tiny_bert, tiny_v1, tiny_v2
from tests.modalities.smri.model_files import random_model

N_AUX, N_SUBJECTS = 5, 2


class Written(NamedTuple):
    """A model, and how it is run by hand."""

    model: Any
    n_own: int
    blocks: Any
    step: Callable
    end: Callable


def plain(block, x, log_mask):
    return block(x, log_mask)


def jepa():
    model = lively(BrainJEPA(**JEPA_TINY), scale=0.2)
    return Written(model, 20, model.blocks, plain, model.norm)


def vit(cls, **sizes):
    model = lively(cls(**sizes), scale=0.2)
    return Written(model, 12, model.vit.encoder.layer, plain, model.vit.layernorm)


def brainmvp():
    model = random_model("brainmvp")

    def end(x):
        x = tokens_of(model.patch_embed4(grid_of(x[:, :48], (2, 4, 6))))
        for block in model.blocks4:
            x = block(x, None, (1, 2, 3))
        return tokens_of(model.norm(grid_of(x, (1, 2, 3))))

    return Written(model, 48, model.blocks3, lambda block, x, mask: block(x, mask, (2, 4, 6)), end)


def sam_med3d(output):
    model = random_model("sam-med3d", output=output)

    def end(x):
        return tokens_of(model.neck(grid_of(x[:, :64], (4, 4, 4))))

    return Written(model, 64, model.blocks, plain, end if output == "neck" else torch.nn.Identity())


def brainiac():
    model = random_model("brainiac")
    return Written(model, 24, model.blocks, plain, model.norm)


def nucleotides(model):
    def step(block, x, log_mask):
        angles = rotary_angles(x, log_mask, 9, model.head_width) if model.gated else None
        return block(x, log_mask, angles)

    return Written(model, 9, model.encoder.layer, step, model.encoder.emb_layer_norm_after)


def dnabert():
    model = tiny_bert()

    def step(block, x, log_mask):
        bias = distance_bias(9, x.shape[1], model.n_heads, x.device)[None]
        return block(x, bias + log_mask[:, None, None])

    return Written(model, 9, model.encoder.layer, step, torch.nn.Identity())


FAMILIES = {
    "brain-jepa": jepa,
    "brainlm": lambda: vit(BrainLM, **VIT_TINY),
    "brainlm-13m": lambda: vit(BrainLM13M, **SMALL_TINY),
    "brainmvp": brainmvp,
    "sam-med3d": lambda: sam_med3d("tokens"),
    "sam-med3d neck": lambda: sam_med3d("neck"),
    "brainiac": brainiac,
    "nucleotide-transformer": lambda: nucleotides(tiny_v1()),
    "nucleotide-transformer-v2": lambda: nucleotides(tiny_v2()),
    "dnabert-2": dnabert,
}


@pytest.fixture(scope="module", params=FAMILIES)
def written(request):
    case = FAMILIES[request.param]()
    case.model.requires_grad_(False)
    return case


def tokens_and_gates(case, closed=0):
    """Own tokens, the last of them closed where asked for, auxiliary ones, and their log-mask."""
    generator = torch.Generator().manual_seed(0)
    own = torch.randn(N_SUBJECTS, case.n_own, case.model.width, generator=generator)
    auxiliary = torch.randn(N_SUBJECTS, N_AUX, case.model.width, generator=generator)
    log_mask = torch.zeros(N_SUBJECTS, case.n_own + N_AUX)
    log_mask[:, case.n_own :] = torch.linspace(-2.0, 0.0, N_AUX)
    log_mask[1, case.n_own - closed : case.n_own] = CLOSED
    return own, auxiliary, log_mask


def by_hand(case, own, auxiliary, log_mask, block):
    """Own tokens through the first blocks, all tokens through the others."""
    x = own
    for each in case.blocks[:block]:
        x = case.step(each, x, log_mask[:, : case.n_own])
    x = torch.cat([x, auxiliary], dim=1)
    for each in case.blocks[block:]:
        x = case.step(each, x, log_mask)
    return case.end(x)


def joined_before(model, block):
    """A copy of a model that auxiliary tokens join before a block."""
    copy = skeleton(model)
    copy.join_before(block)
    return copy


def test_joining_before_a_block_is_a_run_of_two_parts(written):
    for closed in (0, 3):
        own, auxiliary, log_mask = tokens_and_gates(written, closed)
        both = torch.cat([own, auxiliary], dim=1)
        results = []
        for block in range(len(written.blocks)):
            found = joined_before(written.model, block).encode(both, log_mask, written.n_own)
            expected = by_hand(written, own, auxiliary, log_mask, block)
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
            results.append(found)
        assert all((one - results[0]).abs().max() > 1e-4 for one in results[1:])


def test_joining_at_the_input_is_the_run_of_all_blocks_bit_for_bit(written):
    own, auxiliary, log_mask = tokens_and_gates(written)
    found = written.model.encode(torch.cat([own, auxiliary], dim=1), log_mask, written.n_own)
    assert torch.equal(found, by_hand(written, own, auxiliary, log_mask, 0))


def test_all_blocks_that_attend_can_be_joined(written):
    assert written.model.blocks_to_join == list(written.blocks)


def test_a_block_that_there_is_not_is_refused_with_their_number(written):
    n_blocks = len(written.blocks)
    with pytest.raises(InputError, match=f"which has {n_blocks} blocks.*0 to {n_blocks - 1}"):
        joined_before(written.model, n_blocks)


def test_a_reference_backbones_summary_reads_auxiliary_tokens_in_its_last_blocks():
    torch.manual_seed(0)
    model = ReferenceBackbone(3, 2, width=8, depth=3, n_heads=2, dropout=0.5).eval()
    own, auxiliary = torch.randn(2, 4, 8), torch.randn(2, 3, 8)
    log_mask = torch.cat([torch.zeros(2, 4), torch.full((2, 3), -1.0)], dim=1)
    both = torch.cat([own, auxiliary], dim=1)
    for number in range(3):
        reader = own[:, 3:]
        for place, block in enumerate(model.blocks):
            read = torch.cat([own[:, :3], reader], dim=1)
            if place < number:
                reader = block(reader, read, log_mask[:, :4])
            else:
                reader = block(reader, torch.cat([read, auxiliary], dim=1), log_mask)
        found = joined_before(model, number).encode(both, log_mask, 4)
        torch.testing.assert_close(found[:, 3:4], model.norm(reader), rtol=1e-5, atol=1e-6)
