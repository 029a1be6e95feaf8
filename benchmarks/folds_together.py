"""The folds of a cross-validation trained together, against one by one.

The anchor is a transformer of settable size with random weights, as large as a foundation model
where asked for; beside it stands a small table. Both ways fit the same folds for the same number
of epochs, in turn, and their probabilities are compared.
"""

import argparse
import platform
import statistics
import time

import numpy as np
import pandas as pd
import torch
from reporting import RESULTS
from sklearn.base import clone
from torch import nn

import adestim
from adestim import AnchoredFusionClassifier, Backbone
from adestim.backbone import Attention
from adestim.encoding import BackboneSpec, Encoding
from adestim.evaluation import cross_val_fit

HEAD_WIDTH = 64
N_PATCH = 48


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, max(1, width // HEAD_WIDTH))
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x, log_mask):
        """Return tokens of the same shape."""
        read = self.norm1(x)
        x = x + self.attention(read, read, log_mask)
        return x + self.mlp(self.norm2(x))


class RandomViT(Backbone):
    """A vision transformer of any size, its weights drawn at random."""

    lora_targets = ("attention.query", "attention.key_value", "attention.out")

    def __init__(self, width=768, depth=12, n_tokens=196):
        super().__init__()
        self.width = self.width_out = width
        self.n_stand_in = n_tokens
        self.patch = nn.Linear(N_PATCH, width)
        self.place = nn.Parameter(torch.randn(n_tokens, width) / 50)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    @classmethod
    def load(cls, spec):
        """Draw the weights; there is no file."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return cls(**dict(spec.option("architecture"))).eval()

    def embed(self, inputs):
        """Return patches with their places."""
        return self.patch(inputs) + self.place

    def encode(self, tokens, log_mask, n_own):
        """Run all blocks."""
        for block in self.blocks:
            tokens = self.run(block, tokens, log_mask)
        return self.norm(tokens)


def cohort(arguments):
    """Return a table of encodings and numbers, and classes that need both."""
    rng = np.random.default_rng(0)
    architecture = {
        "width": arguments.width,
        "depth": arguments.depth,
        "n_tokens": arguments.tokens,
    }
    spec = BackboneSpec(
        "random-vit",
        options=(("home", "folds_together:RandomViT"), ("architecture", (*architecture.items(),))),
    )
    shape = (arguments.subjects, arguments.tokens, N_PATCH)
    inputs = rng.normal(size=shape).astype(np.float32)
    tau = rng.normal(size=arguments.subjects)
    y = np.where(inputs.mean(axis=(1, 2)) * np.sqrt(inputs[0].size) + tau > 0, "AD", "CN")
    column = np.empty(arguments.subjects, dtype=object)
    # What phase 1 reads of the anchor is no matter here; a few numbers stand for its tokens.
    column[:] = [Encoding(item, item[:4, :8].copy(), None, spec) for item in inputs]
    return pd.DataFrame({"img": column, "csf__tau": tau}), y


def timed(fit, device):
    """Return what a function returns, its seconds, and the GPU memory that it took, in GiB."""
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    found = fit()
    if on_gpu:
        torch.cuda.synchronize()
    memory = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else float("nan")
    return found, time.perf_counter() - start, memory


def measured(arguments, batch_size):
    """Return a row of figures for one size of batches."""
    X, y = cohort(arguments)
    estimator = AnchoredFusionClassifier(
        anchor="img",
        lora_rank=arguments.rank,
        max_epochs=arguments.epochs,
        patience=arguments.epochs,
        batch_size=batch_size,
        device=arguments.device,
        precision=arguments.precision,
        random_state=0,
    )

    def together():
        return cross_val_fit(estimator, X, y, cv=arguments.folds).predict_proba(X)

    def one_by_one():
        return cross_val_fit(estimator, X, y, cv=arguments.folds, n_together=1).predict_proba(X)

    def phase_one():
        start = clone(estimator).set_params(max_epochs=0)
        return cross_val_fit(start, X, y, cv=arguments.folds).predict_proba(X)

    timed(phase_one, arguments.device)
    pairs = [
        [timed(way, arguments.device) for way in (together, one_by_one)]
        for _ in range(arguments.pairs)
    ]
    base = timed(phase_one, arguments.device)[1]
    seconds = [statistics.median(pair[way][1] - base for pair in pairs) for way in (0, 1)]
    ratio = statistics.median((pair[1][1] - base) / (pair[0][1] - base) for pair in pairs)
    change = max(np.abs(pair[0][0] - pair[1][0]).max() for pair in pairs)
    memory = [max(pair[way][2] for pair in pairs) for way in (0, 1)]
    return (
        f"| {batch_size} | {seconds[1]:.2f} | {seconds[0]:.2f} | {ratio:.2f} | {change:.1e} | "
        + (f"{memory[1]:.2f} | {memory[0]:.2f} |" if memory[0] == memory[0] else "- | - |")
    )


def report(arguments, rows):
    """Return the result as Markdown."""
    name = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else "the CPU"
    return (
        "# Folds together against folds one by one\n\n"
        f"{arguments.folds} folds of {arguments.subjects} subjects; the anchor is a frozen "
        f"transformer of {arguments.depth} blocks, width {arguments.width}, {arguments.tokens} "
        f"tokens, LoRA of rank {arguments.rank}; {arguments.epochs} epochs, "
        f"{arguments.precision}, {arguments.pairs} pairs of runs in turn. Seconds are those of "
        "phase 2: phase 1 and prediction without training are taken off.\n\n"
        "| batch size | one by one, s | together, s | ratio | largest change of a probability | "
        "memory one by one, GiB | memory together, GiB |\n| --- | --- | --- | --- | --- | --- | "
        "--- |\n" + "\n".join(rows) + "\n\n"
        f"Measured on {name} ({torch.get_num_threads()} threads) with adestim "
        f"{adestim.__version__}, torch {torch.__version__}, Python {platform.python_version()}."
    )


def main():
    """Run the benchmark and write ``results/folds_together_<device>.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--subjects", type=int, default=60)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=196)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[2, 8, 32])
    arguments = parser.parse_args()
    text = report(arguments, [measured(arguments, size) for size in arguments.batch_sizes])
    RESULTS.mkdir(exist_ok=True)
    kind = arguments.device.partition(":")[0]
    (RESULTS / f"folds_together_{kind}.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
