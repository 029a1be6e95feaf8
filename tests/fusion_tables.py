"""Small tables for the tests of the fusion, and an estimator that is quick on them."""

import numpy as np
import pandas as pd

from adestim import AnchoredFusionClassifier
from adestim.encoding import BackboneSpec, Encoding, encodings_frame
from adestim.encoding.tables import read_modalities, training_tables
from adestim.encoding.tokens import TokenScaler, without_rows
from adestim.fusion._anchor_inputs import AnchorInputs, score_scale
from adestim.training.phase_one.logistic import fit_phase_one, inner_folds

BLOCKS = {"mri": ["mri__a", "mri__b"], "csf": ["csf__a", "csf__b"], "gene": ["gene__a"]}
COLUMNS = [column for columns in BLOCKS.values() for column in columns]


def quick(**params):
    """An estimator of the smallest size, two epochs, no forest and a fixed seed by default."""
    small = {"anchor": "mri", "width": 8, "n_queries": 2, "n_trees": 0, "max_epochs": 2}
    return AnchoredFusionClassifier(**(small | {"random_state": 0} | params))


def numeric_table(n_subjects=60, n_classes=2, seed=0):
    """A complete numeric frame of three modalities, of which 'mri' and 'csf' tell the class."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        rng.normal(size=(n_subjects, len(COLUMNS))),
        columns=COLUMNS,
        index=[f"sub-{number:03d}" for number in range(n_subjects)],
    )
    signal = X["mri__a"] + X["csf__a"] + rng.normal(scale=0.3, size=n_subjects)
    labels = np.array(["CN", "MCI", "AD"])[[0, 2]] if n_classes == 2 else ["CN", "MCI", "AD"]
    y = np.array(labels)[pd.qcut(signal, n_classes, labels=False)]
    return X, y


def with_missing(X, seed=0):
    """A copy in which every fourth subject lacks 'csf', every fifth 'gene', every sixth 'mri'."""
    X = X.copy()
    for step, name in ((4, "csf"), (5, "gene"), (6, "mri")):
        X.iloc[1::step, X.columns.get_indexer(BLOCKS[name])] = np.nan
    X.loc[X.isna().all(axis=1), BLOCKS["gene"]] = 0.5
    return X


def encodings_table(X):
    """The same subjects as an encodings table."""
    columns = [encodings_frame(cells, name, X.index) for name, cells in read_modalities(X).items()]
    return pd.concat(columns, axis=1)


def free_tokens(n_subjects=40, width=3, seed=0):
    """A column of encodings whose tokens have no places of their own and differ in number."""
    rng = np.random.default_rng(seed)
    spec = BackboneSpec("words")
    tokens = [rng.normal(size=(2 + row % 3, width)).astype("float32") for row in range(n_subjects)]
    cells = [Encoding(token, token, None, spec) for token in tokens]
    return encodings_frame(cells, "notes", pd.RangeIndex(n_subjects))


def prepared_anchor_inputs():
    """What reading tables needs, the tables, the unseen scores and the classes."""
    X, y = numeric_table(40)
    tables, codes = training_tables(with_missing(X)), (y == "CN").astype(int)
    folds = inner_folds(codes, np.arange(40), 0, 2)
    phase_one, scores = fit_phase_one(tables, codes, np.ones(40), folds, 2)
    inputs = AnchorInputs(
        phase_one=phase_one,
        likes={name: without_rows(table) for name, table in tables.items()},
        scalers={name: TokenScaler.fit(table) for name, table in tables.items()},
        score_scale=score_scale(scores.values),
        n_outputs=2,
    )
    return inputs, tables, scores, codes
