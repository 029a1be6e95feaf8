"""Which confounds are regressed out, by whoever wrote the table."""

import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import DataWarning, TimeSeriesError
from adestim.modalities.fmri.cleaning import Cleaning
from adestim.modalities.fmri.confounds import read_confounds
from adestim.modalities.fmri.timeseries import RoiSeries

N_VOLUMES = 140
OLD = ["CSF", "WhiteMatter", "GlobalSignal", "stdDVARS", "non-stdDVARS", "FramewiseDisplacement"]
OTHERS = [f"aCompCor{i:02d}" for i in range(6)] + [f"AROMAAggrComp{i:02d}" for i in range(23)]
MOTION = {
    "fMRIPrep": ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"],
    "fMRIPrep 1.1": ["X", "Y", "Z", "RotX", "RotY", "RotZ"],
    "AFNI": ["roll", "pitch", "yaw", "dS", "dL", "dP"],
    "scripts": ["tx", "ty", "tz", "rx", "ry", "rz"],
    "SPM by name": ["x", "y", "z", "pitch", "roll", "yaw"],
}


def table(names, n_volumes=N_VOLUMES):
    values = np.random.default_rng(0).normal(size=(n_volumes, len(names)))
    return pd.DataFrame(values, columns=names)


@pytest.mark.parametrize("writer", MOTION)
def test_motion_is_found_by_whoever_named_it(writer):
    frame = table([*OLD[2:], *MOTION[writer], *OTHERS])
    found = read_confounds(frame, None, N_VOLUMES)
    np.testing.assert_array_equal(found, frame[MOTION[writer]])


def test_old_fmriprep_gives_motion_and_tissue():
    frame = table([*OLD, *MOTION["fMRIPrep 1.1"], *OTHERS])
    found = read_confounds(frame, None, N_VOLUMES)
    chosen = ["CSF", "WhiteMatter", *MOTION["fMRIPrep 1.1"]]
    np.testing.assert_array_equal(found, frame[chosen])


def test_table_that_names_no_motion_is_said_to_be_used_whole():
    with pytest.warns(DataWarning, match="all 8 are regressed out: PC1, PC2.*confounds="):
        found = read_confounds(table([f"PC{i}" for i in range(1, 9)]), None, N_VOLUMES)
    assert found.shape == (N_VOLUMES, 8)


def test_tissue_without_motion_is_said():
    with pytest.warns(DataWarning, match="parameter of motion; regressed out: csf"):
        read_confounds(table(["csf", "global_signal"]), None, N_VOLUMES)


def test_named_confounds_are_asked_for_and_nothing_is_said():
    frame = table([f"PC{i}" for i in range(1, 9)])
    assert read_confounds(frame, ["PC1"], N_VOLUMES).shape == (N_VOLUMES, 1)


FILES = {
    "mcf.par": lambda x: "\n".join("  ".join(f"{v:.6e}" for v in row) + "  " for row in x),
    "rp_bold.txt": lambda x: "\n".join("".join(f"{v:16.7e}" for v in row) for row in x),
    "Movement_Regressors.txt": lambda x: "\n".join(
        " " + "\t".join(f"{v:.6f}" for v in r) for r in x
    ),
    "dfile.1D": lambda x: "\n".join(" ".join(f"{v:8.4f}" for v in row) for row in x),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("n_columns", [6, 12])
def test_files_of_motion_without_names(tmp_path, name, n_columns):
    values = np.random.default_rng(0).normal(size=(N_VOLUMES, n_columns))
    # The reference volume does not move.
    values[0] = 0
    (tmp_path / name).write_text(FILES[name](values) + "\n")
    found = read_confounds(tmp_path / name, None, N_VOLUMES)
    np.testing.assert_allclose(found, values, atol=1e-3)


@pytest.mark.parametrize(
    ("column", "words"), [([np.nan] * 140, "no number at all"), ([1, np.nan] * 70, "gaps")]
)
def test_confound_that_cannot_be_used_is_named(column, words):
    frame = table(MOTION["fMRIPrep"]).assign(csf=column)
    with pytest.raises(TimeSeriesError, match=f"{words}.* in column 'csf'"):
        read_confounds(frame, None, N_VOLUMES)


@pytest.mark.parametrize(
    ("n_confounds", "said"), [(40, True), (36, True), (35, False), (14, False)]
)
def test_many_confounds_for_few_volumes_are_counted(n_confounds, said, recwarn):
    rng = np.random.default_rng(0)
    series = RoiSeries(rng.normal(size=(N_VOLUMES, 3)), np.ones(3, dtype=bool), 2.0)
    expected = pytest.warns(DataWarning, match=f"{n_confounds} confounds are.*of 140 volumes")
    confounds = rng.normal(size=(N_VOLUMES, n_confounds))
    if said:
        with expected:
            Cleaning()(series, confounds)
    else:
        Cleaning()(series, confounds)
        assert not recwarn.list
