import numpy as np

from adestim.modalities.smri.grid import (
    Grid,
    block_affine,
    block_mean,
    block_steps,
    interpolate_values,
)


def test_blocks_are_averaged_and_the_last_may_be_short():
    values = np.arange(30.0).reshape(5, 3, 2)
    blocks = block_mean(values, (2, 3, 1))
    np.testing.assert_allclose(
        blocks[:2, 0, 1], [values[:2, :, 1].mean(), values[2:4, :, 1].mean()]
    )
    np.testing.assert_allclose(blocks[2, 0, 0], values[4, :, 0].mean())


def test_blocks_lie_where_their_voxels_do():
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    steps = block_steps(affine, resolution=4.0)
    assert steps == (4, 2, 1)
    centre = affine @ [1.5, 0.5, 0, 1]
    np.testing.assert_allclose(block_affine(affine, steps) @ [0, 0, 0, 1], centre)


def test_a_grid_tells_where_its_voxels_are():
    grid = Grid((2, 3, 4), (-1.0, 0.0, 5.0), 2.0)
    np.testing.assert_allclose(grid.centres()[1, 2, 3], (grid.affine @ [1, 2, 3, 1])[:3])
    assert grid.voxel_ml == 0.008


def test_values_between_voxels_are_interpolated_and_zero_outside():
    values = np.arange(4.0).reshape(4, 1, 1)
    to_voxels = np.diag([0.5, 1, 1, 1])
    found = interpolate_values(values, to_voxels, (9, 1, 1)).ravel()
    np.testing.assert_allclose(found[:7], np.arange(7) / 2)
    assert found[8] == 0
