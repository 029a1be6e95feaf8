"""Brain-JEPA: a vision transformer over 450 regions and 160 frames, some six minutes of rest.

Re-implemented from the published code (Eric-LRL/Brain-JEPA). The weights and the table of
gradients bear no licence and are not part of this package: the user passes their paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import heads_of, masked_attention
from adestim.backbone.contract import sizes_of
from adestim.backbone.registry import BackboneCard, register_backbone
from adestim.backbone.weights.checkpoint import load_strict, read_state
from adestim.backbone.weights.layout import CheckpointLayout
from adestim.encoding import BackboneSpec
from adestim.encoding.places import TokenPlaces, share_among_parcels
from adestim.exceptions import InputError
from adestim.modalities.fmri.models.position_tables import (
    PositionTable,
    read_region_table,
    require_released_table,
    require_same_table,
    require_table_named,
)
from adestim.modalities.fmri.models.resampling import require_known_params, require_usable, resample
from adestim.modalities.fmri.models.roi_order import require_tian_schaefer_regions
from adestim.modalities.fmri.models.scaling import (
    learn_baselines,
    normalise_values,
    question_baseline,
    require_normalization,
)
from adestim.modalities.fmri.models.windows import (
    MIDDLE,
    WindowedBackbone,
    count_frames,
    cut_windows,
    require_windows,
    tile_places,
)
from adestim.modalities.fmri.timeseries import RoiSeries

NAME = "brain-jepa"
# In s, some 2.2: pre-training spread 160 frames evenly over 480 of UK Biobank's 0.735 s.
STEP = 479 / 159 * 0.735
GRADIENTS = PositionTable(
    NAME,
    key="gradients",
    what="table of gradients",
    file="data/gradient_mapping_450.csv",
    repository="github.com/Eric-LRL/Brain-JEPA",
    shape=(450, 30),
    sha256="c9bc667e49aae442e12607bee8be86c31c330f2844cf72e7c84b16de312ed007",
)
PARAMS = "'gradients', 'gradients_sha256', 'normalization', 'windows' and 'architecture'"
TIME_TABLE = "pos_embed_proj.emb_h"


class PatchEmbedding(nn.Module):
    """Every region's consecutive frames as one token."""

    def __init__(self, patch_size: int, width: int):
        super().__init__()
        self.proj = nn.Conv2d(1, width, kernel_size=(1, patch_size), stride=(1, patch_size))

    def forward(self, series: Tensor) -> Tensor:
        """Return tokens (B, n_rois * n_patches, width) of series (B, n_rois, n_frames)."""
        return self.proj(series[:, None]).flatten(2).transpose(1, 2)


