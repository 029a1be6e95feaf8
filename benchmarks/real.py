"""Every open table at hand, complete and with blocks missing: the method and all its rivals.

Predictions are stored one by one, so that a run that is stopped goes on where it was, and several
may share the work; the page is made of what is stored::

    python benchmarks/real.py --data FOLDER --models rivals --repeats 5
    python benchmarks/real.py --data FOLDER --models ours --sets ad_data --rates 0 0.3 --jobs 2
    python benchmarks/real.py --data FOLDER --fixed-split
    python benchmarks/real.py --page
"""

import argparse
from pathlib import Path

from contestants import MODELS, choose_models, make_models
from fixed_split import fixed_sections, list_fixed_tasks
from open_sets import READERS, hide_blocks, read_set
from real_page import make_page
from reporting import RESULTS, write
from sklearn.model_selection import StratifiedKFold
from stored import Task, forget, read_stored, run_missing

N_FOLDS = 5
RATES = (0.0, 0.3, 0.5)
FOLDER = RESULTS / "real"


def title_of(name, rate):
    """Return the name of a setting."""
    return f"{name}, {rate:.0%} missing".replace("%", " %") if rate else f"{name}, complete"


def list_tasks(chosen, data, rate, models, n_repeats):
    """Return the tasks of one setting, repeat by repeat."""
    found = read_set(chosen, data)
    X = hide_blocks(found.frame, rate) if rate else found.frame
    tasks = []
    for repeat in range(n_repeats):
        made = make_models(repeat)
        folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=repeat).split(X, found.y)
        for fold, (train, test) in enumerate(folds):
            shared = (X, found.y, train, test)
            tasks += [
                Task(title_of(chosen, rate), name, repeat, fold, made[name], *shared)
                for name in models
            ]
    return tasks


def list_crossed_tasks(arguments, models):
    """Return the tasks of all settings that are asked for."""
    return [
        task
        for name in arguments.sets
        for rate in arguments.rates
        for task in list_tasks(name, arguments.data, rate, models, arguments.repeats)
    ]


def run(arguments):
    """Make the predictions that the arguments ask for, cheap models and first repeats first."""
    models = choose_models(arguments.models)
    if arguments.fixed_split:
        tasks = list_fixed_tasks(arguments.data, models, arguments.repeats)
    else:
        tasks = list_crossed_tasks(arguments, models)
    if arguments.again:
        forget(tasks, arguments.folder)
    order = {name: place for place, name in enumerate(models)}
    tasks.sort(key=lambda task: (task.repeat, order.get(task.model, len(order))))
    run_missing(tasks, arguments.folder, arguments.jobs)


def read_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the open sets, see open_sets.py")
    parser.add_argument("--sets", nargs="+", choices=list(READERS), default=list(READERS))
    parser.add_argument("--rates", nargs="+", type=float, default=list(RATES), choices=RATES)
    parser.add_argument(
        "--models", nargs="+", default=list(MODELS), help="names, or plain, tokens, rivals, ours"
    )
    parser.add_argument("--repeats", type=int, default=5, help="of 5 folds, or seeds")
    parser.add_argument(
        "--fixed-split", action="store_true", help="AD omics on the authors' split, parts too"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where predictions are stored")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the page goes")
    parser.add_argument("--again", action="store_true", help="forget what is stored of these first")
    parser.add_argument("--page", action="store_true", help="make the page and fit nothing")
    arguments = parser.parse_args()
    if arguments.data is None and not arguments.page:
        parser.error("pass the folder of the open sets: --data FOLDER")
    return arguments


def main():
    """Make what predictions are missing, then the page."""
    arguments = read_arguments()
    if not arguments.page:
        run(arguments)
    stored = read_stored(arguments.folder)
    page = make_page(stored, fixed_sections(stored), arguments.results)
    write("real", page, arguments.results)


if __name__ == "__main__":
    main()
