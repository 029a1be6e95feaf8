"""Warnings of foundation models that have seen the cohort."""

import warnings

import pytest
from sklearn.utils import Bunch

from adestim import FMRIExtractor, ModalityUnion, SMRIExtractor, list_backbones
from adestim.evaluation import warn_pretraining
from adestim.exceptions import InputError, LeakageWarning


def test_every_model_that_names_the_cohort_is_warned_of():
    with pytest.warns(LeakageWarning, match=r"Subjects of UK Biobank .*'brain-jepa' .UK Biobank"):
        table = warn_pretraining(list(list_backbones().index), "UK Biobank")
    named = table.index[table["cohort"] == "named"]
    assert {"brain-jepa", "brainlm-111m"} <= set(named)
    assert "brainmvp" not in named


def test_a_model_that_may_have_seen_the_cohort_is_warned_of():
    with pytest.warns(LeakageWarning, match=r"brainiac.*ADNI and OASIS are not ruled out"):
        warn_pretraining("brainiac", "ADNI")


def test_backbones_are_found_in_a_pipeline():
    union = ModalityUnion(
        [
            ("smri", SMRIExtractor(backbone="brainmvp"), "t1w"),
            ("fmri", FMRIExtractor(backbone="brain-jepa"), "bold"),
            ("mri", SMRIExtractor(), "t1w"),
        ]
    )
    with pytest.warns(LeakageWarning):
        table = warn_pretraining(union, "UK Biobank")
    assert table["cohort"].to_dict() == {"brainmvp": "not named", "brain-jepa": "named"}


def test_a_cohort_that_was_read_has_its_name():
    with pytest.warns(LeakageWarning, match="Subjects of OASIS-3"):
        warn_pretraining("brainiac", Bunch(name="OASIS-3"))


def test_no_overlap_is_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = warn_pretraining(["brain-jepa", "someone/model"], "PPMI")
    assert table["cohort"].to_dict() == {"brain-jepa": "not named", "someone/model": "not known"}


def test_built_in_backbones_learned_from_nobody():
    assert warn_pretraining([SMRIExtractor(), "morphometry"], "ADNI").empty


@pytest.mark.parametrize("cohort", [Bunch(), "", "1234"])
def test_a_cohort_without_a_name_is_refused(cohort):
    with pytest.raises(InputError, match="A cohort is told by its name"):
        warn_pretraining("brainiac", cohort)


def test_what_is_no_model_is_refused():
    with pytest.raises(InputError, match=r"Models are estimators or names of backbones. Got a int"):
        warn_pretraining(3, "ADNI")


def test_a_model_that_is_not_offered_is_known():
    with pytest.warns(LeakageWarning, match="Subjects of PPMI .*'braing3n'"):
        table = warn_pretraining("braing3n", "PPMI")
    assert table.loc["braing3n", "cohort"] == "named"
