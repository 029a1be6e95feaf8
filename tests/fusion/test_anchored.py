"""Which modalities become anchor."""

import pytest

from adestim.exceptions import InputError
from adestim.fusion._anchored import choose_anchors

MODALITIES = ["mri", "csf", "gene"]


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [("csf", ["csf"]), (["gene", "mri"], ["gene", "mri"]), ("all", MODALITIES)],
)
def test_anchors_are_one_several_or_all(anchor, expected):
    assert choose_anchors(anchor, MODALITIES, "AnchoredFusionClassifier") == expected


@pytest.mark.parametrize("anchor", ["pet", ["mri", "pet"], []])
def test_an_unknown_anchor_is_refused_with_the_names_to_choose_from(anchor):
    with pytest.raises(InputError, match=r"anchor.*\['mri', 'csf', 'gene'\]"):
        choose_anchors(anchor, MODALITIES, "AnchoredFusionClassifier")


@pytest.mark.parametrize("anchor", [["mri", "mri"], ["csf", "mri", "csf"], ["unknown", "unknown"]])
def test_anchors_that_are_named_twice_are_refused(anchor):
    with pytest.raises(InputError, match=r"names every modality once. Got '\w+' more than once"):
        choose_anchors(anchor, MODALITIES, "AnchoredFusionClassifier")
