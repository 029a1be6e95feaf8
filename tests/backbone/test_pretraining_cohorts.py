"""Names of studies."""

import pytest

from adestim.backbone.pretraining_cohorts import cohort_name, find_left_out, names_cohort
from adestim.exceptions import InputError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("UK Biobank", "UK Biobank"),
        ("UK Biobank", "uk-biobank"),
        ("32 data sets; ADNI and OASIS are not ruled out", "ADNI"),
        ("OASIS-3, IXI", "OASIS-3"),
        ("OASIS", "OASIS-3"),
        ("OASIS-1", "OASIS-3"),
        ("ADNI2", "ADNI"),
        ("ADNI", "ADNI3"),
        ("BraTS2021", "BraTS"),
    ],
)
def test_a_study_is_found_whatever_its_phase(text, name):
    assert names_cohort(text, name)


@pytest.mark.parametrize(
    ("text", "name"), [("MADNI, ADNIX", "ADNI"), ("IXI", "PPMI"), ("1000 Genomes", "ADNI")]
)
def test_another_word_is_no_study(text, name):
    assert not names_cohort(text, name)


def test_the_name_of_what_a_loader_returned_is_read():
    assert cohort_name({"name": "OASIS-3", "frame": None}) == "OASIS-3"


@pytest.mark.parametrize("cohort", ["", "3", {}])
def test_a_cohort_without_a_name_is_refused(cohort):
    with pytest.raises(InputError, match="A cohort is told by its name"):
        cohort_name(cohort)


@pytest.mark.parametrize(
    "name", ["BrainG3N", "braing3n", "gevaertlab/braing3n", "brain2vec", "3d_neuro_simclr"]
)
def test_models_that_have_seen_a_cohort_are_known_in_any_spelling(name):
    found = find_left_out(name)
    assert any(names_cohort(cohort, "ADNI") for cohort in found.cohorts)
    assert found.url.startswith("https://")


def test_other_models_are_not_left_out():
    assert find_left_out("brainmvp") is None