class GradientPositions(nn.Module):
    """Positions: sines of the time patch, and the region's place on the functional gradients."""

    def __init__(self, n_rois: int, n_time_patches: int, n_gradients: int, width: int):
        super().__init__()
        self.n_time_patches = n_time_patches
        self.register_buffer("emb_h", torch.zeros(n_rois * n_time_patches, width // 2))
        self.predictor_pos_embed_proj = nn.Linear(n_gradients, width - width // 2)

    def forward(self, gradients: Tensor) -> Tensor:
        """Return (n_rois * n_patches, width), in full precision, from (n_rois, n_gradients)."""
        linear = self.predictor_pos_embed_proj
        with torch.autocast(gradients.device.type, enabled=False):
            mapped = F.linear(gradients.float(), linear.weight.float(), linear.bias.float())
        low, high = mapped.min(), mapped.max()
        mapped = 2 * (mapped - low) / (high - low) - 1
        return torch.cat([self.emb_h, mapped.repeat_interleave(self.n_time_patches, 0)], dim=1)


class SelfAttention(nn.Module):
    """Self-attention with one layer for queries, keys and values."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = heads_of(width, n_heads)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Mix tokens (B, T, C) under a log-mask (B, T)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(masked_attention(q, k, v, log_mask).transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Two layers with a GELU between them."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map every token by itself."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, n_heads: int, mlp_ratio: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = SelfAttention(width, n_heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, mlp_ratio * width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Update tokens (B, T, C)."""
        x = x + self.attn(self.norm1(x), log_mask)
        return x + self.mlp(self.norm2(x))


class BrainJEPA(WindowedBackbone):
    """The target encoder of Brain-JEPA.

    Token number ``roi * n_time_patches + patch`` stands for a region's frames of one time patch.
    Positions do not depend on the input; they are made from the table of gradients, so that they
    stay right where their projection is trained.

    Dong et al. (2024). Brain-JEPA: brain dynamics foundation model with gradient positioning
    and spatiotemporal masking. NeurIPS. Code: github.com/Eric-LRL/Brain-JEPA.
    """

    block_list: str = "blocks"
    lora_targets: ClassVar[tuple[str, ...]] = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        wrappers=("target_encoder", "model"),
        prefixes=("module.", "encoder."),
        ignored=("fc_norm.", "head."),
        fingerprint=(TIME_TABLE, "pos_embed_proj.predictor_pos_embed_proj.weight"),
    )

    def __init__(
        self,
        n_rois: int = 450,
        n_time_patches: int = 10,
        patch_size: int = 16,
        n_gradients: int = 30,
        width: int = 768,
        depth: int = 12,
        n_heads: int = 12,
        mlp_ratio: int = 4,
    ):
        super().__init__()
        require_frames(n_time_patches, patch_size)
        self.width = self.width_out = width
        self.n_window_tokens = n_rois * n_time_patches
        self.patch_embed = PatchEmbedding(patch_size, width)
        self.pos_embed_proj = GradientPositions(n_rois, n_time_patches, n_gradients, width)
        self.blocks = nn.ModuleList(Block(width, n_heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.register_buffer("gradients", torch.zeros(n_rois, n_gradients), persistent=False)

    @classmethod
    def files(cls, **params: Any) -> dict[str, str | Path]:
        """Return the path of the table of gradients."""
        return {"gradients": require_table_named(GRADIENTS, params.get("gradients"))}

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, Any]:
        """Return the numbers of regions and frames of an input, and of gradients."""
        sizes = {"n_rois": 450, "n_time_patches": 10, "patch_size": 16, "n_gradients": 30}
        sizes |= {name: architecture[name] for name in sizes if name in architecture}
        return {
            "n_frames": sizes["n_time_patches"] * sizes["patch_size"],
            "table": (sizes["n_rois"], sizes["n_gradients"]),
        }

    @classmethod
    def learn(cls, raws: Iterable[RoiSeries], **params: Any) -> dict[str, Any]:
        """Check the regions' order and the table of gradients; fit a robust scale if asked to."""
        return settle_options(raws, **params)

    @staticmethod
    def prepare(raw: RoiSeries, **options: Any) -> np.ndarray:
        """Normalise a run and take its middle frames, some 2.2 s apart, or all of them.

        -> (n_rois, n_frames); of all windows (n_windows, n_rois, n_frames).
        """
        require_usable(raw, options["n_rois"], NAME)
        if options["normalization"] == "scan":
            question_baseline(raw.values[:, raw.present], NAME)
        scale = (options["centre"], options["spread"])
        values = normalise_values(raw, options["normalization"], scale, NAME)
        n_frames, windows = options["n_frames"], options.get("windows", MIDDLE)
        n_all = count_frames(raw.n_volumes, raw.t_r, STEP, n_frames, windows)
        frames = resample(values, raw.t_r, STEP, n_all).T.astype(np.float32)
        return cut_windows(frames, n_frames, windows)

    @classmethod
    def place_tokens(cls, tokens: TokenPlaces, spec: BackboneSpec) -> TokenPlaces:
        """Return the parcels, each of several times."""
        sizes = sizes_of(cls, spec)
        mixing = np.kron(np.eye(sizes["n_rois"]), np.ones(sizes["n_time_patches"]))
        return share_among_parcels(tokens, tile_places(mixing, tokens))

    @classmethod
    def load(cls, spec: BackboneSpec) -> BrainJEPA:
        """Build the model and fill it with its weights, and with the table of gradients."""
        with torch.device("meta"):
            module = cls(**dict(spec.option("architecture", ())))
        state = read_state(spec.source("weights"), cls.checkpoint, spec.source("trust") == "pickle")
        load_strict(module, add_time_table(state, module), spec)
        path = Path(spec.source("gradients"))
        require_same_table(GRADIENTS, path, dict(spec.option("files", ())).get("gradients"))
        table = read_region_table(GRADIENTS, path, tuple(module.gradients.shape))
        module.gradients = torch.from_numpy(table)
        return module.eval()

    def embed_window(self, inputs: Tensor) -> Tensor:
        """Return tokens with positions, (B, n_rois * n_time_patches, width)."""
        return self.patch_embed(inputs) + self.pos_embed_proj(self.gradients)

    def encode_window(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run the blocks and the last norm; auxiliary tokens stay at the end."""
        return self.norm(self.run_blocks(tokens, log_mask, n_own))


def require_frames(n_time_patches: int, patch_size: int) -> None:
    """Refuse an input without frames."""
    if n_time_patches < 1 or patch_size < 1:
        raise InputError(
            f"'n_time_patches' and 'patch_size' of {NAME} must be at least 1",
            got=f"{n_time_patches} and {patch_size}",
            remedy="Correct backbone_params['architecture']",
        )


def settle_options(
    raws: Iterable[RoiSeries],
    *,
    gradients: str | Path,
    gradients_sha256: str | None = None,
    normalization: str | None = "scan",
    windows: str = MIDDLE,
    n_frames: int = 160,
    table: tuple[int, int] = GRADIENTS.shape,
    **unknown: Any,
) -> dict[str, Any]:
    """Return the options of ``prepare``; the order of regions is known of the released size."""
    require_known_params(unknown, NAME, PARAMS)
    require_normalization(normalization, NAME, "scan")
    require_windows(windows, NAME)
    require_released_table(GRADIENTS, gradients, gradients_sha256, table)
    layout = getattr(raws, "layout", None)
    if table[0] == GRADIENTS.shape[0] and layout is not None:
        require_tian_schaefer_regions(layout, NAME)
    scale: tuple = (None, None)
    if normalization == "robust":
        scale = learn_baselines(raws, table[0], NAME)
    options = {"n_rois": table[0], "n_frames": n_frames, "normalization": normalization}
    options |= dict(zip(("centre", "spread"), scale, strict=True))
    return options if windows == MIDDLE else {**options, "windows": windows}


def add_time_table(state: dict[str, Tensor], module: BrainJEPA) -> dict[str, Tensor]:
    """Return the state with a table of sines for the module's number of time patches."""
    wanted = module.pos_embed_proj.emb_h.shape
    found = state.get(TIME_TABLE)
    n_rois = module.gradients.shape[0]
    if found is None or found.shape == wanted or found.shape[1:] != wanted[1:]:
        return state
    if found.shape[0] % n_rois:
        return state
    sines = time_sines(module.pos_embed_proj.n_time_patches, wanted[1])
    return {**state, TIME_TABLE: sines.repeat(n_rois, 1).to(found.dtype)}


def time_sines(n_patches: int, width: int) -> Tensor:
    """Return sines, then cosines, of the patch's number at falling frequencies."""
    frequency = 10000.0 ** -(torch.arange(width // 2, dtype=torch.float64) / (width / 2))
    angle = torch.arange(n_patches, dtype=torch.float64)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1).float()


register_backbone(
    BackboneCard(
        NAME,
        modality="fmri",
        home="adestim.modalities.fmri.models.brain_jepa:BrainJEPA",
        family="ViT",
        n_parameters=86_808_960,
        filename="jepa-ep300.pth.tar",
        url="https://drive.google.com/drive/folders/1zoe5zjWkj2KY824XWTukrXxrMno2mlN5",
        licence="none stated",
        commercial=None,
        cohorts=("UK Biobank",),
        reference="Dong et al. (2024). Brain-JEPA. NeurIPS.",
        needs=(
            "parcellation=regions.image",
            "labels=regions.labels",
            'backbone_params={"gradients": "gradient_mapping_450.csv"}',
        ),
    )
)
