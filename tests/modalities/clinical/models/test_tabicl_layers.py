import pytest
import torch
from tabicl._model.layers import MultiheadAttentionBlock
from tabicl._model.rope import RotaryEmbedding

from adestim.exceptions import InputError
from adestim.modalities.clinical.models.tabicl_layers import SCALINGS, Rotation, TableBlock


@pytest.mark.parametrize("interleaved", [True, False])
def test_positions_turn_as_in_the_package(interleaved):
    theirs = RotaryEmbedding(8, theta=100000, interleaved=interleaved)
    x = torch.randn(2, 3, 5, 8, generator=torch.Generator().manual_seed(0))
    ours = Rotation(theirs.freqs.detach(), torch.arange(5.0)[None], interleaved)
    torch.testing.assert_close(ours.apply(x), theirs.rotate_queries_or_keys(x).detach())


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_block_reads_others_as_in_the_package(scaling):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = MultiheadAttentionBlock(8, 2, 16, ssmax=scaling, zero_init=False).eval()
        for weight in theirs.parameters():
            weight.data += 0.1 * torch.randn_like(weight)
        x, keys = torch.randn(2, 3, 8), torch.randn(2, 7, 8)
    ours = TableBlock(8, 2, 16, norm_bias=True, scaling=scaling)
    state = theirs.state_dict()
    ours.load_state_dict({key.replace("in_proj_", "in_proj."): state[key] for key in state})
    torch.testing.assert_close(ours.read(x, keys), theirs(x, keys, keys))
    torch.testing.assert_close(ours(x), theirs(x))


def test_another_scaling_is_refused():
    with pytest.raises(InputError, match=r"'col_ssmax' of TabICL.*Got 'softer'"):
        TableBlock(8, 2, 16, norm_bias=True, scaling="softer")
