"""Time to an event: anchored fusion beside Cox regressions and a survival forest.

A simulated cohort of people with MCI, of whom the true survival function is known, and two open
tables that scikit-survival ships, their columns split into blocks as if they were modalities: the
German Breast Cancer Study Group 2 (death or recurrence) and the Worcester Heart Attack Study
(death). None of the latter is about dementia; they are real times and real censoring.
"""

import argparse
import time

import numpy as np
import pandas as pd
import torch
from reporting import machine, markdown, write
from sklearn.base import clone
from sklearn.model_selection import StratifiedShuffleSplit
from sksurv.datasets import load_gbsg2, load_whas500

from adestim import AnchoredFusionSurvival, make_survival
from adestim.datasets import make_survival_cohort
from adestim.evaluation import score_survival, survival_rivals

DAYS = 365.25
TIMES = {
    "MCI, simulated": (1.0, 2.0, 3.0, 4.0),
    "GBSG2": (1.0, 2.0, 3.0, 4.0),
    "WHAS500": (0.5, 1.0, 2.0, 3.0),
}
MEASURES = {
    "smri": ["hippocampus", "temporoparietal", "ventricles", "putamen"],
    "fmri": ["dmn", "somatomotor", "frontoparietal"],
    "clinical": ["age", "memory_complaint", "gds"],
    "genetics": ["polygenic", "e4"],
}
PRESENT = {"smri": "t1w", "fmri": "roi_series", "clinical": "age", "genetics": "apoe"}
BLOCKS = {
    "GBSG2": {
        "tumour": ["pnodes", "tgrade", "tsize"],
        "receptors": ["estrec", "progrec"],
        "patient": ["age", "menostat", "horTh"],
    },
    "WHAS500": {
        "patient": ["age", "gender", "bmi"],
        "vitals": ["hr", "sysbp", "diasbp"],
        "history": ["afb", "cvd", "chf", "miord"],
        "infarct": ["av3", "mitype", "sho"],
    },
}
SHARE_HIDDEN = 0.3
ORACLE, OURS = "true survival", "anchored fusion"


def read_simulated(n_subjects):
    """Return what an ideal reader measures, targets and the true survival function."""
    cohort = make_survival_cohort(
        n_subjects, times=TIMES["MCI, simulated"], resolution=12, bold_resolution=12
    )
    truth = cohort.truth.assign(e4=cohort.truth["apoe"].str.count("4"))
    columns = {f"{name}__{own}": truth[own] for name in MEASURES for own in MEASURES[name]}
    X = pd.DataFrame(columns)
    for name, own in PRESENT.items():
        missing = cohort.frame[own].isna()
        X.loc[missing, [column for column in X if column.startswith(name)]] = np.nan
    known = X.notna().any(axis=1).to_numpy()
    return X[known], cohort.target[known], cohort.oracle[known]


def read_open(name, load):
    """Return an open table in blocks, of which some are hidden, and targets in years."""
    table, y = load()
    columns = {}
    for block, own in BLOCKS[name].items():
        for column in own:
            values = table[column]
            is_number = pd.api.types.is_numeric_dtype(values)
            columns[f"{block}__{column}"] = values if is_number else values.cat.codes
    event, days = (y[field] for field in y.dtype.names)
    X = pd.DataFrame(columns).astype(float)
    hide_blocks(X, np.random.default_rng(0))
    return X, make_survival(event, days / DAYS), None


def hide_blocks(X, rng):
    """Make blocks missing at random, never all of a subject's."""
    names = sorted({column.partition("__")[0] for column in X})
    hidden = rng.random((len(X), len(names))) < SHARE_HIDDEN
    hidden[hidden.all(axis=1), 0] = False
    for name, lost in zip(names, hidden.T, strict=True):
        X.loc[lost, [column for column in X if column.startswith(f"{name}__")]] = np.nan


def score_splits(name, X, y, oracle, models, n_splits):
    """Return scores of all models on the same splits, a row a model and split."""
    splitter = StratifiedShuffleSplit(n_splits, test_size=0.3, random_state=0)
    rows = []
    for split, (train, test) in enumerate(splitter.split(X, y["event"])):
        given = {"train": y[train], "n_resamples": 0}
        if oracle is not None:
            scores = score_survival(y[test], oracle.iloc[test], **given)["score"]
            rows.append({"model": ORACLE, "split": split, "seconds": 0.0} | scores.to_dict())
        for model, estimator in models.items():
            start = time.perf_counter()
            fitted = clone(estimator).fit(X.iloc[train], y[train])
            survival = fitted.predict_survival_function(X.iloc[test], TIMES[name])
            seconds = time.perf_counter() - start
            scores = score_survival(y[test], survival, **given)["score"]
            rows.append({"model": model, "split": split, "seconds": seconds} | scores.to_dict())
    return pd.DataFrame(rows)


def tabulate(scores):
    """Return mean scores by model and how they vary over the splits."""
    rows = []
    for model, own in scores.groupby("model", sort=False):
        row = {"model": model}
        for name, title in (("uno_c", "Uno's C"), ("mean_auc", "mean AUC"),
                            ("integrated_brier", "integrated Brier")):  # fmt: skip
            row[title] = f"{own[name].mean():.3f} ± {own[name].std():.3f}"
        rows.append(row | {"s a fit": f"{own.seconds.mean():.1f}"})
    return markdown(pd.DataFrame(rows))


def main():
    """Score and write the page of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=600, help="of the simulated cohort")
    parser.add_argument("--splits", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    models = {OURS: AnchoredFusionSurvival(random_state=0)} | survival_rivals()
    sets = {
        "MCI, simulated": read_simulated(arguments.subjects),
        "GBSG2": read_open("GBSG2", load_gbsg2),
        "WHAS500": read_open("WHAS500", load_whas500),
    }
    parts = []
    for name, (X, y, oracle) in sets.items():
        scores = score_splits(name, X, y, oracle, models, arguments.splits)
        counts = f"{len(y)} subjects, {int(y['event'].sum())} events"
        parts.append(f"## {name}\n\n{counts}.\n\n{tabulate(scores)}")
    body = "\n\n".join(parts)
    write(
        "survival",
        "# Time to an event\n\n"
        f"{machine()} {arguments.splits} random splits, 70 % of the subjects for training; means "
        "and standard deviations over splits, which share subjects. Of the simulated cohort "
        "modalities are missing as in ADNI; of the open tables, which are not about dementia, 30 % "
        "of the blocks are hidden at random in training and test. Higher is better, but for the "
        f"Brier score.\n\n{body}\n\nRun `python benchmarks/survival.py`.",
    )


if __name__ == "__main__":
    main()
