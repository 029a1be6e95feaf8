"""Writes the table of ``backbones.md`` from the registry: python docs/backbones_table.py."""

from pathlib import Path

from adestim.backbone.registry import discover, find_card, names_of

PAGE = Path(__file__).with_name("backbones.md")
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
HEAD = "| backbone | parameters | licence | commercial use | weights | pre-trained on |"
TITLES = {
    "smri": "Structural MRI: `SMRIExtractor`",
    "fmri": "Functional MRI: `FMRIExtractor`",
    "clinical": "Clinical records: `ClinicalExtractor`",
    "genetics": "Genetics: `GeneticsExtractor`",
}


def size(n_parameters):
    """Return a number of parameters as people say it."""
    if n_parameters == 0:
        return "-"
    return f"{n_parameters / 1e9:.1f} B" if n_parameters >= 1e9 else f"{n_parameters / 1e6:.0f} M"


def link(card):
    """Return where the weights are, as a link."""
    if not card.home:
        return "none needed"
    address = card.url or (f"https://huggingface.co/{card.hub}" if card.hub else "")
    place = "Hugging Face hub, by itself" if card.hub else "by hand, pass `weights=`"
    return f"[{place}]({address})" if address else "a folder or a name on the hub"


def row(card):
    """Return one line of the table."""
    allowed = {True: "yes", False: "no", None: "not stated"}[card.commercial]
    cells = [
        f"`{card.name}`",
        size(card.n_parameters),
        card.licence,
        allowed,
        link(card),
        "; ".join(card.cohorts) or ("nothing" if not card.home else "not stated"),
    ]
    return f"| {' | '.join(cells)} |"


def tables():
    """Return the tables of all modalities as Markdown."""
    discover()
    parts = []
    for modality, title in TITLES.items():
        cards = [find_card(name, modality) for name in names_of(modality)]
        cards = [card for card in cards if not card.home or card.home.startswith("adestim.")]
        cards.sort(key=lambda card: bool(card.home))
        parts += [f"### {title}", "", HEAD, "|" + " --- |" * 6, *map(row, cards), ""]
    return "\n".join(parts)


def page():
    """Return the page with its tables renewed."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
