"""Whether the regions of ROI series come in the order a foundation model was trained on.

No model can tell one column from another: in a wrong order every region gets another's
place, and nothing fails.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri.timeseries import RoiLayout

# Tian_Subcortex_S3_3T_label.txt of yetianmed/subcortex.
TIAN_REGIONS = (
    "HIP-head-m", "HIP-head-l", "HIP-body", "HIP-tail", "THA-VPm", "THA-VPl", "THA-VAi",
    "THA-VAs", "THA-DAm", "THA-DAl", "PUT-VA", "PUT-DA", "PUT-VP", "PUT-DP", "CAU-VA", "CAU-DA",
    "CAU-body", "CAU-tail", "lAMY", "mAMY", "THA-DP", "NAc-shell", "NAc-core", "pGP", "aGP",
)  # fmt: skip
N_TIAN = 2 * len(TIAN_REGIONS)
N_SCHAEFER = 400
# What three regions of the thalamus were called in subcortex_parcellation_S3_3T_label.txt.
EARLIER_NAMES = {"tha-mpm": "tha-vpm", "tha-mpl": "tha-vpl", "tha-lp": "tha-dp"}
# Schaefer2018_400Parcels_17Networks_order.txt of ThomasYeoLab/CBIG; some releases tell LimbicB
# (5 and 6 regions) from LimbicA (7 and 6), others do not.
NETWORKS = (
    "VisCent", "VisPeri", "SomMotA", "SomMotB", "DorsAttnA", "DorsAttnB", "SalVentAttnA",
    "SalVentAttnB", "Limbic", "ContA", "ContB", "ContC", "DefaultA", "DefaultB", "DefaultC",
    "TempPar",
)  # fmt: skip
RUN_LENGTHS = {
    "LH": (12, 12, 19, 16, 13, 13, 15, 8, 12, 13, 10, 5, 18, 21, 7, 6),
    "RH": (12, 11, 20, 15, 14, 12, 19, 9, 12, 11, 15, 7, 16, 11, 6, 10),
}
SEVEN_NETWORKS = frozenset({"Vis", "SomMot", "DorsAttn", "SalVentAttn", "Cont", "Default"})
SCHAEFER_NAME = re.compile(r"^(?:(?P<n>7|17)networks[_-])?(?P<side>[LR]H)[_-](?P<rest>.+)$", re.I)
MADE_UP_NAME = re.compile(r"^(label|roi)\d+$")
N_SCHAEFER = 400
CORTEX_ORDER = "the 400 of Schaefer's 17-network atlas (left, then right)"
ORDER = (
    "the 50 regions of Tian's scale III (25 of the right hemisphere, then 25 of the left), then "
    "the 400 of Schaefer's 17-network atlas (left, then right)"
)


def require_tian_schaefer_regions(layout: RoiLayout, model: str) -> None:
    """Refuse regions that are not Tian's 50 and Schaefer's 400 of 17 networks, in their order.

    Tian et al. (2020). Topographic organization of the human subcortex unveiled with
    functional connectivity gradients. Nature Neuroscience 23, 1421-1432.
    Schaefer et al. (2018). Local-global parcellation of the human cerebral cortex from intrinsic
    functional connectivity MRI. Cerebral Cortex 28, 3095-3114.
    """
    require_roi_count(layout, N_TIAN + N_SCHAEFER, model, ORDER)
    require_region_names(layout, model, ORDER)
    require_tian_order(layout.names[:N_TIAN], model)
    require_schaefer_order(layout.names[N_TIAN:], model, ORDER)


def require_schaefer_regions(layout: RoiLayout, model: str) -> None:
    """Refuse regions that are not Schaefer's 400 of 17 networks, in their order."""
    require_roi_count(layout, N_SCHAEFER, model, CORTEX_ORDER)
    require_region_names(layout, model, CORTEX_ORDER)
    require_schaefer_order(layout.names, model, CORTEX_ORDER)


def require_region_names(layout: RoiLayout, model: str, order: str) -> None:
    """Refuse regions of which nobody says which they are."""
    if not names_are_known(layout):
        raise TimeSeriesError(
            f"{model} must know the regions by name, since it reads them in a fixed order: {order}",
            got=f"{layout.n_rois} regions without names",
            remedy="Pass labels=, the atlas's names in the order of your columns or labels",
        )


def require_counted_regions(layout: RoiLayout, n_rois: int, model: str) -> None:
    """Refuse regions that are not those of an atlas without names, in ascending order of label."""
    order = f"regions 1 to {n_rois} of its atlas, in ascending order of label"
    require_roi_count(layout, n_rois, model, order)
    if not layout.named:
        return
    ends = [re.search(r"(\d+)$", name) for name in layout.names]
    numbers = [int(end.group()) if end else None for end in ends]
    if numbers not in (list(range(1, n_rois + 1)), list(range(n_rois))):
        raise TimeSeriesError(
            f"{model} reads {order}, and a column's name must end in its label",
            got=first_strange(layout.names, numbers),
            remedy="Sort the columns by label, or pass labels= that end in the label of each",
        )


