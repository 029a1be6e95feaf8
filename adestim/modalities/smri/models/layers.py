"""Layers and changes of shape that the foundation models of volumes share."""

from __future__ import annotations

from torch import Tensor, nn

from adestim.exceptions import InputError


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of volumes, (B, C, x, y, z)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every voxel's channels."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def tokens_of(grid: Tensor) -> Tensor:
    """Return a grid's cells as tokens, the last axis running fastest.

    grid (B, C, n_1, n_2, n_3) -> (B, n_1 * n_2 * n_3, C).
    """
    return grid.flatten(2).transpose(1, 2)


def grid_of(tokens: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return tokens as the grid they were taken from.

    tokens (B, n_1 * n_2 * n_3, C) -> (B, C, n_1, n_2, n_3).
    """
    return tokens.transpose(1, 2).unflatten(2, shape)


def whole_patches(length: int, patch_size: int) -> int:
    """Return how many patches an edge has, which must be cut into whole ones."""
    if patch_size < 1 or length < 1 or length % patch_size:
        raise InputError(
            "img_size must be a multiple of patch_size along every axis",
            got=f"{length} voxels for patches of {patch_size}",
            remedy="Correct backbone_params={'architecture': {'img_size': ...}}",
        )
    return length // patch_size


def require_volumes_of(inputs: Tensor, shape: tuple[int, ...], model: str) -> None:
    """Refuse volumes of another shape than a model's."""
    if tuple(inputs.shape[1:]) != (1, *shape):
        raise InputError(
            f"This {model} reads volumes of one channel and {' x '.join(map(str, shape))} voxels",
            got=f"an input of shape {tuple(inputs.shape[1:])}",
            remedy="Encode the volumes with the extractor that names this model and these sizes",
        )
