"""What a second buys: log-loss against CPU seconds, over settings of the nets.

Every setting changes one thing of the defaults. Folds are few, so that differences of a thousandth
mean little; predictions are stored one by one, so that a run that is stopped goes on where it was::

    OMP_NUM_THREADS=1 python benchmarks/accuracy_per_second.py --data FOLDER
    python benchmarks/accuracy_per_second.py --page
"""

import argparse
from pathlib import Path

import pandas as pd
from contestants import make_ours
from open_sets import hide_blocks, read_set
from real import title_of
from real_page import score_stored
from reporting import RESULTS, machine, markdown, write
from sklearn.model_selection import StratifiedKFold
from stored import Task, read_stored, run_missing

NAME = "accuracy_per_second"
FOLDER = RESULTS / NAME
DEFAULT = "defaults: 12 epochs, width 16, 5 folds"
PHASE_ONE = "phase 1 alone"
SETTINGS = {
    PHASE_ONE: {"max_epochs": 0},
    DEFAULT: {},
    "4 epochs": {"max_epochs": 4},
    "40 epochs, patience 15": {"max_epochs": 40, "patience": 15},
    "width 8": {"width": 8},
    "width 32": {"width": 32},
    "3 inner folds": {"n_folds": 3},
    "nets start from their anchors": {"start": "anchor"},
    "nets alone, as in the paper": {"members": (), "aggregate": "mean"},
}
TABLES = (("ad_data", 0.0), ("ad_data", 0.3), ("rosmap", 0.3), ("stroke", 0.3))
N_FOLDS = 5
INK = ("#222222", "#b3261e", *("#4c78a8", "#72b7b2", "#54a24b", "#e0ac2b", "#b279a2", "#9d755d"))
MARKS = "sD^v<>oPX"


def list_tasks(data, n_used):
    """Return the tasks: every setting on the first folds of every table."""
    tasks = []
    for name, rate in TABLES:
        found = read_set(name, data)
        X = hide_blocks(found.frame, rate) if rate else found.frame
        folds = list(StratifiedKFold(N_FOLDS, shuffle=True, random_state=0).split(X, found.y))
        for fold, (train, test) in enumerate(folds[:n_used]):
            tasks += [
                Task(
                    title_of(name, rate), setting, 0, fold, make_ours(0, **changes),
                    X, found.y, train, test,
                )
                for setting, changes in SETTINGS.items()
            ]  # fmt: skip
    return sorted(tasks, key=lambda task: task.fold)


def average(scores):
    """Return mean log-loss, AUC and seconds by table and setting, and the log-loss gained."""
    keys = ["setting", "model"]
    means = scores.groupby(keys, sort=False)[["log_loss", "roc_auc", "cpu"]].mean().reset_index()
    start = means[means.model == PHASE_ONE].set_index("setting").log_loss
    return means.assign(gained=start.loc[means.setting].to_numpy() - means.log_loss)


def tabulate(means):
    """Return one row a setting: seconds, and log-loss and what it gains on phase 1, by table."""
    rows = []
    for setting in SETTINGS:
        own = means[means.model == setting].set_index("setting")
        row = {"setting": setting, "CPU s, mean": f"{own.cpu.mean():.1f}"}
        row |= {
            table: f"{own.log_loss[table]:.4f} ({own.gained[table]:+.4f})" for table in own.index
        }
        rows.append(row | {"gained, mean": f"{own.gained.mean():+.4f}"})
    return pd.DataFrame(rows)


def draw(means, path):
    """Draw log-loss against seconds, a panel a table, into a PNG file."""
    from matplotlib.figure import Figure

    tables = list(means.setting.unique())
    figure = Figure(figsize=(3.1 * len(tables), 4.4), layout="constrained")
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    for ax, table in zip(axes, tables, strict=True):
        own = means[means.setting == table].set_index("model")
        ax.axhline(own.log_loss[PHASE_ONE], color="#bbbbbb", lw=1, zorder=0)
        for place, setting in enumerate(SETTINGS):
            point = own.loc[setting]
            ax.plot(
                point.cpu, point.log_loss, MARKS[place], ms=8, color=INK[place % len(INK)],
                label=setting, alpha=0.85, markeredgecolor="white",
            )  # fmt: skip
        ax.set_xlim(left=0)
        ax.set(title=table, xlabel="CPU seconds a fold")
        ax.title.set_fontsize(10)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("log-loss of people kept aside (lower is better)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=150)


def make_page(stored, results):
    """Return the page as Markdown, and draw its figure."""
    scores = score_stored(stored)
    means = average(scores)
    results.mkdir(parents=True, exist_ok=True)
    draw(means, results / f"{NAME}.png")
    return "\n\n".join(
        [
            "# Accuracy per second: settings of the nets",
            f"Log-loss of people kept aside and, in brackets, what it gains on phase 1 alone; mean "
            f"of {scores.fold.nunique()} of {N_FOLDS} stratified folds. CPU seconds are those of "
            "fitting and predicting one fold on one thread, phase 1 included. Every setting "
            "changes one thing of the defaults; the number of inner folds counts in phase 1 too. "
            "With so few folds, differences of a hundredth are within chance.",
            markdown(tabulate(means)),
            f"![Log-loss against CPU seconds]({NAME}.png)",
            f"Measured with {machine()}",
        ]
    )


def main():
    """Make what predictions are missing, then the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the open sets, see open_sets.py")
    parser.add_argument("--folds", type=int, default=3, help="how many of the 5 folds")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where predictions are stored")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the page goes")
    parser.add_argument("--page", action="store_true", help="make the page and fit nothing")
    arguments = parser.parse_args()
    if arguments.data is None and not arguments.page:
        parser.error("pass the folder of the open sets: --data FOLDER")
    if not arguments.page:
        run_missing(list_tasks(arguments.data, arguments.folds), arguments.folder, arguments.jobs)
    write(NAME, make_page(read_stored(arguments.folder), arguments.results), arguments.results)


if __name__ == "__main__":
    main()
