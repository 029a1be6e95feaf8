"""BrainMVP: a hybrid of convolutions and attention, pre-trained on multi-parametric brain MRI."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, prod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import heads_of, masked_attention
from adestim.backbone.contract import Backbone, sizes_of
from adestim.backbone.registry import BackboneCard, register_backbone
from adestim.backbone.weights.layout import CheckpointLayout, Relative
from adestim.encoding import BackboneSpec
from adestim.encoding.places import TokenPlaces, lay_on_grid
from adestim.exceptions import InputError
from adestim.modalities.smri.models.intensity import (
    clean_background,
    require_skull_stripped,
    scale_percentiles,
)
from adestim.modalities.smri.models.layers import (
    ChannelNorm,
    grid_of,
    require_volumes_of,
    tokens_of,
)
from adestim.modalities.smri.models.preparation import (
    choose_options,
    crop_or_pad,
    foreground_box,
    is_resolution,
    isotropic_values,
    middle_of,
    require_fit,
    require_resolution,
)

STRIDE_OF_STAGE_3 = 8
STRIDE_OF_STAGE_4 = 16
PERCENTILES = (5.0, 95.0)
# 96 voxels of 2 mm hold the longest adult brain, and the MNI152 template's 181 mm.
RESOLUTION = 2.0
# In mm; at 1 mm, the resolution of pre-training, multiples of 16 that hold a whole brain.
BRAIN_BOX = (160.0, 192.0, 160.0)


class BrainMVP(Backbone):
    """The UniFormer-S encoder of BrainMVP.

    Two stages of convolutions, then two of attention over the whole grid, each a halving of the
    grid. Auxiliary tokens join at the first attention stage, the third: they skip the depthwise
    convolution that tells the blocks where a cell is, take part in attention and
    multi-layer perceptron, and stop at the strided convolution before the fourth stage.

    Rui et al. (2025). Multi-modal vision pre-training for medical image analysis. CVPR.
    Li et al. (2022). UniFormer: unified transformer for efficient spatiotemporal representation
    learning. ICLR.
    https://github.com/shaohao011/BrainMVP, Downstream/model/uniformer.py
    """

    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        wrappers=("state_dict",),
        prefixes=("module.", "encoder.uniformer."),
        ignored=("decoder.", "rep_template"),
        fingerprint=(
            "blocks1.0.conv1.weight",
            "blocks3.0.attn.qkv.weight",
            "patch_embed4.proj.weight",
        ),
        relatives=(
            Relative(
                "weights of BrainMVP that its authors' code has fine-tuned, under the names of "
                "Downstream/ or Fine_tune/ (encoder.patch_embed1...)",
                "Pass the pre-trained weights, BrainMVP_uniformer.pt, whose names begin with "
                "module.encoder.uniformer.; what was fine-tuned has seen labels",
                (("encoder.patch_embed1.proj.weight", 5), ("encoder.blocks1.0.conv1.weight", 5)),
            ),
        ),
    )
    block_list: str = "blocks3"
    lora_targets: ClassVar[tuple[str, ...]] = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")

    def __init__(
        self,
        volume_shape: Sequence[int] = (96, 96, 96),
        depths: Sequence[int] = (3, 4, 8, 3),
        dims: Sequence[int] = (64, 128, 320, 512),
        head_dim: int = 64,
        mlp_ratio: int = 4,
    ):
        super().__init__()
        self.volume_shape = require_volume_shape(volume_shape)
        self.width, self.width_out = dims[2], dims[3]
        self.n_stand_in = prod(self.grid(STRIDE_OF_STAGE_3))
        self.patch_embed1 = PatchEmbedding(1, dims[0])
        self.patch_embed2 = PatchEmbedding(dims[0], dims[1])
        self.patch_embed3 = PatchEmbedding(dims[1], dims[2])
        self.patch_embed4 = PatchEmbedding(dims[2], dims[3])
        self.blocks1, self.blocks2 = (
            nn.ModuleList(ConvolutionBlock(dims[stage], mlp_ratio) for _ in range(depths[stage]))
            for stage in (0, 1)
        )
        self.blocks3, self.blocks4 = (
            nn.ModuleList(
                AttentionBlock(dims[stage], dims[stage] // head_dim, mlp_ratio)
                for _ in range(depths[stage])
            )
            for stage in (2, 3)
        )
        self.norm = FixedBatchNorm(dims[3])

    def grid(self, stride: int) -> tuple[int, int, int]:
        """Return the shape of a stage's grid, whose axes are z, x and y."""
        x, y, z = (length // stride for length in self.volume_shape)
        return z, x, y

    @classmethod
    def settle_sizes(cls, **params: Any) -> dict[str, Any]:
        """Return the shape that holds a brain at a finer resolution than the default."""
        resolution = params.get("resolution", RESOLUTION)
        if not is_resolution(resolution) or resolution >= RESOLUTION:
            return {}
        steps = (ceil(length / resolution / STRIDE_OF_STAGE_4) for length in BRAIN_BOX)
        return {"volume_shape": tuple(STRIDE_OF_STAGE_4 * step for step in steps)}

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, Any]:
        """Return the shape of the volumes that the network of an architecture reads."""
        return {"shape": require_volume_shape(architecture["volume_shape"])}

    @classmethod
    def learn(cls, raws: Iterable[Any], **params: Any) -> dict[str, Any]:
        """Settle shape and resolution; nothing depends on the training rows."""
        options = choose_options("brainmvp", {"shape": None, "resolution": RESOLUTION}, params)
        return {**options, "resolution": require_resolution(options["resolution"])}

    @staticmethod
    def prepare(raw: Any, **options: Any) -> np.ndarray:
        """Cut the brain out of a skull-stripped volume and scale its intensities to [0, 1].

        -> (1, n_x, n_y, n_z).
        """
        shape, resolution = options["shape"], options.get("resolution", RESOLUTION)
        image = clean_background(raw)
        require_skull_stripped(image, "BrainMVP")
        values = isotropic_values(image, resolution)
        box = foreground_box(values)
        require_fit(box, shape, resolution)
        scaled = scale_percentiles(values[box], *PERCENTILES)
        return crop_or_pad(scaled, middle_of(scaled.shape), shape)[None]

    @classmethod
    def place_tokens(cls, tokens: TokenPlaces, spec: BackboneSpec) -> TokenPlaces:
        """Return cells of the last stage, or of the third where auxiliary tokens join."""
        volume = sizes_of(cls, spec)["volume_shape"]
        resolution = dict(spec.option("preparation", ())).get("resolution", RESOLUTION)
        joins = tokens.n_tokens == prod(length // STRIDE_OF_STAGE_3 for length in volume)
        stride = STRIDE_OF_STAGE_3 if joins else STRIDE_OF_STAGE_4
        x, y, z = (length // stride for length in volume)
        order = np.indices((z, x, y)).reshape(3, -1).T[:, [1, 2, 0]]
        return lay_on_grid(tokens, (x, y, z), stride * resolution, order)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the third stage's tokens (B, N3, dims[2]) of volumes (B, 1, n_x, n_y, n_z)."""
        require_volumes_of(inputs, self.volume_shape, "BrainMVP")
        x = self.patch_embed1(inputs.permute(0, 1, 4, 2, 3))
        for block in self.blocks1:
            x = self.run(block, x)
        x = self.patch_embed2(x)
        for block in self.blocks2:
            x = self.run(block, x)
        return tokens_of(self.patch_embed3(x))

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Return the fourth stage's tokens (B, N4, dims[3]); auxiliary ones end with the third."""
        grid = self.grid(STRIDE_OF_STAGE_3)
        tokens = self.run_blocks(tokens, log_mask, n_own, lambda _, mask: (mask, grid))
        x = tokens_of(self.patch_embed4(grid_of(tokens[:, :n_own], grid)))
        grid = self.grid(STRIDE_OF_STAGE_4)
        for block in self.blocks4:
            x = self.run(block, x, None, grid)
        return tokens_of(self.norm(grid_of(x, grid)))

    def readable(self, own: Tensor) -> Tensor:
        """Return True for all tokens of the fourth stage, (B, N4)."""
        n_out = prod(self.grid(STRIDE_OF_STAGE_4))
        return torch.ones(own.shape[0], n_out, dtype=torch.bool, device=own.device)


class PatchEmbedding(nn.Module):
    """Halve a grid: a strided convolution, then a norm over the channels."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.proj = nn.Conv3d(n_in, n_out, kernel_size=2, stride=2)
        self.norm = ChannelNorm(n_out, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, n_out, ...) of half the edge."""
        return self.norm(self.proj(x))


class FixedBatchNorm(nn.BatchNorm3d):
    """Batch normalisation by the running statistics, in training too: batches are small."""

    def __init__(self, width: int):
        super().__init__(width, eps=1e-5)
        self.training = False

    def train(self, mode: bool = True) -> FixedBatchNorm:
        """Stay in evaluation mode."""
        return super().train(False)


class ConvolutionBlock(nn.Module):
    """A block of the first two stages: depthwise convolutions stand where attention would."""

    def __init__(self, width: int, mlp_ratio: int):
        super().__init__()
        self.pos_embed = nn.Conv3d(width, width, 3, padding=1, groups=width)
        self.norm1 = FixedBatchNorm(width)
        self.conv1 = nn.Conv3d(width, width, 1)
        self.conv2 = nn.Conv3d(width, width, 1)
        self.attn = nn.Conv3d(width, width, 5, padding=2, groups=width)
        self.norm2 = FixedBatchNorm(width)
        self.mlp = ConvolutionMLP(width, mlp_ratio * width)

    def forward(self, x: Tensor) -> Tensor:
        """Return feature maps of the same shape."""
        x = x + self.pos_embed(x)
        x = x + self.conv2(self.attn(self.conv1(self.norm1(x))))
        return x + self.mlp(self.norm2(x))


class AttentionBlock(nn.Module):
    """A block of the last two stages: position by convolution, global attention, perceptron."""

    def __init__(self, width: int, n_heads: int, mlp_ratio: int):
        super().__init__()
        self.pos_embed = nn.Conv3d(width, width, 3, padding=1, groups=width)
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = SelfAttention(width, n_heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = TokenMLP(width, mlp_ratio * width)

    def forward(self, x: Tensor, log_mask: Tensor | None, grid: tuple[int, ...]) -> Tensor:
        """Return tokens: those of the grid, then auxiliary ones, which have no position."""
        n_own = prod(grid)
        moved = tokens_of(self.pos_embed(grid_of(x[:, :n_own], grid)))
        x = x + F.pad(moved, (0, 0, 0, x.shape[1] - n_own))
        x = x + self.attn(self.norm1(x), log_mask)
        return x + self.mlp(self.norm2(x))


class SelfAttention(nn.Module):
    """Multi-head self-attention under a log-mask."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = heads_of(width, n_heads)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Return mixed tokens (B, T, C)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(masked_attention(q, k, v, log_mask).transpose(1, 2).flatten(2))


class ConvolutionMLP(nn.Module):
    """A two-layer perceptron of every voxel's channels, as convolutions."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Conv3d(width, hidden, 1)
        self.fc2 = nn.Conv3d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return feature maps of the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))


class TokenMLP(nn.Module):
    """A two-layer perceptron of every token."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))


def require_volume_shape(shape: Any) -> tuple[int, int, int]:
    """Return the shape as a tuple, or say what is wrong with it."""
    usable = isinstance(shape, Sequence) and len(shape) == 3
    if not usable or any(
        not isinstance(length, int) or length < 1 or length % STRIDE_OF_STAGE_4 for length in shape
    ):
        raise InputError(
            "volume_shape of BrainMVP must be three multiples of 16",
            got=repr(shape),
            remedy="Pass for example backbone_params={'architecture': {'volume_shape': "
            "(96, 112, 96)}}",
        )
    x, y, z = shape
    return x, y, z


register_backbone(
    BackboneCard(
        name="brainmvp",
        modality="smri",
        home="adestim.modalities.smri.models.brainmvp:BrainMVP",
        family="UniFormer",
        architecture={
            "volume_shape": (96, 96, 96),
            "depths": (3, 4, 8, 3),
            "dims": (64, 128, 320, 512),
            "head_dim": 64,
            "mlp_ratio": 4,
        },
        n_parameters=22_038_464,
        filename="BrainMVP_uniformer.pt",
        url="https://github.com/shaohao011/BrainMVP",
        licence="none stated",
        commercial=None,
        cohorts=("BraTS2021", "BraTS-MEN", "BraTS-SSA", "UCSF-PDGM", "IXI"),
        reference="Rui et al. (2025). Multi-modal vision pre-training for medical image analysis. "
        "CVPR.",
    )
)
