import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import clone

from adestim import (
    AnchoredFusionClassifier,
    ConcatFusionClassifier,
    SelfAttentionFusionClassifier,
)
from adestim.evaluation import missing_patterns
from adestim.exceptions import InputError
from adestim.fusion.token_fusions import rank_patterns
from tests.fusion.rival_models import NETS
from tests.fusion_tables import BLOCKS, numeric_table, with_missing

SMALLEST = {"width": 8, "max_epochs": 1}


@pytest.fixture(scope="module")
def incomplete():
    X, y = numeric_table(60)
    return with_missing(X), y


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("start", ["late", "average", "stacked"])
def test_without_epochs_the_start_stands(name, start, incomplete):
    X, y = incomplete
    model = clone(NETS[name]).set_params(start=start, n_trees=5, max_epochs=0).fit(X, y)
    present = missing_patterns(X)[list(model.phase_one_.modalities)].to_numpy()
    base = model.phase_one_.logits(scores_of(model, X), present, start)
    np.testing.assert_allclose(model.predict_proba(X), softmax(base.astype(float), axis=1))


def scores_of(model, X):
    """Phase-1 scores of a numeric frame."""
    names = model.phase_one_.modalities
    blocks = [X.filter(like=f"{name}__").to_numpy(np.float32) for name in names]
    return model.phase_one_.scores(blocks)


def test_phase_one_is_that_of_the_anchored_fusion(incomplete):
    X, y = incomplete
    rival = clone(NETS["concat"]).fit(X, y)
    ours = AnchoredFusionClassifier(width=8, n_trees=0, max_epochs=0, random_state=0).fit(X, y)
    np.testing.assert_array_equal(scores_of(rival, X).values, scores_of(ours, X).values)


@pytest.mark.parametrize("name", NETS)
def test_there_is_one_net_and_its_history(name, incomplete):
    model = clone(NETS[name]).fit(*incomplete)
    assert model.nets_ == {"fusion": model.net_}
    assert [record["epoch"] for record in model.history_] == [1, 2]
    assert {record["anchor"] for record in model.history_} == {"fusion"}


@pytest.mark.parametrize("name", NETS)
def test_training_finds_what_only_both_modalities_tell(name):
    """The class is the sign of a product, of which no modality alone, and no sum, tells."""
    X, _ = numeric_table(400, seed=1)
    y = np.where(X["mri__a"] * X["csf__a"] > 0, "AD", "CN")
    params = {"width": 16, "max_epochs": 60, "patience": 60, "learning_rate": 0.01}
    model = clone(NETS[name]).set_params(**params, random_state=2).fit(X[:300], y[:300])
    found = model.score(X[300:], y[300:])
    assert found < 0.7 if name == "linear" else found > 0.7


def test_a_width_that_does_not_divide_into_heads_is_refused(incomplete):
    with pytest.raises(InputError, match=r"'width'.*SelfAttentionFusion.*multiple of 8.*Got 12"):
        SelfAttentionFusionClassifier(width=12).fit(*incomplete)


def test_a_start_from_an_anchor_is_refused(incomplete):
    with pytest.raises(ValueError, match="'start' parameter of ConcatFusionClassifier"):
        ConcatFusionClassifier(start="anchor").fit(*incomplete)


# The mixture of experts


@pytest.fixture(scope="module")
def partly_missing():
    X, y = numeric_table(60)
    X.iloc[:10, X.columns.get_indexer(BLOCKS["csf"])] = np.nan
    X.iloc[10:15, X.columns.get_indexer(BLOCKS["gene"])] = np.nan
    return X, y


def test_patterns_of_the_training_subjects_are_kept_by_frequency(partly_missing):
    model = clone(NETS["mixture"]).fit(*partly_missing)
    assert model.patterns_.tolist() == [
        [True, True, True],
        [True, False, True],
        [True, True, False],
    ]


def test_a_pattern_not_seen_in_training_is_predicted(partly_missing):
    model = clone(NETS["mixture"]).fit(*partly_missing)
    X, _ = numeric_table(5)
    X[BLOCKS["mri"] + BLOCKS["gene"]] = np.nan
    assert np.isfinite(model.predict_proba(X)).all()


def test_there_may_be_fewer_experts_than_patterns(partly_missing):
    model = clone(NETS["mixture"]).set_params(n_experts=1, top_k=3).fit(*partly_missing)
    assert np.isfinite(model.predict_proba(partly_missing[0])).all()


def test_patterns_come_by_frequency():
    present = np.array([[True, False], [True, True], [True, True], [False, True]])
    assert rank_patterns(present).tolist() == [[True, True], [False, True], [True, False]]
