"""Sections of a report about where a model comes from and what it is not for."""

from __future__ import annotations

from typing import Any

import pandas as pd

from adestim.inspection.report.gather import Material
from adestim.inspection.report.page import (
    render_folded,
    render_list,
    render_paragraph,
    render_table,
)
from adestim.inspection.report.provenance import (
    list_limits,
    list_seeds,
    list_versions,
    say_training,
)


def write_provenance(material: Material) -> str:
    """Return backbones, digests, versions, seeds and parameters."""
    params = material.estimator.get_params(deep=True)
    settings = pd.Series(
        {
            name: repr(value)
            for name, value in params.items()
            if not hasattr(value, "get_params") and is_plain_setting(value)
        },
        name="value",
        dtype=object,
    ).rename_axis("parameter")
    return "".join(
        [
            render_table(
                material.backbones, "Backbones, their licences and what they were pre-trained on"
            ),
            render_paragraph(
                f"SHA-256 of what was trained here: {say_training(material.fusion.nets_)}"
            ),
            render_table(list_versions().rename_axis("package"), "Versions"),
            render_table(list_seeds(params).rename_axis("parameter"), "Seeds"),
            render_folded("All parameters", render_table(settings, "Parameters of the estimator")),
        ]
    )


def is_plain_setting(value: Any) -> bool:
    """Tell whether a parameter is a word, a number, or a list of these, and no path."""
    if isinstance(value, str):
        return "/" not in value and "\\" not in value
    if isinstance(value, list | tuple):
        return all(is_plain_setting(each) for each in value)
    return value is None or isinstance(value, bool | int | float)


def write_limits(material: Material) -> str:
    """Return what a reader must know before anything is done with the model."""
    return render_list(list_limits(material.backbones, judged=material.comparison is not None))
