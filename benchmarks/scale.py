"""What a feature store saves, and what memory a study needs.

A frozen model (BrainIAC at its released size, random weights) encodes simulated volumes; forwards
are counted in a nested study; a warm cross-validation is timed beside a cold one; peak memory is
measured as subjects grow, each size in a process of its own. What half precision costs is
measured on the tokens of the same model.
"""

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from reporting import machine, markdown, write
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, Backbone, ModalityUnion, SMRIExtractor
from adestim._support.keys import content_key
from adestim.backbone.forward import encode_frozen
from adestim.backbone.registry import find_card
from adestim.encoding import BackboneSpec, Encoding
from adestim.store import FeatureStore

# Of a table that is made fast, and of Brain-JEPA's, the largest there is.
SMALL, LARGE = (512, 96), (4500, 768)
SMALLEST_NORMAL_HALF = 2.0**-14


class Forwards:
    """Counts how many subjects a model encodes in this process."""

    def __init__(self, model):
        self.model, self.plain, self.n_subjects = model, model.encode, 0

    def __enter__(self):
        def encode(body, tokens, log_mask, n_own):
            self.n_subjects += len(tokens) if log_mask is None else 0
            return self.plain(body, tokens, log_mask, n_own)

        self.model.encode = encode
        return self

    def __exit__(self, *problem):
        self.model.encode = self.plain


