"""Real texts: what phases 1 and 2 add to a pretrained sentence encoder.

Amazon reviews of fine foods, 2,000 to train on and 1,000 to test, with the best score or another.
The encoder is all-MiniLM-L6-v2: frozen under a logistic regression; adapted by LoRA in phase 1; and
as anchor of the fusion, with and without phase 2. Predictions are stored one by one, so that a run
that is stopped goes on where it was::

    python benchmarks/text.py --data FOLDER --encoder FOLDER --sizes 500 1000 --seeds 1
    python benchmarks/text.py --page
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from open_sets import FOLDERS, read_reviews
from real_page import score_positive
from reporting import RESULTS, machine, markdown, write
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from stored import Task, forget, read_stored, run_missing

from adestim import AnchoredFusionClassifier, ClinicalExtractor, ModalityUnion, PoolTokens
from adestim.evaluation import bootstrap_interval
from adestim.fusion import tuned_logistic

FOLDER = RESULTS / "text"
SIZES = (500, 1000, 2000)
FROZEN = "frozen, logistic"
PHASE_ONE = "frozen, anchored fusion without phase 2"
PHASE_TWO = "frozen, anchored fusion"
ADAPTED = "adapted in phase 1, logistic"
ADAPTED_ONE = "adapted in phase 1, anchored fusion without phase 2"
ADAPTED_TWO = "adapted in phase 1, anchored fusion"
MODELS = (FROZEN, PHASE_ONE, ADAPTED, ADAPTED_ONE, PHASE_TWO, ADAPTED_TWO)
# What is compared: the second with the first.
GAINS = (
    (FROZEN, PHASE_ONE),
    (FROZEN, PHASE_TWO),
    (PHASE_ONE, PHASE_TWO),
    (FROZEN, ADAPTED),
    (ADAPTED_ONE, ADAPTED_TWO),
    (FROZEN, ADAPTED_TWO),
)
SCORES = ("roc_auc", "log_loss")
# Positions of the encoder, between its text and what may join it.
N_POSITIONS = 512


def make_reader(arguments, seed, adapt):
    """Return what turns texts into the encoder's tokens."""
    reader = ClinicalExtractor(
        backbone="all-minilm-l6-v2",
        weights=arguments.encoder,
        text=["review"],
        backbone_params={
            "template": {"review": "{value}"},
            "too_long": "truncate",
            "reserve": N_POSITIONS - arguments.tokens,
        },
        memory=arguments.folder.with_name(f"{arguments.folder.name}_tokens"),
        adapt=adapt,
        adapt_params={"max_epochs": arguments.adapt_epochs} if adapt else None,
        cross_fit=arguments.cross_fit and adapt is not None,
        batch_size=16,
        device=arguments.device,
        random_state=seed,
    )
    return ModalityUnion([("text", reader, ["review"])])


def make_models(arguments, seed):
    """Return the models by name."""
    epochs = {} if arguments.epochs is None else {"max_epochs": arguments.epochs}
    fusion = {"anchor": "text", "device": arguments.device, "random_state": seed}
    models = {}
    for adapt, names in {
        None: (FROZEN, PHASE_ONE, PHASE_TWO),
        "lora": (ADAPTED, ADAPTED_ONE, ADAPTED_TWO),
    }.items():
        heads = (
            (PoolTokens(), tuned_logistic()),
            (AnchoredFusionClassifier(**fusion, max_epochs=0),),
            (AnchoredFusionClassifier(**fusion, **epochs),),
        )
        for name, head in zip(names, heads, strict=True):
            models[name] = make_pipeline(make_reader(arguments, seed, adapt), *head)
    return models


def list_tasks(arguments):
    """Return all tasks, cheap ones first."""
    texts, y, is_training = read_reviews(arguments.data / FOLDERS["reviews"])
    X = texts.to_frame("review")
    train, test = np.flatnonzero(is_training), np.flatnonzero(~is_training)[: arguments.tests]
    tasks = []
    for seed in range(arguments.seeds):
        made = make_models(arguments, seed)
        for size in arguments.sizes:
            rows = take_rows(train, y, size, seed)
            tasks += [
                Task(title_of(size, arguments), name, seed, 0, made[name], X, y, rows, test)
                for name in arguments.models
            ]
    place = {name: number for number, name in enumerate(MODELS)}
    return sorted(tasks, key=lambda task: (task.repeat, place[task.model], len(task.train)))


def title_of(size, arguments):
    """Return the name of a setting."""
    return f"{size} texts of {arguments.tokens} tokens"


def take_rows(train, y, size, seed):
    """Return so many training rows, classes in proportion."""
    if size >= len(train):
        return train
    splitter = StratifiedShuffleSplit(1, train_size=size, random_state=seed)
    return np.sort(train[next(splitter.split(train, y[train]))[0]])


