"""Tokens of regions: heads divided out, regions that are missing or strange."""

import numpy as np
import pandas as pd
import pytest

from adestim import FreeSurferExtractor
from adestim.exceptions import DataWarning, InputError
from tests.modalities.freesurfer.stats_texts import ASEG, write_aseg

TABLE = pd.DataFrame(
    {
        "Left-Hippocampus": [4000.0, 3000.0],
        "Right-Hippocampus": [4100.0, 3100.0],
        "CSF": [1000.0, np.nan],
        "eTIV": [1.6e6, 1.5e6],
    },
    index=["s1", "s2"],
)


def test_volumes_are_in_per_mille_of_the_head():
    tokens = FreeSurferExtractor().fit_transform(TABLE).loc["s1", "freesurfer"].tokens
    np.testing.assert_allclose(tokens[:, 0], [2.5, 2.5625, 0.625])


def test_volumes_are_in_mm3_on_request():
    encodings = FreeSurferExtractor(normalise=None).fit_transform(TABLE[["CSF"]])
    assert encodings.loc["s1", "freesurfer"].tokens.tolist() == [[1000.0]]


def test_a_region_that_a_subject_lacks_is_masked():
    second = FreeSurferExtractor().fit_transform(TABLE).loc["s2", "freesurfer"]
    assert second.mask.tolist() == [True, True, False]
    assert second.tokens[2, 0] == 0


def test_a_head_that_is_not_stated_is_told_with_the_remedy():
    with pytest.raises(InputError, match=r"2 subject\(s\).*Subject 's1'.*normalise=None"):
        FreeSurferExtractor().fit_transform(TABLE.drop(columns="eTIV"))


def test_a_head_of_no_size_is_refused():
    with pytest.raises(InputError, match=r"Subject 's1'.*Got 0"):
        FreeSurferExtractor().fit_transform(TABLE.assign(eTIV=[0.0, 1.5e6]))


def test_an_impossible_head_is_told_of():
    with pytest.warns(DataWarning, match=r"Subject 's2': the estimated total.*800 to 2500 mL"):
        FreeSurferExtractor().fit_transform(TABLE.assign(eTIV=[1.5e6, 4e5]))


def test_only_the_measures_asked_for_are_features():
    table = TABLE.assign(lh_insula_thickness=2.9)
    extractor = FreeSurferExtractor(measures=("thickness",)).fit(table)
    assert extractor.token_places().names == ("lh_insula",)


def test_measures_that_nobody_has_are_refused():
    with pytest.raises(InputError, match=r"a region with area"):
        FreeSurferExtractor(measures=["area"]).fit(TABLE)


def test_a_subject_of_another_atlas_is_refused(tmp_path):
    write_aseg(tmp_path / "a.stats")
    write_aseg(tmp_path / "b.stats", names={"Left-Insula": 1, "CSF": 24})
    extractor = FreeSurferExtractor().fit(pd.DataFrame({"fs": [tmp_path / "a.stats"]}))
    with pytest.raises(InputError, match=r"most of the 4 regions.*Got 1 of them, and 1 others"):
        extractor.transform(pd.DataFrame({"fs": [tmp_path / "b.stats"]}, index=["s9"]))


def test_regions_that_nobody_else_has_are_told_of(tmp_path):
    write_aseg(tmp_path / "a.stats")
    write_aseg(tmp_path / "b.stats", names={**ASEG, "5th-Ventricle": 72})
    extractor = FreeSurferExtractor().fit(pd.DataFrame({"fs": [tmp_path / "a.stats"]}))
    with pytest.warns(DataWarning, match=r"'s9'.*are left out: '5th-Ventricle'"):
        extractor.transform(pd.DataFrame({"fs": [tmp_path / "b.stats"]}, index=["s9"]))
