"""Sections of a report about modalities, anchors, tokens and single subjects."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd

from adestim.encoding.places import SCORE_TOKEN, TokenPlaces
from adestim.inspection.contribution.contribution import Contributions, modality_contributions
from adestim.inspection.contribution.counterfactual import what_if_missing
from adestim.inspection.contribution.deciding import deciding_anchor
from adestim.inspection.drawing.contribution_displays import (
    AnchorsDisplay,
    ContributionsDisplay,
    SynergyDisplay,
    describe_output,
)
from adestim.inspection.drawing.map_display import TokenMapDisplay
from adestim.inspection.drawing.token_displays import (
    AttributionDisplay,
    QueryAttentionDisplay,
    fold_records,
    name_unit,
)
from adestim.inspection.drawing.words_display import WordsDisplay
from adestim.inspection.report.gather import Material
from adestim.inspection.report.page import (
    make_axes,
    render_figure,
    render_figures,
    render_folded,
    render_note,
    render_paragraph,
    render_part,
    render_table,
)
from adestim.inspection.report.sections_members import explain_silence
from adestim.inspection.tokens.attention import query_attention
from adestim.inspection.tokens.attribution import TokenAttribution, attribute_class
from adestim.inspection.tokens.long_tables import average_known_values
from adestim.inspection.tokens.token_places import token_places

N_TOP = 10
MOST_BARS = 15
# A word of fewer records may be what one patient's note says.
MIN_SUBJECTS = 5
WORDS_A_LINE = 8
ON_BRAIN = ("regions", "grid", "parcels")
# Headings of what is drawn on a brain, and of what is drawn as bars or along the genome.
KINDS = {"regions": "Brain map", "grid": "Map of patches", "parcels": "Brain map"}
LISTS = {
    "regions": "Regions",
    "grid": "Patches",
    "parcels": "Parcels",
    "variants": "SNPs",
    "columns": "Columns and words",
}


def write_modalities(material: Material) -> str:
    """Return what modalities add, how they interact, and what were without them."""
    return render_part(write_contributions, material) + render_part(
        write_changes_if_missing, material
    )


def write_contributions(material: Material) -> str:
    """Return Shapley values of the cohort."""
    found = modality_contributions(
        material.fusion, material.explained, target=material.target, max_subjects=None
    )
    groups, seed = material.explained_groups, material.seed
    summary = found.summary(groups=groups, random_state=seed).rename_axis("modality")
    intro = render_paragraph(
        f"What every modality adds to {describe_output(found)}: exact Shapley values over all "
        f"subsets of modalities, hidden as missing ones are. Of {material.whom}."
    )
    table = render_table(word_headings(summary), "Contributions; interval of the mean absolute one")
    return intro + render_figures(draw_contributions(found, summary), wide=True) + table


def draw_contributions(found: Contributions, summary: pd.DataFrame) -> list[str]:
    """Return bars, strips and, of several modalities, synergies."""
    size = (5.6, 1.6 + 0.6 * len(summary))
    means = ", ".join(f"{name} {value:.2f}" for name, value in summary["mean_absolute"].items())
    figures = []
    for kind, title in (("bar", "mean absolute contributions"), ("strip", "a point a subject")):
        ax = ContributionsDisplay(found, kind).plot(make_axes(size)).ax_
        alt = f"Contributions of modalities, {title}. Mean absolute values: {means}."
        figures.append(render_figure(ax, alt, f"Contributions: {title}."))
    if len(summary) > 1:
        square = 2.6 + 0.7 * len(summary)
        ax = SynergyDisplay(found).plot(make_axes((square + 0.8, square - 0.2))).ax_
        alt = f"Interactions of pairs of modalities. {say_strongest_pair(found.interactions())}"
        figures.append(render_figure(ax, alt, "Synergy (above 0) and redundancy (below) of pairs."))
    return figures


def say_strongest_pair(matrix: pd.DataFrame) -> str:
    """Say which two modalities interact most."""
    values = matrix.to_numpy(dtype=float)
    if np.isnan(values).all():
        return "No subject has two modalities."
    row, column = np.unravel_index(np.nanargmax(np.abs(values)), values.shape)
    first, second = matrix.index[row], matrix.columns[column]
    return f"Strongest: {first} and {second}, {values[row, column]:.2f}."


def write_changes_if_missing(material: Material) -> str:
    """Return what would change if a modality were missing."""
    rows = {}
    for name in material.present:
        table = what_if_missing(material.fusion, material.explained, name, target=material.target)
        own = table[table["has"]]
        rows[name] = {
            "have it": len(own),
            "mean change": own["change"].mean(),
            "mean absolute change": own["change"].abs().mean(),
        }
        if "changed" in own:
            rows[name]["decisions that change"] = int(own["changed"].sum())
    what = "predicted number" if material.target is None else f"probability of {material.target}"
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("modality")
    counted = [name for name in ("have it", "decisions that change") if name in frame]
    caption = f"Change of the {what} if the modality were missing"
    return "<h3>If it were missing</h3>" + render_table(
        frame.astype(dict.fromkeys(counted, int)), caption
    )


def write_anchors(material: Material) -> str:
    """Return which anchor decides for how many, and whether anchors agree."""
    return render_part(write_deciding_anchors, material)


def write_deciding_anchors(material: Material) -> str:
    """Return the anchors' table and picture."""
    if silence := explain_silence(material.fusion):
        return render_note(f"No anchor decides. {silence}")
    decisions = deciding_anchor(material.fusion, material.explained)
    summary = decisions.summary().rename_axis("anchor")
    size = (4.2 + 0.8 * len(summary), 2 + 0.6 * len(summary))
    ax = AnchorsDisplay(decisions).plot(make_axes(size)).ax_
    words = "; ".join(f"{name} decides for {n}" for name, n in summary["n_decides"].items())
    intro = render_paragraph(
        "The deciding anchor of a subject has the largest product of its weight among the anchors "
        f"and how sure it is. Of {material.whom}."
    )
    figure = render_figure(ax, f"Agreement of anchors. {words}.") if len(summary) > 1 else ""
    return intro + figure + render_table(word_headings(summary), "Anchors")


