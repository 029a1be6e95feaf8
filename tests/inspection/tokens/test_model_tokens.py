from types import SimpleNamespace

import numpy as np
import pytest

from adestim.encoding import BackboneSpec
from adestim.inspection.tokens.model_tokens import ordered_tokens, token_grid


def spec_of(home, sources=(), **architecture):
    options = (("architecture", tuple(architecture.items())),)
    return BackboneSpec("model", options=options, sources=(*sources, ("home", home)))


def test_tokens_of_a_vision_transformer_run_along_z_first():
    grid = token_grid(
        spec_of("adestim.modalities.smri.models.brainiac:BrainIAC", img_size=(32, 32, 48))
    )
    assert grid.shape == (2, 2, 3)
    assert grid.cells[1].tolist() == [0, 0, 1]


def test_tokens_of_brainmvp_run_along_y_first_and_are_finer_where_others_join():
    spec = spec_of("adestim.modalities.smri.models.brainmvp:BrainMVP", volume_shape=(32, 48, 64))
    coarse, fine = token_grid(spec), token_grid(spec, 4 * 6 * 8)
    assert (coarse.shape, fine.shape) == ((2, 3, 4), (4, 6, 8))
    assert coarse.cells[1].tolist() == [0, 1, 0]
    assert (coarse.edge[0], fine.edge[0]) == (32, 16)


def test_axes_of_brainmvp_are_those_of_its_own_grid():
    from adestim.modalities.smri.models.brainmvp import BrainMVP

    sizes = SimpleNamespace(volume_shape=(32, 48, 64))
    z, x, y = BrainMVP.grid(sizes, 16)
    cells = token_grid(
        spec_of("adestim.modalities.smri.models.brainmvp:BrainMVP", volume_shape=(32, 48, 64))
    ).cells
    assert cells[-1].tolist() == [x - 1, y - 1, z - 1]


@pytest.mark.parametrize("home", ["", "somebody.else:Model"])
def test_other_models_have_neither_grid_nor_parcels(home):
    assert token_grid(spec_of(home)) is None
    assert ordered_tokens(spec_of(home)) is None


def test_times_of_a_parcel_are_summed():
    home = "adestim.modalities.fmri.models.brain_jepa:BrainJEPA"
    tokens = ordered_tokens(spec_of(home, n_rois=3, n_time_patches=2))
    np.testing.assert_array_equal(tokens.mixing @ np.arange(6), [1, 5, 9])


def test_class_token_is_nowhere():
    spec = spec_of(
        "adestim.modalities.fmri.models.brainlm_13m:BrainLM13M",
        n_parcels=2,
        n_frames=40,
        patch_size=20,
    )
    np.testing.assert_array_equal(ordered_tokens(spec).mixing @ [100, 1, 2, 3, 4], [3, 7])


def test_patches_of_brainlm_are_shared_by_the_parcels_they_see(tmp_path):
    path = tmp_path / "coordinates.dat"
    path.write_text("1 0 50 0\n2 0 -50 0\n3 0 -40 0\n4 0 60 0\n")
    sizes = {"n_parcels": 4, "n_frames": 4, "image_size": 4, "patch_size": 2}
    spec = spec_of(
        "adestim.modalities.fmri.models.brainlm:BrainLM", (("coordinates", str(path)),), **sizes
    )
    tokens = ordered_tokens(spec)
    # Parcels 2 and 3 are in the back, and thus in the first row of patches.
    np.testing.assert_array_equal(tokens.mixing @ [100, 1, 1, 10, 10], [10, 1, 1, 10])
    np.testing.assert_array_equal(tokens.coordinates[1], [0, -50, 0])


def test_brainlm_without_its_file_has_no_parcels(tmp_path):
    home = "adestim.modalities.fmri.models.brainlm:BrainLM"
    assert ordered_tokens(spec_of(home)) is None
    gone = (("coordinates", str(tmp_path / "gone.dat")),)
    assert ordered_tokens(spec_of(home, gone)) is None
