"""Groups and weights on their way to ``fit``."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import AnchoredFusionClassifier
from adestim._support.routing import last_step, route_to_fit
from adestim.exceptions import InputError


class Remembering(DummyClassifier):
    """A classifier that takes groups."""

    def fit(self, X, y, groups=None):
        return super().fit(X, y)


def test_groups_are_handed_to_a_fit_that_takes_them():
    groups = np.arange(3)
    assert route_to_fit(AnchoredFusionClassifier(), groups=groups) == {"groups": groups}
    piped = make_pipeline(StandardScaler(), AnchoredFusionClassifier())
    assert route_to_fit(piped, groups=groups) == {"anchoredfusionclassifier__groups": groups}


def test_a_search_takes_groups_where_its_inner_folds_do():
    groups = np.arange(3)
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=GroupKFold(2))
    assert route_to_fit(search, groups=groups) == {"groups": groups}
    assert list(route_to_fit(make_pipeline(StandardScaler(), search), groups=groups)) == [
        "gridsearchcv__groups"
    ]
    assert route_to_fit(search.set_params(cv=KFold(2)), groups=groups) == {}


def test_metadata_routing_decides_where_it_is_enabled():
    groups = np.arange(3)
    with config_context(enable_metadata_routing=True):
        asking = Remembering().set_fit_request(groups=True)
        assert route_to_fit(make_pipeline(StandardScaler(), asking), groups=groups) == {
            "groups": groups
        }
        assert route_to_fit(LogisticRegression(), groups=groups) == {}
        refusing = make_pipeline(StandardScaler(), Remembering().set_fit_request(groups=False))
        assert route_to_fit(refusing, groups=groups) == {}


def test_under_metadata_routing_an_undecided_step_is_asked_about():
    undecided = make_pipeline(StandardScaler(), Remembering())
    with config_context(enable_metadata_routing=True):
        given = route_to_fit(undecided, groups=[0, 1])
        with pytest.raises(UnsetMetadataPassedError, match=r"\[groups\] are passed but"):
            undecided.fit([[0.0], [1.0]], [0, 1], **given)


def test_groups_are_kept_from_a_fit_that_takes_none():
    assert route_to_fit(LogisticRegression(), groups=np.arange(3)) == {}
    assert route_to_fit(make_pipeline(StandardScaler(), "passthrough"), groups=np.arange(3)) == {}
    assert route_to_fit(AnchoredFusionClassifier(), groups=None) == {}


def test_weights_go_beside_groups():
    piped = make_pipeline(StandardScaler(), make_pipeline(AnchoredFusionClassifier()))
    prefix = "pipeline__anchoredfusionclassifier__"
    assert route_to_fit(piped, groups=[1], sample_weight=[2.0]) == {
        f"{prefix}groups": [1],
        f"{prefix}sample_weight": [2.0],
    }


def test_weights_that_no_fit_takes_are_refused():
    with pytest.raises(InputError, match="KNeighborsClassifier does not"):
        route_to_fit(make_pipeline(StandardScaler(), KNeighborsClassifier()), sample_weight=[1.0])


def test_a_plain_estimator_gets_what_its_fit_takes_under_metadata_routing():
    with config_context(enable_metadata_routing=True):
        assert route_to_fit(Remembering(), groups=[1]) == {"groups": [1]}


def test_the_last_step_is_what_a_pipeline_ends_in():
    model = LogisticRegression()
    assert last_step(make_pipeline(StandardScaler(), model)) is model
    assert last_step(model) is model
