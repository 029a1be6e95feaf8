"""Dosages against a frozen DNA model, on simulated genotypes in a made-up genome.

The DNA model has random weights: the figures say what its tokens can carry, and nothing about
pre-training. Simulated patients: they say nothing about real ones either.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from reporting import machine, markdown, score_folds, summarise, write
from safetensors.torch import save_file
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline

from adestim import GeneticsExtractor, ModalityUnion, PoolTokens
from adestim.datasets import make_cohort
from adestim.datasets.simulation.genotypes import build_variant_table
from adestim.fusion import tuned_logistic
from adestim.modalities.genetics.models.nucleotide_transformer import NucleotideTransformer

REFERENCE = "polygenic score + APOE"
BACKBONE = "nucleotide-transformer-500m-human-ref"
ARCHITECTURE = {"n_layers": 4, "width": 64, "n_heads": 4, "ffn_width": 256}
WINDOW = 48
SEED = 1
STEP = 2000
BIM = ["chromosome", "id", "morgans", "position", "counted", "other"]


class PolygenicScore(TransformerMixin, BaseEstimator):
    """Known effects times dosages, summed, beside the copies of APOE e2 and e4."""

    def fit(self, X, y=None):
        """Learn the means, which stand for missing genotypes."""
        self.means_ = X.mean()
        return self

    def transform(self, X):
        """Return the score and the copies of e2 and e4."""
        known = X.fillna(self.means_)
        effects = build_variant_table().set_index("id")["ad"]
        names = [name.removeprefix("genetics__") for name in known.columns]
        score = known.to_numpy() @ effects.reindex(names).fillna(0).to_numpy()
        return np.column_stack([score, known.filter(like="APOE")])


class SideBySide(TransformerMixin, BaseEstimator):
    """All tokens of a subject in a row, NaN where masked."""

    def fit(self, X, y=None):
        """Learn nothing."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        """Return (n_subjects, n_tokens * width)."""
        return np.stack([known_tokens(cell).ravel() for cell in X["genetics"]])


def known_tokens(cell):
    """Return an encoding's tokens, NaN where masked."""
    mask = np.ones(cell.n_tokens, dtype=bool) if cell.mask is None else cell.mask
    return np.where(mask[:, None], cell.tokens, np.nan)


def write_genome(prefix, folder):
    """Move a file set's variants to a small made-up genome, and write that."""
    bim = Path(f"{prefix}.bim")
    variants = pd.read_csv(bim, sep="\t", names=BIM, dtype={"chromosome": str})
    place = variants.groupby("chromosome").cumcount()
    variants["position"] = STEP * (place + 1)
    variants.to_csv(bim, sep="\t", header=False, index=False)
    path = folder / "genome.fa"
    rng = np.random.default_rng(SEED)
    with path.open("w", encoding="ascii") as file:
        for name, rows in variants.groupby("chromosome", sort=False):
            letters = rng.choice(list("ACGT"), size=STEP * (len(rows) + 1))
            letters[rows["position"] - 1] = rows["other"]
            file.write(f">{name}\n{''.join(letters)}\n")
    return path


def write_weights(folder):
    """Write random weights, large enough that attention is not flat."""
    generator = torch.Generator().manual_seed(SEED)
    model = NucleotideTransformer(**ARCHITECTURE)
    state = {
        name: value if "LayerNorm" in name or "layer_norm" in name
        else 0.15 * torch.randn(value.shape, generator=generator)
        for name, value in model.state_dict().items()
    }  # fmt: skip
    path = folder / "model.safetensors"
    save_file(state, path)
    return path


def extractors(prefix, genome, weights):
    """Return the built-in extractor and the DNA model, by how its tokens are read."""
    common = {"genotypes": f"{prefix}.bed", "sample_column": "genotypes", "apoe_column": "apoe"}
    dna = {
        read: GeneticsExtractor(
            backbone=BACKBONE,
            weights=weights,
            backbone_params={
                "reference": genome,
                "window": WINDOW,
                "read": read,
                "architecture": ARCHITECTURE,
            },
            device="cpu",
            batch_size=32,
            **common,
        )
        for read in ("variant", "window", "difference")
    }
    return GeneticsExtractor(**common), dna


def estimators(dosage, dna):
    """Return every model by name."""

    def pipeline(extractor, *steps):
        columns = ["genotypes", "apoe"]
        return make_pipeline(
            ModalityUnion([("genetics", extractor, columns)]), *steps, tuned_logistic()
        )

    return {
        REFERENCE: pipeline(dosage, PoolTokens(), PolygenicScore()),
        "dosages": pipeline(dosage, PoolTokens()),
        "DNA, mean of the variants' tokens": pipeline(dna["variant"], PoolTokens()),
        "DNA, mean of the windows' means": pipeline(dna["window"], PoolTokens()),
        "DNA, mean of the differences": pipeline(dna["difference"], PoolTokens()),
        "DNA, all differences side by side": pipeline(dna["difference"], SideBySide()),
    }


def largest_residual(dosage, dna, frame):
    """Return how far tokens are from a line in the dosage, relative to their spread."""
    columns = frame[["genotypes", "apoe"]]
    doses = np.stack([known_tokens(cell) for cell in dosage.fit_transform(columns)["genetics"]])
    tokens = np.stack([known_tokens(cell) for cell in dna.fit_transform(columns)["genetics"]])
    worst = 0.0
    for snp in range(doses.shape[1]):
        known = ~np.isnan(doses[:, snp, 0])
        line = np.column_stack([np.ones(known.sum()), doses[known, snp]])
        own = tokens[known, snp]
        residual = own - line @ np.linalg.lstsq(line, own, rcond=None)[0]
        worst = max(worst, np.abs(residual).max() / own.std(axis=0).max())
    return worst


def main():
    """Run the benchmark and write ``results/genetics.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort = make_cohort(
            arguments.subjects,
            missing=None,
            root=folder / "cohort",
            resolution=20,
            bold=False,
            random_state=SEED,
            n_jobs=arguments.jobs,
        )
        [prefix] = cohort.genotype_files
        genome, weights = write_genome(prefix, folder), write_weights(folder)
        dosage, dna = extractors(prefix, genome, weights)
        frame, y = cohort.frame, (cohort.target == "AD").to_numpy()
        splitter = RepeatedStratifiedKFold(n_splits=5, n_repeats=arguments.repeats, random_state=0)
        splits = list(splitter.split(frame, y))
        models = estimators(dosage, dna)
        scores = score_folds(models, frame[["genotypes", "apoe"]], y, splits, arguments.jobs)
        residual = largest_residual(dosage, dna["variant"], frame)
    parts = [
        "# Genotypes: dosages against a frozen DNA model of random weights",
        f"`make_cohort({arguments.subjects}, random_state={SEED})`, its SNPs placed in a made-up "
        f"genome; area under the ROC curve, mean ± sd over {arguments.repeats} x 5 stratified "
        "folds; paired differences with Nadeau-Bengio corrected 95 % intervals. **Simulated "
        "patients and a model that was never trained: these figures say nothing about real ones "
        "or about pre-training.** They say what becomes of the dosages.",
        markdown(summarise(scores, REFERENCE, test_share=0.2)),
        "The token of a SNP is a straight line in its dosage: the largest distance from it is "
        f"{residual:.0e} of the tokens' spread. So a frozen DNA model holds, of the subject, "
        "nothing but the dosages, each along a direction of its own.",
        f"Measured with {machine()}",
    ]
    write("genetics", "\n\n".join(parts))


if __name__ == "__main__":
    main()
