"""The training rows' volumes are measured by their headers, and read when asked for."""

import nibabel
import numpy as np
import pandas as pd

from adestim.modalities.smri.training_volumes import TrainingVolumes


def test_extents_are_measured_without_reading_a_volume(tmp_path):
    image = nibabel.Nifti1Image(np.ones((4, 5, 6), dtype=np.float32), np.diag([2.0, 2, 2, 1]))
    nibabel.save(image, tmp_path / "t1.nii.gz")
    cells = [tmp_path / "t1.nii.gz", None, "no such file.nii.gz", image, np.ones((2, 2, 2))]
    frame = pd.DataFrame({"t1w": pd.Series(cells, dtype=object)})
    read = []
    volumes = TrainingVolumes(read.append, frame, tuple(map(tuple, np.eye(4).tolist())))
    found = volumes.list_extents()
    assert [extent.tolist() for extent in found] == [[8, 10, 12], [8, 10, 12], [2, 2, 2]]
    assert not read


def test_volumes_of_rows_that_can_be_read_are_yielded():
    def read(cells):
        if cells[0] == "broken":
            raise ValueError("broken")
        return cells[0]

    frame = pd.DataFrame({"t1w": ["a", None, "broken", "b"]})
    assert list(TrainingVolumes(read, frame)) == ["a", "b"]
