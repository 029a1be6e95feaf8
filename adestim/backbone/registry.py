"""The registry: which backbones there are, where their weights are, what they may be used for."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pandas as pd

from adestim.exceptions import InputError

__all__ = ["BackboneCard", "find_card", "list_backbones", "register_backbone"]

MODALITIES = ("smri", "fmri", "clinical", "genetics")


@dataclass(frozen=True)
class BackboneCard:
    """What is known of a backbone.

    Parameters
    ----------
    name : str
        The word that selects it, in lower case.
    modality : {"smri", "fmri", "clinical", "genetics"}
        The modality it reads.
    home : str, default=""
        Importable name of its class, ``"package.module:Class"``; empty for the built-in
        reference backbones.
    architecture : mapping, default={}
        Parameters of the class at the released size.
    n_parameters : int, default=0
        Number of weights of the encoder.
    hub : str, default=""
        Repository on the Hugging Face hub; empty where it is not there.
    filename : str, default=""
        File in that repository, or name of the file to download elsewhere.
    revision : str, default="main"
        Revision of the repository.
    sha256 : str, default=""
        SHA-256 of the released file, where it is known.
    url : str, default=""
        Page where the weights are.
    licence : str, default=""
        Licence of the weights.
    commercial : bool or None, default=None
        Whether the licence allows commercial use; None where none is stated.
    cohorts : tuple of str, default=()
        What it was pre-trained on: evaluating on the same people is a leak.
    reference : str, default=""
        Paper.
    """

    name: str
    modality: str
    home: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    n_parameters: int = 0
    hub: str = ""
    filename: str = ""
    revision: str = "main"
    sha256: str = ""
    url: str = ""
    licence: str = ""
    commercial: bool | None = None
    cohorts: tuple[str, ...] = ()
    reference: str = ""

    def backbone_class(self) -> type:
        """Import and return the class."""
        return import_class(self.home)


def import_class(home: str) -> type:
    """Return the class of an importable name, ``"package.module:Class"``."""
    module, _, name = home.partition(":")
    return getattr(import_module(module), name)


_CARDS: dict[str, BackboneCard] = {}


def register_backbone(card: BackboneCard) -> None:
    """Make a backbone selectable by its name.

    Parameters
    ----------
    card : BackboneCard
        What is known of it.

    Raises
    ------
    InputError
        When another backbone bears the name.
    """
    known = _CARDS.get(card.name)
    if known is not None and known.home != card.home:
        raise InputError(
            "Every backbone needs a name of its own", got=repr(card.name), remedy="Choose another"
        )
    _CARDS[card.name] = card


def find_card(name: str, modality: str) -> BackboneCard | None:
    """Return the card of a backbone of a modality, or None."""
    discover()
    card = _CARDS.get(name)
    return card if card is not None and card.modality == modality else None


def names_of(modality: str) -> list[str]:
    """Return the names of a modality's backbones."""
    discover()
    return sorted(name for name, card in _CARDS.items() if card.modality == modality)


def discover() -> None:
    """Import every model file of the modalities' folders, each of which registers its cards."""
    for modality in MODALITIES:
        package = import_module(f"adestim.{modality}")
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            import_module(found.name)


def list_backbones(modality: str | None = None) -> pd.DataFrame:
    """Return the table of all backbones.

    Parameters
    ----------
    modality : {"smri", "fmri", "clinical", "genetics"} or None, default=None
        Only those of one modality; None for all.

    Returns
    -------
    DataFrame
        One row a backbone, with its modality, size, licence, source and pre-training cohorts.
    """
    discover()
    cards = [card for card in _CARDS.values() if modality in (None, card.modality)]
    rows = {
        card.name: {
            "modality": card.modality,
            "parameters": card.n_parameters,
            "licence": card.licence,
            "commercial": card.commercial,
            "weights": card.hub or card.url,
            "pretrained_on": ", ".join(card.cohorts),
        }
        for card in cards
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("backbone")
