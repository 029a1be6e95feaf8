"""SAM-Med3D: the image encoder of a segmentation model of 3-D medical images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.contract import Backbone, sizes_of
from adestim.backbone.registry import BackboneCard, register_backbone
from adestim.backbone.weights.layout import CheckpointLayout
from adestim.encoding import BackboneSpec
from adestim.encoding.places import TokenPlaces, lay_on_grid
from adestim.exceptions import InputError
from adestim.modalities.smri.models.grid_attention import PaddedGridAttention
from adestim.modalities.smri.models.intensity import (
    clean_background,
    is_skull_stripped,
    require_brain,
    standardise_intensities,
)
from adestim.modalities.smri.models.layers import (
    ChannelNorm,
    grid_of,
    require_volumes_of,
    tokens_of,
    whole_patches,
)
from adestim.modalities.smri.models.preparation import (
    choose_options,
    crop_or_pad,
    foreground_box,
    head_middle,
    isotropic_values,
    require_fit,
)

RESOLUTION = 1.5
OUTPUTS = ("tokens", "neck")


class SAMMed3D(Backbone):
    """The image encoder of SAM-Med3D.

    Most blocks pad their grid to a window and attend to the padding too, unmasked; the others
    attend to the grid alone. Auxiliary tokens are read in every block beside the grid's, with no
    relative position; they bypass the padding.

    Wang et al. (2023). SAM-Med3D: towards general-purpose segmentation models for volumetric
    medical images. arXiv:2310.15161.
    https://github.com/uni-medical/SAM-Med3D, segment_anything/modeling/image_encoder3D.py
    """

    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        wrappers=("model_state_dict",),
        prefixes=("image_encoder.",),
        ignored=("prompt_encoder.", "mask_decoder."),
        fingerprint=("blocks.0.attn.rel_pos_d", "neck.0.weight"),
    )
    block_list: str = "blocks"
    lora_targets: ClassVar[tuple[str, ...]] = ("attn.qkv", "attn.proj", "mlp.lin1", "mlp.lin2")

    def __init__(
        self,
        img_size: int = 128,
        patch_size: int = 16,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: int = 4,
        window_size: int = 14,
        global_attn_indexes: Sequence[int] = (2, 5, 8, 11),
        out_chans: int = 384,
        output: str = "tokens",
    ):
        super().__init__()
        require_output(output)
        self.img_size, self.output = img_size, output
        self.edge = require_one_window(whole_patches(img_size, patch_size), window_size)
        self.width = embed_dim
        self.width_out = embed_dim if output == "tokens" else out_chans
        self.unused_parts = ("neck",) if output == "tokens" else ()
        self.n_stand_in = self.edge**3
        self.patch_embed = PatchEmbedding(patch_size, embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, self.edge, self.edge, self.edge, embed_dim))
        self.blocks = nn.ModuleList(
            Block(
                embed_dim,
                num_heads,
                mlp_ratio,
                self.edge,
                self.edge if index in global_attn_indexes else window_size,
            )
            for index in range(depth)
        )
        self.neck = nn.Sequential(
            nn.Conv3d(embed_dim, out_chans, 1, bias=False),
            ChannelNorm(out_chans, eps=1e-6),
            nn.Conv3d(out_chans, out_chans, 3, padding=1, bias=False),
            ChannelNorm(out_chans, eps=1e-6),
        )

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, Any]:
        """Return the shape of the volumes that the network of an architecture reads."""
        require_output(architecture["output"])
        return {"shape": (architecture["img_size"],) * 3}

    @classmethod
    def learn(cls, raws: Iterable[Any], **params: Any) -> dict[str, Any]:
        """Return the shape; all else is the model's."""
        return choose_options("sam-med3d", {"shape": None}, params)

    @staticmethod
    def prepare(raw: Any, **options: Any) -> np.ndarray:
        """Cut a cube around the brain out of a volume and standardise its intensities.

        -> (1, n_x, n_y, n_z).
        """
        image = clean_background(raw)
        require_brain(image)
        values = isotropic_values(image, RESOLUTION)
        if is_skull_stripped(image):
            middle = brain_middle(values, options["shape"])
        else:
            middle = head_middle(values, RESOLUTION)
        cube = crop_or_pad(values, middle, options["shape"])
        return standardise_intensities(cube, cube > 0)[None]

    @classmethod
    def place_tokens(cls, tokens: TokenPlaces, spec: BackboneSpec) -> TokenPlaces:
        """Return cells of the cube around the brain."""
        sizes = sizes_of(cls, spec)
        patch = sizes["patch_size"]
        return lay_on_grid(tokens, [sizes["img_size"] // patch] * 3, RESOLUTION * patch)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return tokens with their positions (B, N, embed_dim) of volumes (B, 1, n, n, n)."""
        require_volumes_of(inputs, (self.img_size,) * 3, "SAM-Med3D")
        return tokens_of(self.patch_embed(inputs)) + self.pos_embed.flatten(1, 3)

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Return the last block's tokens, auxiliary ones too, or the neck's."""
        tokens = self.run_blocks(tokens, log_mask, n_own)
        if self.output == "tokens":
            return tokens
        return tokens_of(self.neck(grid_of(tokens[:, :n_own], (self.edge,) * 3)))


class PatchEmbedding(nn.Module):
    """A token a cube of voxels."""

    def __init__(self, patch_size: int, width: int):
        super().__init__()
        self.proj = nn.Conv3d(1, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return feature maps (B, width, edge, edge, edge)."""
        return self.proj(x)


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, n_heads: int, mlp_ratio: int, edge: int, window: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = PaddedGridAttention(width, n_heads, edge, window)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, mlp_ratio * width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Return tokens of the same shape."""
        x = x + self.attn(self.norm1(x), log_mask)
        return x + self.mlp(self.norm2(x))


class MLP(nn.Module):
    """A two-layer perceptron of every token."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        return self.lin2(F.gelu(self.lin1(x)))


def brain_middle(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the index of the middle of a skull-stripped brain, which must fit the cube."""
    box = foreground_box(values)
    require_fit(box, shape, RESOLUTION, adjustable=False)
    return np.array([(part.start + part.stop - 1) / 2 for part in box])


def require_one_window(edge: int, window: int) -> int:
    """Return the grid's edge, unless it needs more than one window."""
    if window < edge:
        raise InputError(
            "window_size of SAM-Med3D must hold the whole grid, as the released model's does",
            got=f"a window of {window} for a grid of {edge}",
            remedy="Take a larger window_size or patch_size",
        )
    return edge


def require_output(output: Any) -> None:
    """Refuse an output that there is not."""
    if output not in OUTPUTS:
        raise InputError(
            "output of SAM-Med3D must be 'tokens' or 'neck'",
            got=repr(output),
            remedy="Pass backbone_params={'architecture': {'output': 'tokens'}}",
        )


register_backbone(
    BackboneCard(
        name="sam-med3d",
        modality="smri",
        home="adestim.modalities.smri.models.sam_med3d:SAMMed3D",
        family="ViT",
        architecture={
            "img_size": 128,
            "patch_size": 16,
            "embed_dim": 768,
            "depth": 12,
            "num_heads": 12,
            "mlp_ratio": 4,
            "window_size": 14,
            "global_attn_indexes": (2, 5, 8, 11),
            "out_chans": 384,
            "output": "tokens",
        },
        n_parameters=92_924_928,
        hub="blueyo0/SAM-Med3D",
        filename="sam_med3d_turbo.pth",
        url="https://github.com/uni-medical/SAM-Med3D",
        licence="Apache-2.0",
        commercial=True,
        cohorts=("SA-Med3D-140K: 70 public data sets and 24 hospitals",),
        reference="Wang et al. (2023). SAM-Med3D: towards general-purpose segmentation models for "
        "volumetric medical images. arXiv:2310.15161.",
    )
)
