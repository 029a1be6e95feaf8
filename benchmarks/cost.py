"""What a fit and a prediction cost, in CPU seconds of one thread, beside a random forest.

The forest is scikit-learn's with 200 trees, fitted in turn with ours in the same process, so that
whatever else the machine does strikes both. Ratios are medians over runs of forest and ours in
turn. Peak memory is that of a process that fits once, above what it held before::

    OMP_NUM_THREADS=1 python benchmarks/cost.py --data FOLDER
"""

import argparse
import ctypes
import json
import os
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from open_sets import hide_blocks, read_set
from reporting import RESULTS, machine, markdown, write
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from threadpoolctl import threadpool_limits

from adestim import AnchoredFusionClassifier
from adestim.training.phase_one.remembered import MEMORY

FOREST = "random forest, 200 trees"
OURS = "anchored fusion"
PHASE_ONE = "its phase 1 alone"
SIMULATED = {"1,000 x 4 x 50": (1000, 4, 50), "3,000 x 4 x 300": (3000, 4, 300)}
CASES = ("ad_data", *SIMULATED)
# How many times the forest's seconds each may take.
GOALS = {
    ("fit", OURS): {"ad_data": 15, "1,000 x 4 x 50": 15, "3,000 x 4 x 300": 8},
    ("fit", PHASE_ONE): dict.fromkeys(CASES, 6),
    ("one patient", OURS): dict.fromkeys(CASES, 2),
    ("1,000 patients", OURS): dict.fromkeys(CASES, 3),
}
N_JOBS_GOAL = 0.6
N_MANY = 1000
N_CALLS = {"one patient": 20, "1,000 patients": 3}


def make_models():
    """Return forest, ours and its phase 1, by name."""
    ours = AnchoredFusionClassifier(device="cpu", random_state=0)
    return {
        FOREST: RandomForestClassifier(200, n_jobs=1, random_state=0),
        PHASE_ONE: clone(ours).set_params(max_epochs=0),
        OURS: ours,
    }


def make_table(case, data, missing):
    """Return a case's table and labels."""
    if case in SIMULATED:
        frame, y = simulate(*SIMULATED[case])
    else:
        found = read_set(case, data)
        frame, y = found.frame, found.y
    return (hide_blocks(frame, missing) if missing else frame), y


