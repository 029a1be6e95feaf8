"""NeuroVFM: a vision transformer over patches of 16 x 16 x 16 mm, pre-trained on clinical scans.

Re-implemented from the published code (MLNeurosurg/neurovfm). The weights are CC BY-NC-SA 4.0 and
not part of this package. What reads a T1-weighted volume is offered; CT windows are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import heads_of, masked_attention
from adestim.backbone.contract import Backbone
from adestim.backbone.registry import BackboneCard, register_backbone
from adestim.backbone.weights.layout import CheckpointLayout
from adestim.exceptions import InputError
from adestim.modalities.smri.models.intensity import require_brain
from adestim.modalities.smri.models.neurovfm_patches import cut_patches, resample_slices
from adestim.modalities.smri.models.preparation import choose_options

NAME = "neurovfm"
# Depth first: four slices of 16 x 16 voxels.
PATCH_SIZE = (4, 16, 16)
N_VOXELS = 4 * 16 * 16
# Of all magnetic resonance images of the pre-training, in intensities from 0 to 1.
MEAN, SPREAD = 0.3141, 0.2623
LARGEST_PERIOD = 10_000.0
SLICES = ("as-acquired", "axial")


class NeuroVFM(Backbone):
    """The encoder of NeuroVFM.

    An input holds the patches of a volume that lie within the head or the brain, each behind its
    place on the grid of patches; volumes have different numbers of them. A token is a linear map of
    a patch, with sines of its place beside. Auxiliary tokens join the patches' before the first
    block.

    Kondepudi et al. (2025). Health system learning achieves generalist neuroimaging models.
    arXiv:2511.18640. Code: github.com/MLNeurosurg/neurovfm.
    """

    block_list: str = "blocks"
    lora_targets: ClassVar[tuple[str, ...]] = ("mixer.qkv", "mixer.proj", "mlp.fc1", "mlp.fc2")
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        wrappers=("state_dict",),
        prefixes=("model.", "student.", "vision_encoder."),
        ignored=("pos_embed.", "predictor.", "teacher."),
        fingerprint=("token_embed.proj.weight", "blocks.0.mixer.qkv.weight"),
    )

    def __init__(
        self,
        width: int = 768,
        position_width: int = 30,
        depth: int = 12,
        n_heads: int = 12,
        mlp_ratio: int = 4,
    ):
        super().__init__()
        require_widths(width, position_width)
        self.width = self.width_out = width
        self.position_width = position_width
        self.token_embed = PatchProjection(width - position_width)
        self.blocks = nn.ModuleList(MixerBlock(width, n_heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    @classmethod
    def learn(cls, raws: Iterable[Any], **params: Any) -> dict[str, Any]:
        """Return along which axis slices lie; all else is the model's."""
        options = choose_options(NAME, {"slices": "axial"}, params)
        if options["slices"] not in SLICES:
            raise InputError(
                f"'slices' in backbone_params of {NAME} must be one of {SLICES}",
                got=repr(options["slices"]),
                remedy="Leave it out for 'axial'",
            )
        return options

    @staticmethod
    def prepare(raw: Any, **options: Any) -> np.ndarray:
        """Bring a volume to slices of 4 mm, and cut the patches within the head out of it.

        -> (n_patches, 3 + 1024): places on the grid, then standardised intensities.
        """
        require_brain(raw)
        places, patches = cut_patches(resample_slices(raw, options["slices"]), PATCH_SIZE)
        patches = (patches - np.float32(MEAN)) / np.float32(SPREAD)
        return np.concatenate([places, patches], axis=1).astype(np.float32)

    def collate(self, inputs: Sequence[np.ndarray]) -> Tensor:
        """Pad the subjects' patches, at place -1."""
        rows = [torch.from_numpy(np.asarray(item)) for item in inputs]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1.0)

    def own_mask(self, inputs: Tensor) -> Tensor:
        """Return which patches are there, (B, T)."""
        return inputs[:, :, 0] >= 0

    def embed(self, inputs: Tensor) -> Tensor:
        """Return tokens with the sines of their places, (B, T, width)."""
        places, patches = inputs[:, :, :3], inputs[:, :, 3:]
        tokens = self.token_embed(patches)
        return torch.cat([tokens, place_sines(places, self.position_width).to(tokens)], dim=2)

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Return normalised tokens, auxiliary ones too."""
        return self.norm(self.run_blocks(tokens, log_mask, n_own))


class PatchProjection(nn.Module):
    """A linear map of a patch's voxels."""

    def __init__(self, width: int):
        super().__init__()
        self.proj = nn.Linear(N_VOXELS, width)

    def forward(self, patches: Tensor) -> Tensor:
        """Return (B, T, width) of patches (B, T, n_voxels)."""
        return self.proj(patches)


class MixerBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, n_heads: int, mlp_ratio: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.mixer = Mixer(width, n_heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = ApproximateMLP(width, mlp_ratio * width)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Return tokens of the same shape."""
        x = x + self.mixer(self.norm1(x), log_mask)
        return x + self.mlp(self.norm2(x))


class Mixer(nn.Module):
    """Multi-head self-attention under a log-mask, its output without a bias."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = heads_of(width, n_heads)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        """Return mixed tokens (B, T, C)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(masked_attention(q, k, v, log_mask).transpose(1, 2).flatten(2))


class ApproximateMLP(nn.Module):
    """Two layers with a GELU by its hyperbolic tangent between them, as flash-attn's fused one."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


def place_sines(places: Tensor, width: int) -> Tensor:
    """Return sines and cosines by turns of three coordinates, at falling frequencies, axis by axis.

    places (B, T, 3) -> (B, T, width).
    """
    per_axis = width // 3
    steps = torch.arange(0, per_axis, 2, device=places.device, dtype=torch.float32)
    angles = places.float()[..., None] * LARGEST_PERIOD ** -(steps / per_axis)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(2)


def require_widths(width: int, position_width: int) -> None:
    """Refuse positions that three axes cannot share, or that leave no room for the patch."""
    if position_width < 6 or position_width % 6 or position_width >= width:
        raise InputError(
            f"'position_width' of {NAME} must be a multiple of 6 below 'width'",
            got=f"{position_width} of {width}",
            remedy="Correct backbone_params['architecture']",
        )


register_backbone(
    BackboneCard(
        NAME,
        modality="smri",
        home="adestim.modalities.smri.models.neurovfm:NeuroVFM",
        family="ViT",
        n_parameters=85_803_234,
        hub="mlinslab/neurovfm-encoder",
        filename="pytorch_model.bin",
        url="https://huggingface.co/mlinslab/neurovfm-encoder",
        licence="CC BY-NC-SA 4.0",
        commercial=False,
        cohorts=("5.24 million clinical MRI and CT volumes of Michigan Medicine",),
        reference="Kondepudi et al. (2025). Health system learning achieves generalist "
        "neuroimaging models. arXiv:2511.18640.",
    )
)
