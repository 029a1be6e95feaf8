"""What a checkpoint of TabICL says of its own sizes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adestim.backbone.contract import sizes_of
from adestim.backbone.weights.files import read_checkpoint
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError
from adestim.modalities.clinical.models.tabicl import NAME, TabICLRows

# What all released checkpoints have, and the layers here.
FIXED = {"norm_first": True, "activation": "gelu"}


def read_sizes(weights: Path, trust_pickle: bool) -> dict[str, Any]:
    """Return the sizes that a checkpoint's configuration holds; none of another model's file."""
    # On the meta device the numbers themselves are not read.
    import torch

    with torch.device("meta"):
        config = read_checkpoint(weights, trust_pickle).get("config")
    if not isinstance(config, Mapping):
        return {}
    for key, value in FIXED.items():
        if config.get(key, value) != value:
            raise CheckpointError(
                f"A checkpoint of TabICL must have {key}={value!r} in its configuration",
                got=repr(config[key]),
                remedy="Pass one that the authors of TabICL released",
            )
    known = sizes_of(TabICLRows, BackboneSpec(NAME))
    return {key: config[key] for key in known if key in config}
