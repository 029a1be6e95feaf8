"""Regions out of order are refused by name."""

import pytest

from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri.models.roi_order import (
    RUN_LENGTHS,
    require_counted_regions,
    require_tian_schaefer_regions,
)
from adestim.modalities.fmri.timeseries import RoiLayout
from tests.modalities.fmri.model_files import atlas_names


def check(names, named=True):
    require_tian_schaefer_regions(RoiLayout(tuple(names), named=named), "brain-jepa")


def swapped(names, i, j):
    names = list(names)
    names[i], names[j] = names[j], names[i]
    return names


def limbic_told_apart(names):
    """Names of the releases that tell LimbicB from LimbicA."""
    sizes = {"LH": (5, 7), "RH": (6, 6)}
    parts = [
        f"17Networks_{side}_{network}_{number}"
        for side, lengths in sizes.items()
        for network, length in zip(("LimbicB_OFC", "LimbicA_TempPole"), lengths, strict=True)
        for number in range(1, length + 1)
    ]
    told = iter(parts)
    return [next(told) if "Limbic" in name else name for name in names]


def test_hemispheres_have_two_hundred_regions():
    assert [sum(lengths) for lengths in RUN_LENGTHS.values()] == [200, 200]


@pytest.mark.parametrize(
    "spelling",
    [
        list,
        limbic_told_apart,
        lambda names: [name.removeprefix("17Networks_") for name in names],
        lambda names: [name.replace("-rh", "_RH").replace("-lh", "_LH") for name in names],
        lambda names: [*(f"rh-{name[:-3]}" for name in names[:25]), *names[25:]],
        lambda names: [
            name.replace("THA-VP", "THA-MP").replace("THA-DP", "THA-LP") for name in names
        ],
        lambda names: [name.replace("HIP-body-lh", "HIP-body-l") for name in names],
    ],
)
def test_order_of_the_model_is_accepted_in_any_spelling(spelling):
    assert check(spelling(atlas_names())) is None


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (atlas_names()[:-1], "reads 450 regions.*Got 449 regions of the parcellation"),
        (
            [*atlas_names()[25:50], *atlas_names()[:25], *atlas_names()[50:]],
            "'HIP-head-m-lh' where",
        ),
        ([*atlas_names()[50:], *atlas_names()[:50]], "where 'HIP-head-m-rh' belongs"),
        ([*atlas_names()[:50], *atlas_names()[250:], *atlas_names()[50:250]], "of RH_VisCent"),
        (swapped(atlas_names(), 60, 90), "of LH_VisCent where 12"),
        (swapped(atlas_names(), 51, 55), "'17Networks_LH_VisCent_5'|after 17Networks_LH_VisCent_"),
        ([*atlas_names()[:50], *sorted(atlas_names()[50:])], "where 12 of LH_VisCent belong"),
        ([*atlas_names()[:50], *(f"Region {n}" for n in range(400))], "'Region 0' among the names"),
        (atlas_names("7Networks_"), "order of the 17-network atlas.*7-network.*yeo_networks=17"),
        (
            [*atlas_names()[:50], *(f"LH_Vis_{number}" for number in range(1, 401))],
            "a name of the 7-network atlas",
        ),
        ([f"label{number}" for number in range(1, 451)], "without names.*Pass labels="),
    ],
)
def test_other_regions_and_orders_are_refused(names, words):
    with pytest.raises(TimeSeriesError, match=words):
        check(names)


def test_unnamed_columns_are_refused():
    with pytest.raises(TimeSeriesError, match=r"must know the regions by name.*Pass labels="):
        check(atlas_names(), named=False)


def counted(names, named=True):
    require_counted_regions(RoiLayout(tuple(names), named=named), 12, "brainlm-111m")


@pytest.mark.parametrize(
    "names",
    [
        [f"A424_{number}" for number in range(1, 13)],
        [f"label{number}" for number in range(1, 13)],
        [f"parcel{number:03d}" for number in range(12)],
    ],
)
def test_counted_regions_in_order_are_accepted(names):
    assert counted(names) is None


def test_unnamed_columns_are_taken_in_ascending_order():
    assert counted([f"roi{number}" for number in range(12)], named=False) is None


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (sorted(f"A424_{number}" for number in range(1, 13)), "'A424_10' where label 2 belongs"),
        ([*(f"A{number}" for number in range(1, 12)), "V1x"], "'V1x' where label 12 belongs"),
        ([f"A{number}" for number in range(11)], "reads 12 regions.*Got 11 regions"),
    ],
)
def test_counted_regions_out_of_order_are_refused(names, words):
    with pytest.raises(TimeSeriesError, match=words):
        counted(names)
