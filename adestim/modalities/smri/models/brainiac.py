"""BrainIAC: a vision transformer, pre-trained on brain MRI by contrast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
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
from adestim.exceptions import InputError, VolumeError
from adestim.modalities._nifti import image_values
from adestim.modalities.smri.models.field_of_view import (
    RAS,
    cut_field,
    place_cells,
    question_extent,
    require_field_of_view,
    require_orientation,
    turn_axes,
    warn_of_several_extents,
)
from adestim.modalities.smri.models.intensity import (
    clean_background,
    require_skull_stripped,
    standardise_intensities,
)
from adestim.modalities.smri.models.layers import require_volumes_of, tokens_of, whole_patches
from adestim.modalities.smri.models.preparation import choose_options

POOLINGS = ("mean", "first")
# The authors' src/preprocessing/atlases/temp_head.nii.gz, to which they register: orientation, and
# lengths in mm to the right, the front and the top, as a third party prints its header.
ORIENTATION = "LAS"
TEMPLATE_EXTENT = (170.0, 206.0, 162.0)


class BrainIAC(Backbone):
    """The vision transformer of BrainIAC, version 2.

    Auxiliary tokens join the patches' before the first block.

    Tak et al. (2026). A generalizable foundation model for analysis of human brain MRI. Nature
    Neuroscience.
    https://github.com/AIM-KannLab/BrainIAC
    """

    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        wrappers=("state_dict",),
        prefixes=("backbone.",),
        ignored=("projection_head.", "projection.", "projector.", "head."),
        fingerprint=("patch_embedding.position_embeddings", "blocks.0.attn.out_proj.weight"),
        relatives=(
            Relative(
                "BrainIAC v1 of 2025, a 3-D ResNet-50 (or another such network of MONAI)",
                "Pass the weights of version 2, a vision transformer: BrainIAC.ckpt of "
                "github.com/AIM-KannLab/BrainIAC, whose names hold patch_embedding",
                (("conv1.weight", 5), ("layer1.0.conv3.weight", 5), ("layer4.2.conv3.weight", 5)),
            ),
        ),
    )
    block_list: str = "blocks"
    lora_targets: ClassVar[tuple[str, ...]] = (
        "attn.qkv",
        "attn.out_proj",
        "mlp.linear1",
        "mlp.linear2",
    )

    def __init__(
        self,
        img_size: Sequence[int] = (96, 96, 96),
        patch_size: int = 16,
        hidden_size: int = 768,
        mlp_dim: int = 3072,
        num_layers: int = 12,
        num_heads: int = 12,
        pooling: str = "mean",
    ):
        super().__init__()
        require_pooling(pooling)
        self.img_size, self.pooling = tuple(img_size), pooling
        self.width = self.width_out = hidden_size
        x, y, z = self.img_size
        self.n_stand_in = prod(whole_patches(length, patch_size) for length in (x, y, z))
        self.patch_embedding = PatchEmbedding(self.n_stand_in, patch_size, hidden_size)
        self.blocks = nn.ModuleList(
            Block(hidden_size, mlp_dim, num_heads) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_size, eps=1e-5)

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, Any]:
        """Return the shape of the volumes that the network of an architecture reads."""
        require_pooling(architecture["pooling"])
        return {"shape": tuple(architecture["img_size"])}

    @classmethod
    def learn(cls, raws: Iterable[Any], **params: Any) -> dict[str, Any]:
        """Settle shape, orientation and field of view; tell of rows whose fields of view differ."""
        defaults = {"shape": None, "orientation": ORIENTATION, "field_of_view": None}
        options = choose_options("brainiac", defaults, params)
        options["orientation"] = require_orientation(options["orientation"], "BrainIAC")
        field = require_field_of_view(options["field_of_view"], TEMPLATE_EXTENT, "BrainIAC")
        if field is None and hasattr(raws, "list_extents"):
            warn_of_several_extents(raws.list_extents(), "BrainIAC")
        return {**options, "field_of_view": field}

    @staticmethod
    def prepare(raw: Any, **options: Any) -> np.ndarray:
        """Turn the axes, bring the field of view to a shape and standardise intensities.

        -> (1, n_1, n_2, n_3).
        """
        image = clean_background(raw)
        require_skull_stripped(image, "BrainIAC")
        values = image_values(image, VolumeError).astype(np.float32)
        if options.get("field_of_view") is None:
            question_extent(image, TEMPLATE_EXTENT, "BrainIAC")
        else:
            values = cut_field(image, values, options["field_of_view"])
        turned = turn_axes(image, values, options.get("orientation", RAS))
        resized = F.interpolate(
            torch.from_numpy(turned)[None, None], options["shape"], mode="trilinear"
        )[0, 0].numpy()
        inside = resized != 0
        return np.where(inside, standardise_intensities(resized, inside), np.float32(0))[None]

    @classmethod
    def place_tokens(cls, tokens: TokenPlaces, spec: BackboneSpec) -> TokenPlaces:
        """Return cells in voxels of the input, whose size in mm the field of view decides."""
        sizes = sizes_of(cls, spec)
        orientation = dict(spec.option("preparation", ())).get("orientation", RAS)
        own = [length // sizes["patch_size"] for length in sizes["img_size"]]
        shape, order = place_cells(own, orientation)
        return lay_on_grid(tokens, shape, float(sizes["patch_size"]), order)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return tokens with their positions (B, N, width) of volumes (B, 1, n_x, n_y, n_z)."""
        require_volumes_of(inputs, self.img_size, "BrainIAC")
        return self.patch_embedding(inputs)

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Return normalised tokens, auxiliary ones too."""
        return self.norm(self.run_blocks(tokens, log_mask, n_own))

    def pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the mean of the own tokens, or the first."""
        return tokens[:, 0] if self.pooling == "first" else super().pool(tokens, own)


