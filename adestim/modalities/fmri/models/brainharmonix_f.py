"""BrainHarmonix-F: a vision transformer over 400 regions and patches of 35 s, at any rate.

Re-implemented from the published code (hzlab/Brain-Harmony). Its page states CC BY-NC-SA 4.0. The
weights and both tables of positions are not part of this package: the user passes their paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.contract import sizes_of
from adestim.backbone.registry import BackboneCard, register_backbone
from adestim.backbone.weights.checkpoint import load_strict, read_state
from adestim.backbone.weights.layout import CheckpointLayout
from adestim.encoding import BackboneSpec
from adestim.encoding.places import TokenPlaces, share_among_parcels
from adestim.modalities.fmri.models.brain_jepa import (
    Block,
    PatchEmbedding,
    require_frames,
    time_sines,
)
from adestim.modalities.fmri.models.position_tables import (
    PositionTable,
    read_region_table,
    require_released_table,
    require_same_table,
    require_table_named,
)
from adestim.modalities.fmri.models.resampling import require_known_params, require_usable
from adestim.modalities.fmri.models.roi_order import require_schaefer_regions
from adestim.modalities.fmri.models.scaling import (
    learn_baselines,
    normalise_values,
    question_baseline,
    require_normalization,
)
from adestim.modalities.fmri.models.windows import (
    MIDDLE,
    WindowedBackbone,
    cut_windows,
    require_windows,
    tile_places,
)
from adestim.modalities.fmri.timeseries import RoiSeries

NAME = "brainharmonix-f"
# In s: the repetition time of UK Biobank, at which a patch has the values of its filter.
STEP = 0.735
REPOSITORY = "github.com/hzlab/Brain-Harmony"
GRADIENTS = PositionTable(
    NAME,
    key="gradients",
    what="table of gradients",
    file="brainharmony_pos_embed/gradient_mapping_400.csv",
    repository=REPOSITORY,
    shape=(400, 30),
    sha256="c7142109e638d4577481b23e8ad1a003453077e2acc19714f219c21df877d29a",
)
EIGENMODES = PositionTable(
    NAME,
    key="eigenmodes",
    what="table of eigenmodes",
    file="brainharmony_pos_embed/schaefer400_roi_eigenmodes.csv",
    repository=REPOSITORY,
    shape=(400, 200),
    sha256="ad3c9159f3a57ac0188707c07af73b1541539fb558bfaf7977d2359a03ee8dde",
    framed=True,
)
SIZES = {
    "n_rois": 400, "n_time_patches": 18, "patch_size": 48, "n_gradients": 30, "n_modes": 200,
}  # fmt: skip
PARAMS = (
    "'gradients', 'gradients_sha256', 'eigenmodes', 'eigenmodes_sha256', 'normalization', "
    "'windows' and 'architecture'"
)


class HarmonicPositions(nn.Module):
    """Positions: sines of the time patch, and the region's place on gradients and eigenmodes."""

    def __init__(
        self, n_rois: int, n_time_patches: int, n_gradients: int, n_modes: int, width: int
    ):
        super().__init__()
        self.grad_proj = nn.Linear(n_gradients, width - width // 2)
        self.geo_harm_proj = nn.Linear(n_modes, width - width // 2)
        self.register_buffer("sines", time_sines(n_time_patches, width // 2), persistent=False)
        self.register_buffer("gradients", torch.zeros(n_rois, n_gradients), persistent=False)
        self.register_buffer("eigenmodes", torch.zeros(n_rois, n_modes), persistent=False)

    def forward(self) -> Tensor:
        """Return (n_rois * n_time_patches, width), in full precision."""
        with torch.autocast(self.gradients.device.type, enabled=False):
            mapped = map_fully(self.grad_proj, self.gradients)
            mapped = (mapped + map_fully(self.geo_harm_proj, self.eigenmodes)) / 2
        low, high = mapped.min(), mapped.max()
        mapped = 2 * (mapped - low) / (high - low) - 1
        n_rois, n_times = len(mapped), len(self.sines)
        places = mapped.repeat_interleave(n_times, 0)
        return torch.cat([self.sines.repeat(n_rois, 1), places], dim=1)


class BrainHarmonixF(WindowedBackbone):
    """The functional encoder of BrainHarmonix.

    Token number ``roi * n_time_patches + patch`` stands for a region's 35.3 s. At another
    repetition time than that of UK Biobank a patch has another number of volumes, to which the
    authors fit their filter by a pseudo-inverse of bicubic resizing (FlexiViT); here the same
    matrix brings the patch to the size of the filter, which gives the same tokens. Patches after
    the end of a run are closed.

    Dong et al. (2025). Brain Harmony: a multimodal foundation model unifying morphology and
    function into 1D tokens. NeurIPS. Code: github.com/hzlab/Brain-Harmony.
    """

    block_list: str = "blocks"
    lora_targets: ClassVar[tuple[str, ...]] = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        prefixes=("module.", "encoder_ema."),
        # Sines are made anew, since those in the file are of another number of patches.
        ignored=("encoder.", "decoder.", "pos_embed.emb_h_", "pos_embed.decoder_pos_embed_proj."),
        fingerprint=("pos_embed.geo_harm_proj.weight", "pos_embed.grad_proj.weight"),
    )

    def __init__(
        self,
        n_rois: int = 400,
        n_time_patches: int = 18,
        patch_size: int = 48,
        n_gradients: int = 30,
        n_modes: int = 200,
        width: int = 768,
        depth: int = 12,
        n_heads: int = 12,
        mlp_ratio: int = 4,
    ):
        super().__init__()
        require_frames(n_time_patches, patch_size)
        self.width = self.width_out = width
        self.patch_size = patch_size
        self.n_window_tokens = n_rois * n_time_patches
        self.patch_embed = PatchEmbedding(patch_size, width)
        self.pos_embed = HarmonicPositions(n_rois, n_time_patches, n_gradients, n_modes, width)
        self.blocks = nn.ModuleList(Block(width, n_heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    @classmethod
    def files(cls, **params: Any) -> dict[str, str | Path]:
        """Return the paths of the tables of gradients and of eigenmodes."""
        tables = (GRADIENTS, EIGENMODES)
        return {table.key: require_table_named(table, params.get(table.key)) for table in tables}

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, Any]:
        """Return the sizes of an input and of the tables."""
        return {name: architecture.get(name, size) for name, size in SIZES.items()}

    @classmethod
    def learn(cls, raws: Iterable[RoiSeries], **params: Any) -> dict[str, Any]:
        """Check the regions' order and both tables; fit the robust scale."""
        return settle_harmonix(raws, **params)

    @staticmethod
    def prepare(raw: RoiSeries, **options: Any) -> np.ndarray:
        """Normalise a run and bring every 35.3 s of it to the size of a patch.

        -> (n_rois, n_time_patches * patch_size), NaN after the end; of all windows
        (n_windows, n_rois, n_time_patches * patch_size).
        """
        require_usable(raw, options["n_rois"], NAME)
        if options["normalization"] == "scan":
            question_baseline(raw.values[:, raw.present], NAME)
        scale = (options["centre"], options["spread"])
        values = normalise_values(raw, options["normalization"], scale, NAME)
        patch_size, n_patches = options["patch_size"], options["n_time_patches"]
        n_volumes = max(1, round(patch_size * STEP / raw.t_r))
        windows = lay_out_windows(values.T, n_volumes, n_patches, options["windows"])
        return resize_patches(windows, n_volumes, patch_size).astype(np.float32)

    @classmethod
    def place_tokens(cls, tokens: TokenPlaces, spec: BackboneSpec) -> TokenPlaces:
        """Return the parcels, each of several times."""
        sizes = sizes_of(cls, spec)
        mixing = np.kron(np.eye(sizes["n_rois"]), np.ones(sizes["n_time_patches"]))
        return share_among_parcels(tokens, tile_places(mixing, tokens))

    @classmethod
    def load(cls, spec: BackboneSpec) -> BrainHarmonixF:
        """Build the model and fill it with its weights, and with both tables."""
        with torch.device("meta"):
            module = cls(**dict(spec.option("architecture", ())))
        state = read_state(spec.source("weights"), cls.checkpoint, spec.source("trust") == "pickle")
        load_strict(module, state, spec)
        positions = module.pos_embed
        positions.sines = time_sines(*positions.sines.shape)
        positions.gradients = read_same_table(GRADIENTS, spec, positions.gradients)
        positions.eigenmodes = read_same_table(EIGENMODES, spec, positions.eigenmodes)
        return module.eval()

    def own_mask(self, inputs: Tensor) -> Tensor:
        """Return which tokens are of a patch that the run reaches."""
        return ~inputs[..., :: self.patch_size].isnan().flatten(1)

    def embed_window(self, inputs: Tensor) -> Tensor:
        """Return tokens with positions, (B, n_rois * n_time_patches, width)."""
        return self.patch_embed(inputs.nan_to_num()) + self.pos_embed()

    def encode_window(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run the blocks and the last norm; auxiliary tokens stay at the end."""
        return self.norm(self.run_blocks(tokens, log_mask, n_own))


def map_fully(linear: nn.Linear, values: Tensor) -> Tensor:
    """Return what a layer makes of values, in full precision."""
    return F.linear(values.float(), linear.weight.float(), linear.bias.float())


def read_same_table(table: PositionTable, spec: BackboneSpec, like: Tensor) -> Tensor:
    """Return the numbers of the table that fit saw."""
    path = Path(spec.source(table.key))
    require_same_table(table, path, dict(spec.option("files", ())).get(table.key))
    return torch.from_numpy(read_region_table(table, path, tuple(like.shape)))


def settle_harmonix(
    raws: Iterable[RoiSeries],
    *,
    gradients: str | Path,
    eigenmodes: str | Path,
    gradients_sha256: str | None = None,
    eigenmodes_sha256: str | None = None,
    normalization: str | None = "robust",
    windows: str = MIDDLE,
    n_rois: int = 400,
    n_time_patches: int = 18,
    patch_size: int = 48,
    n_gradients: int = 30,
    n_modes: int = 200,
    **unknown: Any,
) -> dict[str, Any]:
    """Return the options of ``prepare``; the order of regions is known of the released size."""
    require_known_params(unknown, NAME, PARAMS)
    require_normalization(normalization, NAME, "robust")
    require_windows(windows, NAME)
    require_released_table(GRADIENTS, gradients, gradients_sha256, (n_rois, n_gradients))
    require_released_table(EIGENMODES, eigenmodes, eigenmodes_sha256, (n_rois, n_modes))
    layout = getattr(raws, "layout", None)
    if n_rois == SIZES["n_rois"] and layout is not None:
        require_schaefer_regions(layout, NAME)
    robust = normalization == "robust"
    centre, spread = learn_baselines(raws, n_rois, NAME) if robust else (None, None)
    return {
        "n_rois": n_rois,
        "n_time_patches": n_time_patches,
        "patch_size": patch_size,
        "normalization": normalization,
        "windows": windows,
        "centre": centre,
        "spread": spread,
    }


def lay_out_windows(values: np.ndarray, n_volumes: int, n_patches: int, windows: str) -> np.ndarray:
    """Return windows of patches of ``n_volumes``: the middle of a run, or all of it.

    A short run fills its last patch with zeros, as the authors do, and those after it with NaN.

    values (n_rois, n) -> (n_rois, n_patches * n_volumes); of all windows (n_windows, ...).
    """
    n_frames, n_over = n_patches * n_volumes, values.shape[1] - n_patches * n_volumes
    if n_over < 0:
        begun = np.pad(values, ((0, 0), (0, -values.shape[1] % n_volumes)))
        rest = ((0, 0), (0, n_frames - begun.shape[1]))
        values = np.pad(begun, rest, constant_values=np.nan)
    elif windows == MIDDLE:
        values = values[:, n_over // 2 : n_over // 2 + n_frames]
    return cut_windows(values, n_frames, windows)


def resize_patches(frames: np.ndarray, n_volumes: int, patch_size: int) -> np.ndarray:
    """Return every patch of ``n_volumes`` as ``patch_size`` values; frames (..., n)."""
    if n_volumes == patch_size:
        return frames
    patches = frames.reshape(*frames.shape[:-1], -1, n_volumes) @ patch_resizing(
        n_volumes, patch_size
    )
    return patches.reshape(*frames.shape[:-1], -1)


def patch_resizing(n_volumes: int, patch_size: int) -> np.ndarray:
    """Return the pseudo-inverse of bicubic resizing with antialiasing, (n_volumes, patch_size)."""
    basis = torch.eye(patch_size)[:, None, None]
    resized = F.interpolate(basis, (1, n_volumes), mode="bicubic", antialias=True)
    return np.linalg.pinv(resized[:, 0, 0].double().numpy(), rcond=1e-5)


register_backbone(
    BackboneCard(
        NAME,
        modality="fmri",
        home="adestim.modalities.fmri.models.brainharmonix_f:BrainHarmonixF",
        family="ViT",
        n_parameters=85_182_720,
        filename="model.pth",
        url="https://drive.google.com/drive/folders/12MkUAOcegU60YVlK8u8_Owmgk4eQVheB",
        licence="CC BY-NC-SA 4.0",
        commercial=False,
        cohorts=("UK Biobank", "ABCD"),
        reference="Dong et al. (2025). Brain Harmony. NeurIPS.",
        needs=(
            'parcellation="schaefer400_17networks.nii.gz"',
            "labels=region_names",
            'backbone_params={"gradients": "gradient_mapping_400.csv", '
            '"eigenmodes": "schaefer400_roi_eigenmodes.csv"}',
        ),
    )
)
