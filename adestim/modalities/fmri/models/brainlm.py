"""BrainLM 111M and 650M: vision transformers that read 424 parcels x 200 frames as an image.

Re-implemented from the published code (vandijklab/BrainLM). The weights are CC BY-NC-ND 4.0, for
non-commercial use, and not part of this package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import heads_of, masked_attention
from adestim.backbone.contract import sizes_of
from adestim.backbone.registry import BackboneCard, register_backbone
from adestim.backbone.weights.layout import CheckpointLayout
from adestim.encoding import BackboneSpec
from adestim.encoding.places import TokenPlaces, share_among_parcels
from adestim.exceptions import InputError
from adestim.modalities.fmri.models.a424 import (
    N_FRAMES,
    N_PARCELS,
    coordinates_at_hand,
    learn_parcels,
    scale_frames,
)
from adestim.modalities.fmri.models.windows import (
    MIDDLE,
    WindowedBackbone,
    cut_windows,
    tile_places,
)
from adestim.modalities.fmri.timeseries import RoiSeries

NAME = "brainlm-111m"
# Divides the robustly scaled signal; from the authors' tutorial.
DIVISOR = 5.6430855
BACKGROUND = -1.0
N_CHANNELS = 3
EPS = 1e-12


class PatchEmbeddings(nn.Module):
    """Square patches of an image as tokens."""

    def __init__(self, patch_size: int, width: int):
        super().__init__()
        self.projection = nn.Conv2d(N_CHANNELS, width, patch_size, stride=patch_size)

    def forward(self, image: Tensor) -> Tensor:
        """Return tokens (B, n_patches, width), row by row, of an image (B, 3, H, W)."""
        return self.projection(image).flatten(2).transpose(1, 2)


class Embeddings(nn.Module):
    """Patches with their positions, after a class token with its own."""

    def __init__(self, n_patches: int, patch_size: int, width: int):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        # A table of sines in the released files, which training never changes.
        self.register_buffer("position_embeddings", torch.zeros(1, 1 + n_patches, width))
        self.patch_embeddings = PatchEmbeddings(patch_size, width)

    def forward(self, image: Tensor) -> Tensor:
        """Return tokens (B, 1 + n_patches, width)."""
        patches = self.patch_embeddings(image) + self.position_embeddings[:, 1:]
        first = self.cls_token + self.position_embeddings[:, :1]
        return torch.cat([first.expand(len(image), -1, -1), patches], dim=1)


class SelfAttention(nn.Module):
    """Queries, keys and values from three layers."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = heads_of(width, n_heads)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Mix tokens (B, T, C) under a log-mask (B, T)."""
        q, k, v = (
            layer(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        return masked_attention(q, k, v, log_mask).transpose(1, 2).flatten(2)


class Dense(nn.Module):
    """One linear layer, under the name it has in the checkpoint."""

    def __init__(self, width_in: int, width_out: int):
        super().__init__()
        self.dense = nn.Linear(width_in, width_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map every token by itself."""
        return self.dense(x)


class AttentionWithOutput(nn.Module):
    """Self-attention and the layer after it."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.attention = SelfAttention(width, n_heads)
        self.output = Dense(width, width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Mix tokens (B, T, C) under a log-mask (B, T)."""
        return self.output(self.attention(x, log_mask))


class Layer(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, n_heads: int, hidden: int):
        super().__init__()
        self.attention = AttentionWithOutput(width, n_heads)
        self.intermediate = Dense(width, hidden)
        self.output = Dense(hidden, width)
        self.layernorm_before = nn.LayerNorm(width, eps=EPS)
        self.layernorm_after = nn.LayerNorm(width, eps=EPS)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Update tokens (B, T, C)."""
        x = x + self.attention(self.layernorm_before(x), log_mask)
        return x + self.output(F.gelu(self.intermediate(self.layernorm_after(x))))


class Encoder(nn.Module):
    """The blocks, under the name they have in the checkpoint."""

    def __init__(self, depth: int, width: int, n_heads: int, hidden: int):
        super().__init__()
        self.layer = nn.ModuleList(Layer(width, n_heads, hidden) for _ in range(depth))


class VisionTransformer(nn.Module):
    """Embeddings, blocks and the last norm, under the names they have in the checkpoint."""

    def __init__(self, embeddings: nn.Module, encoder: nn.Module, width: int):
        super().__init__()
        self.embeddings = embeddings
        self.encoder = encoder
        self.layernorm = nn.LayerNorm(width, eps=EPS)


class BrainLM(WindowedBackbone):
    """The encoder of BrainLM's masked autoencoders, with nothing masked.

    The image has a row a parcel, from the back of the brain to the front, and a column a frame; it
    stands in the middle of a square of -1. The class token comes first, then the patches row
    by row. Patches outside the data take part in the attention, as in pre-training, but are never
    read or pooled.

    Ortega Caro et al. (2024). BrainLM: a foundation model for brain activity recordings. ICLR.
    Code: github.com/vandijklab/BrainLM.
    """

    block_list: str = "vit.encoder.layer"
    lora_targets: ClassVar[tuple[str, ...]] = (
        "attention.query", "attention.key", "attention.value", "output.dense",
        "intermediate.dense",
    )  # fmt: skip
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        wrappers=("state_dict", "model"),
        prefixes=("module.",),
        ignored=("decoder.",),
        fingerprint=("vit.embeddings.position_embeddings",),
    )

    def __init__(
        self,
        n_parcels: int = N_PARCELS,
        n_frames: int = N_FRAMES,
        image_size: int = 432,
        patch_size: int = 16,
        width: int = 768,
        depth: int = 12,
        n_heads: int = 12,
        hidden: int = 3072,
        pooling: str = "cls",
    ):
        super().__init__()
        require_pooling(pooling)
        self.width = self.width_out = width
        self.size = require_inside((n_parcels, n_frames), image_size)
        self.image_size, self.patch_size, self.pooling = image_size, patch_size, pooling
        n_patches = (image_size // patch_size) ** 2
        self.n_window_tokens = 1 + n_patches
        self.vit = VisionTransformer(
            Embeddings(n_patches, patch_size, width), Encoder(depth, width, n_heads, hidden), width
        )

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, Any]:
        """Return the numbers of parcels and frames of an input."""
        names = ("n_parcels", "n_frames")
        return {name: architecture[name] for name in names if name in architecture}

    @classmethod
    def learn(cls, raws: Iterable[RoiSeries], **params: Any) -> dict[str, Any]:
        """Read the parcels' coordinates and fit their robust scale."""
        return learn_parcels(raws, "BrainLM", **params)

    @staticmethod
    def prepare(raw: RoiSeries, **options: Any) -> np.ndarray:
        """Scale a run and sort its parcels from back to front.

        -> (n_parcels, n_frames); of all windows (n_windows, n_parcels, n_frames).
        """
        frames = scale_frames(raw, "BrainLM", **options) / np.float32(DIVISOR)
        # Stable, since most parcels share their y with others.
        frames = frames[np.argsort(options["xyz"][:, 1], kind="stable")]
        return cut_windows(frames, options["n_frames"], options.get("windows", MIDDLE))

    @classmethod
    def place_tokens(cls, tokens: TokenPlaces, spec: BackboneSpec) -> TokenPlaces:
        """Return the parcels, whose order is known by their coordinates alone."""
        coordinates = coordinates_at_hand(spec)
        if coordinates is None:
            return tokens
        mixing = tile_places(shares_of_rows(sizes_of(cls, spec), coordinates), tokens)
        return share_among_parcels(tokens, mixing, coordinates)

    def embed_window(self, inputs: Tensor) -> Tensor:
        """Return the class token and the patches, positions included."""
        rows, columns = (self.image_size - length for length in inputs.shape[1:])
        margins = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        image = F.pad(inputs, margins, value=BACKGROUND)
        return self.vit.embeddings(image[:, None].expand(-1, N_CHANNELS, -1, -1))

    def encode_window(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run the blocks and the last norm; auxiliary tokens stay at the end."""
        return self.vit.layernorm(self.run_blocks(tokens, log_mask, n_own))

    def readable_window(self, own: Tensor) -> Tensor:
        """Return the class token and the patches that hold data, or what stands in for them."""
        holds_data = self._holds_data(own.device)
        if own.shape[1] != len(holds_data):
            return own
        read = own & holds_data
        return torch.where(read.any(dim=1, keepdim=True), read, own)

    def pool_window(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the class token, or the mean of the patches that hold data.

        tokens (B, T, width), own (B, n_own) -> (B, width).
        """
        if self.pooling == "cls":
            return class_token(tokens, own)
        return mean_of_data(tokens, self.readable_window(own))

    def _holds_data(self, device: torch.device) -> Tensor:
        """Tell which own tokens see more than the square's -1, the class token included."""
        rows, columns = (self._patches_with_data(length, device) for length in self.size)
        patches = (rows[:, None] & columns[None]).flatten()
        return F.pad(patches, (1, 0), value=True)

    def _patches_with_data(self, length: int, device: torch.device) -> Tensor:
        """Tell which patches along an edge overlap data of a length in the middle of it."""
        start = (self.image_size - length) // 2
        edges = torch.arange(self.image_size // self.patch_size, device=device) * self.patch_size
        return (edges + self.patch_size > start) & (edges < start + length)


def shares_of_rows(sizes: Mapping[str, Any], coordinates: np.ndarray) -> np.ndarray:
    """Return the share of every token that falls to a parcel: a row of patches sees several.

    coordinates (n_parcels, 3) -> (n_parcels, n_tokens).
    """
    n_parcels, image, patch = (sizes[name] for name in ("n_parcels", "image_size", "patch_size"))
    edge = image // patch
    # A row of the image, after the margin, is a parcel; the last voxels may be in no patch.
    row_of = (np.arange(n_parcels) + (image - n_parcels) // 2) // patch
    share = np.zeros((n_parcels, edge))
    share[np.flatnonzero(row_of < edge), row_of[row_of < edge]] = 1.0
    share /= np.maximum(share.sum(axis=0), 1)
    mixing = np.zeros_like(share)
    mixing[np.argsort(coordinates[:, 1], kind="stable")] = share
    return np.pad(np.kron(mixing, np.ones(edge)), ((0, 0), (1, 0)))


def require_pooling(pooling: str) -> None:
    """Refuse another way to pool than the two there are."""
    if pooling not in ("cls", "mean"):
        raise InputError(
            "'pooling' of BrainLM must be 'cls' or 'mean'",
            got=repr(pooling),
            remedy="Pass backbone_params={'architecture': {'pooling': 'cls'}}",
        )


def require_inside(size: tuple[int, int], image_size: int) -> tuple[int, int]:
    """Return the numbers of parcels and frames, which the square must hold."""
    if not 0 < min(size) <= max(size) <= image_size:
        raise InputError(
            "'n_parcels' and 'n_frames' of BrainLM must fit into its image",
            got=f"{size[0]} x {size[1]} for an image of {image_size} x {image_size}",
            remedy="Correct backbone_params['architecture']",
        )
    return size


def class_token(tokens: Tensor, own: Tensor) -> Tensor:
    """Return the first real token: the class token, or the stand-in at whatever place it is."""
    return tokens[torch.arange(len(tokens), device=tokens.device), own.int().argmax(1)]


def mean_of_data(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the tokens of a mask (B, n_own), the class token among them only alone."""
    others = torch.cat([torch.zeros_like(mask[:, :1]), mask[:, 1:]], dim=1)
    mask = torch.where(others.any(dim=1, keepdim=True), others, mask)
    weight = mask.unsqueeze(-1).to(tokens.dtype)
    return (tokens[:, : mask.shape[1]] * weight).sum(1) / weight.sum(1).clamp(min=1)


FACTS: dict[str, Any] = {
    "modality": "fmri",
    "home": "adestim.modalities.fmri.models.brainlm:BrainLM",
    "family": "ViT",
    "hub": "vandijklab/brainlm",
    "url": "https://huggingface.co/vandijklab/brainlm",
    "licence": "CC BY-NC-ND 4.0",
    "commercial": False,
    "cohorts": ("UK Biobank",),
    "reference": "Ortega Caro et al. (2024). BrainLM. ICLR.",
    "needs": (
        'parcellation="A424+2mm.nii.gz"',
        'backbone_params={"coordinates": "A424_Coordinates.dat"}',
    ),
}
register_backbone(
    BackboneCard(
        NAME,
        n_parameters=86_208_000,
        filename="vitmae_111M/pytorch_model.bin",
        **FACTS,
    )
)
register_backbone(
    BackboneCard(
        "brainlm-650m",
        architecture={
            "image_size": 434, "patch_size": 14, "width": 1280, "depth": 32, "n_heads": 16,
            "hidden": 5120,
        },
        n_parameters=631_667_200,
        filename="vitmae_650M/pytorch_model.bin",
        **FACTS,
    )
)  # fmt: skip
