"""A foundation model of cubes of voxels."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from adestim.modalities.asl.reader import AFFINE, SHAPE
from torch import nn

from adestim.backbone import Backbone, BackboneCard, CheckpointLayout, register_backbone
from adestim.backbone.attention import Attention
from adestim.backbone.contract import sizes_of
from adestim.encoding.places import lay_on_grid


class Cubes(Backbone):
    """Attention among cubes of voxels."""

    lora_targets: ClassVar[tuple[str, ...]] = ("mix.out",)
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout()
    n_stand_in: int = 8

    def __init__(self, edge: int = 4, width: int = 16):
        super().__init__()
        self.width = self.width_out = width
        self.patch = nn.Conv3d(1, width, edge, stride=edge)
        self.mix = Attention(width, n_heads=2)

    @classmethod
    def learn(cls, raws: Iterable[Any], **params: Any) -> dict[str, Any]:
        """Settle nothing."""
        return params

    @staticmethod
    def prepare(raw: np.ndarray) -> np.ndarray:
        """Return a volume with a channel."""
        return raw[None]

    def embed(self, inputs):
        """Return a token a cube."""
        return self.patch(inputs).flatten(2).transpose(1, 2)

    def encode(self, tokens, log_mask, n_own):
        """Mix the cubes."""
        return tokens + self.mix(tokens, tokens, log_mask)

    @classmethod
    def place_tokens(cls, tokens, spec):
        """Return the cubes."""
        edge = sizes_of(cls, spec)["edge"]
        return lay_on_grid(tokens, [length // edge for length in SHAPE], edge * AFFINE[0, 0])


register_backbone(
    BackboneCard(
        "asl-cubes",
        "asl",
        home=Cubes,
        family="ViT",
        architecture={"edge": 4, "width": 16},
        filename="cubes.safetensors",
    )
)
