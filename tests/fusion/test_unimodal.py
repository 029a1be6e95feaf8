import numpy as np
import pytest
from sklearn.base import clone

from adestim import AnchoredFusionClassifier, UnimodalClassifier
from adestim.exceptions import InputError
from tests.fusion.rival_models import SMALL
from tests.fusion_tables import BLOCKS, free_tokens, numeric_table, with_missing


@pytest.fixture(scope="module")
def incomplete():
    X, y = numeric_table(60)
    return with_missing(X), y


def alone(modality=None, **params):
    return UnimodalClassifier(modality=modality, **(SMALL | {"depth": 1} | params))


def test_it_is_the_anchored_fusion_of_that_column_and_those_rows(incomplete):
    X, y = incomplete
    model = alone("csf").fit(X, y)
    has = X["csf__a"].notna().to_numpy()
    own = X.loc[has, BLOCKS["csf"]]
    params = SMALL | {"depth": 1, "n_queries": 0, "members": (), "anchor": "csf"}
    expected = AnchoredFusionClassifier(**params).fit(own, y[has]).predict_proba(own)
    np.testing.assert_allclose(model.predict_proba(X)[has], expected)


def test_who_lacks_the_modality_gets_the_class_frequencies(incomplete):
    X, y = incomplete
    weight = np.where(y == "AD", 3.0, 1.0)
    model = alone("csf").fit(X, y, sample_weight=weight)
    lacks = X["csf__a"].isna().to_numpy()
    assert lacks.any()
    np.testing.assert_allclose(model.predict_proba(X)[lacks], [[0.75, 0.25]] * lacks.sum())


def test_the_other_modalities_are_not_read(incomplete):
    X, y = incomplete
    model = alone("csf").fit(X, y)
    other = X.assign(mri__a=7.0, gene__a=-7.0)
    np.testing.assert_array_equal(model.predict_proba(other), model.predict_proba(X))


def test_the_only_modality_needs_no_name():
    model = alone().fit(free_tokens(), np.arange(40) % 2)
    assert model.modality_ == "notes"


@pytest.mark.parametrize("modality", [None, "pet"])
def test_a_modality_that_is_not_there_is_refused_with_the_choices(modality, incomplete):
    with pytest.raises(InputError, match=r"'modality'.*Choose from \['mri', 'csf', 'gene'\]"):
        alone(modality).fit(*incomplete)


def test_a_modality_of_one_class_is_refused_by_name():
    X, y = numeric_table(40)
    X.loc[y == "AD", BLOCKS["csf"]] = np.nan
    with pytest.raises(InputError, match=r"who have 'csf' must be of at least 2 classes"):
        alone("csf").fit(X, y)


def test_a_class_that_nobody_with_the_modality_has_gets_probability_zero():
    X, y = numeric_table(90, n_classes=3)
    X.loc[y == "CN", BLOCKS["csf"]] = np.nan
    model = alone("csf").fit(X, y)
    has = X["csf__a"].notna().to_numpy()
    probability = model.predict_proba(X)
    assert (probability[has, 1] == 0).all()
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    np.testing.assert_allclose(probability[~has], [[1 / 3] * 3] * 30)


def test_a_width_that_does_not_divide_into_heads_is_refused(incomplete):
    with pytest.raises(InputError, match=r"'width'.*UnimodalClassifier.*multiple of 8"):
        clone(alone("mri")).set_params(width=12).fit(*incomplete)
