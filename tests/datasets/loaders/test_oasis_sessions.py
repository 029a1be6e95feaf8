"""Sessions of OASIS-3."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets.images.index import index_images
from adestim.datasets.loaders.oasis import PATTERN
from adestim.datasets.loaders.oasis_sessions import first_sessions, session_day, timed_images
from adestim.datasets.loaders.study import Study
from adestim.exceptions import DataWarning, InputError
from tests.datasets.writers.oasis import write_sessions


def study_of(*subjects):
    people = pd.DataFrame({"number": list(subjects)}, index=list(subjects))
    return Study("OASIS-3", people, pd.DataFrame(), PATTERN, (), ())


@pytest.mark.parametrize(
    ("session", "day"), [("ses-d0757", 757), ("ses-d12345", 12345), ("ses-M006", 183),
                         ("ses-M00", 0), ("ses-01", np.nan), (np.nan, np.nan)]
)  # fmt: skip
def test_session_tells_its_day(session, day):
    assert session_day(session) == pytest.approx(day, nan_ok=True)


def test_images_of_others_are_left_out_and_broken_ones_told(tmp_path):
    write_sessions([(name, 7, ["t1w"]) for name in ("OAS30001", "OAS30002", "OAS30003")], tmp_path)
    next(tmp_path.rglob("sub-OAS30002*")).write_bytes(b"")
    with pytest.warns(DataWarning, match="1 images of 'OAS30002' cannot be used"):
        images = timed_images(index_images(tmp_path), study_of("OAS30001", "OAS30002"))
    assert images["subject"].tolist() == ["OAS30001"]
    assert images["day"].tolist() == [7]


def test_session_without_a_day_is_told(tmp_path):
    write_sessions([("OAS30001", 7, ["t1w"])], tmp_path)
    index = index_images(tmp_path)
    index = pd.concat([index, index.assign(session="ses-01")], ignore_index=True)
    with pytest.warns(DataWarning, match="1 images of 'OAS30001' are in sessions that do not name"):
        assert len(timed_images(index, study_of("OAS30001"))) == 1


def test_images_of_another_study_are_refused(tmp_path):
    write_sessions([("OAS30001", 7, ["t1w"])], tmp_path)
    with pytest.raises(InputError, match="Images belong to people whom the tables name"):
        timed_images(index_images(tmp_path), study_of("OAS39999"))


def test_visit_without_a_diagnosis_is_no_match():
    images = pd.DataFrame(
        {"subject": "s1", "session": ["ses-d0100"], "day": [100.0], "modality": "t1w"}
    )
    visits = pd.DataFrame(
        {"subject": "s1", "day": [100.0, 150.0], "diagnosis": [np.nan, "CN"]}, dtype=object
    ).astype({"day": float})
    assert first_sessions(images, visits, 183).loc["s1", "visit_day"] == 150
