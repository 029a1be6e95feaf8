import numpy as np
import pytest
from sklearn.base import clone

from adestim.fusion.mixture import patterns_by_frequency
from tests.fusion.rival_models import NETS
from tests.fusion_tables import BLOCKS, numeric_table


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
    assert patterns_by_frequency(present).tolist() == [[True, True], [False, True], [True, False]]
