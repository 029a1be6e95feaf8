"""Section of a report about what a prediction rests on: the members of a mixture."""

from __future__ import annotations

from typing import Any

import pandas as pd

from adestim._support.axes import escape_mathtext
from adestim.fusion._members import read_members
from adestim.inspection.drawing.drawing import OKABE_ITO, strip_frame
from adestim.inspection.report.gather import Material
from adestim.inspection.report.page import (
    make_axes,
    render_figure,
    render_note,
    render_paragraph,
    render_table,
)
from adestim.inspection.tokens.speaking import task_of
from adestim.training.mixture import ANCHORED, name_anchored
from adestim.training.phase_one.members import FOREST, JOINT, LATE

KINDS = {
    JOINT: "one linear head over all modalities",
    "discriminant": "linear heads by modality, joined by a discriminant",
    "conditional": "linear heads by modality, joined by the expected number",
    LATE: "linear heads by modality, joined by a regression",
    FOREST: "forest over all modalities",
}
OWN_ESTIMATOR = "estimator given by the user"


def write_members(material: Material) -> str:
    """Return the shares of all members, as words, bars and a table."""
    fusion = material.fusion
    shares = pd.Series(fusion.shares_, name="share").rename_axis("member")
    table = shares.to_frame().assign(what=[describe_member(fusion, name) for name in shares.index])
    notes = [render_note(f"Members {line}.") for line in say_dropped(fusion)]
    intro = render_paragraph(say_interaction(fusion))
    rows = render_table(table, "Shares of the members, learned on subjects they had not seen")
    by_anchor = tabulate_interaction(fusion)
    anchors = render_table(by_anchor, "Share of every anchor's nets") if len(by_anchor) > 1 else ""
    return intro + draw_shares(shares) + rows + anchors + "".join(notes)


def say_interaction(fusion: Any) -> str:
    """Say how much of the prediction comes of nets in which modalities read each other."""
    total, several = sum(fusion.interaction_.values()), len(fusion.modalities_) > 1
    reads = several and fusion.n_queries > 0 and fusion.gate != "closed"
    what = "nets in which modalities read each other" if reads else "nets of one modality each"
    if total > 1 - 1e-9:
        return f"The whole prediction comes of phase 2, {what}."
    if total > 0:
        share = f"{100 * total:.0f} % of the prediction comes of phase 2, {what}"
        return f"{share}; the rest of members of phase 1."
    tried = "was trained and left out" if fusion.max_epochs > 0 else "was not trained"
    return (
        f"Phase 2, {what}, {tried}: nothing of the prediction comes of it, which rests on members "
        "of phase 1 alone."
    )


def explain_silence(fusion: Any) -> str:
    """Say why no interaction of modalities counts in the prediction; nothing where one does."""
    if len(fusion.modalities_) < 2:
        return "There is one modality alone: none reads another."
    if fusion.n_queries == 0:
        return "The nets have no queries (n_queries=0): no modality reads another."
    if fusion.gate == "closed":
        return "The gate is closed (gate='closed'): no modality reads another."
    if sum(fusion.interaction_.values()) > 0:
        return ""
    if fusion.max_epochs == 0:
        return "No net was trained (max_epochs=0): no modality reads another."
    return (
        "The nets in which modalities read each other were trained and have no share in the "
        "prediction: of subjects they had not seen they told nothing that phase 1 did not."
    )


def describe_member(fusion: Any, name: str) -> str:
    """Say in words what a member is."""
    if name == ANCHORED:
        return "nets of all anchors together"
    for anchor in fusion.anchors_:
        if name == name_anchored(anchor):
            has_net = anchor in fusion.nets_
            return f"nets of the anchor {anchor}" if has_net else f"linear head of {anchor}"
    return KINDS.get(name, OWN_ESTIMATOR)


def tabulate_interaction(fusion: Any) -> pd.DataFrame:
    """Return the share of every anchor's nets."""
    return pd.Series(fusion.interaction_, name="share").rename_axis("anchor").to_frame()


def draw_shares(shares: pd.Series) -> str:
    """Return a bar a member; those of nets are hatched."""
    ax = make_axes((5.6, 0.8 + 0.3 * len(shares)))
    for place, (name, share) in enumerate(shares.items()):
        is_net = str(name).startswith(ANCHORED)
        colour, hatch = (OKABE_ITO["orange"], "///") if is_net else (OKABE_ITO["blue"], "")
        ax.barh(place, share, color=colour, hatch=hatch, edgecolor="white", lw=0)
        ax.text(share, place, f" {share:.2f}", va="center", fontsize=8)
    ax.set_yticks(range(len(shares)), [escape_mathtext(name) for name in shares.index])
    ax.invert_yaxis()
    ax.set_xlim(0, 1.1 * shares.max())
    ax.set_xlabel("share of the prediction")
    strip_frame(ax)
    words = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
    return render_figure(ax, f"Shares of members: {words}.", "What the prediction rests on.")


def say_dropped(fusion: Any) -> list[str]:
    """Name the members that were asked for and have no share, in one line; none without any."""
    dropped = [name for name in list_asked(fusion) if name not in fusion.shares_]
    return [f"without a share: {', '.join(dropped)}"] if dropped else []


def list_asked(fusion: Any) -> list[str]:
    """Return the names of all members that were asked for."""
    asked = read_members(fusion.members, task_of(fusion).members, fusion)
    names = [name for name in asked.built_in if name != FOREST or fusion.n_trees > 0]
    names += [name for name, _ in asked.others]
    if fusion.max_epochs == 0:
        return names
    if fusion.aggregate != "mixture":
        return [*names, ANCHORED]
    return names + [name_anchored(name) for name in fusion.anchors_]
