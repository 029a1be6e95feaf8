"""The main job, from files to cross-validated probabilities, in a few minutes on two cores.

Writes a cohort of simulated patients as real files (NIfTI, PLINK, tables), encodes their images,
cross-validates modality-anchored fusion beside each modality alone and their late fusion, and
draws what came out. Simulated patients: the figures say nothing about real ones.
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.calibration import calibration_curve
from sklearn.inspection import permutation_importance
from sklearn.metrics import RocCurveDisplay, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from tqdm import tqdm

from adestim import (
    AnchoredFusionClassifier,
    ClinicalExtractor,
    FMRIExtractor,
    GeneticsExtractor,
    ModalityUnion,
    SMRIExtractor,
)
from adestim.datasets import make_cohort

mpl.use("Agg")
import matplotlib.pyplot as plt

PATIENT = "AD"
FUSION = "anchored fusion"
LATE = "late fusion"
# Okabe and Ito's palette, told apart by people with any colour vision.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]


def image_union(cohort):
    """Return the extractors of both imaging modalities: frozen, so they may see all subjects."""
    return ModalityUnion(
        [
            ("smri", SMRIExtractor(n_jobs=2, verbose=1), cohort.columns["smri"]),
            ("fmri", FMRIExtractor(n_jobs=2, verbose=1), cohort.columns["fmri"]),
        ]
    )


def pipeline_for(cohort):
    """Return the pipeline whose clinical and genetic extractors learn on the training fold."""
    genetics = GeneticsExtractor(genotypes=cohort.genotype_files)
    return make_pipeline(
        ModalityUnion(
            [
                ("smri", "passthrough", "smri"),
                ("fmri", "passthrough", "fmri"),
                ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
                ("genetics", genetics, cohort.columns["genetics"]),
            ]
        ),
        AnchoredFusionClassifier(anchor="all", random_state=0),
    )


def cross_validate(pipeline, frame, target, groups, n_splits):
    """Return out-of-fold probabilities of every model, and each fold's fitted pipeline."""
    names = [name for name, _, _ in pipeline[0].transformers]
    probability = pd.DataFrame(np.nan, index=frame.index, columns=[FUSION, *names])
    folds = []
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=0)
    splits = list(splitter.split(frame, target, groups))
    for train, test in tqdm(splits, desc="folds", unit="fold"):
        model = clone(pipeline).fit(frame.iloc[train], target.iloc[train])
        folds.append((model, test))
        seen, unseen = (model[0].transform(frame.iloc[rows]) for rows in (train, test))
        probability.iloc[test, 0] = probability_of_patient(model[-1], unseen)
        for place, name in enumerate(names, start=1):
            alone = one_modality(seen, unseen, target.iloc[train], name)
            probability.iloc[test, place] = alone
    probability[LATE] = probability[names].mean(axis=1)
    return probability, target == PATIENT, folds


def probability_of_patient(model, encodings):
    """Return the probability of the diagnosis."""
    return model.predict_proba(encodings)[:, list(model.classes_).index(PATIENT)]


def one_modality(train, test, target, name):
    """Return probabilities of one modality's model; NaN for subjects who lack it."""
    has, asked = train[name].notna(), test[name].notna()
    model = AnchoredFusionClassifier(random_state=0).fit(train.loc[has, [name]], target[has])
    out = np.full(len(test), np.nan)
    if asked.any():
        out[asked] = probability_of_patient(model, test.loc[asked, [name]])
    return out


def bootstrap(statistic, n_subjects, n_repeats=1000, seed=0):
    """Return the 95 % percentile interval of a statistic over resampled subjects."""
    rng = np.random.default_rng(seed)
    values = [statistic(rng.integers(n_subjects, size=n_subjects)) for _ in range(n_repeats)]
    return np.nanpercentile(values, [2.5, 97.5])


def auc(truth, probability, rows):
    """Return the area under the ROC curve over some rows that have a probability."""
    truth, probability = truth[rows], probability[rows]
    known = ~np.isnan(probability)
    if len(np.unique(truth[known])) < 2:
        return np.nan
    return roc_auc_score(truth[known], probability[known])


def table_of(probability, truth, oracle):
    """Return one row a model: subjects, AUC, and its interval over subjects."""
    columns = {name: probability[name].to_numpy() for name in probability}
    columns["oracle (ceiling)"] = oracle
    everybody, truth = np.arange(len(truth)), truth.to_numpy()
    rows = []
    for name, values in columns.items():
        low, high = bootstrap(lambda rows, values=values: auc(truth, values, rows), len(truth))
        rows.append(
            {
                "model": name,
                "subjects": int((~np.isnan(values)).sum()),
                "AUC": f"{auc(truth, values, everybody):.3f}",
                "95 % interval": f"{low:.3f} to {high:.3f}",
            }
        )
    return pd.DataFrame(rows).set_index("model")


