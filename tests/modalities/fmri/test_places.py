import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import FMRIExtractor
from adestim.exceptions import InputError
from adestim.inspection import TokenPlaces
from adestim.modalities.fmri.places import number_regions, place_at_parcels
from adestim.modalities.fmri.timeseries import RoiLayout

SCHAEFER = ("LH_Vis_1", "LH_Default_1", "RH_Vis_1", "RH_Default_1")


def test_pairs_of_networks_are_summed():
    places = place_at_parcels(TokenPlaces("fmri", "columns", SCHAEFER))
    links = pd.DataFrame(np.ones((4, 4)), list(SCHAEFER), [f"z_{name}" for name in SCHAEFER])
    matrix = places.network_matrix(links)
    assert list(matrix) == ["Default", "Vis"]
    assert (matrix.to_numpy() == 4).all()
    by_network = pd.DataFrame(1.0, list(SCHAEFER), ["z_Default", "z_Vis", "participation"])
    assert (places.network_matrix(by_network).to_numpy() == 2).all()


def test_networks_are_those_of_the_layout_where_names_do_not_tell():
    layout = RoiLayout(("a", "b"), ("Vis", "Default"))
    named = TokenPlaces("fmri", "columns", ("a", "b"))
    assert place_at_parcels(named, layout=layout).networks == ("Vis", "Default")
    assert place_at_parcels(named).networks is None


def test_an_extractor_knows_the_label_image_that_it_averaged_over():
    atlas = np.zeros((6, 6, 6), np.int16)
    atlas[1], atlas[4] = 3, 8
    image = nibabel.Nifti1Image(atlas, np.eye(4))
    run = np.random.default_rng(0).normal(size=(6, 6, 6, 140))
    frame = pd.DataFrame({"bold": [nibabel.Nifti1Image(run, np.eye(4))]})
    extractor = FMRIExtractor(parcellation=image, labels=["front", "back"], t_r=3.0).fit(frame)
    places = extractor.token_places()
    assert (places.kind, places.names) == ("parcels", ("front", "back"))
    np.testing.assert_array_equal(places.coordinates[0], [1, 2.5, 2.5])
    assert places.to_image([1.0, 2.0]).get_fdata()[4, 0, 0] == 2


def test_regions_without_a_background_are_counted_from_one():
    image = nibabel.Nifti1Image(np.full((2, 2, 2), 7, np.int16), np.eye(4))
    labels, centres = number_regions(image, 1, "x")
    assert (np.asarray(labels.dataobj) == 1).all()
    np.testing.assert_array_equal(centres, [[0.5, 0.5, 0.5]])


def test_coordinates_are_three_a_parcel():
    with pytest.raises(InputError, match=r"of the 2 parcels of modality 'fmri'.*shape \(2, 2\)"):
        place_at_parcels(TokenPlaces("fmri", "columns", ("a", "b")), coordinates=np.zeros((2, 2)))
