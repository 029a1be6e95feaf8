"""What publishing with a study's data obliges to."""

import pytest
from sklearn.utils import Bunch

from adestim.datasets import acknowledgement
from adestim.datasets.loaders.acknowledgement import STUDIES
from adestim.exceptions import InputError


@pytest.mark.parametrize("name", [study.name for study in STUDIES.values()])
def test_every_study_says_duties_and_where_the_wording_is(name):
    text = acknowledgement(name)
    assert text.startswith(f"{name}: ")
    assert "\n- " in text
    assert "The prescribed wording, which is not repeated here, is in: " in text
    assert max(map(len, text.splitlines())) <= 90


@pytest.mark.parametrize("name", ["OASIS-3", "OASIS3", "oasis_3"])
def test_spelling_does_not_matter(name):
    assert acknowledgement(name) == acknowledgement("oasis3")


def test_cohort_says_which_study_it_is():
    assert acknowledgement(Bunch(name="PPMI")) == acknowledgement("PPMI")


@pytest.mark.parametrize(
    ("cohort", "got"), [("NKI", "'NKI' instead"), (Bunch(frame=None), "a cohort of another name")]
)
def test_unknown_study_is_refused(cohort, got):
    with pytest.raises(InputError, match=f"one of 'ADNI', 'AIBL', .* Got {got}"):
        acknowledgement(cohort)
