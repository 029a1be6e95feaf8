"""Small fitted fusions for the tests of what looks into them."""

from functools import cache

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from adestim import AnchoredFusionRegressor
from tests.fusion_tables import numeric_table, quick, with_missing


@cache
def fitted(n_classes=2, **params):
    """A trained classifier, and its table with missing modalities."""
    X, y = numeric_table(48, n_classes)
    X = with_missing(X)
    trained = {"n_trees": 0, "max_epochs": 3, "learning_rate": 0.02, "patience": 50} | params
    return quick(**trained).fit(X, y), X


@cache
def fitted_regressor():
    """A trained regressor of numbers far from 0, and its table."""
    X, _ = numeric_table(48)
    y = 100 + 10 * X["mri__a"].to_numpy() + np.random.default_rng(0).normal(size=48)
    small = {"anchor": "mri", "width": 8, "n_queries": 2, "max_epochs": 2, "random_state": 0}
    return AnchoredFusionRegressor(**small).fit(X, y), X


def in_pipeline(estimator):
    """The same estimator behind a step that changes nothing."""
    return make_pipeline(FunctionTransformer().set_output(transform="pandas"), estimator)
