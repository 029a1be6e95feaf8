"""The page about backbones says what the registry says."""

import runpy
from pathlib import Path

from adestim.backbone.registry import MODALITIES, find_card, names_of

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_table_is_that_of_the_registry():
    written = (DOCS / "backbones.md").read_text(encoding="utf-8")
    renewed = runpy.run_path(str(DOCS / "backbones_table.py"))["page"]()
    assert written == renewed, "run python docs/backbones_table.py"


def test_every_foundation_model_says_its_licence_and_where_its_weights_are():
    cards = [find_card(name, modality) for modality in MODALITIES for name in names_of(modality)]
    silent = [
        card.name
        for card in cards
        if card.home.startswith("adestim.")
        and not (card.licence and (card.hub or card.url or "own" in card.licence))
    ]
    assert not silent
