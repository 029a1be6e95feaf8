"""Where a fitted fusion comes from: backbones, weights, versions, seeds, splits."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

from adestim.backbone.pretraining_cohorts import names_cohort
from adestim.backbone.registry import BackboneCard, get_card
from adestim.inspection.tokens.view import fusion_of

PACKAGES = ("adestim", "numpy", "pandas", "scikit-learn", "skorch", "torch", "nibabel", "nilearn")
NOT_KNOWN = "not known"
BUILT_IN = "built in"
NOBODY = "nobody"
# Options of a name tag that say what was done to files before the model saw them.
DONE_BEFORE = ("brain_extraction", "registration")


def describe_backbones(estimator: Any, cohort: str | None = None) -> pd.DataFrame:
    """Return what is known of the backbones that a fitted fusion reads."""
    fusion = fusion_of(estimator)
    likes = fusion.inputs_.likes
    rows = {name: describe_backbone(likes[name].backbone, cohort) for name in fusion.modalities_}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("modality").fillna("nothing")


def describe_backbone(spec: Any, cohort: str | None) -> dict[str, str]:
    """Return what is known of one backbone."""
    card = get_card(spec.name)
    learned = spec.is_foundation
    seen = ", ".join(card.cohorts) if card is not None and card.cohorts else NOT_KNOWN
    row = {
        "backbone": spec.name,
        "weights": spec.digest or ("none" if not learned else NOT_KNOWN),
        "licence": (card.licence if card is not None else "") or say_unknown(learned),
        "commercial": say_commercial(card, learned),
        "pre-trained on": seen if learned else NOBODY,
        "source": (card.hub or card.url if card is not None else "") or say_unknown(learned),
    }
    done = say_done_before(spec)
    if done:
        row["done before"] = done
    if cohort is not None:
        row["cohort seen"] = "no" if not learned else say_seen(seen, cohort)
    return row


def say_done_before(spec: Any) -> str:
    """Return what was done to files before the model saw them; nothing where nothing was."""
    done = [(name, spec.option(name)) for name in DONE_BEFORE]
    return ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in done if value)


def say_unknown(learned: bool) -> str:
    """Return what stands for an unknown fact of a model, and for one of a plain table."""
    return NOT_KNOWN if learned else BUILT_IN


def say_commercial(card: BackboneCard | None, learned: bool) -> str:
    """Tell in a word whether commercial use is allowed."""
    if card is None or card.commercial is None:
        return NOT_KNOWN if learned else "yes"
    return "yes" if card.commercial else "no"


def say_seen(seen: str, cohort: str) -> str:
    """Tell in words whether a cohort is named among those of pre-training."""
    if seen == NOT_KNOWN:
        return NOT_KNOWN
    return "named" if names_cohort(seen, cohort) else "not named"


def list_versions() -> pd.Series:
    """Return versions of Python and of the packages that a prediction depends on."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return pd.Series(found, name="version")


def list_seeds(params: Mapping[str, Any]) -> pd.Series:
    """Return those of an estimator's parameters, at any depth, that are seeds."""
    found = {
        name: repr(value)
        for name, value in params.items()
        if name.split("__")[-1] == "random_state"
    }
    return pd.Series(found, name="seed", dtype=object)


def digest_training(nets: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what training has learned, frozen backbones left out."""
    digest = hashlib.sha256()
    for anchor, net in nets.items():
        for name, weights in net.module_.named_parameters():
            if weights.requires_grad:
                digest.update(f"{anchor}/{name}/{tuple(weights.shape)}".encode())
                digest.update(weights.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def say_training(nets: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what training has learned, or that it has left no net."""
    return digest_training(nets) if nets else "none, no net was kept"


def digest_splits(splits: Iterable[tuple[Any, Any]]) -> str:
    """Return the SHA-256 of the test rows of splits."""
    digest = hashlib.sha256()
    for _, test in splits:
        rows = np.sort(np.asarray(test)).astype("<i8")
        digest.update(len(rows).to_bytes(8, "little") + rows.tobytes())
    return digest.hexdigest()


def list_limits(backbones: pd.DataFrame, judged: bool) -> list[str]:
    """Return what a reader must know before anything is done with the model."""
    limits = [
        "For research. It is no medical device, and no decision about a person may rest on it.",
        "Scores hold for subjects recruited, examined and diagnosed as these were. Judge the model "
        "on another cohort before it is used there.",
        "Contributions and attributions say what the model does, not what causes the disease.",
        "Who lacks a modality is judged by the others, which is less certain: see the scores by "
        "pattern of modalities.",
    ]
    if not judged:
        limits.append("No scores of unseen subjects were given: how good it is is not known.")
    restricted = backbones.index[backbones["commercial"] == "no"]
    if len(restricted):
        limits.append(f"No commercial use: the licence of the backbone of {', '.join(restricted)}.")
    unknown = backbones.index[backbones["pre-trained on"] == NOT_KNOWN]
    if len(unknown):
        limits.append(
            "Whether test subjects were seen in pre-training is not known for "
            f"{', '.join(unknown)}."
        )
    seen = backbones.get("cohort seen", pd.Series(dtype=str))
    if (seen == "named").any():
        limits.append(
            "Subjects of this cohort may have been seen in pre-training by the backbone of "
            f"{', '.join(seen.index[seen == 'named'])}."
        )
    return limits
