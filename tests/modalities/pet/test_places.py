"""Where regions are drawn."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import PETExtractor
from adestim.exceptions import InputError
from tests.modalities.pet.phantom import AFFINE, LABELS, VALUES, atlas, scan


@pytest.fixture
def fitted():
    extractor = PETExtractor(parcellation=atlas(), labels=LABELS, reference="parietal")
    return extractor.fit(pd.DataFrame({"pet": [scan()]}))


@pytest.mark.parametrize("parcellation", [None, atlas()])
def test_tokens_lie_in_their_regions(fitted, parcellation):
    places = fitted.token_places(parcellation=parcellation)
    assert (places.kind, places.names) == ("regions", ("frontal", "temporal", "cerebellum"))
    drawn = places.to_image([1.0, 2.0, 3.0]).get_fdata()
    assert drawn[:, 0, 0].tolist() == [1, 1, 0, 0, 2, 2, 3, 3]


def test_another_parcellation_is_refused(fitted):
    other = nibabel.Nifti1Image((VALUES == 1).astype(np.int16), AFFINE)
    with pytest.raises(InputError, match=r"measured in. Got an image without the values \[5, 7\]"):
        fitted.token_places(parcellation=other)
