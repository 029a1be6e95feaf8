"""Where regions are drawn."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import FreeSurferExtractor
from adestim.exceptions import InputError

TABLE = pd.DataFrame(
    {"Left-Hippocampus": [4e3], "rh_insula_volume": [7e3], "rh_G_cuneus_volume": [3e3]}
)


def atlas(*numbers):
    """One voxel a number."""
    values = np.zeros((4, 4, 4), np.int32)
    values.flat[: len(numbers)] = numbers
    return nibabel.Nifti1Image(values, np.diag([2.0, 2, 2, 1]))


def test_regions_lie_where_a_label_image_has_their_numbers():
    extractor = FreeSurferExtractor(normalise=None, parcellation=atlas(2, 17, 2035)).fit(TABLE)
    places = extractor.token_places()
    assert places.kind == "regions"
    drawn = places.to_image([1.0, 2.0, 3.0]).get_fdata()
    assert drawn.ravel()[:4].tolist() == [0, 1, 2, 0]


def test_an_image_can_be_given_for_the_map_alone():
    places = (
        FreeSurferExtractor(normalise=None).fit(TABLE).token_places(parcellation=atlas(17, 2035))
    )
    assert places.to_image([1.0, 2.0, 3.0]).get_fdata().sum() == 3


def test_without_an_image_names_alone_are_known():
    places = FreeSurferExtractor(normalise=None).fit(TABLE).token_places()
    assert (places.kind, places.labels) == ("columns", None)


def test_an_image_of_other_numbers_is_refused():
    extractor = FreeSurferExtractor(normalise=None).fit(TABLE)
    with pytest.raises(InputError, match=r"most of the 3 regions.*Got 0.*cvs_avg35_inMNI152"):
        extractor.token_places(parcellation=atlas(1, 2, 3))
