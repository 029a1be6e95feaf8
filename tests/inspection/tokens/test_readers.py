import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)

from adestim.inspection import token_attribution
from adestim.inspection.tokens.forest_path import ForestSteps
from adestim.inspection.tokens.readers import ReaderEnds, follow_readers
from adestim.inspection.tokens.view import view_of
from tests.inspection.fitted import fitted

NO_NET = {"max_epochs": 0}


def with_member(model, name="mine"):
    """A fusion that mixes the joint head with a classifier of the user's, and its table."""
    return fitted(members=("joint", (name, model)), **NO_NET)


@pytest.fixture(scope="module")
def boosted():
    return with_member(HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=5))


def test_forest_goes_from_the_training_means_to_the_subjects():
    view = view_of(*fitted(members=("forest",), n_trees=10, **NO_NET))
    found = follow_readers(view, ["forest"])["forest"]
    judge = view.scores.judges["forest"]
    np.testing.assert_allclose(found.end, judge(view.scores, view.present))
    complete = view.present.all(axis=1)
    assert np.ptp(found.start[complete], axis=0).max() < 1e-9 < np.ptp(found.start)


@pytest.mark.parametrize("kind", [ExtraTreesClassifier, RandomForestClassifier])
def test_trees_of_the_user_are_followed_to_what_they_say(kind):
    view = view_of(*with_member(kind(20, min_samples_leaf=3, random_state=0)))
    found = follow_readers(view, ["mine"])["mine"]
    assert isinstance(found, ForestSteps)
    said = view.scores.judges["mine"](view.scores, view.present)
    np.testing.assert_allclose(found.end, said, atol=1e-6)
    np.testing.assert_allclose(found.steps.sum(axis=1), found.end - found.start, atol=1e-9)


def test_other_estimators_have_ends_alone(boosted):
    view = view_of(*boosted)
    found = follow_readers(view, ["mine"])["mine"]
    assert isinstance(found, ReaderEnds)
    np.testing.assert_allclose(found.end, view.scores.judges["mine"](view.scores, view.present))


def test_their_part_is_a_remainder_by_their_name_so_that_sums_stay_complete(boosted):
    fusion, X = boosted
    found = token_attribution(fusion, X)
    assert fusion.shares_["mine"] > 0
    assert list(found.remainders) == ["member mine"]
    assert np.abs(found.remainders["member mine"]).max() > 0.01
    assert found.completeness()["gap"].abs().max() < 1e-3
    last = found.frame().iloc[-1]
    assert (last["modality"], last["token"]) == ("member mine", "remainder")
    assert (found.frame("subject")["modality"] == "member mine").sum() == len(X)