def write_tokens(material: Material) -> str:
    """Return what counts within the modalities."""
    what = "the prediction" if material.anchor is None else f"the anchor {material.anchor!r}"
    intro = render_paragraph(
        f"Attribution (integrated gradients) says what {what} rests on, and attention what the "
        "queries of an anchor's nets read. What a modality's own linear model, phase 1, says of it "
        f"as a whole, intercepts included, stands as {SCORE_TOKEN!r}. Of {material.whom}."
    )
    attention = render_part(write_attention, material)
    return intro + attention + render_part(write_attributions, material)


def write_attention(material: Material) -> str:
    """Return what queries read."""
    if silence := explain_silence(material.fusion):
        return render_note(f"No attention is shown. {silence}")
    attention = query_attention(material.fusion, material.explained, anchor=material.anchor)
    ax = QueryAttentionDisplay(attention).plot(make_axes((6.2, 4.6))).ax_
    table = fold_records(attention, attention.frame()).reset_index(drop=True)
    top = table.loc[table["weight"].idxmax()]
    alt = f"Mean attention of queries of the anchor {attention.anchor} to tokens. "
    alt += f"Most: {top['modality']}, {top['token']}."
    return render_figure(ax, alt, f"What the queries of {attention.anchor} read most.")


def write_attributions(material: Material) -> str:
    """Return attributions of all tokens, and of each modality in its place."""
    found = attribute_class(material.view(material.rows), material.target)
    ax = AttributionDisplay(found).plot(make_axes((6.2, 4.6))).ax_
    table = fold_records(found, found.frame()).reset_index(drop=True)
    top = table.loc[table["mean_absolute"].idxmax()]
    alt = f"Mean absolute attributions of tokens. Most: {top['modality']}, {top['token']}."
    first = render_figure(ax, alt, "Tokens that add most to the output.")
    parts = [render_part(write_modality_tokens, material, found, name) for name in found.values]
    return first + "".join(parts)