def table_of(found):
    """Return scores of every model, mean over seeds, as Markdown."""
    rows = []
    for model in MODELS:
        own = [each for each in found if each["model"] == model]
        if own:
            scores = pd.DataFrame([score_of(each) for each in own]).mean()
            rows.append(
                {
                    "model": model,
                    "AUC": f"{scores['roc_auc']:.4f}",
                    "log-loss": f"{scores['log_loss']:.4f}",
                    "CPU s": f"{np.mean([each['cpu'] for each in own]):.0f}",
                    "seeds": len(own),
                }
            )
    return markdown(pd.DataFrame(rows))


def score_of(found):
    """Return the scores of stored predictions."""
    return score_positive(found["y"], found["probability"], SCORES)


def gains_of(found):
    """Return what each step adds, with bootstrap intervals over test texts, as Markdown."""
    by_model = {model: pool_seeds(found, model) for model in MODELS}
    rows = [
        {"step": f"from *{first}* to *{second}*"} | gain_of(by_model[first], by_model[second])
        for first, second in GAINS
        if by_model[first] and by_model[second]
    ]
    return markdown(pd.DataFrame(rows)) if rows else "Nothing to compare yet."


def pool_seeds(found, model):
    """Return a model's stored predictions by seed."""
    return {each["repeat"]: each for each in found if each["model"] == model}


def gain_of(first, second):
    """Return differences of scores with intervals, means over the seeds that both have."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return {}
    pairs = [(first[seed], second[seed]) for seed in seeds]
    y = np.asarray(pairs[0][0]["y"])

    def differences(rows):
        return np.mean([differ(*pair, rows) for pair in pairs], axis=0)

    whole = differences(np.arange(len(y)))
    interval = bootstrap_interval(differences, len(y), strata=y, random_state=0)
    said = [
        f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]"
        for mean, low, high in zip(whole, interval.low, interval.high, strict=True)
    ]
    return {"AUC gained": said[0], "log-loss gained": said[1], "seeds": len(seeds)}


def differ(first, second, rows):
    """Return AUC and log-loss that the second gains on the first, more being better for both."""
    before, after = (
        score_positive(np.asarray(each["y"])[rows], np.asarray(each["probability"])[rows], SCORES)
        for each in (first, second)
    )
    return [after["roc_auc"] - before["roc_auc"], before["log_loss"] - after["log_loss"]]


def make_page(stored):
    """Return the page of what is stored as Markdown."""
    parts = [
        "# Real texts: a sentence encoder as anchor",
        "Reviews of fine foods, the best score or another, read by all-MiniLM-L6-v2; the same test "
        "texts everywhere. Means over seeds, which draw the training texts and train. Intervals "
        "are those of a bootstrap over test texts (95 %); they know nothing of other training "
        "texts. There is no other modality: phase 2 trains the anchor alone. What the frozen "
        "encoder made is kept, so that only the first model of a size pays for it.",
    ]
    settings = sorted({each["setting"] for each in stored}, key=lambda name: int(name.split()[0]))
    for setting in settings:
        found = [each for each in stored if each["setting"] == setting]
        n_tests = len(found[0]["y"])
        parts += [f"## {setting}, {n_tests} test texts", table_of(found), gains_of(found)]
    return "\n\n".join([*parts, f"Measured with {machine()}"])


def read_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the open sets, see open_sets.py")
    parser.add_argument("--encoder", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tests", type=int, default=1000, help="how many test texts")
    parser.add_argument("--tokens", type=int, default=128, help="longer texts are cut")
    parser.add_argument("--epochs", type=int, help="epochs of phase 2; its default if not given")
    parser.add_argument("--adapt-epochs", type=int, default=5, help="epochs of phase 1")
    parser.add_argument("--cross-fit", action="store_true", help="adapted tokens out of fold")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto; only CPU is timed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where predictions are stored")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the page goes")
    parser.add_argument("--again", action="store_true", help="forget what is stored of these first")
    parser.add_argument("--page", action="store_true", help="make the page and fit nothing")
    arguments = parser.parse_args()
    if not arguments.page and (arguments.data is None or arguments.encoder is None):
        parser.error("pass the folders of the open sets and of the encoder: --data and --encoder")
    return arguments


def main():
    """Make what predictions are missing, then the page."""
    arguments = read_arguments()
    if not arguments.page:
        tasks = list_tasks(arguments)
        if arguments.again:
            forget(tasks, arguments.folder)
        run_missing(tasks, arguments.folder, arguments.jobs)
    write("text", make_page(read_stored(arguments.folder)), arguments.results)


if __name__ == "__main__":
    main()
