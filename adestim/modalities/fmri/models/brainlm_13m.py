"""BrainLM 13M: an early, small model whose attention also convolves along the tokens.

Re-implemented from the published code (vandijklab/BrainLM, transformers' Nystromformer layer).
With as many landmarks as its configuration has, that layer computes the exact softmax.
"""

from __future__ import annotations

from collections.abc import Iterable
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
from adestim.modalities.fmri.models.brainlm import (
    EPS,
    FACTS,
    Dense,
    VisionTransformer,
    class_token,
    mean_of_data,
    require_pooling,
)
from adestim.modalities.fmri.models.windows import (
    MIDDLE,
    WindowedBackbone,
    cut_windows,
    tile_places,
)
from adestim.modalities.fmri.timeseries import RoiSeries

LENGTH_OF_TIME_TABLE = 5000


class TimeTable(nn.Module):
    """The table of sines and cosines, one row a time patch."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("pe", torch.zeros(LENGTH_OF_TIME_TABLE, width))


class Embeddings(nn.Module):
    """A parcel's time patch as a token: its signal, its place in mm, its time; after a class token.

    The class token has no position.
    """

    def __init__(self, patch_size: int, width: int):
        super().__init__()
        self.patch_size = patch_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.signal_embedding_projection = nn.Linear(patch_size, width)
        self.xyz_embedding_projection = nn.Linear(3, width)
        self.pos_embedding = TimeTable(width)

    def forward(self, signal: Tensor, xyz: Tensor) -> Tensor:
        """Return (B, 1 + parcels * patches, width) of (B, parcels, frames), (B, parcels, 3)."""
        patches = signal.unflatten(-1, (-1, self.patch_size))
        tokens = self.signal_embedding_projection(patches)
        tokens = tokens + self.xyz_embedding_projection(xyz)[:, :, None]
        tokens = (tokens + self.pos_embedding.pe[: patches.shape[2]]).flatten(1, 2)
        return torch.cat([self.cls_token.expand(len(signal), -1, -1), tokens], dim=1)


class ConvolvedAttention(nn.Module):
    """Softmax attention, plus a convolution of each head's values along the tokens.

    A token that a log-mask closes or gates reaches its neighbours through the convolution to the
    same degree: its values there are multiplied by the exponential of the log-mask.
    """

    def __init__(self, width: int, n_heads: int, kernel: int):
        super().__init__()
        self.n_heads = heads_of(width, n_heads)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.conv = nn.Conv2d(
            n_heads, n_heads, (kernel, 1), padding=(kernel // 2, 0), groups=n_heads, bias=False
        )

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Mix tokens (B, T, C) under a log-mask (B, T)."""
        q, k, v = (
            layer(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mixed = masked_attention(q, k, v, log_mask)
        if log_mask is not None:
            v = v * log_mask.exp().to(v.dtype)[:, None, :, None]
        return (mixed + self.conv(v)).transpose(1, 2).flatten(2)


class DenseNorm(nn.Module):
    """A linear layer whose output is added to its block's input and normalised."""

    def __init__(self, width_in: int, width_out: int):
        super().__init__()
        self.dense = nn.Linear(width_in, width_out)
        self.LayerNorm = nn.LayerNorm(width_out, eps=EPS)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        """Return the normalised sum."""
        return self.LayerNorm(self.dense(x) + before)


class AttentionWithOutput(nn.Module):
    """Attention and the layer after it."""

    def __init__(self, width: int, n_heads: int, kernel: int):
        super().__init__()
        self.self = ConvolvedAttention(width, n_heads, kernel)
        self.output = DenseNorm(width, width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Update tokens (B, T, C)."""
        return self.output(self.self(x, log_mask), x)


class Layer(nn.Module):
    """A post-norm transformer block."""

    def __init__(self, width: int, n_heads: int, hidden: int, kernel: int):
        super().__init__()
        self.attention = AttentionWithOutput(width, n_heads, kernel)
        self.intermediate = Dense(width, hidden)
        self.output = DenseNorm(hidden, width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Update tokens (B, T, C)."""
        x = self.attention(x, log_mask)
        return self.output(F.gelu(self.intermediate(x)), x)


class Encoder(nn.Module):
    """The blocks, under the name they have in the checkpoint."""

    def __init__(self, depth: int, width: int, n_heads: int, hidden: int, kernel: int):
        super().__init__()
        self.layer = nn.ModuleList(Layer(width, n_heads, hidden, kernel) for _ in range(depth))


class BrainLM13M(WindowedBackbone):
    """The encoder of BrainLM 13M, with nothing masked.

    Tokens: the class token, then parcel by parcel in ascending order of label, each parcel's time
    patches in order; auxiliary tokens at the end. The convolution makes the order matter, yet
    pre-training shuffled the tokens at random: no order is the one the model knows. Auxiliary
    tokens reach the last half kernel of own tokens through it, whatever the attention does.
    The larger models have neither flaw. Checkpoint 1400 in the authors' GitHub repository is the
    same architecture at ``width=256``.

    Ortega Caro et al. (2024). BrainLM: a foundation model for brain activity recordings. ICLR.
    Xiong et al. (2021). Nystromformer: a Nystrom-based algorithm for approximating
    self-attention. AAAI.
    """

    block_list: str = "vit.encoder.layer"
    lora_targets: ClassVar[tuple[str, ...]] = (
        "self.query", "self.key", "self.value", "output.dense", "intermediate.dense",
    )  # fmt: skip
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        wrappers=("state_dict", "model"),
        prefixes=("module.",),
        ignored=("decoder.",),
        fingerprint=("vit.embeddings.xyz_embedding_projection.weight",),
    )

    def __init__(
        self,
        n_parcels: int = N_PARCELS,
        n_frames: int = N_FRAMES,
        patch_size: int = 20,
        width: int = 512,
        depth: int = 4,
        n_heads: int = 4,
        hidden: int = 1024,
        kernel: int = 65,
        pooling: str = "cls",
    ):
        super().__init__()
        require_pooling(pooling)
        require_whole_patches(n_frames, patch_size)
        self.width = self.width_out = width
        self.n_parcels, self.n_frames, self.pooling = n_parcels, n_frames, pooling
        self.n_window_tokens = 1 + n_parcels * (n_frames // patch_size)
        self.vit = VisionTransformer(
            Embeddings(patch_size, width), Encoder(depth, width, n_heads, hidden, kernel), width
        )

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, Any]:
        """Return the numbers of parcels and frames of an input."""
        names = ("n_parcels", "n_frames")
        return {name: architecture[name] for name in names if name in architecture}

    @classmethod
    def learn(cls, raws: Iterable[RoiSeries], **params: Any) -> dict[str, Any]:
        """Read the parcels' coordinates and fit their robust scale."""
        return learn_parcels(raws, "BrainLM 13M", **params)

    @staticmethod
    def prepare(raw: RoiSeries, **options: Any) -> np.ndarray:
        """Scale a run and put every parcel's coordinates after its frames.

        -> (n_parcels, n_frames + 3); of all windows (n_windows, n_parcels, n_frames + 3).
        """
        frames = scale_frames(raw, "BrainLM 13M", **options)
        frames = cut_windows(frames, options["n_frames"], options.get("windows", MIDDLE))
        places = np.broadcast_to(options["xyz"], (*frames.shape[:-1], 3))
        return np.concatenate([frames, places], axis=-1, dtype=np.float32)

    @classmethod
    def place_tokens(cls, tokens: TokenPlaces, spec: BackboneSpec) -> TokenPlaces:
        """Return the parcels, each of several times, behind the class token."""
        sizes = sizes_of(cls, spec)
        n_times = sizes["n_frames"] // sizes["patch_size"]
        mixing = np.kron(np.eye(sizes["n_parcels"]), np.ones(n_times))
        mixing = tile_places(np.pad(mixing, ((0, 0), (1, 0))), tokens)
        return share_among_parcels(tokens, mixing, coordinates_at_hand(spec))

    def embed_window(self, inputs: Tensor) -> Tensor:
        """Return the class token and the parcels' time patches, positions included."""
        signal, xyz = inputs[..., : self.n_frames], inputs[..., self.n_frames :]
        return self.vit.embeddings(signal, xyz)

    def encode_window(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run the blocks and the last norm; auxiliary tokens stay at the end."""
        return self.vit.layernorm(self.run_blocks(tokens, log_mask, n_own))

    def pool_window(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the class token, or the mean of the other own tokens.

        tokens (B, T, width), own (B, n_own) -> (B, width).
        """
        return class_token(tokens, own) if self.pooling == "cls" else mean_of_data(tokens, own)


def require_whole_patches(n_frames: int, patch_size: int) -> None:
    """Refuse frames that cannot be cut into time patches."""
    if n_frames < 1 or n_frames % patch_size:
        raise InputError(
            "'n_frames' of BrainLM 13M must be a multiple of 'patch_size'",
            got=f"{n_frames} frames for patches of {patch_size}",
            remedy="Correct backbone_params['architecture']",
        )


register_backbone(
    BackboneCard(
        "brainlm-13m",
        n_parameters=10_986_512,
        filename="old_13M/pytorch_model.bin",
        **{
            **FACTS,
            "home": "adestim.modalities.fmri.models.brainlm_13m:BrainLM13M",
            "family": "transformer with convolution",
        },
    )
)
