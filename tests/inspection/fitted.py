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


def interacting_table(n_subjects=80, n_classes=2):
    """A table whose modalities tell more together, so that nets get a share; labels, numbers."""
    X, _ = numeric_table(n_subjects)
    noise = np.random.default_rng(0).normal(scale=0.3, size=n_subjects)
    signal = 2 * X["mri__a"] * X["csf__a"] + X["mri__b"] + noise
    labels = ["CN", "AD"] if n_classes == 2 else ["CN", "MCI", "AD"]
    y = np.array(labels)[pd.qcut(signal, n_classes, labels=False)]
    return with_missing(X), y, 100 + 10 * signal


@cache
def fitted(n_classes=2, **params):
    """A trained classifier, and its table with missing modalities."""
    X, y, _ = interacting_table(n_classes=n_classes)
    trained = {"n_trees": 0, "max_epochs": 6, "learning_rate": 0.01, "patience": 50}
    mixed = {"start": "anchor", "calibrate": "temperature"}
    return quick(**(trained | mixed | params)).fit(X, y), X


@cache
def fitted_regressor():
    """A trained regressor of numbers far from 0, and its table."""
    X, _, numbers = interacting_table()
    small = {"anchor": "mri", "width": 8, "n_queries": 2, "n_trees": 0, "random_state": 0}
    trained = {"max_epochs": 6, "learning_rate": 0.01, "patience": 50}
    return AnchoredFusionRegressor(start="anchor", **small, **trained).fit(X, numbers), X


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
    small = {"start": "anchor", "device": "cpu", "random_state": 0}
    fusion = AnchoredFusionClassifier(anchor=anchor, **small, **trained)
    with warnings.catch_warnings():
        # The tiny tokenizer does not know every word.
        warnings.simplefilter("ignore")
        return make_pipeline(ModalityUnion(columns), fusion).fit(X, y), X


def in_pipeline(estimator):
    """The same estimator behind a step that changes nothing."""
    return make_pipeline(FunctionTransformer().set_output(transform="pandas"), estimator)
