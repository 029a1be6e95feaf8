"""Weights by name: from a path, or from the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from adestim.backbone.registry import BackboneCard
from adestim.exceptions import CheckpointError

__all__ = ["resolve_weights"]


def resolve_weights(card: BackboneCard, weights: str | Path | None) -> Path:
    """Return the file of a backbone's weights.

    Parameters
    ----------
    card : BackboneCard
        The backbone.
    weights : str, path-like or None
        A path; None for the hub.

    Returns
    -------
    Path

    Raises
    ------
    CheckpointError
        When the weights are neither at the path nor on the hub.
    """
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.exists():
            raise CheckpointError(
                f"weights= of backbone {card.name!r} must be an existing file",
                got=str(path),
                remedy=f"Get it from {card.url or card.hub}",
            )
        return path
    raise CheckpointError(
        f"Backbone {card.name!r} needs its weights",
        remedy=f"Get {card.filename} from {card.url or card.hub} and pass its path as weights=",
    )
