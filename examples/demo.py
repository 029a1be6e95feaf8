"""What fusion is for, from files to cross-validated probabilities, in two minutes on two cores.

Writes a cohort of simulated patients as real files (NIfTI, PLINK, tables), encodes their images,
and cross-validates the anchored fusion beside every modality alone and their late fusion. The
cohort is made for teaching: all four modalities tell about the disease, more evenly than is known
of any real one. Its figures say nothing about real patients.
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from sklearn.base import clone
from sklearn.calibration import calibration_curve
from sklearn.pipeline import make_pipeline

from adestim import (
    AnchoredFusionClassifier,
    ClinicalExtractor,
    FMRIExtractor,
    GeneticsExtractor,
    LateFusionClassifier,
    ModalityUnion,
    SMRIExtractor,
    UnimodalClassifier,
)
from adestim.datasets import make_cohort
from adestim.evaluation import compare

mpl.use("Agg")
import matplotlib.pyplot as plt

PATIENT = "AD"
FUSION = "anchored fusion"
LATE = "late fusion"
SCORES = {"roc_auc": "ROC AUC (higher is better)", "log_loss": "Log-loss (lower is better)"}
# Of Okabe and Ito's palette, told apart by people with any colour vision; markers tell the same.
COLOURS, MARKERS = {FUSION: "#D55E00", LATE: "#0072B2"}, {FUSION: "D", LATE: "s"}


def encode_images(cohort):
    """Return the table with images encoded: frozen extractors learn nothing across patients."""
    union = ModalityUnion(
        [
            ("smri", SMRIExtractor(n_jobs=2, verbose=1), cohort.columns["smri"]),
            ("fmri", FMRIExtractor(n_jobs=2, verbose=1), cohort.columns["fmri"]),
        ]
    )
    return cohort.frame.join(union.fit_transform(cohort.frame))


def read_modalities(cohort):
    """Return the union whose clinical and genetic extractors learn on the training fold alone."""
    genetics = GeneticsExtractor(genotypes=cohort.genotype_files)
    return ModalityUnion(
        [
            ("smri", "passthrough", "smri"),
            ("fmri", "passthrough", "fmri"),
            ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
            ("genetics", genetics, cohort.columns["genetics"]),
        ]
    )


def make_contestants(union):
    """Return the method at its defaults, its plain rival, and every modality alone."""
    last_steps = {
        FUSION: AnchoredFusionClassifier(random_state=0),
        LATE: LateFusionClassifier(random_state=0),
        **{
            f"{name} alone": UnimodalClassifier(modality=name, random_state=0)
            for name, _, _ in union.transformers
        },
    }
    return {name: make_pipeline(clone(union), step) for name, step in last_steps.items()}


def tabulate_gains(comparison):
    """Return what the fusion gains over every other, with corrected intervals, one row each."""
    columns = {}
    for score in SCORES:
        found = comparison.differences(score)
        columns[f"{score}: gain"] = found["mean"].map("{:+.3f}".format)
        columns["95 % interval" + " " * (score == "log_loss")] = [
            f"[{low:+.3f}, {high:+.3f}]"
            for low, high in zip(found["low"], found["high"], strict=True)
        ]
    return pd.DataFrame(columns).rename_axis("over")


def draw_at_a_glance(comparison, path):
    """Draw both scores of every model with intervals, and what predicted chances are worth."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    summary = comparison.summary(scores=list(SCORES))
    order = summary[("roc_auc", "estimate")].sort_values().index
    for axis, (score, title) in zip(axes, SCORES.items(), strict=False):
        draw_intervals(axis, summary[score].loc[order], title)
    axes[1].set_yticklabels([])
    draw_calibration(axes[2], comparison.predictions)
    figure.suptitle("Simulated patients, a cohort made for teaching; 5-fold cross-validation")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_intervals(axis, rows, title):
    """Draw a point and its 95 % interval for every model."""
    for place, (name, row) in enumerate(rows.iterrows()):
        ends = [[row["estimate"] - row["low"]], [row["high"] - row["estimate"]]]
        style = {"color": COLOURS.get(name, "0.35"), "marker": MARKERS.get(name, "o")}
        axis.errorbar(row["estimate"], place, xerr=ends, capsize=3, **style)
    axis.set_yticks(range(len(rows)), rows.index)
    axis.set(xlabel=f"{title}\nand 95 % interval", ylim=(-0.5, len(rows) - 0.5))
    axis.grid(axis="x", alpha=0.3)


def draw_calibration(axis, predictions):
    """Draw how often the disease is there at a predicted chance."""
    axis.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="as predicted")
    for name in (FUSION, LATE):
        rows = predictions[predictions["estimator"] == name]
        observed, predicted = calibration_curve(
            rows["y"] == PATIENT, rows[f"p_{PATIENT}"], n_bins=5, strategy="quantile"
        )
        axis.plot(predicted, observed, marker=MARKERS[name], color=COLOURS[name], label=name)
    axis.set(xlabel="Predicted probability of the disease", ylabel="Share who have it")
    axis.legend(loc="upper left")


def main():
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=200)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    arguments = parser.parse_args()
    start = time.perf_counter()
    root = arguments.output / f"cohort_{arguments.subjects}"
    print(f"1. Writing {arguments.subjects} simulated patients to {root} ...")
    cohort = make_cohort(arguments.subjects, "teaching", root=root, random_state=0, n_jobs=2)
    missing = cohort.frame[["t1w", "bold", "genotypes"]].isna().mean()
    print("   missing: " + ", ".join(f"{name} {share:.0%}" for name, share in missing.items()))
    print("2. Encoding their images ...")
    frame = encode_images(cohort)
    print("3. Cross-validating the fusion, late fusion and every modality alone ...")
    comparison = compare(
        make_contestants(read_modalities(cohort)),
        frame,
        cohort.target,
        groups=cohort.groups,
        cv=arguments.folds,
        scoring=list(SCORES),
        controls=False,
        n_jobs=2,
        verbose=True,
    )
    print(f"\n{comparison.to_markdown()}\n")
    print(f"What the fusion gains:\n\n{tabulate_gains(comparison).to_string()}\n")
    figure = arguments.output / "fusion_at_a_glance.png"
    draw_at_a_glance(comparison, figure)
    print(f"Figure: {figure}")
    print("Simulated patients, made for teaching: these figures say nothing about real ones.")
    print(f"Done in {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
