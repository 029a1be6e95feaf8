import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import AnchoredFusionClassifier
from adestim.encoding import BackboneSpec, Encoding
from adestim.exceptions import InputError
from adestim.inspection import token_places
from adestim.modalities.fmri.connectome import Connectome
from adestim.modalities.fmri.parcellation import seitzman_parcellation
from adestim.modalities.fmri.timeseries import RoiLayout
from adestim.modalities.genetics.dosage import dosage_spec
from adestim.modalities.smri.morphometry import Morphometry
from adestim.modalities.smri.template import mni_grid

SCHAEFER = ("LH_Vis_1", "LH_Default_1", "RH_Vis_1", "RH_Default_1")
N = 24


def column(spec, n_tokens, width, seed=0):
    """Random encodings of one model."""
    tokens = np.random.default_rng(seed).normal(size=(N, n_tokens, width)).astype(np.float32)
    cells = np.empty(N, dtype=object)
    cells[:] = [Encoding(item, item, None, spec) for item in tokens]
    return cells


def fusion_on(spec, n_tokens, width, name="own"):
    """A fusion fitted on random encodings of one model and a number."""
    y = np.arange(N) % 2
    X = pd.DataFrame({name: column(spec, n_tokens, width), "csf__tau": y + 0.1 * np.arange(N)})
    return AnchoredFusionClassifier(width=8, max_epochs=0, n_trees=0, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def regions():
    spec = Morphometry(mni_grid(6.0)).spec()
    n_regions = len(spec.option("token_names"))
    return token_places(fusion_on(spec, n_regions, 7), "own")


@pytest.fixture(scope="module")
def parcels():
    spheres = seitzman_parcellation()
    spec = Connectome(RoiLayout(spheres.names, spheres.networks)).spec()
    width = len(spec.option("feature_names"))
    return token_places(fusion_on(spec, 300, width), "own")


def test_region_becomes_its_voxels(regions):
    values = np.zeros(len(regions.names) + 1)
    values[regions.names.index("hippocampus_L")] = 2.5
    image = regions.to_image(values)
    found = np.argwhere(image.get_fdata() == 2.5)
    centre = nibabel.affines.apply_affine(image.affine, found.mean(axis=0))
    np.testing.assert_allclose(centre, [-26, -22, -16], atol=8)
    assert regions.kind == "regions"
    assert set(np.unique(image.get_fdata())) == {0, 2.5}


def test_built_in_parcels_know_coordinates_and_networks(parcels):
    table = parcels.frame(np.arange(300))
    assert {"x", "y", "z", "network"} <= set(table)
    assert parcels.kind == "parcels"


def test_parcel_becomes_a_ball_around_its_centre(parcels):
    values = np.zeros(300)
    values[10] = 1.0
    image = parcels.to_image(values)
    found = np.argwhere(image.get_fdata() == 1)
    centre = nibabel.affines.apply_affine(image.affine, found.mean(axis=0))
    np.testing.assert_allclose(centre, parcels.coordinates[10], atol=4)


def test_parcels_of_unknown_place_have_names_alone():
    spec = Connectome(RoiLayout(("a", "b")), "regions").spec()
    places = token_places(fusion_on(spec, 2, 2), "own")
    assert places.coordinates is None
    with pytest.raises(InputError, match=r"not known where.*Pass parcellation= or coordinates="):
        places.to_image([1.0, 2.0])


def test_label_image_places_parcels():
    atlas = np.zeros((5, 5, 5), dtype=np.int16)
    atlas[1], atlas[3] = 4, 9
    image = nibabel.Nifti1Image(atlas, np.diag([2.0, 2.0, 2.0, 1.0]))
    spec = Connectome(RoiLayout(("a", "b")), "regions").spec()
    places = token_places(fusion_on(spec, 2, 2), "own", parcellation=image)
    np.testing.assert_allclose(places.coordinates, [[2, 4, 4], [6, 4, 4]])
    assert places.to_image([0.5, 0.25]).get_fdata()[3, 0, 0] == 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"coordinates": np.zeros((3, 3))}, r"of the 2 parcels.*Got shape \(3, 3\)"),
        (
            {"parcellation": nibabel.Nifti1Image(np.ones((2, 2, 2), np.int16), np.eye(4))},
            "must have the 2 regions.*Got 1",
        ),
    ],
)
def test_places_that_do_not_fit_are_told(settings, message):
    spec = Connectome(RoiLayout(("a", "b")), "regions").spec()
    with pytest.raises(InputError, match=message):
        token_places(fusion_on(spec, 2, 2), "own", **settings)


def test_other_parcellation_than_that_measured_is_refused():
    grid = mni_grid(12.0)
    spec = Morphometry(grid).spec()
    n_regions = len(spec.option("token_names"))
    cells = np.arange(1, n_regions + 1).repeat(8)
    atlas = np.zeros(np.prod(grid.shape), np.int16)
    atlas[: len(cells)] = cells[: len(atlas)]
    with pytest.raises(InputError, match=r"parcellation must be the one|overlap|unique name"):
        token_places(
            fusion_on(spec, n_regions, 7),
            "own",
            parcellation=nibabel.Nifti1Image(atlas.reshape(grid.shape), grid.affine),
        )


def test_variants_of_unknown_place_have_names_alone():
    places = token_places(fusion_on(dosage_spec(["rs1", "rs2"], ["C", "A"]), 2, 1), "own")
    assert (places.kind, places.positions) == ("variants", None)


def test_variants_know_places_by_their_names():
    named = token_places(fusion_on(dosage_spec(["19:44908822", "rs1"], ["C", "A"]), 2, 1), "own")
    assert named.kind == "variants"
    assert named.positions["position"].tolist()[0] == 44908822


def test_models_without_known_order_have_numbered_tokens():
    places = token_places(fusion_on(BackboneSpec("words"), 6, 2), "own")
    assert (places.kind, places.names[0]) == ("columns", "token 1")


def test_unknown_modality_is_told_with_the_choice():
    with pytest.raises(InputError, match=r"Got 'pet'. Choose from"):
        token_places(fusion_on(dosage_spec(["rs1"], ["C"]), 1, 1), "pet")
