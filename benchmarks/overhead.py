"""One epoch through the estimator's skorch net against a bare PyTorch loop.

Both train the same module, from the same weights, on the same batches, in turn; the ratio of their
times is what skorch, the callbacks and the bookkeeping cost.
"""

import argparse
import time
from dataclasses import fields

import numpy as np
import pandas as pd
import torch
from reporting import machine, write
from torch.nn import functional as F

from adestim import AnchoredFusionClassifier
from adestim._support.torch import seeded
from adestim.encoding.tables import read_training_table
from adestim.training.anchored_nets import AnchoredSettings, build_anchored_net
from adestim.training.batches import BatchIterator
from adestim.training.fitting import TrainerSettings, build_net
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.logistic import fit_phase_one, inner_folds

CPU = torch.device("cpu")


def prepared(n_subjects, sizes, seed=0):
    """Return a fitted estimator and its subjects as the first anchor's net reads them."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            f"{name}__{feature}": rng.normal(size=n_subjects)
            for name, n_features in sizes.items()
            for feature in range(n_features)
        }
    )
    y = (frame.iloc[:, 0] + rng.normal(size=n_subjects) > 0).to_numpy().astype(int)
    estimator = AnchoredFusionClassifier(max_epochs=0, random_state=seed, device="cpu")
    estimator.fit(frame, y)
    subjects = read_training_table(frame)
    folds = inner_folds(y, np.arange(n_subjects), seed)
    grower = Grower(estimator.n_trees, seed)
    _, scores = fit_phase_one(subjects.tables, y, np.ones(n_subjects), folds, 2, grower)
    inputs = estimator.inputs_.keep_nets([next(iter(sizes))])
    [(anchor, data)] = inputs.read_by_net(subjects, scores, "cpu", "float32", y)
    return estimator, anchor, data


def settings_of(kind, estimator, **changes):
    """Return the settings of a class that an estimator's parameters say."""
    params = estimator.get_params() | changes
    return kind(**{each.name: params[each.name] for each in fields(kind) if each.name in params})


def through_skorch(estimator, anchor, data, n_epochs):
    """Return seconds for some epochs of the estimator's own net."""
    settings = settings_of(TrainerSettings, estimator, max_epochs=n_epochs)
    with seeded(0, CPU):
        module = build_anchored_net(
            anchor, estimator.inputs_, settings_of(AnchoredSettings, estimator)
        )
        net = build_net(module, len(data), None, None, settings).initialize()
        start = time.perf_counter()
        net.fit(data)
        return time.perf_counter() - start


def bare_loop(estimator, anchor, data, n_epochs):
    """Return seconds for the same epochs of a loop without anything."""
    with seeded(0, CPU):
        module = build_anchored_net(
            anchor, estimator.inputs_, settings_of(AnchoredSettings, estimator)
        )
        optimizer = torch.optim.AdamW(
            module.parameters(), lr=estimator.learning_rate, weight_decay=estimator.weight_decay
        )
        batches = BatchIterator(
            data,
            estimator.batch_size,
            shuffle=True,
            modality_dropout=estimator.modality_dropout,
        )
        start = time.perf_counter()
        module.train()
        for _ in range(n_epochs):
            for batch, y in batches:
                optimizer.zero_grad()
                losses = F.cross_entropy(module(batch), y, reduction="none")
                loss = (losses * batch["weight"]).sum() / batch["weight"].sum()
                loss.backward()
                optimizer.step()
                loss.item()
        return time.perf_counter() - start


def main():
    """Run the benchmark and write ``results/overhead.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=15)
    arguments = parser.parse_args()
    sizes = {"smri": 108, "fmri": 300, "clinical": 6, "genetics": 60}
    estimator, anchor, data = prepared(arguments.subjects, sizes)
    through_skorch(estimator, anchor, data, 1), bare_loop(estimator, anchor, data, 1)
    pairs = np.array(
        [
            (
                through_skorch(estimator, anchor, data, arguments.epochs),
                bare_loop(estimator, anchor, data, arguments.epochs),
            )
            for _ in range(arguments.pairs)
        ]
    )
    ratios = pairs[:, 0] / pairs[:, 1]
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    write(
        "overhead",
        "# Overhead of the estimator's training loop\n\n"
        f"{arguments.subjects} subjects, four modalities ({sizes}), anchor {anchor!r}, "
        f"{arguments.epochs} epochs a run, {arguments.pairs} pairs of runs in turn.\n\n"
        "| | seconds an epoch, median |\n| --- | --- |\n"
        f"| estimator's net | {np.median(pairs[:, 0]) / arguments.epochs:.3f} |\n"
        f"| bare loop | {np.median(pairs[:, 1]) / arguments.epochs:.3f} |\n\n"
        f"**Ratio, pair by pair: median {median:.3f}** (quartiles {low:.3f} to {high:.3f}; the "
        "goal is 1.10 at most).\n\n"
        f"Measured with {machine()}",
    )


if __name__ == "__main__":
    main()
