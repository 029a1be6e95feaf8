"""What columns of tables mean."""

import pandas as pd
import pytest

from adestim import FreeSurferExtractor


@pytest.mark.parametrize(
    ("column", "region"),
    [
        ("Left-Hippocampus", "Left-Hippocampus"),
        ("Left-Thalamus-Proper*", "Left-Thalamus"),
        ("rh_G_and_S_frontomargin_area", "rh_G_and_S_frontomargin"),
        ("ctx-rh-insula", "rh_insula"),
        (" CC_Anterior ", "CC_Anterior"),
    ],
)
def test_a_column_is_the_region_of_its_name(column, region):
    extractor = FreeSurferExtractor(normalise=None).fit(pd.DataFrame({column: [1.0]}))
    assert extractor.token_places().names == (region,)


@pytest.mark.parametrize(
    "column",
    ["CortexVol", "SupraTentorialVolNotVentVox", "BrainSegVol-to-eTIV", "lhSurfaceHoles",
     "rh_WhiteSurfArea_area", "ICV"],
)  # fmt: skip
def test_sums_over_the_brain_are_no_regions(column):
    table = pd.DataFrame({"CSF": [1.0], column: [1.0]})
    extractor = FreeSurferExtractor(normalise=None).fit(table)
    assert extractor.token_places().names == ("CSF",)


def test_the_name_of_a_modality_before_a_column_is_left_out():
    table = pd.DataFrame({"freesurfer__CSF": [1e3], "freesurfer__eTIV": [1e6]})
    encoding = FreeSurferExtractor().fit_transform(table).iloc[0, 0]
    assert encoding.backbone.option("token_names") == ("CSF",)
    assert encoding.tokens.tolist() == [[1.0]]