class PatchEmbedding(nn.Module):
    """A token a cube of voxels, with a learned position."""

    def __init__(self, n_tokens: int, patch_size: int, width: int):
        super().__init__()
        self.patch_embeddings = nn.Conv3d(1, width, kernel_size=patch_size, stride=patch_size)
        self.position_embeddings = nn.Parameter(torch.zeros(1, n_tokens, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (B, N, width)."""
        return tokens_of(self.patch_embeddings(x)) + self.position_embeddings


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, hidden: int, n_heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-5)
        self.attn = SelfAttention(width, n_heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-5)
        self.mlp = MLP(width, hidden)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Return tokens of the same shape."""
        x = x + self.attn(self.norm1(x), log_mask)
        return x + self.mlp(self.norm2(x))


class SelfAttention(nn.Module):
    """Multi-head self-attention under a log-mask."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = heads_of(width, n_heads)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Return mixed tokens (B, T, C)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out_proj(masked_attention(q, k, v, log_mask).transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """A two-layer perceptron of every token."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        return self.linear2(F.gelu(self.linear1(x)))


def require_pooling(pooling: Any) -> None:
    """Refuse a pooling that there is not."""
    if pooling not in POOLINGS:
        raise InputError(
            "pooling of BrainIAC must be 'mean' or 'first'",
            got=repr(pooling),
            remedy="Pass backbone_params={'architecture': {'pooling': 'mean'}}",
        )


register_backbone(
    BackboneCard(
        name="brainiac",
        modality="smri",
        home="adestim.modalities.smri.models.brainiac:BrainIAC",
        family="ViT",
        architecture={
            "img_size": (96, 96, 96),
            "patch_size": 16,
            "hidden_size": 768,
            "mlp_dim": 3072,
            "num_layers": 12,
            "num_heads": 12,
            "pooling": "mean",
        },
        n_parameters=88_340_736,
        filename="BrainIAC.ckpt",
        url="https://github.com/AIM-KannLab/BrainIAC",
        licence="Mass General Brigham, non-commercial research",
        commercial=False,
        cohorts=("32,015 scans of 16 data sets; ADNI and OASIS are not ruled out",),
        reference="Tak et al. (2026). A generalizable foundation model for analysis of human brain "
        "MRI. Nature Neuroscience.",
    )
)
