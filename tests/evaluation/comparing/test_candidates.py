"""Who takes part in a comparison."""

import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from adestim.evaluation import REGRESSION_SCORES, SCORES, CovariateClassifier, MaskOnlyClassifier
from adestim.evaluation.comparing.candidates import (
    Candidate,
    add_controls,
    are_regressors,
    choose_reference,
    choose_scores,
    make_controls,
    read_candidates,
    require_rule,
)
from adestim.exceptions import InputError

MODEL = LogisticRegression()


def test_estimators_become_candidates_and_candidates_stay():
    given = Candidate(MODEL, modalities=("mri",))
    made = read_candidates({"plain": MODEL, "special": given})
    assert made["plain"].estimator is MODEL
    assert made["special"] is given


def test_regressors_are_told_from_classifiers():
    assert are_regressors({"r": Candidate(LinearRegression())})
    assert not are_regressors({"c": Candidate(MODEL)})


def test_scores_are_all_of_the_kind_unless_named():
    assert choose_scores(None, ("AD", "CN")) == SCORES
    assert choose_scores(None, ()) == REGRESSION_SCORES
    assert choose_scores("f1", ("AD", "CN")) == ("f1",)


def test_scores_of_the_other_kind_are_refused():
    with pytest.raises(
        InputError, match=r"'scoring' names scores. Got 'f1'. Choose from mae, rmse"
    ):
        choose_scores(["mae", "f1"], ())


def test_the_first_is_the_reference_unless_named():
    candidates = {"a": Candidate(MODEL), "b": Candidate(MODEL)}
    assert choose_reference(None, candidates) == "a"
    assert choose_reference("b", candidates) == "b"


def test_controls_are_the_mask_and_the_covariates():
    index = pd.Index(["s1", "s2"])
    covariates = pd.DataFrame({"age": [60.0, 70.0], "site": ["a", "b"]}, index=index)
    controls = make_controls(covariates, index)
    assert list(controls) == ["mask only", "age and site"]
    assert isinstance(controls["mask only"].estimator, MaskOnlyClassifier)
    assert isinstance(controls["age and site"].estimator, CovariateClassifier)
    assert list(make_controls(None, index)) == ["mask only"]


def test_controls_come_last():
    assert list(add_controls({"a": Candidate(MODEL)}, None, pd.Index([]))) == ["a", "mask only"]


def test_a_rule_is_read_before_anything_is_fitted():
    require_rule(None, ())
    require_rule("sensitivity>=0.9", ("AD", "CN"))
    with pytest.raises(InputError):
        require_rule("cheapest", ("AD", "CN"))