def simulate(n_people, n_blocks, n_columns, seed=0):
    """Return blocks of normal columns, a tenth of each having a part in the outcome."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_people, n_blocks, n_columns))
    told = values[:, :, : n_columns // 10].sum(axis=2)
    risk = told.sum(axis=1) / told.sum(axis=1).std() + values[:, 0, 0] * values[:, 1, 0]
    names = [f"block{block}__{place}" for block in range(n_blocks) for place in range(n_columns)]
    frame = pd.DataFrame(values.reshape(n_people, -1), columns=names)
    return frame, risk + rng.logistic(size=n_people) > 0


def timed(call, n_calls=1):
    """Return the median CPU seconds of a call, and what it returned."""
    seconds = []
    for _ in range(n_calls):
        start = time.process_time()
        result = call()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds)), result


def measure_case(case, data, missing, models):
    """Return CPU seconds of fit and predictions of the models, each once."""
    X, y = make_table(case, data, missing)
    many = X.iloc[np.arange(N_MANY) % len(X)].reset_index(drop=True)
    shown = {"one patient": many.iloc[:1], "1,000 patients": many}
    found = {}
    for name in models:
        model = make_models()[name]
        # Every model pays for all of its fit.
        MEMORY.forget()
        seconds, fitted = timed(lambda model=model: model.fit(X, y))
        found[name] = {"fit": seconds}
        for what, rows in shown.items():
            fitted.predict_proba(rows)
            call = lambda fitted=fitted, rows=rows: fitted.predict_proba(rows)  # noqa: E731
            found[name][what] = timed(call, N_CALLS[what])[0]
    return found


def warm_up():
    """Fit every model once to few people, so that imports are not counted."""
    X, y = simulate(60, 2, 10)
    for model in make_models().values():
        model.set_params(**({} if "n_estimators" in model.get_params() else {"n_trees": 10}))
        model.fit(X, y).predict_proba(X)


def held_memory(kind):
    """Return the megabytes that this process holds, VmRSS, or held at most, VmHWM (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{kind}:\s+(\d+)", status)[1]) * 1024 / 1e6


def measure_memory(case, data, missing, name):
    """Return the megabytes that a fit adds to a process."""
    X, y = make_table(case, data, missing)
    warm_up()
    # What was freed goes back, and the peak begins anew, at what is held now.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = held_memory("VmRSS")
    make_models()[name].fit(X, y)
    return held_memory("VmHWM") - before


def measure_jobs(case, data, missing, n_jobs):
    """Return the wall seconds of a fit with so many jobs."""
    X, y = make_table(case, data, missing)
    model = make_models()[OURS].set_params(n_jobs=n_jobs)
    warm_up()
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start


def in_a_process(arguments, *part):
    """Run one part of this file in a process of its own and return what it prints as JSON."""
    command = [sys.executable, __file__, "--missing", str(arguments.missing), "--part", *part]
    command += ["--data", str(arguments.data)]
    one_thread = {f"{each}_NUM_THREADS": "1" for each in ("OMP", "MKL", "OPENBLAS")}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | one_thread
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    print(*part, done.stdout.splitlines()[-1], file=sys.stderr, flush=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_part(arguments):
    """Measure one part and print it as JSON."""
    kind, case, *rest = arguments.part
    shared = (case, arguments.data, arguments.missing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "seconds":
            warm_up()
            with threadpool_limits(1):
                print(json.dumps(measure_case(*shared, rest or list(make_models()))))
        elif kind == "memory":
            print(json.dumps(measure_memory(*shared, *rest)))
        else:
            print(json.dumps(measure_jobs(*shared, int(rest[0]))))


def rows_of(case, runs):
    """Return one row a model: median seconds, and times the forest's of the same run."""
    return [
        {"table": case, "model": name}
        | {what: say(case, name, what, runs) for what in runs[0][FOREST]}
        for name in runs[0]
    ]


def say(case, name, what, runs):
    """Say median seconds, their ratio to the forest's, and whether its goal is met."""
    seconds = np.median([run[name][what] for run in runs])
    shown = f"{seconds:.2f} s" if what == "fit" else f"{seconds * 1000:.1f} ms"
    if name == FOREST:
        return shown
    ratio = np.median([run[name][what] / run[FOREST][what] for run in runs])
    goal = GOALS.get((what, name), {}).get(case)
    met = "" if goal is None else f" (goal {goal}, {'met' if ratio <= goal else '**missed**'})"
    return f"{shown}: {ratio:.1f} x{met}"


def jobs_line(arguments, case):
    """Say the ratio of wall times of two jobs and one."""
    if "n_jobs" not in AnchoredFusionClassifier().get_params():
        return "The estimator has no `n_jobs`, so that two jobs are not compared with one."
    pairs = [
        [in_a_process(arguments, "jobs", case, str(n_jobs)) for n_jobs in (1, 2)]
        for _ in range(arguments.runs)
    ]
    ratio = np.median([two / one for one, two in pairs])
    met = "met" if ratio <= N_JOBS_GOAL else "**missed**"
    return (
        f"Wall time of a fit on {case} with `n_jobs=2`, times that with one: {ratio:.2f} (goal "
        f"{N_JOBS_GOAL} on two idle cores, {met}; load of the machine {os.getloadavg()[0]:.1f})."
    )


def make_page(arguments):
    """Measure all and return the page as Markdown."""
    rows, memory = [], []
    for case in arguments.cases:
        runs = [in_a_process(arguments, "seconds", case) for _ in range(arguments.runs)]
        rows += rows_of(case, runs)
        held = {name: in_a_process(arguments, "memory", case, name) for name in runs[0]}
        memory.append({"table": case} | {name: f"{each:.0f}" for name, each in held.items()})
    blocks = f"{arguments.missing:.0%} of the blocks missing" if arguments.missing else "complete"
    return [
        "# Cost: CPU seconds of one thread beside a random forest",
        f"Medians of {arguments.runs} runs; ratios are to the forest of the same run. Tables are "
        f"{blocks}; simulated ones are people x blocks x columns. Load of the machine meanwhile: "
        f"{os.getloadavg()[2]:.1f}.",
        markdown(pd.DataFrame(rows)),
        jobs_line(arguments, arguments.cases[0]),
        "## Megabytes that a fit adds at the peak",
        markdown(pd.DataFrame(memory)),
        f"Measured with {machine()}",
    ]


def main():
    """Run the benchmark and write ``results/cost.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the open sets, see open_sets.py")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--missing", type=float, default=0.0, help="share of blocks hidden")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the page goes")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        return run_part(arguments)
    if arguments.data is None and "ad_data" in arguments.cases:
        parser.error("pass the folder of the open sets: --data FOLDER")
    write("cost", "\n\n".join(make_page(arguments)), arguments.results)
    return None


if __name__ == "__main__":
    main()
