"""The section of a report about whom the predictions hold for."""

from __future__ import annotations

from adestim.inspection.report.gather import Material
from adestim.inspection.report.group_tables import name_reported
from adestim.inspection.report.page import render_note, render_paragraph, render_table

NOT_GIVEN = (
    "Scores by sex, age, site or other groups of people were not given, so that this page does not "
    "say for whom the model holds. adestim.evaluation.score_by_group makes them."
)
WHAT_IS_TESTED = (
    "The largest gap is tested by permutation. For discrimination people of a class exchange their "
    "groups: do predictions depend on the group, given the diagnosis? For calibration, PPV and NPV "
    "people of like predictions do: does the diagnosis depend on the group, given the prediction? "
    "p-values are adjusted over the attributes by Holm's method. That no gap is found in small "
    "groups does not say that there is none."
)


def write_groups(material: Material) -> str:
    """Return scores by group, and the gaps between groups."""
    found = material.group_scores
    if found is None:
        return render_note(NOT_GIVEN)
    estimator = name_reported(found, material.comparison)
    parts = [render_paragraph(" ".join(found.describe(estimator)))]
    parts.append(render_table(found.table(estimator), f"Scores of {estimator} by group"))
    gaps = found.gap_table(estimator)
    if len(gaps):
        parts += [render_table(gaps, "Largest gaps between groups"), render_note(WHAT_IS_TESTED)]
    return "".join(parts)
