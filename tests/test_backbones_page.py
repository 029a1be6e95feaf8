"""The page about backbones says what the registry says."""

import runpy
from pathlib import Path

import pytest

from adestim.backbone import find_card
from adestim.backbone.registry import modalities, names_of

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = ("docs/backbones.md",)


def cards():
    """Return the cards of the package."""
    every = [find_card(name, modality) for modality in modalities() for name in names_of(modality)]
    return [card for card in every if not card.home or card.home.startswith("adestim.")]


def pages():
    """Return the pages with tables of backbones, as they should be, by path."""
    return runpy.run_path(str(DOCS / "backbones_table.py"))["pages"]()


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_are_those_of_the_registry(page):
    path = DOCS.parent / page
    assert path.read_text(encoding="utf-8") == pages()[path], "run python docs/backbones_table.py"


@pytest.mark.parametrize("page", PAGES)
def test_every_model_has_one_row_with_the_line_to_use_it(page):
    lines = (DOCS.parent / page).read_text(encoding="utf-8").splitlines()
    for card in cards():
        rows = [line for line in lines if line.startswith(f"| `{card.name}` |")]
        assert len(rows) == 1, card.name
        assert rows[0].endswith(f"| `{card.use}` |"), card.name
        assert rows[0].count(" | ") == 7, card.name


def test_every_foundation_model_says_its_licence_and_where_its_weights_are():
    silent = [
        card.name
        for card in cards()
        if card.home and not (card.licence and (card.hub or card.url or "own" in card.licence))
    ]
    assert not silent


def test_every_foundation_model_says_what_it_was_pretrained_on():
    silent = [card.name for card in cards() if card.home and not card.cohorts]
    assert silent == ["language-model"]
