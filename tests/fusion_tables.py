"""Small tables for the tests of the fusion, and an estimator that is quick on them."""

from dataclasses import fields

import numpy as np
import pandas as pd

from adestim import AnchoredFusionClassifier, make_survival
from adestim.encoding import BackboneSpec, Encoding, encodings_frame
from adestim.encoding.tables import read_modalities, read_training_table
from adestim.training.inputs import NetInputs, Start
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


def conversions(n_subjects=80, seed=0):
    """A complete table of three modalities, and times to an event that 'mri' and 'csf' tell."""
    X, _ = numeric_table(n_subjects, seed=seed)
    rng = np.random.default_rng(seed)
    years = rng.exponential(3 * np.exp(-(X["mri__a"] + X["csf__a"]).to_numpy()))
    followed = rng.uniform(1, 6, size=n_subjects)
    return X, make_survival(years <= followed, np.minimum(years, followed))


def tables_of(X):
    """The token tables of a frame's modalities, in the frame's order of modalities."""
    subjects = read_training_table(X)
    return {name: subjects.tables[name] for name in subjects.names}


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


def settings_of(kind, estimator):
    """The settings of a class that an estimator's parameters say."""
    params = estimator.get_params()
    return kind(**{each.name: params[each.name] for each in fields(kind) if each.name in params})


def prepared_inputs():
    """What reading tables into nets needs, subjects, their unseen scores and their classes."""
    X, y = numeric_table(40)
    subjects, codes = read_training_table(with_missing(X)), (y == "CN").astype(int)
    folds = inner_folds(codes, np.arange(40), 0, 2)
    phase_one, scores = fit_phase_one(subjects.tables, codes, np.ones(40), folds, 2)
    starts = {name: Start("stacked", name) for name in subjects.tables}
    inputs = NetInputs.learn(subjects.tables, phase_one, scores, 2, starts)
    return inputs, subjects, scores, codes


def read_for(anchor, inputs, subjects, scores, targets=None, weight=None):
    """The subjects as one anchor's net reads them."""
    by_net = inputs.read_by_net(subjects, scores, "cpu", "float32", targets, weight)
    return dict(by_net)[anchor]
