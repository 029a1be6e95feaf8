"""Cells: folders, files, columns of numbers, and what is none of them."""

import numpy as np
import pandas as pd
import pytest

from adestim import FreeSurferExtractor
from adestim.exceptions import CellTypeError, InputError
from tests.modalities.freesurfer.stats_texts import write_subject

COLUMNS = {
    "Left-Hippocampus": [4000.0, 3000.0],
    "lh_entorhinal_volume": [1800.0, 1500.0],
    "lh_entorhinal_thickness": [3.2, 2.8],
    "lh_MeanThickness_thickness": [2.5, 2.4],
    "BrainSegVolNotVent": [1.1e6, 1.0e6],
    "MaskVol-to-eTIV": [1.0, 1.0],
    "EstimatedTotalIntraCranialVol": [1.5e6, 1.6e6],
    "eTIV": [1.5e6, 1.6e6],
}


def encode(cells, **params):
    frame = pd.DataFrame(cells)
    frame.index = [f"s{number}" for number in range(1, len(frame) + 1)]
    return FreeSurferExtractor(**params).fit_transform(frame)["freesurfer"]


def test_a_folder_is_read_by_its_atlas(tmp_path):
    folder = write_subject(tmp_path / "bert", atlas="aparc.DKTatlas.mapped")
    [encoding] = encode({"fs": [folder]}, atlas="aparc.DKTatlas.mapped")
    assert encoding.tokens.shape == (10, 3)
    [alone] = encode({"fs": [str(folder / "stats")]}, atlas=None)
    assert alone.tokens.shape == (4, 1)


def test_another_atlas_is_told_with_those_that_are_there(tmp_path):
    folder = write_subject(tmp_path / "bert", atlas="aparc.DKTatlas")
    with pytest.raises(InputError, match=r"Subject 's1'.*where there are \['aparc.DKTatlas'\]"):
        encode({"fs": [folder]})


def test_a_folder_without_statistics_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Subject 's1'.*must hold stats/aseg.stats"):
        encode({"fs": [tmp_path]})


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Subject 's1'.*no such path"):
        encode({"fs": [tmp_path / "bert"]})


def test_a_cell_of_another_type_is_refused():
    with pytest.raises(CellTypeError, match=r"Subject 's1'.*an object of type ndarray"):
        encode({"fs": [np.ones(3)]})


def test_columns_are_regions_and_sums_are_none():
    one, other = encode(COLUMNS)
    assert one.backbone.option("token_names") == ("Left-Hippocampus", "lh_entorhinal")
    assert one.backbone.option("feature_names") == ("volume", "thickness")
    expected = [[3000 / 1600, 0], [1500 / 1600, 2.8]]
    np.testing.assert_allclose(other.tokens, expected, rtol=1e-6)


def test_a_row_without_a_number_is_missing():
    cells = {name: [values[0], np.nan] for name, values in COLUMNS.items()}
    assert encode(cells).isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"eTIV": [1.5e6]}, r"no region among \['eTIV'\]"),
        ({"Left-Thalamus": [7e3], "Left-Thalamus-Proper": [7e3]}, "the same region twice"),
        ({"Left-Thalamus": [-4.0], "eTIV": [1.5e6]}, "Subject 's1'.*a negative"),
        ({"Left-Thalamus": [np.inf], "eTIV": [1.5e6]}, "Subject 's1'.*an infinite one"),
    ],
)
def test_columns_that_are_no_regions_are_refused(cells, said):
    with pytest.raises(InputError, match=said):
        encode(cells)


def test_words_among_numbers_are_refused_in_later_tables():
    extractor = FreeSurferExtractor().fit(pd.DataFrame(COLUMNS))
    later = pd.DataFrame(COLUMNS).astype(object)
    later.iloc[0, 0] = "many"
    with pytest.raises(CellTypeError, match=r"Subject '0'.*hold numbers"):
        extractor.transform(later)
