"""How long a report takes: CPU seconds of one thread, by number of subjects.

A logistic regression stands for each of the estimators that are compared, so that the time is the
report's own.
"""

import argparse
import time

import numpy as np
import pandas as pd
import torch
from reporting import machine, markdown, write
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from adestim import AnchoredFusionClassifier
from adestim.evaluation import compare
from adestim.inspection import FusionReport

N_FEATURES = {"smri": 20, "fmri": 20, "clinical": 8, "genetics": 12}
PENALTIES = (1.0, 0.1, 0.01, 0.001)
N_TRAINED = 400


def simulate_table(n_subjects, seed=0):
    """Return a table of four modalities, two of which some lack, and labels."""
    rng = np.random.default_rng(seed)
    illness = rng.normal(size=n_subjects)
    columns = {
        f"{modality}__{number:02d}": 0.3 * illness + rng.normal(size=n_subjects)
        for modality, n_features in N_FEATURES.items()
        for number in range(n_features)
    }
    X = pd.DataFrame(columns)
    for modality in ("fmri", "genetics"):
        own = [name for name in X if name.startswith(modality)]
        X.loc[rng.random(n_subjects) < 0.3, own] = np.nan
    return X, np.where(illness + rng.normal(size=n_subjects) > 0.4, "AD", "CN")


def measure_report(n_subjects):
    """Return CPU seconds of intervals, of patterns, and of the page with both."""
    X, y = simulate_table(n_subjects)
    models = {
        f"penalty {penalty}": make_pipeline(SimpleImputer(), LogisticRegression(C=penalty))
        for penalty in PENALTIES
    }
    comparison = compare(models, X, y, cv=5, positive="AD", random_state=0)
    fusion = AnchoredFusionClassifier(width=16, max_epochs=5, random_state=0)
    fusion.fit(X[:N_TRAINED], y[:N_TRAINED])
    # What is loaded once a process is not the report's.
    FusionReport(fusion, X[:40], y[:40]).to_html()
    jobs = {
        "intervals of five estimators": comparison.summary,
        "scores by pattern": lambda: comparison.by_pattern([comparison.reference]),
        "whole page": FusionReport(fusion, X, y, comparison=comparison).to_html,
    }
    row = {"subjects": n_subjects}
    for name, job in jobs.items():
        start = time.process_time()
        job()
        row[name] = time.process_time() - start
    return row


def main():
    """Measure and write the page of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, nargs="+", default=[200, 1000, 5000])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        rows = [measure_report(n_subjects) for n_subjects in arguments.subjects]
    table = markdown(pd.DataFrame(rows).round(1))
    write(
        "report_time",
        "# How long a report takes\n\n"
        f"CPU seconds of one thread. {machine()} Four modalities, 60 features, two modalities "
        "missing of 30 % of the subjects; four estimators and the control, five folds, thirteen "
        "scores, 2,000 resamples; 200 subjects are explained. The page holds both parts before "
        f"it.\n\n{table}\n\nRun `python benchmarks/report_time.py`.",
    )


if __name__ == "__main__":
    main()
