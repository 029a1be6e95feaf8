"""Predictions on a real and on a simulated table stay those of ``predictions_pinned.json``.

Who changes predictions on purpose writes the file anew, and says so in the changelog::

    python -m tests.test_predictions_pinned path/to/ad_data.csv.gz
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from adestim import (
    AnchoredFusionClassifier,
    AnchoredFusionRegressor,
    ClinicalExtractor,
    FMRIExtractor,
    GeneticsExtractor,
    ModalityUnion,
)
from adestim.datasets import make_cohort
from adestim.evaluation import rivals

pytestmark = pytest.mark.usefixtures("all_penalties")

PINNED = Path(__file__).with_name("predictions_pinned.json")
AD_DATA = "modeldata_ad/ad_data.csv.gz"
SMALL = {"max_epochs": 2, "n_trees": 20, "device": "cpu", "random_state": 0}
# Rounding differs between machines; a change of the method does not hide below it.
TOLERANCE = 1e-6


# The tables


def read_ad_data(path):
    """The table of ``benchmarks/ad_data.py``: 333 patients, four modalities."""
    table = pd.read_csv(path)
    y = (table.pop("Class") == "Impaired").to_numpy()
    genotype = table.pop("Genotype")
    homes = {"tau": "markers", "p_tau": "markers", "Ab_42": "markers"}
    homes |= {"age": "demographics", "male": "demographics"}
    frame = table.rename(columns=lambda name: f"{homes.get(name, 'proteins')}__{name}")
    alleles = {f"genotype__e{allele}": genotype.str.count(allele) for allele in "24"}
    return pd.concat([frame, pd.DataFrame(alleles)], axis=1).astype(float), y


def hide_blocks(frame, rate):
    """The table with whole modalities hidden at random, never all of a patient's."""
    rng, home = np.random.default_rng(0), frame.columns.str.split("__").str[0]
    names = home.unique()
    hidden = rng.random((len(frame), len(names))) < rate
    hidden[hidden.all(axis=1), 0] = False
    blocks = hidden[:, names.get_indexer(home)]
    return frame.mask(blocks)


def predict_ad_data(frame, y, estimator):
    """Predictions of one fold's test patients."""
    train, test = next(StratifiedKFold(5, shuffle=True, random_state=0).split(frame, y > y.mean()))
    model = estimator.fit(frame.iloc[train], y[train])
    X = frame.iloc[test]
    return model.predict_proba(X)[:, 1] if hasattr(model, "predict_proba") else model.predict(X)


# The cases


def predict_complete(frame, y):
    return predict_ad_data(frame, y, AnchoredFusionClassifier(**SMALL))


def predict_incomplete(frame, y):
    return predict_ad_data(hide_blocks(frame, 0.3), y, AnchoredFusionClassifier(**SMALL))


def predict_age(frame, y):
    regressor = AnchoredFusionRegressor(max_epochs=2, device="cpu", random_state=0)
    age = frame["demographics__age"].to_numpy()
    return predict_ad_data(frame.drop(columns="demographics__age"), age, regressor)


def predict_rivals(frame, y):
    """Predictions of all rivals on a part of the columns, one after the other."""
    frame = hide_blocks(frame.iloc[:, -16:], 0.3)
    known = frame.notna().any(axis=1).to_numpy()
    modalities = list(frame.columns.str.split("__").str[0].unique())
    found = []
    for estimator in rivals(modalities, tabular=False, device="cpu").values():
        params = {name: SMALL[name] for name in SMALL if name in estimator.get_params()}
        found.append(predict_ad_data(frame[known], y[known], estimator.set_params(**params)))
    return np.concatenate(found)


def predict_cohort():
    """Predictions for the last of 40 simulated subjects, whose data are in memory."""
    cohort = make_cohort(40, "nc_ad", resolution=12, random_state=0)
    union = ModalityUnion(
        [
            ("fmri", FMRIExtractor(), "roi_series"),
            ("clinical", ClinicalExtractor(), ["age", "sex", "education", "gds"]),
            ("genetics", GeneticsExtractor(), cohort.columns["genetics"]),
        ]
    )
    pipeline = make_pipeline(union, AnchoredFusionClassifier(**SMALL))
    pipeline.fit(cohort.frame[:28], cohort.target[:28])
    return pipeline.predict_proba(cohort.frame[28:])[:, 1]


ON_AD_DATA = {
    "ad_data, complete": predict_complete,
    "ad_data, 30 % missing": predict_incomplete,
    "ad_data, age": predict_age,
    "ad_data, rivals": predict_rivals,
}
ON_COHORT = "simulated cohort"


def write_figures(path):
    """Write today's predictions, given the path of ``ad_data``, to compare later ones with."""
    table = read_ad_data(path)
    figures = {name: predict(*table).tolist() for name, predict in ON_AD_DATA.items()}
    figures[ON_COHORT] = predict_cohort().tolist()
    lines = (f"{json.dumps(name)}: {json.dumps(values)}" for name, values in figures.items())
    PINNED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def require_pinned(name, found):
    expected = json.loads(PINNED.read_text(encoding="utf-8"))[name]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ON_AD_DATA)
def test_predictions_on_ad_data_are_pinned(name, realdata):
    require_pinned(name, ON_AD_DATA[name](*read_ad_data(realdata / AD_DATA)))


def test_predictions_on_a_simulated_cohort_are_pinned():
    require_pinned(ON_COHORT, predict_cohort())


if __name__ == "__main__":
    write_figures(sys.argv[1])
