import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim.encoding import BackboneSpec
from adestim.encoding.places import (
    SPHERE_GRID_MM,
    draw_spheres,
    lay_on_grid,
    name_tokens,
    share_among_parcels,
)
from adestim.exceptions import InputError
from adestim.inspection import TokenPlaces
from adestim.modalities.smri.template import mni_grid

NAMELESS = TokenPlaces("smri", "columns", ())


def test_patches_become_cells_of_the_box_that_the_model_reads():
    places = lay_on_grid(NAMELESS, [2, 2, 3], 4.0)
    image = places.to_image(np.arange(12.0))
    assert image.shape == (2, 2, 3)
    assert image.get_fdata()[0, 0, 1] == 1
    np.testing.assert_allclose(nibabel.affines.apply_affine(image.affine, [0.5, 0.5, 1]), 0)
    assert not places.in_mni


def test_order_of_cells_may_be_another():
    order = np.indices((3, 2, 2)).reshape(3, -1).T[:, [2, 1, 0]]
    places = lay_on_grid(NAMELESS, [2, 2, 3], 4.0, order)
    assert places.names[1] == "patch 1-0-0"
    assert places.to_image(np.arange(12.0)).get_fdata()[1, 0, 0] == 1


def test_parcels_have_numbers_and_share_tokens():
    places = share_among_parcels(NAMELESS, np.array([[0, 1, 1, 0], [0, 0, 0, 1]]))
    assert (places.kind, places.names, places.n_tokens) == ("parcels", ("parcel 1", "parcel 2"), 4)
    np.testing.assert_array_equal(places.placed([100, 1, 2, 3]), [3, 3])


def test_spheres_lie_on_the_grid_that_holds_the_brain():
    grid = mni_grid(SPHERE_GRID_MM)
    codes, affine = draw_spheres(np.zeros((1, 3)))
    np.testing.assert_array_equal(affine, grid.affine)
    assert codes.shape == grid.shape
    inside = nibabel.affines.apply_affine(affine, np.argwhere(codes == 1))
    assert 4 < np.linalg.norm(inside, axis=1).max() <= 6


def test_tokens_of_models_of_dna_have_the_names_of_snps():
    spec = BackboneSpec("dna", options=(("snp_names", ("rs1", "rs2")),))
    assert name_tokens(spec, 2) == ("rs1", "rs2")
    assert name_tokens(spec, 1) == ("token 1",)


def test_tokens_of_unknown_number_have_the_names_that_there_are():
    assert name_tokens(BackboneSpec("a", options=(("token_names", ("x", "y")),))) == ("x", "y")
    assert name_tokens(BackboneSpec("words")) == ()


def test_pairs_of_networks_need_networks():
    places = TokenPlaces("fmri", "parcels", ("a", "b"))
    with pytest.raises(InputError, match="networks unknown"):
        places.network_matrix(pd.DataFrame(np.ones((2, 1)), columns=["z_a"]))


def test_more_values_than_tokens_are_refused():
    with pytest.raises(InputError, match="has 2 tokens to be placed"):
        TokenPlaces("clinical", "columns", ("age", "sex")).placed(np.zeros(4))
