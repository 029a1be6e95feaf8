"""What the benchmarks share: scoring by fold, paired differences, the machine's description."""

import platform
import time
from pathlib import Path

import joblib
import pandas as pd
import sklearn
import skorch
import torch
from sklearn.base import clone
from sklearn.metrics import log_loss, roc_auc_score

import adestim
from adestim.evaluation import corrected_t_test

RESULTS = Path(__file__).parent / "results"


def score_fold(name, estimator, X, y, train, test):
    """Fit on one fold; return its scores and seconds."""
    start = time.perf_counter()
    model = clone(estimator).fit(X.iloc[train], y[train])
    probability = model.predict_proba(X.iloc[test])
    return {
        "model": name,
        "auc": roc_auc_score(y[test], probability[:, 1]),
        "log_loss": log_loss(y[test], probability, labels=model.classes_),
        "seconds": time.perf_counter() - start,
    }


def score_folds(estimators, X, y, splits, n_jobs=2):
    """Score all estimators on the same folds; one row a model and fold."""
    tasks = [
        (fold, name, estimator, train, test)
        for fold, (train, test) in enumerate(splits)
        for name, estimator in estimators.items()
    ]
    rows = joblib.Parallel(n_jobs=n_jobs, verbose=5)(
        joblib.delayed(score_fold)(name, estimator, X, y, train, test)
        for _, name, estimator, train, test in tasks
    )
    return pd.DataFrame(rows).assign(fold=[task[0] for task in tasks])


def gained(differences, test_share):
    """Say the mean of differences over folds and its Nadeau-Bengio corrected interval."""
    test = corrected_t_test(differences, test_share)
    return f"{test.mean:+.3f} [{test.low:+.3f}, {test.high:+.3f}]"


def summarise(scores, reference, test_share):
    """Return one row a model: mean scores and the paired difference to the reference."""
    auc = scores.pivot(index="fold", columns="model", values="auc")
    rows = []
    for model, group in scores.groupby("model", sort=False):
        rows.append(
            {
                "model": model,
                "AUC": f"{group.auc.mean():.3f} ± {group.auc.std():.3f}",
                "log-loss": f"{group.log_loss.mean():.3f}",
                "AUC gained by the reference, 95 % CI": (
                    "reference"
                    if model == reference
                    else gained(auc[reference] - auc[model], test_share)
                ),
                "s a fold": f"{group.seconds.mean():.1f}",
            }
        )
    return pd.DataFrame(rows)


def markdown(table):
    """Return a table as Markdown."""
    lines = [" | ".join(table.columns), " | ".join("---" for _ in table.columns)]
    lines += [" | ".join(map(str, row)) for row in table.itertuples(index=False)]
    return "\n".join(f"| {line} |" for line in lines)


def machine():
    """Say on what, and with which versions, the figures were measured."""
    return (
        f"adestim {adestim.__version__}, scikit-learn {sklearn.__version__}, torch "
        f"{torch.__version__}, skorch {skorch.__version__}, Python {platform.python_version()}, "
        f"{joblib.cpu_count()} CPU cores ({platform.machine()}), no GPU used."
    )


def write(name, text, folder=RESULTS):
    """Write a result and show it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    print(text)