def random_weights(card, folder):
    """Write a checkpoint of a model's released size in its released format."""
    torch.manual_seed(0)
    model: Backbone = card.backbone_class()(**card.architecture)
    for value in model.parameters():
        # Norms begin at one and zero, as in every trained model they stay near.
        if value.ndim > 1:
            torch.nn.init.normal_(value, std=0.02)
    state = {f"backbone.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state}, folder / card.filename)
    return folder / card.filename


def brains(n_subjects, seed=0):
    """Return skull-stripped stand-ins of brains and their classes."""
    import nibabel

    rng = np.random.default_rng(seed)
    axis = np.linspace(-1, 1, 90)
    radius = np.sqrt(sum(part**2 for part in np.meshgrid(axis, axis, axis, indexing="ij")))
    y = np.arange(n_subjects) % 2
    images = [
        nibabel.Nifti1Image(
            ((radius < 0.8) * rng.uniform(50, 100 + 10 * label, radius.shape)).astype(np.float32),
            np.diag([2, 2, 2, 1]),
        )
        for label in y
    ]
    return images, y


def files_of(images, folder):
    """Write images as files and return their paths."""
    import nibabel

    paths = [folder / f"sub-{number:03d}_T1w.nii" for number in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        nibabel.save(image, path)
    return [str(path) for path in paths]


def study(pipeline, X, y, n_repeats, n_folds, n_trials):
    """Run a nested study and return how many subjects the frozen model encoded for each."""
    card = find_card("brainiac", "smri")
    with Forwards(card.backbone_class()) as forwards:
        for repeat in range(n_repeats):
            for trial in range(n_trials):
                candidate = clone(pipeline).set_params(
                    anchoredfusionclassifier__learning_rate=10 ** (-2 - trial / 10)
                )
                folds = KFold(n_folds, shuffle=True, random_state=repeat)
                cross_val_score(candidate, X, y, cv=folds)
    return forwards.n_subjects / len(y)


def cold_and_warm(run):
    """Return seconds of some work on an empty store, and of the same again."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times


def peak_gib():
    """Return the largest memory of this process so far, its parent's not counted."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**20


def real_size_spec(weights):
    """Return the name tag of the model in a file."""
    card = find_card("brainiac", "smri")
    architecture = tuple(sorted(card.architecture.items()))
    return BackboneSpec(
        "brainiac",
        card.backbone_class().digest(weights),
        (("home", card.home), ("architecture", architecture)),
        (("weights", str(weights)),),
    )


def real_size_inputs(n_subjects):
    """Return inputs of the model's size."""
    rng = np.random.default_rng(0)
    return list(rng.normal(size=(n_subjects, 1, 96, 96, 96)).astype(np.float32))


def against_bare_loop(weights, n_subjects=6):
    """Return the time of a bare loop over a model divided by that of the library's own."""
    spec, inputs = real_size_spec(weights), real_size_inputs(n_subjects)
    model = find_card("brainiac", "smri").backbone_class().load(spec)
    encode_frozen(inputs[:1], spec, device="cpu", batch_size=1)
    pairs = []
    for _ in range(5):
        start = time.perf_counter()
        with torch.inference_mode():
            for item in inputs:
                model.encode(model.embed(torch.from_numpy(item[None])), None, 216).numpy()
        middle = time.perf_counter()
        encode_frozen(inputs, spec, device="cpu", batch_size=1)
        pairs.append((middle - start) / (time.perf_counter() - middle))
    return np.median(pairs)


def against_memmap(folder, n_subjects=24, shape=(1024, 768), n_pairs=5):
    """Return the store's bandwidth divided by that of a plain memory-mapped array.

    Writing, first reading (each record is compared with its checksum) and reading again.
    """
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(n_subjects, *shape)).astype(np.float16)
    ratios = [ratios_of_one_pair(tokens, folder / str(number)) for number in range(n_pairs)]
    return np.median(ratios, axis=0)


def ratios_of_one_pair(tokens, folder):
    """Return three ratios of seconds, the memory map's to the store's."""
    folder.mkdir(parents=True)
    store = FeatureStore(folder / "store")
    keys = [f"{number:040d}" for number in range(len(tokens))]
    plain = [seconds_of(lambda: write_memmap(folder / "plain.npy", tokens))]
    ours = [
        seconds_of(
            lambda: [store.put("tokens", k, {"x": t}) for k, t in zip(keys, tokens, strict=True)]
        )
    ]
    for _ in range(2):
        plain.append(seconds_of(lambda: read_memmap(folder / "plain.npy")))
        ours.append(seconds_of(lambda: [store.get("tokens", k).arrays["x"].read() for k in keys]))
    return np.divide(plain, ours)


def write_memmap(path, values):
    """Write an array as a memory map, subject by subject."""
    written = np.lib.format.open_memmap(path, "w+", values.dtype, values.shape)
    for row, value in enumerate(values):
        written[row] = value
    written.flush()


def read_memmap(path):
    """Read a memory-mapped array into memory, subject by subject."""
    return [np.array(row) for row in np.load(path, mmap_mode="r")]


def seconds_of(run):
    """Return the seconds of some work."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def half_precision(weights, folder, n_subjects=3):
    """Say by how much tokens of a model change where a store keeps them in half precision."""
    found = encode_frozen(real_size_inputs(n_subjects), real_size_spec(weights), device="cpu")
    tokens = np.stack([encoding.tokens for encoding in found]).astype(np.float64)
    kept = FeatureStore(folder).narrow(tokens.astype(np.float32))
    error, size = np.abs(kept.astype(np.float64) - tokens), np.abs(tokens)
    normal = size >= SMALLEST_NORMAL_HALF
    of_norm = np.linalg.norm(error, axis=-1) / np.linalg.norm(tokens, axis=-1)
    return (
        f"{n_subjects} subjects' {tokens.shape[1]} tokens of width {tokens.shape[2]}, kept as "
        f"{kept.dtype}: a token moves by {of_norm.mean():.1e} of its length on average, by "
        f"**{of_norm.max():.1e}** at most; a value by {(error[normal] / size[normal]).max():.1e} "
        f"of itself at most, and the {100 * (~normal).mean():.3f} % of them below "
        f"{SMALLEST_NORMAL_HALF:.1e} by {error[~normal].max(initial=0):.1e} at most. The largest "
        f"value is {size.max():.1f}; half precision holds up to 65504"
    )


def stored_table(n_subjects, shape, folder):
    """Return an encodings table whose tokens lie in a store, and numbers beside it."""
    store, rng = FeatureStore(folder), np.random.default_rng(0)
    spec = BackboneSpec("vit", "benchmark", (("home", "benchmarks:none"),))
    plain = rng.normal(size=shape).astype(np.float16)
    cells = np.empty(n_subjects, dtype=object)
    for row in range(n_subjects):
        tokens = np.roll(plain, row, axis=0) + np.float16(row % 7)
        arrays = {"tokens": tokens, "pooled": tokens.mean(axis=0, dtype=np.float32)}
        found = store.put("tokens", content_key("benchmark", row), arrays).arrays
        cells[row] = Encoding(found["pooled"], found["tokens"], None, spec, found["pooled"])
    return pd.DataFrame({"smri": cells, "csf__tau": rng.normal(size=n_subjects)})


def memory_of(n_subjects, *shape):
    """Return memory in GiB before a fit on a table of some size, its peak, and the pickle's size.

    Before the fit everything that it needs has been loaded by another on numbers alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        table = stored_table(n_subjects, shape, folder)
        y = (table["csf__tau"] + np.arange(n_subjects) % 2 > 0.5).astype(int)
        model = AnchoredFusionClassifier(
            anchor="csf", max_epochs=1, batch_size=16, random_state=0, device="cpu"
        )
        clone(model).fit(table[["csf__tau"]].iloc[:50], y[:50])
        before = peak_gib()
        model.fit(table, y)
        return before, peak_gib(), len(pickle.dumps(table)) / 1e6


def memory_table(sizes, shape):
    """Return one row a number of subjects."""
    rows = []
    for size in sizes:
        command = [sys.executable, __file__, "--memory-of", *map(str, (size, *shape))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        before, peak, pickled = json.loads(done.stdout.splitlines()[-1])
        rows.append(
            {
                "subjects": size,
                "tokens on disk, GiB": f"{size * np.prod(shape) * 2 / 2**30:.2f}",
                "table pickled, MB": f"{pickled:.2f}",
                "before the fit, GiB": f"{before:.2f}",
                "peak, GiB": f"{peak:.2f}",
                "of the fit, GiB": f"{peak - before:.2f}",
            }
        )
        print(rows[-1], flush=True)
    return markdown(pd.DataFrame(rows))


def memory_report(arguments):
    """Return the tables of memory, as Markdown."""
    said = (
        "**Memory** of one epoch of an anchored fusion that reads {} tokens of width {} a subject "
        "from the store, batches of 16:"
    )
    parts = []
    for shape, sizes in ((SMALL, arguments.sizes), (LARGE, arguments.large_sizes)):
        parts += ["- " + said.format(*shape), memory_table(sizes, shape)]
    return parts


def report(arguments):
    """Measure everything and write ``results/scale.md``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = random_weights(find_card("brainiac", "smri"), folder)
        images, y = brains(arguments.subjects)
        X = pd.DataFrame({"t1w": files_of(images, folder), "tau": np.arange(len(y)) % 3.0})
        union = ModalityUnion(
            [
                ("smri", SMRIExtractor(backbone="brainiac", weights=weights, device="cpu"), "t1w"),
                ("csf", "passthrough", ["tau"]),
            ],
            memory=folder / "store",
        )
        model = AnchoredFusionClassifier(anchor="csf", max_epochs=0, random_state=0)
        pipeline = make_pipeline(union, model)
        alone = clone(union).set_params(memory=folder / "third")
        cold, warm = cold_and_warm(lambda: clone(alone).fit_transform(X, y))
        cold_cv, warm_cv = cold_and_warm(lambda: cross_val_score(clone(pipeline), X, y, cv=5))
        other = clone(pipeline).set_params(modalityunion__memory=folder / "other")
        forwards = study(other, X, y, *arguments.study)
        ratio, half = against_bare_loop(weights), half_precision(weights, folder / "half")
        writing, first, again = against_memmap(folder / "bandwidth")
    text = [
        "# Scale: the feature store, and memory",
        __doc__.split("\n", 2)[2].strip(),
        f"- **Forwards per subject** in a study of {' x '.join(map(str, arguments.study))} "
        f"(repeats, folds, trials) over {len(y)} subjects: **{forwards:.2f}**.",
        f"- **Extraction** of {len(y)} subjects: {cold:.1f} s with an empty store, {warm:.3f} s "
        f"with a full one, **{cold / warm:.0f} times faster**. A five-fold cross-validation, phase "
        f"1 included: {cold_cv:.1f} s and {warm_cv:.2f} s.",
        f"- **Extraction against a bare loop** over the same model, in turn: **{ratio:.3f}** of "
        "its speed (median of 5).",
        "- **Bandwidth against a plain memory-mapped file**, 24 records of 1.5 MiB, files in the "
        f"system's cache, median of 5 pairs in turn: writing **{writing:.2f}**, first reading, "
        f"checksums included, **{first:.2f}**, reading again **{again:.2f}**.",
        f"- **Half precision** of the store, on the same model: {half}.",
        *memory_report(arguments),
        machine(),
    ]
    write("scale", "\n\n".join(text))


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=20)
    parser.add_argument("--study", type=int, nargs=3, default=(5, 5, 10))
    parser.add_argument("--sizes", type=int, nargs="*", default=(100, 1000, 10000))
    parser.add_argument("--large-sizes", type=int, nargs="*", default=(100, 1000))
    parser.add_argument("--memory-of", type=int, nargs=3, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of is not None:
        print(json.dumps(memory_of(*arguments.memory_of)))
    else:
        report(arguments)


if __name__ == "__main__":
    main()
