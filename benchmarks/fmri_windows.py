"""The middle window of a run, or all of them: what the summary of an fMRI model gains.

Two small models of the released kinds, with random weights: released ones are not at hand, so that
this tells of how much of a run a summary rests on, and nothing of what was learned. Simulated
cohorts: area under the curve of a logistic regression on the summaries, in the same folds. The open
run of nitime: how far the summaries of its two halves are apart, of the mean of their norms.

    python benchmarks/fmri_windows.py --run FOLDER/fmri_timeseries.csv
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from reporting import machine, markdown, write
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import FMRIExtractor, PoolTokens
from adestim.datasets import make_cohort
from adestim.modalities.fmri.models.brain_jepa import BrainJEPA
from adestim.modalities.fmri.models.brainlm import BrainLM

WINDOWS = ("middle", "all")
WIDTHS = {"width": 32, "depth": 2, "n_heads": 4}
# Regions of nitime's table that are no grey matter.
NOT_GREY = ["WM", "Vent", "Brain"]
T_R_OF_NITIME = 1.89

VERDICT = (
    "The default stays the middle window: the areas under the curve differ by less than they do "
    "from seed to seed, and a forward pass costs as often as there are windows. All of them make "
    "summaries steadier, which the halves of the open run show."
)


def write_model(folder, name, n_rois, seed):
    """Write a small model of random weights; return an extractor's parameters."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    path = folder / f"{name}-{n_rois}-{seed}.pt"
    if name == "brain-jepa":
        sizes = {"n_rois": n_rois, "n_time_patches": 5, **WIDTHS}
        model, beside = BrainJEPA(**sizes), {"gradients": folder / f"{n_rois}.csv"}
        np.savetxt(beside["gradients"], rng.normal(size=(n_rois, 30)), delimiter=",")
    else:
        edge = 16 * max(-(-n_rois // 16), 13)
        sizes = {"n_parcels": n_rois, "image_size": edge, "hidden": 64, **WIDTHS}
        sizes["pooling"] = "mean"
        model, beside = BrainLM(**sizes), {"coordinates": folder / f"{n_rois}.dat"}
        table = np.c_[np.arange(1, n_rois + 1), rng.uniform(-70, 70, size=(n_rois, 3))]
        np.savetxt(beside["coordinates"], table)
    torch.save({name: torch.randn_like(v) * 0.2 for name, v in model.state_dict().items()}, path)
    return {"backbone": name, "weights": path, "params": {"architecture": sizes, **beside}}


def make_extractor(model, windows, t_r):
    """Return an extractor of a model that reads some windows."""
    params = {**model["params"], "windows": windows}
    return FMRIExtractor(
        backbone=model["backbone"],
        weights=model["weights"],
        backbone_params=params,
        t_r=t_r,
        min_duration=60,
        device="cpu",
    )


def summarise(model, windows, runs, t_r=None):
    """Return the models' summaries of runs, (n_runs, width)."""
    extractor = make_extractor(model, windows, t_r)
    return PoolTokens().fit_transform(extractor.fit_transform(runs)).to_numpy()


def score_cohort(model, seed, n_subjects):
    """Return the area under the curve by windows, mean over folds, on a simulated cohort."""
    cohort = make_cohort(n_subjects, missing=None, random_state=seed)
    runs = cohort.frame[["roi_series"]]
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=0)
    reader = make_pipeline(StandardScaler(), PCA(10, random_state=0), LogisticRegression())
    return {
        windows: cross_val_score(
            reader, summarise(model, windows, runs), cohort.target, cv=folds, scoring="roc_auc"
        ).mean()
        for windows in WINDOWS
    }


def measure_halves(model, table):
    """Return how far the summaries of a run's halves are apart, by windows."""
    series = pd.read_csv(table).drop(columns=NOT_GREY).to_numpy() + 1000
    halves = np.empty(2, dtype=object)
    halves[:] = list(np.array_split(series, 2))
    frame = pd.DataFrame({"run": halves})
    distances = {}
    for windows in WINDOWS:
        first, second = summarise(model, windows, frame, T_R_OF_NITIME)
        norms = np.linalg.norm(first) + np.linalg.norm(second)
        distances[windows] = float(2 * np.linalg.norm(first - second) / norms)
    return distances


def main():
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="nitime's fmri_timeseries.csv")
    parser.add_argument("--subjects", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    n_rois = len(pd.read_csv(arguments.run, nrows=1).columns) - len(NOT_GREY)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for backbone in ("brainlm-111m", "brain-jepa"):
            for seed in range(arguments.seeds):
                large, small = (write_model(folder, backbone, n, seed) for n in (300, n_rois))
                auc = score_cohort(large, seed, arguments.subjects)
                apart = measure_halves(small, arguments.run)
                rows.append(
                    {
                        "model": backbone,
                        "seed": seed,
                        **{f"AUC, {windows}": auc[windows] for windows in WINDOWS},
                        **{f"halves apart, {windows}": apart[windows] for windows in WINDOWS},
                    }
                )
                print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    means = table.drop(columns="seed").groupby("model", sort=False).mean().reset_index()
    text = "\n\n".join(
        [
            "# The middle window of a run, or all windows",
            " ".join(__doc__.split("\n\n")[1].split()),
            markdown(table.round(3)),
            "Means over seeds:",
            markdown(means.round(3)),
            VERDICT,
            machine(),
        ]
    )
    write("fmri_windows", text)


if __name__ == "__main__":
    main()
