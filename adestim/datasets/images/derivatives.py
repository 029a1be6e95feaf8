"""Outputs of fMRIPrep and XCP-D, by their names in every version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from adestim._support.bids import read_json
from adestim.datasets.images.names import TABLE, UNCLEAR_SERIES, Rule

# Rules of which files hold confounds, ROI series, connectivity and head motion.
#
# fMRIPrep: desc-confounds_timeseries, before 20.2 desc-confounds_regressors, in its first versions
# bold_confounds. XCP-D: atlas-X_timeseries up to 0.6.4, seg-X_stat-mean_timeseries in 0.7.0 to
# 0.14.1, atlas-X_stat-mean_timeseries from 26.0.0; conmat became relmat.
RULES = (
    Rule("confounds", "timeseries", TABLE, {"desc": "confounds"}),
    Rule("confounds", "regressors", TABLE),
    Rule("confounds", "confounds", TABLE),
    Rule("roi_series", "timeseries", TABLE, {"atlas": None}),
    Rule("roi_series", "timeseries", TABLE, {"seg": None}),
    Rule(UNCLEAR_SERIES, "timeseries", TABLE),
    Rule("connectivity", "conmat", TABLE),
    Rule("connectivity", "relmat", TABLE),
    Rule("motion", "motion", TABLE, {"task": None}),
    Rule("outliers", "outliers", TABLE),
)

CONFOUNDS = {
    "framewisedisplacement",
    "globalsignal",
    "csf",
    "whitematter",
    "transx",
    "stddvars",
}


def series_modality(path: str) -> str:
    """Return what a table of series holds whose name does not say: confounds or regions."""
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        names = file.readline().split("\t")
    plain = {"".join(filter(str.isalnum, name.casefold())) for name in names}
    return "confounds" if plain & CONFOUNDS else "roi_series"


def pipeline_name(description: Path) -> str:
    """Return who made the images of a data set."""
    facts = json_object(description)
    generated = facts.get("GeneratedBy")
    makers = generated if isinstance(generated, list) else []
    # How BIDS said it before version 1.4.
    makers = [*makers, facts.get("PipelineDescription")]
    names = [maker["Name"] for maker in makers if isinstance(maker, Mapping) and "Name" in maker]
    # A converter made a raw data set; no pipeline has been over it.
    return str(names[0]) if names and facts.get("DatasetType") != "raw" else "raw"


def json_object(path: Path) -> dict:
    """Return what a file of JSON holds; nothing where it cannot be read."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}
