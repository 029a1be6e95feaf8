"""CortexMAE on parcels: a masked autoencoder over Schaefer's 400 regions and clips of 16 s.

Re-implemented from the published package cortex_mae 0.1.1 (Apache-2.0). The weights are CC BY-NC
4.0 and not part of this package.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from adestim.backbone.attention import heads_of, masked_attention
from adestim.backbone.contract import sizes_of
from adestim.backbone.registry import BackboneCard, register_backbone
from adestim.backbone.weights.layout import CheckpointLayout
from adestim.encoding import BackboneSpec
from adestim.encoding.places import TokenPlaces, share_among_parcels
from adestim.exceptions import InputError, TimeSeriesError
from adestim.modalities.fmri.models.brain_jepa import MLP
from adestim.modalities.fmri.models.brainlm import class_token, mean_of_data
from adestim.modalities.fmri.models.resampling import require_known_params, require_usable
from adestim.modalities.fmri.models.roi_order import require_schaefer_regions
from adestim.modalities.fmri.models.windows import WindowedBackbone, tile_places
from adestim.modalities.fmri.timeseries import RoiSeries

NAME = "cortex-mae-parcel"
# In s; runs whose repetition time is within the tolerance are taken as they are.
STEP, TOLERANCE = 1.0, 0.1
LARGEST_VALUE = 3.0
SMALLEST_SPREAD = 1e-6
N_CLIPS, ALL = 4, "all"
EPS = 1e-6


class SeparablePositions(nn.Module):
    """Positions: one vector a region plus one a time patch."""

    def __init__(self, n_rois: int, n_time_patches: int, width: int):
        super().__init__()
        self.weight_spatial = nn.Parameter(torch.zeros(1, n_rois, width))
        self.weight_temporal = nn.Parameter(torch.zeros(n_time_patches, 1, width))

    def forward(self) -> Tensor:
        """Return positions (n_time_patches * n_rois, width), time patch after time patch."""
        return (self.weight_temporal + self.weight_spatial).flatten(0, 1)


class SeparateAttention(nn.Module):
    """Self-attention with a layer each for queries, keys and values."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = heads_of(width, n_heads)
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Mix tokens (B, T, C) under a log-mask (B, T)."""
        q, k, v = (
            layer(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        return self.proj(masked_attention(q, k, v, log_mask).transpose(1, 2).flatten(2))


class MaskedBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, n_heads: int, mlp_ratio: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = SeparateAttention(width, n_heads)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = MLP(width, mlp_ratio * width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Update tokens (B, T, C)."""
        x = x + self.attn(self.norm1(x), log_mask)
        return x + self.mlp(self.norm2(x))