def write_modality_tokens(material: Material, found: TokenAttribution, modality: str) -> str:
    """Return attributions of one modality where its tokens are, and its first tokens."""
    if modality in found.texts:
        return write_records(found, modality)
    values = found.values[modality]
    places = token_places(material.estimator, modality, n_tokens=values.shape[1] - 1)
    kind = (KINDS if lies_on_brain(places) else LISTS)[places.kind]
    heading = f"{kind}: {modality}"
    table = found.frame()
    table = table[(table["modality"] == modality) & (table["token"] != SCORE_TOKEN)]
    top = table.nlargest(N_TOP, "mean_absolute").set_index("token").drop(columns="modality")
    caption = f"Tokens of {modality} that add most, {len(top)} of {len(table)}; {name_unit(found)}"
    rows = render_table(word_headings(top), caption)
    picture = render_part(draw_places, found, places, top)
    words = write_words(found, modality) if modality in find_modalities_with_words(found) else ""
    return f"<h3>{escape(heading)}</h3>" + picture + rows + words


def write_records(found: TokenAttribution, modality: str) -> str:
    """Return attributions of one modality's records by column, and by common words."""
    columns = found.words("column")
    columns = columns[columns["modality"] == modality].drop(columns="modality")
    columns = columns.set_index("column").rename(index={"": "opening"})
    heading = f"<h3>{escape(LISTS['columns'])}: {escape(modality)}</h3>"
    table = render_table(
        word_headings(columns),
        f"Columns of {modality}, each its whole sentence; {name_unit(found)}",
    )
    return heading + write_words(found, modality) + table


def write_words(found: TokenAttribution, modality: str) -> str:
    """Return what common words of one modality's records or free text add."""
    words = found.words(min_subjects=MIN_SUBJECTS)
    words = words[words["modality"] == modality].drop(columns="modality")
    words = words.nlargest(N_TOP, "spread")
    table = render_table(
        word_headings(words.set_index("word")),
        f"Words of {modality} that stand in {MIN_SUBJECTS} records or more; {name_unit(found)}",
    )
    return (draw_words(found, modality, words["word"]) if len(words) else "") + table


def draw_words(found: TokenAttribution, modality: str, words: pd.Series) -> str:
    """Return the words whose attribution differs most between subjects, as bars."""
    size = (6.0, 1 + 0.2 * min(len(words), MOST_BARS))
    display = WordsDisplay(found, modality).plot(make_axes(size), min_subjects=MIN_SUBJECTS)
    alt = f"Words of {modality} whose attribution differs most between subjects. "
    first = ", ".join(words.head(3))
    return render_figure(display.ax_, f"{alt}First: {first}.", f"Words of {modality}.")


def find_modalities_with_words(found: TokenAttribution) -> set[str]:
    """Return the modalities whose records, or whose free text, words are known of."""
    return set(found.texts) | {modality for _, modality, *_ in found.notes}


def draw_places(found: TokenAttribution, places: TokenPlaces, top: pd.DataFrame) -> str:
    """Return mean absolute attributions of a modality, drawn where its tokens are."""
    modality = places.modality
    display = TokenMapDisplay(
        average_known_values(np.abs(found.values[modality]), 0),
        places,
        label=f"mean absolute attribution, {name_unit(found)}",
    )
    on_brain = lies_on_brain(places)
    n_bars = min(len(places.names), MOST_BARS) if places.positions is None else MOST_BARS
    size = (9.0, 3.4) if on_brain else (6.0, 1 + 0.2 * n_bars)
    ax = display.plot(make_axes(size, constrained=not on_brain)).ax_
    first = f" Largest: {', '.join(map(str, top.index[:3]))}." if len(top) else ""
    alt = f"Mean absolute attribution of {modality} where its {places.kind} are.{first}"
    return render_figure(
        ax, alt, f"Mean absolute attribution of {modality}.", "png" if on_brain else "svg"
    )


