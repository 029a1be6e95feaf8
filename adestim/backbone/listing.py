"""The table of all backbones."""

from __future__ import annotations

from typing import Any

import pandas as pd

from adestim.backbone.registry import (
    BackboneCard,
    cards_of,
    modalities,
    require_modality,
)

# Beside the longest name, a column of so many letters fits into a terminal of 80.
WIDEST_COLUMN = 30


class BackboneTable(pd.DataFrame):
    """A frame that is printed with all its columns, one group below the other where need be.

    Names, which are there to be copied, are never shortened.
    """

    def __repr__(self) -> str:
        short = pd.DataFrame(
            {name: self[name].map(shorten_cell) for name in self}, index=self.index
        )
        with pd.option_context("display.max_columns", None, "display.max_colwidth", None):
            return repr(short)


def shorten_cell(cell: Any) -> Any:
    """Return a text as much of which as a column of a table shows."""
    too_long = isinstance(cell, str) and len(cell) > WIDEST_COLUMN
    return f"{cell[: WIDEST_COLUMN - 3]}..." if too_long else cell


def list_backbones(modality: str | None = None) -> pd.DataFrame:
    """Return the table of all backbones.

    Parameters
    ----------
    modality : {"smri", "fmri", "clinical", "genetics", "freesurfer", "pet"} or None, default=None
        Only those of one modality; None for all.

    Returns
    -------
    DataFrame
        One row a backbone: ``modality``, ``family`` (architecture), ``parameters`` (number of
        weights, <NA> where not known), ``commercial`` (whether the licence allows commercial use,
        <NA> where none is stated), ``licence``, ``weights`` (where they are), ``revision`` (on
        the Hugging Face hub), ``sha256`` (of the released file, where it is known),
        ``pretrained_on`` (cohorts, on whom evaluating is a leak), ``use`` (the line of Python to
        use it) and ``reference`` (paper). Long texts are shortened in print alone.

    Raises
    ------
    InputError
        When there is no such modality.

    Examples
    --------
    >>> from adestim import list_backbones
    >>> list_backbones("smri").loc["morphometry", ["modality", "licence", "weights"]]
    modality            smri
    licence     BSD-3-Clause
    weights         built in
    Name: morphometry, dtype: ...
    >>> list_backbones().loc["brainmvp", "use"]
    'SMRIExtractor(backbone="brainmvp", weights="BrainMVP_uniformer.pt")'
    """
    if modality is not None:
        require_modality(modality)
    cards = [
        card
        for one in (modalities() if modality is None else [modality])
        for card in sorted(cards_of(one), key=lambda card: (card.is_foundation, card.name))
    ]
    index = pd.Index([card.name for card in cards], name="backbone")
    table = pd.DataFrame([row_of(card) for card in cards], index=index)
    return BackboneTable(table.astype({"parameters": "Int64", "commercial": "boolean"}))


def row_of(card: BackboneCard) -> dict[str, Any]:
    """Return a card as a row of the table."""
    return {
        "modality": card.modality,
        "family": card.family,
        "parameters": card.n_parameters or None,
        "commercial": card.commercial,
        "licence": card.licence,
        "weights": (card.hub or card.url) if card.is_foundation else "built in",
        "revision": card.revision if card.hub else "",
        "sha256": card.sha256,
        "pretrained_on": ", ".join(card.cohorts),
        "use": card.use,
        "reference": card.reference,
    }