def first_strange(names: Sequence[str], numbers: Sequence[int | None]) -> str:
    """Say which column is the first that is not where it belongs."""
    start = numbers[0] if numbers[0] in (0, 1) else 1
    for place, (name, number) in enumerate(zip(names, numbers, strict=True)):
        if number != place + start:
            return f"{name!r} where label {place + start} belongs"
    return "other labels"


def require_roi_count(layout: RoiLayout, n_rois: int, model: str, order: str) -> None:
    """Refuse more or fewer regions than the model reads."""
    if layout.n_rois != n_rois:
        raise TimeSeriesError(
            f"{model} reads {n_rois} regions: {order}",
            got=f"{layout.n_rois} regions of {layout.origin}",
            remedy="Average the runs over that atlas (parcellation=), or pass series that were",
        )


def names_are_known(layout: RoiLayout) -> bool:
    """Tell whether the names are an atlas's and not made up from labels."""
    return layout.named and not all(MADE_UP_NAME.match(name) for name in layout.names)


def require_tian_order(names: Sequence[str], model: str) -> None:
    """Refuse other regions than Tian's, or another order."""
    for place, (name, expected) in enumerate(zip(names, tian_names(), strict=True), 1):
        if plain_tian_name(name) != expected.lower():
            raise wrong_order(model, ORDER, f"{name!r} where {expected!r} belongs (region {place})")


def tian_names() -> list[str]:
    """Return the names of Tian's 50 regions in the order of their labels."""
    return [f"{region}-{side}" for side in ("rh", "lh") for region in TIAN_REGIONS]


def plain_tian_name(name: str) -> str:
    """Return a name in one spelling: that of the present release, small, the hemisphere last."""
    plain = re.sub(r"[\s_]+", "-", name.strip().lower())
    plain = re.sub(r"^tian-|^s3-", "", plain)
    plain = re.sub(r"^([lr]h)-(.+)$", r"\2-\1", plain)
    # XCP-D's table of the atlas has "HIP-body-l" and the like.
    stem, _, side = re.sub(r"-([lr])$", r"-\1h", plain).rpartition("-")
    return f"{EARLIER_NAMES.get(stem, stem)}-{side}"


def schaefer_names() -> list[str]:
    """Return names of Schaefer's 400 regions, by network alone, in the 17-network order."""
    return [
        f"17Networks_{side}_{network}_{number}"
        for side, lengths in RUN_LENGTHS.items()
        for network, length in zip(NETWORKS, lengths, strict=True)
        for number in range(1, length + 1)
    ]


def require_schaefer_order(names: Sequence[str], model: str, order: str = ORDER) -> None:
    """Refuse other regions than Schaefer's of 17 networks, or another order."""
    parsed = [parse_schaefer_name(name, model, order) for name in names]
    runs = [
        (side, network, len(list(members)))
        for (side, network), members in groupby(parsed, key=lambda region: region[:2])
    ]
    wanted = [
        (side, network, length)
        for side, lengths in RUN_LENGTHS.items()
        for network, length in zip(NETWORKS, lengths, strict=True)
    ]
    for found, expected in zip(runs, wanted, strict=False):
        if found != expected:
            raise wrong_order(
                model,
                order,
                "{2} regions of {0}_{1}".format(*found)
                + " where {2} of {0}_{1} belong".format(*expected),
            )
    require_counting_up(names, model, order)


def parse_schaefer_name(name: str, model: str, order: str) -> tuple[str, str]:
    """Return the hemisphere and network of a name of the 17-network atlas."""
    found = SCHAEFER_NAME.match(name.strip())
    if found is None:
        raise wrong_order(model, order, f"{name!r} among the names of Schaefer's atlas")
    network = found["rest"].replace("-", "_").split("_")[0]
    if found["n"] == "7" or network in SEVEN_NETWORKS:
        raise TimeSeriesError(
            f"{model} reads Schaefer's 400 regions in the order of the 17-network atlas",
            got=f"{name!r}, a name of the 7-network atlas, whose order is another",
            remedy="Parcellate with the 17-network version (yeo_networks=17 of nilearn's "
            "fetch_atlas_schaefer_2018), or bring the columns to its order",
        )
    return found["side"].upper(), re.sub(r"^Limbic[AB]$", "Limbic", network)


def require_counting_up(names: Sequence[str], model: str, order: str) -> None:
    """Refuse an order by spelling, in which ``_10`` comes before ``_2``."""
    counted: dict[str, int] = {}
    for name in names:
        stem, _, number = name.strip().rpartition("_")
        if not number.isdigit():
            continue
        if int(number) <= counted.get(stem, 0):
            raise wrong_order(model, order, f"{name!r} after {stem}_{counted[stem]}")
        counted[stem] = int(number)


def wrong_order(model: str, order: str, got: str) -> TimeSeriesError:
    """Return the error about regions out of order."""
    return TimeSeriesError(
        f"{model} reads its regions in a fixed order: {order}",
        got=got,
        remedy="Bring the columns to that order, or correct labels=",
    )
