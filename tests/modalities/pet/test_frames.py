"""Dynamic images: which frames are averaged, and how."""

import numpy as np
import pandas as pd
import pytest

from adestim import PETExtractor
from adestim.exceptions import DataWarning, InputError, VolumeError
from tests.modalities.pet.phantom import LABELS, atlas, save_scan, uptake

TIMES = {"FrameTimesStart": [0, 3000, 3300, 3900], "FrameDuration": [600, 300, 600, 300]}
# Ratios of the temporal lobe in the frames.
RATIOS = (9.0, 1.0, 2.0, 4.0)


@pytest.fixture
def dynamic(tmp_path):
    """Write a dynamic image with a sidecar."""

    def write(**fields):
        frames = [uptake(temporal=2 * ratio) for ratio in RATIOS]
        return save_scan(tmp_path / "s_pet.nii.gz", np.stack(frames, axis=-1), **fields)

    return write


def temporal(path, **params):
    settings = {"parcellation": atlas(), "labels": LABELS, "reference": "cerebellum", **params}
    frame = pd.DataFrame({"pet": [path]}, index=["s1"])
    return float(PETExtractor(**settings).fit_transform(frame).loc["s1", "pet"].tokens[2, 0])


def test_frames_of_a_window_are_weighted_by_their_duration(dynamic):
    assert temporal(dynamic(**TIMES), window=(3000, 4200)) == pytest.approx((1 + 4 + 4) / 4)
    assert temporal(dynamic(**TIMES), window=(3300, 4200)) == pytest.approx((4 + 4) / 3)


def test_times_are_counted_from_the_injection(dynamic):
    path = dynamic(**TIMES, InjectionStart=300)
    assert temporal(path, window=(2700, 3000)) == pytest.approx(1)


def test_frames_by_number_need_no_times(dynamic):
    assert temporal(dynamic(), frames=[1, 3]) == pytest.approx(2.5)


def test_all_frames_are_averaged_with_a_warning(dynamic):
    with pytest.warns(DataWarning, match=r"'s1': all 4 frames are averaged with equal weights"):
        assert temporal(dynamic()) == pytest.approx(4)
    with pytest.warns(DataWarning, match=r"from 0 s after injection on, early uptake included"):
        temporal(dynamic(**TIMES))


@pytest.mark.parametrize(
    ("fields", "params", "said"),
    [
        ({}, {"window": (3000, 4200)}, "no FrameTimesStart"),
        (TIMES, {"window": (5000, 6000)}, "Got 0%, by 0 frames"),
        (TIMES, {"frames": [4]}, r"\[4\] of an image with 4 frames"),
        ({**TIMES, "FrameDuration": [1, 2]}, {"frames": [0]}, "4 times in s.*Got 4 and 2"),
        ({**TIMES, "FrameDuration": [1, 2, "x", 3]}, {"frames": [0]}, "Got 4 and 0"),
        ({**TIMES, "FrameDuration": [1, 2, 0, 3]}, {"frames": [0]}, "last longer than 0 s"),
    ],
)
def test_frames_that_cannot_be_chosen_are_refused(dynamic, fields, params, said):
    with pytest.raises(VolumeError, match=rf"Subject 's1'.*{said}"):
        temporal(dynamic(**fields), **params)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"frames": [0], "window": (0, 1)}, "Got both"),
        ({"frames": []}, "whole numbers, from 0"),
        ({"frames": [0.5]}, "whole numbers, from 0"),
        ({"window": (4200, 3000)}, "the earlier first"),
        ({"window": (1, 2, 3)}, "the earlier first"),
    ],
)
def test_parameters_that_choose_nothing_are_refused(params, said):
    with pytest.raises(InputError, match=said):
        temporal(None, **params)