def lies_on_brain(places: TokenPlaces) -> bool:
    """Tell whether tokens are regions of a brain whose places are known."""
    return places.kind in ON_BRAIN and (places.labels is not None or places.coordinates is not None)


def word_headings(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose headings are words."""
    return table.rename(columns=lambda name: str(name).replace("_", " ").removeprefix("n "))


def write_subjects(material: Material) -> str:
    """Return a part for each of those who are asked for."""
    if not len(material.asked):
        return render_note(
            "None were asked for. subjects= shows single ones, without names unless show_ids=True."
        )
    part = material.part(material.asked)
    names = [
        f"Subject {material.table.index[row] if material.show_ids else number}"
        for number, row in enumerate(material.asked, start=1)
    ]
    found = modality_contributions(material.fusion, part, target=material.target, max_subjects=None)
    changes = {
        name: what_if_missing(material.fusion, part, name, target=material.target)["change"]
        for name in material.present
    }
    return "".join(
        render_folded(name, write_subject(material, found, changes, place))
        for place, name in enumerate(names)
    )


def write_subject(
    material: Material, found: Contributions, changes: dict[str, Any], place: int
) -> str:
    """Return one subject's prediction and what it rests on."""
    output = found.outputs.iloc[place]
    said = (
        f"Predicted {output:.3g}."
        if found.target is None
        else f"Probability of {found.target}: {1 / (1 + np.exp(-output)):.2f}."
    )
    present = found.present.iloc[place]
    table = pd.DataFrame(
        {
            "has it": present,
            "contribution": found.values.iloc[place].where(present),
            "change if missing": {
                name: change.iloc[place] if present[name] else np.nan
                for name, change in changes.items()
            },
        }
    ).rename_axis("modality")
    caption = f"Contributions to {describe_output(found)}, from {found.baseline:.2f}"
    parts = [render_part(part, material, place) for part in (write_decision, write_first_tokens)]
    return render_paragraph(said) + render_table(table, caption) + "".join(parts)


def write_first_tokens(material: Material, place: int) -> str:
    """Return the tokens that add most to one subject's output."""
    found = attribute_class(material.view(material.asked[[place]]), material.target)
    table = fold_records(found, found.frame("subject"), "subject")
    table = table.drop(columns="subject").dropna().reset_index(drop=True)
    largest = table["attribution"].abs().nlargest(N_TOP).index
    shown = table.loc[largest].set_index("token")
    caption = f"Attributions that are largest, {len(shown)} of {len(table)}; {name_unit(found)}"
    rows = render_table(shown, caption)
    written = [name for name in found.values if name in find_modalities_with_words(found)]
    return rows + "".join(
        render_part(draw_subject_record, material, found, name) for name in written
    )


def draw_subject_record(material: Material, found: TokenAttribution, modality: str) -> str:
    """Return one subject's record, its words shaded; only where subjects may be known."""
    if not material.show_ids or np.isnan(found.values[modality]).all():
        return ""
    label, words = found.subjects[0], found.words("subject")
    words = words[words["modality"] == modality]
    n_lines = len(words) // WORDS_A_LINE + words["column"].nunique() + 3
    ax = WordsDisplay(found, modality).plot(make_axes((9.0, 0.24 * n_lines)), subject=label).ax_
    strongest = words.loc[words["attribution"].abs().idxmax(), "word"]
    alt = f"The record of {modality}. Strongest word: {strongest}."
    return render_figure(ax, alt, f"What the words of {modality} add.")


def write_decision(material: Material, place: int) -> str:
    """Say which anchor decided for one subject, and what all decided together."""
    if explain_silence(material.fusion):
        return ""
    row = deciding_anchor(material.fusion, material.part(material.asked[[place]])).table.iloc[0]
    agree = "agrees" if row["agree"] else "does not agree"
    combined = row["combined"]
    combined = f"{combined:.3g}" if isinstance(combined, float) else combined
    return render_paragraph(
        f"The anchor {row['anchor']} decides, with weight {row['weight']:.2f}; it {agree} with all "
        f"members together, which say {combined}."
    )