class CortexMAEParcel(WindowedBackbone):
    """The encoder of CortexMAE on parcels, with nothing masked.

    A clip's class token comes first, then one token for four frames of a region, region by region
    and time patch by time patch. Clips do not see each other; auxiliary tokens are read by each.

    Lane et al. (2026). Scaling vision transformers for functional MRI with flat maps. ICML.
    Code: github.com/MedARC-AI/CortexMAE.
    """

    block_list: str = "blocks"
    lora_targets: ClassVar[tuple[str, ...]] = (
        "attn.q", "attn.k", "attn.v", "attn.proj", "mlp.fc1", "mlp.fc2",
    )  # fmt: skip
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        wrappers=("model",),
        prefixes=("module.", "encoder."),
        ignored=("decoder.",),
        fingerprint=("pos_embed.weight_spatial", "pos_embed.weight_temporal"),
    )

    def __init__(
        self,
        n_rois: int = 400,
        n_frames: int = 16,
        patch_size: int = 4,
        width: int = 768,
        depth: int = 12,
        n_heads: int = 12,
        mlp_ratio: int = 4,
        pooling: str = "cls",
    ):
        super().__init__()
        require_clip(n_frames, patch_size, pooling)
        self.width = self.width_out = width
        self.patch_size, self.pooling = patch_size, pooling
        self.n_window_tokens = 1 + n_rois * (n_frames // patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.patch_embed = nn.Linear(patch_size, width)
        self.pos_embed = SeparablePositions(n_rois, n_frames // patch_size, width)
        self.blocks = nn.ModuleList(MaskedBlock(width, n_heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPS)

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, Any]:
        """Return the numbers of regions and frames of an input."""
        sizes = {"n_rois": 400, "n_frames": 16}
        return {name: architecture.get(name, size) for name, size in sizes.items()}

    @classmethod
    def learn(cls, raws: Iterable[RoiSeries], **params: Any) -> dict[str, Any]:
        """Check the regions' order and the number of clips; nothing is fitted."""
        return settle_clips(raws, **params)

    @staticmethod
    def prepare(raw: RoiSeries, **options: Any) -> np.ndarray:
        """Normalise a run frame by frame, and cut clips out of it.

        -> (n_clips, n_rois, n_frames).
        """
        require_usable(raw, options["n_rois"], NAME)
        frames = normalise_frames(interpolate_linearly(standardise_regions(raw.values), raw.t_r))
        return cut_clips(frames.T.astype(np.float32), options["n_frames"], options["n_clips"])

    @classmethod
    def place_tokens(cls, tokens: TokenPlaces, spec: BackboneSpec) -> TokenPlaces:
        """Return the parcels, each of several times; class tokens are nowhere."""
        sizes = sizes_of(cls, spec)
        n_times = sizes["n_frames"] // sizes["patch_size"]
        mixing = np.tile(np.eye(sizes["n_rois"]), (1, n_times))
        return share_among_parcels(tokens, tile_places(np.pad(mixing, ((0, 0), (1, 0))), tokens))

    def embed_window(self, inputs: Tensor) -> Tensor:
        """Return the class token and the patches with positions, (B, n_window_tokens, width)."""
        patches = inputs.unflatten(2, (-1, self.patch_size)).transpose(1, 2).flatten(1, 2)
        tokens = self.patch_embed(patches) + self.pos_embed()
        first = self.cls_token.to(tokens.dtype).expand(len(tokens), -1, -1)
        return torch.cat([first, tokens], dim=1)

    def encode_window(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run the blocks and the last norm; auxiliary tokens stay at the end."""
        return self.norm(self.run_blocks(tokens, log_mask, n_own))

    def pool_window(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the class token, or the mean of the patches.

        tokens (B, T, width), own (B, n_own) -> (B, width).
        """
        pool = class_token if self.pooling == "cls" else mean_of_data
        return pool(tokens, own)


def require_clip(n_frames: int, patch_size: int, pooling: str) -> None:
    """Refuse clips that patches do not fill, and another way to pool than the two there are."""
    if pooling not in ("cls", "mean") or patch_size < 1 or n_frames < 1 or n_frames % patch_size:
        raise InputError(
            f"'n_frames' of {NAME} must be a multiple of 'patch_size', and 'pooling' 'cls' or "
            "'mean'",
            got=f"{n_frames}, {patch_size} and {pooling!r}",
            remedy="Correct backbone_params['architecture']",
        )


def settle_clips(
    raws: Iterable[RoiSeries],
    *,
    n_clips: int | str = N_CLIPS,
    n_rois: int = 400,
    n_frames: int = 16,
    **unknown: Any,
) -> dict[str, Any]:
    """Return the options of ``prepare``; the order of regions is known of the released size."""
    require_known_params(unknown, NAME, "'n_clips' and 'architecture'")
    is_number = isinstance(n_clips, int) and not isinstance(n_clips, bool) and n_clips > 0
    if n_clips != ALL and not is_number:
        raise InputError(
            f"'n_clips' in backbone_params of {NAME} must be a number from 1, or {ALL!r}",
            got=repr(n_clips),
            remedy=f"Leave it out for {N_CLIPS}",
        )
    layout = getattr(raws, "layout", None)
    if n_rois == 400 and layout is not None:
        require_schaefer_regions(layout, NAME)
    return {"n_clips": n_clips, "n_rois": n_rois, "n_frames": n_frames}


def standardise_regions(values: np.ndarray) -> np.ndarray:
    """Return every region's standard scores over the run, 0 of one that does not vary."""
    spread = values.std(axis=0)
    scores = (values - values.mean(axis=0)) / np.maximum(spread, SMALLEST_SPREAD)
    return np.where(spread > SMALLEST_SPREAD, scores, 0.0)


def interpolate_linearly(values: np.ndarray, t_r: float) -> np.ndarray:
    """Return frames 1 s apart, (n_frames, n_rois), between the volumes as the authors' code does.

    Frames and volumes share both ends of the run, and a frame lies in the middle of its second.
    """
    if abs(t_r - STEP) <= TOLERANCE:
        return values
    n_volumes = len(values)
    n_frames = max(1, round(t_r * n_volumes / STEP))
    place = (np.arange(n_frames) + 0.5) * n_volumes / n_frames - 0.5
    place = np.clip(place, 0, n_volumes - 1)
    below = place.astype(int)
    above = np.minimum(below + 1, n_volumes - 1)
    share = (place - below)[:, None]
    return (1 - share) * values[below] + share * values[above]


def normalise_frames(frames: np.ndarray) -> np.ndarray:
    """Return every frame's standard scores over the regions, cut at 3."""
    spread = frames.std(axis=1, ddof=1, keepdims=True) + SMALLEST_SPREAD
    scores = (frames - frames.mean(axis=1, keepdims=True)) / spread
    return np.clip(scores, -LARGEST_VALUE, LARGEST_VALUE)


def cut_clips(frames: np.ndarray, n_frames: int, n_clips: int | str) -> np.ndarray:
    """Return clips, evenly spread over a run; all of those that lie side by side.

    frames (n_rois, n) -> (n_clips, n_rois, n_frames).
    """
    n_whole = frames.shape[1] // n_frames
    if n_whole == 0:
        raise TimeSeriesError(
            f"{NAME} reads clips of {n_frames} s",
            got=f"a run of {frames.shape[1]} s",
            remedy="Leave the cell empty",
        )
    if n_clips == ALL:
        starts = np.arange(n_whole) * n_frames
    else:
        count = min(int(n_clips), n_whole)
        # Each in the middle of its share of the run.
        middle = (np.arange(count) + 0.5) * frames.shape[1] / count
        starts = middle - n_frames / 2
    return np.stack([frames[:, start : start + n_frames] for start in starts.astype(int)])


register_backbone(
    BackboneCard(
        NAME,
        modality="fmri",
        home="adestim.modalities.fmri.models.cortex_mae:CortexMAEParcel",
        family="ViT",
        n_parameters=85_370_880,
        hub="medarc/CortexMAE",
        filename="input_space_v3/schaefer400_lr3e-4_1/pretrain/checkpoint-last.pth",
        url="https://huggingface.co/medarc/CortexMAE",
        licence="CC BY-NC 4.0",
        commercial=False,
        cohorts=("HCP Young Adult",),
        reference="Lane et al. (2026). Scaling vision transformers for functional MRI. ICML.",
        needs=('parcellation="schaefer400_17networks.nii.gz"', "labels=region_names"),
    )
)
