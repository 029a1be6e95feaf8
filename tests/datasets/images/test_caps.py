import pandas as pd
import pytest

from adestim.datasets.images.caps import session_days, session_label, session_months, study_subject
from adestim.datasets.images.index import choose_images, index_images
from adestim.exceptions import InputError
from tests.datasets.writers.bids import make_people, write_caps


@pytest.mark.parametrize("session", ["ses-M00", "ses-M000"])
def test_outputs_of_clinica_are_found(tmp_path, session):
    people = make_people(4)
    cropped = write_caps(people, tmp_path, session=session)
    index = index_images(tmp_path)
    counts = {"t1w": 6, "gray_matter": 3, "roi_volumes": 3, "roi_thickness": 3}
    assert index["modality"].value_counts().to_dict() == counts
    assert set(index["session"]) == {session}
    atlases = index.dropna(subset=["atlas"]).groupby("modality")["atlas"].first()
    assert dict(atlases) == {"roi_volumes": "AAL2", "roi_thickness": "desikan"}
    chosen = choose_images(index).query("modality == 't1w'").set_index("subject")["path"]
    assert dict(chosen) == dict(cropped.dropna())


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("sub-ADNI002S0295", "002_S_0295"),
        ("sub-ADNI002S10898", "002_S_10898"),
        ("sub-OAS30001", "OAS30001"),
        ("sub-01", "01"),
        ("002_S_0295", "002_S_0295"),
    ],
)
def test_identifier_of_the_study_comes_back(subject, expected):
    assert study_subject(subject) == expected


def test_identifiers_can_be_mapped_over_an_index():
    subjects = pd.Series(["sub-ADNI002S0295", "3000"])
    assert list(subjects.map(study_subject)) == ["002_S_0295", "3000"]


def test_sessions_of_either_spelling_are_one():
    assert session_label("ses-M06") == session_label("M006") == "ses-M006"
    assert session_label("ses-M120") == "ses-M120"
    assert session_label("ses-pre") == "ses-pre"
    assert session_label("") == ""


def test_session_says_when_it_was():
    assert session_months("ses-M120") == 120
    assert session_days("ses-d12345") == 12345
    with pytest.raises(InputError, match=r"names the month.*Got 'ses-d0757'"):
        session_months("ses-d0757")
    with pytest.raises(InputError, match=r"names the day.*Got 'ses-M000'"):
        session_days("ses-M000")
