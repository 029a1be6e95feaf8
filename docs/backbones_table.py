"""Writes the tables of ``backbones.md``: python docs/backbones_table.py."""

from pathlib import Path

from adestim.backbone.registry import find_card, names_of

PAGE = Path(__file__).with_name("backbones.md")
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
HEAD = (
    "backbone", "family", "parameters", "licence", "commercial use", "weights", "pre-trained on",
    "the line to use it",
)  # fmt: skip
TITLES = {
    "smri": "Structural MRI: `SMRIExtractor`",
    "freesurfer": "FreeSurfer and FastSurfer: `FreeSurferExtractor`",
    "pet": "PET: `PETExtractor`",
    "fmri": "Functional MRI: `FMRIExtractor`",
    "clinical": "Clinical records: `ClinicalExtractor`",
    "genetics": "Genetics: `GeneticsExtractor`",
}
# What the line to use a model does otherwise than its pre-training.
NOTES = {
    "brainmvp": "at 1 mm, where the line reads 2 mm: `backbone_params={\"resolution\": 1.0}` reads 1 mm",
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
    address = f"https://huggingface.co/{card.hub}" if card.hub else card.url
    place = "Hugging Face hub, by itself" if card.hub else "by hand, pass `weights=`"
    return f"[{place}]({address})" if address else "a folder or a name on the hub"


def pretraining(card):
    """Return what a model was pre-trained on, and what its line does otherwise."""
    cohorts = "; ".join(card.cohorts) or ("nothing" if not card.home else "not stated")
    return f"{cohorts}; {NOTES[card.name]}" if card.name in NOTES else cohorts


def row(card):
    """Return one line of a table."""
    cells = [
        f"`{card.name}`",
        card.family,
        size(card.n_parameters),
        card.licence,
        {True: "yes", False: "no", None: "not stated"}[card.commercial],
        link(card),
        pretraining(card),
        f"`{card.use}`",
    ]
    return line(cells)


def line(cells):
    """Return cells as one line of Markdown."""
    return f"| {' | '.join(cells)} |"


def cards_of(modality):
    """Return the package's own cards of a modality, the built-in one first."""
    cards = [find_card(name, modality) for name in names_of(modality)]
    own = [card for card in cards if not card.home or card.home.startswith("adestim.")]
    return sorted(own, key=lambda card: bool(card.home))


def table(head, rows):
    """Return a table as Markdown."""
    return "\n".join([line(head), line(["---"] * len(head)), *rows, ""])


def tables():
    """Return a table a modality."""
    return "\n".join(
        f"### {title}\n\n{table(HEAD, [row(card) for card in cards_of(modality)])}"
        for modality, title in TITLES.items()
    )


def renewed(path, text):
    """Return a page with what is between its marks renewed."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}"


def pages():
    """Return the page with its tables renewed, by path."""
    return {PAGE: renewed(PAGE, tables())}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
