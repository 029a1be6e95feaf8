"""Small fitted fusions for the tests of what looks into them."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from adestim import (
    AnchoredFusionClassifier,
    AnchoredFusionRegressor,
    ClinicalExtractor,
    ModalityUnion,
)
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


def records_table(n_subjects=24):
    """Records with notes of several lengths beside a marker, and labels that the notes tell."""
    rng = np.random.default_rng(0)
    ill = np.arange(n_subjects) % 2 == 1
    X = pd.DataFrame(
        {
            "age": rng.choice([60.0, 70.0, 80.0], n_subjects),
            "note": np.where(ill, "forgets names is not", "is not"),
            "tau": rng.normal(ill),
        },
        index=[f"sub-{number:03d}" for number in range(n_subjects)],
    )
    X.loc["sub-004", ["age", "note"]] = None
    X.loc["sub-005", "note"] = None
    X.loc["sub-006", "tau"] = np.nan
    return X, np.where(ill, "AD", "CN")


def fitted_reader(folder, anchor):
    """A fitted pipeline whose records a tiny language model reads, and its table."""
    extractor = ClinicalExtractor(
        backbone=str(folder), text=["note"], backbone_params={"reserve": 8}, device="cpu"
    )
    columns = [("clinical", extractor, ["age", "note"]), ("csf", "passthrough", ["tau"])]
    X, y = records_table()
    trained = {"n_trees": 0, "max_epochs": 2, "n_queries": 2, "lora_rank": 2, "batch_size": 8}
    fusion = AnchoredFusionClassifier(anchor=anchor, device="cpu", random_state=0, **trained)
    with warnings.catch_warnings():
        # The tiny tokenizer does not know every word.
        warnings.simplefilter("ignore")
        return make_pipeline(ModalityUnion(columns), fusion).fit(X, y), X


def in_pipeline(estimator):
    """The same estimator behind a step that changes nothing."""
    return make_pipeline(FunctionTransformer().set_output(transform="pandas"), estimator)
