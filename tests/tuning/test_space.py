import optuna
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import (
    AnchoredFusionClassifier,
    BlockAverageClassifier,
    ClinicalExtractor,
    LateFusionClassifier,
    ModalityUnion,
    PatternCalibratedClassifier,
)
from adestim.exceptions import InputError
from adestim.tuning import Choice, Range, search_space, suggest
from adestim.tuning.space import default_values
from tests.fusion_tables import quick


def one_trial():
    sampler = optuna.samplers.RandomSampler(seed=0)
    return optuna.create_study(sampler=sampler).ask()


@pytest.fixture
def pipeline():
    union = ModalityUnion([("clinic", ClinicalExtractor(), ["age"]), ("csf", "passthrough", [1])])
    return make_pipeline(union, quick())


def test_a_trial_sets_what_the_estimator_takes():
    params = suggest(one_trial(), AnchoredFusionClassifier())
    model = clone(AnchoredFusionClassifier()).set_params(**params)
    assert model.learning_rate == params["learning_rate"] != 2e-3
    model._validate_params()


def test_the_study_knows_the_names_with_the_prefix():
    trial = one_trial()
    params = suggest(trial, LateFusionClassifier(), prefix="late__")
    assert set(trial.params) == {f"late__{name}" for name in params}


def test_names_in_a_pipeline_are_those_of_set_params(pipeline):
    params = suggest(one_trial(), pipeline)
    assert "anchoredfusionclassifier__width" in params
    assert pipeline.set_params(**params)[-1].width == params["anchoredfusionclassifier__width"]


def test_a_wrapped_fusion_is_searched_with_its_wrapper():
    space = search_space(PatternCalibratedClassifier(LateFusionClassifier()))
    assert {"method", "shrinkage", "estimator__weighting"} <= set(space)


def test_extractors_are_searched_on_request_alone(pipeline):
    assert not any("max_levels" in name for name in search_space(pipeline))
    space = search_space(pipeline, only=["max_levels"])
    assert list(space) == ["modalityunion__clinic__max_levels"]


def test_only_and_fixed_take_full_names_and_last_parts(pipeline):
    full = "anchoredfusionclassifier__width"
    assert set(search_space(pipeline, only=[full])) == {full}
    assert set(search_space(pipeline, only=["width", "depth"], fixed=[full])) == {
        "anchoredfusionclassifier__depth"
    }


def test_a_subclass_is_searched_like_its_parent():
    class Mine(LateFusionClassifier):
        pass

    assert search_space(Mine()) == search_space(LateFusionClassifier())


@pytest.mark.parametrize("parameter", ["only", "fixed"])
def test_an_unknown_name_is_refused_with_the_known_ones(parameter):
    with pytest.raises(InputError, match=rf"'{parameter}' names.*'max_epochs'.*learning_rate"):
        search_space(AnchoredFusionClassifier(), **{parameter: ["max_epochs"]})


def test_a_name_instead_of_a_collection_is_refused():
    with pytest.raises(InputError, match=r"collection of names.*'width'"):
        search_space(AnchoredFusionClassifier(), only="width")


@pytest.mark.parametrize(
    "estimator", [make_pipeline(StandardScaler(), LogisticRegression()), BlockAverageClassifier()]
)
def test_an_estimator_without_anything_to_search_is_refused(estimator):
    with pytest.raises(InputError, match=r"parameter to search.*'space' of your own"):
        search_space(estimator)


def test_own_values_are_the_defaults_where_they_lie_in_the_space():
    values = default_values(AnchoredFusionClassifier(width=8, learning_rate=1e-3))
    assert values["learning_rate"] == 1e-3
    assert "width" not in values


def test_ranges_are_shown_as_they_are():
    space = search_space(AnchoredFusionClassifier(), only=["width", "start"])
    assert isinstance(space["width"], Range)
    assert isinstance(space["start"], Choice)
