"""Changes of shape are undone, and wrong shapes refused."""

import pytest
import torch

from adestim.exceptions import InputError
from adestim.modalities.smri.models.layers import (
    ChannelNorm,
    grid_of,
    require_volumes_of,
    tokens_of,
    whole_patches,
)


def test_tokens_run_along_the_last_axis_first():
    grid = torch.arange(24.0).reshape(1, 1, 2, 3, 4)
    tokens = tokens_of(grid)
    assert tokens.flatten().tolist() == list(range(24))
    torch.testing.assert_close(grid_of(tokens, (2, 3, 4)), grid)


def test_norm_is_over_the_channels():
    grid = torch.randn(2, 6, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    normed = ChannelNorm(6)(grid)
    torch.testing.assert_close(normed.mean(dim=1), torch.zeros(2, 3, 4, 5), atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(2, 1, 4, 4, 8), (2, 2, 4, 4, 4), (1, 4, 4, 4)])
def test_volumes_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match="one channel and 4 x 4 x 4 voxels"):
        require_volumes_of(torch.zeros(shape), (4, 4, 4), "BrainMVP")


@pytest.mark.parametrize(("length", "patch_size"), [(33, 16), (32, 0), (0, 16)])
def test_edges_must_be_cut_into_whole_patches(length, patch_size):
    assert whole_patches(32, 16) == 2
    with pytest.raises(InputError, match=f"{length} voxels for patches of {patch_size}"):
        whole_patches(length, patch_size)