def draw_roc(probability, truth, path):
    """Draw every model's ROC curve."""
    _, axis = plt.subplots(figsize=(6, 5.5), layout="constrained")
    for colour, (name, values) in zip(COLOURS, probability.items(), strict=True):
        known = values.notna()
        RocCurveDisplay.from_predictions(
            truth[known],
            values[known],
            ax=axis,
            name=name,
            curve_kwargs={
                "color": colour,
                "linewidth": 2.5 if name == FUSION else 1.3,
                "linestyle": "-" if name in (FUSION, LATE) else "--",
            },
        )
    axis.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=0)
    axis.set(
        xlabel="False positive rate",
        ylabel="True positive rate",
        title="Cross-validated ROC curves",
    )
    axis.legend(loc="lower right", fontsize=8)
    axis.figure.savefig(path, dpi=120)
    plt.close(axis.figure)


def draw_calibration(probability, truth, path):
    """Draw predicted against observed frequencies of both fusions."""
    _, axis = plt.subplots(figsize=(5.5, 5), layout="constrained")
    axis.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="perfect")
    for colour, name, marker in zip(COLOURS, (FUSION, LATE), "os", strict=False):
        observed, predicted = calibration_curve(
            truth, probability[name], n_bins=6, strategy="quantile"
        )
        axis.plot(predicted, observed, marker=marker, color=colour, label=name)
    axis.set(
        xlabel="Predicted probability",
        ylabel="Observed frequency",
        title="Calibration",
        xlim=(0, 1),
    )
    axis.legend(loc="upper left")
    axis.figure.savefig(path, dpi=120)
    plt.close(axis.figure)


def modality_importance(folds, frame, target):
    """Return the drop in AUC when one modality is shuffled, a row a fold and repetition."""
    drops = []
    for model, test in folds:
        encoded = model[0].transform(frame.iloc[test])
        result = permutation_importance(
            model[-1], encoded, target.iloc[test], scoring="roc_auc", n_repeats=5, random_state=0
        )
        drops.append(pd.DataFrame(result.importances.T, columns=encoded.columns))
    return pd.concat(drops, ignore_index=True)


def draw_importance(drops, path):
    """Draw how much the AUC drops without each modality, folds as points."""
    order = drops.mean().sort_values().index
    _, axis = plt.subplots(figsize=(6, 3), layout="constrained")
    axis.barh(order, drops[order].mean(), color=COLOURS[0], alpha=0.7)
    for place, name in enumerate(order):
        axis.plot(drops[name], np.full(len(drops), place), "|", color="0.2", markersize=8)
    axis.axvline(0, color="0.5", linewidth=1)
    axis.set(xlabel="Drop in AUC when the modality is shuffled", title="Modality importance")
    axis.figure.savefig(path, dpi=120)
    plt.close(axis.figure)


def main():
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=200)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    arguments = parser.parse_args()
    start = time.perf_counter()
    folder = arguments.output
    root = folder / f"cohort_{arguments.subjects}"
    print(f"1. Writing {arguments.subjects} simulated patients to {root} ...")
    cohort = make_cohort(arguments.subjects, task="nc_ad", root=root, random_state=0, n_jobs=2)
    missing = cohort.frame[["t1w", "bold", "genotypes"]].isna().mean()
    print("   missing: " + ", ".join(f"{name} {share:.0%}" for name, share in missing.items()))
    print("2. Encoding their images (frozen backbones: nothing is learned across patients) ...")
    frame = cohort.frame.join(image_union(cohort).fit_transform(cohort.frame))
    print("3. Cross-validating fusion, every modality alone, and late fusion ...")
    pipeline = pipeline_for(cohort)
    probability, truth, folds = cross_validate(
        pipeline, frame, cohort.target, cohort.groups, arguments.folds
    )
    table = table_of(probability, truth, cohort.oracle.to_numpy())
    print(f"\n{table.to_string()}\n")
    print("4. Drawing figures ...")
    draw_roc(probability, truth, folder / "roc_curves.png")
    draw_calibration(probability, truth, folder / "calibration.png")
    draw_importance(
        modality_importance(folds, frame, cohort.target), folder / "modality_importance.png"
    )
    print(f"Figures: {', '.join(str(path) for path in sorted(folder.glob('*.png')))}")
    print("Simulated patients: these figures say nothing about real ones.")
    print(f"Done in {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
