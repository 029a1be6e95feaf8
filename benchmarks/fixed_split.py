"""AD omics on the authors' own split, several seeds, and the paper's configuration part by part."""

import numpy as np
import pandas as pd
from contestants import OURS, make_models, make_ours
from open_sets import read_set
from real_page import FIXED, score_positive
from reporting import markdown
from stored import Task

SETTING = f"rosmap, {FIXED}"
PARTS = f"rosmap, {FIXED}, parts"
SCORES = {"accuracy": "ACC", "f1": "F1", "roc_auc": "AUC", "log_loss": "log-loss"}
# Wang et al. 2021, table of ROSMAP; and what the models give that its authors released.
CITED = {
    "MOGONET, published (Wang et al. 2021)": (0.815, 0.821, 0.874),
    "MOGONET, its released models": (0.838, 0.833, 0.885),
}
# The paper's configuration: an anchor's net learns the whole answer from the anchor's own head.
PAPER = {"members": (), "aggregate": "mean", "n_queries": 16}


def list_fixed_tasks(data, models, n_seeds):
    """Return the tasks on the authors' split: all models, and the paper's parts."""
    found = read_set("rosmap", data)
    shared = (found.frame, found.y, *found.split)
    tasks = []
    for seed in range(n_seeds):
        made = make_models(seed)
        tasks += [Task(SETTING, name, seed, 0, made[name], *shared) for name in models]
        if OURS in models:
            parts = make_parts(found.modalities, seed)
            tasks += [Task(PARTS, name, seed, 0, model, *shared) for name, model in parts.items()]
    return tasks


def make_parts(modalities, seed):
    """Return the paper's configuration part by part, each anchor alone and all averaged."""
    models = {}
    for label, anchor in {**{name: name for name in modalities}, "mean of anchors": "all"}.items():
        for part, changes in steps().items():
            models[f"{label}: {part}"] = make_ours(seed, anchor=anchor, **(PAPER | changes))
    return models


def steps():
    """Return what is changed of the paper's configuration at every step towards it."""
    return {
        "own head": {"max_epochs": 0},
        "+ its transformer": {"n_queries": 0},
        "+ Q-former's tokens": {},
    }


def fixed_sections(stored):
    """Return the sections on the authors' split, of what is stored."""
    named = {
        setting: [each for each in stored if each["setting"] == setting]
        for setting in (SETTING, PARTS)
    }
    sections = []
    if named[SETTING]:
        sections += ["## AD omics, the authors' split", MAIN_TEXT, main_table(named[SETTING])]
    if named[PARTS]:
        sections += [
            "### The paper's configuration, part by part",
            PARTS_TEXT,
            parts_table(named[PARTS], named[SETTING]),
        ]
    return sections


MAIN_TEXT = (
    "245 people to train on and 106 to test, 200 preselected features of each of three omics; mean "
    "± sd over seeds. The features were selected by MOGONET's authors."
)
PARTS_TEXT = (
    "AUC / log-loss, mean over seeds, of an anchor's own phase-1 head (`max_epochs=0`), of a net "
    "of the anchor alone that starts from it (`n_queries=0`, nothing joins), and of one that other "
    f"modalities' tokens join. All with `{PAPER}`, no other members than the anchors."
)


def main_table(found):
    """Return scores of every model beside the cited ones as Markdown, best first by log-loss."""
    scores = scores_of(found)
    order = scores.groupby("model")["log_loss"].mean().sort_values().index
    rows = [seeds_row(model, scores[scores["model"] == model]) for model in order]
    rows += [cited_row(*each) for each in CITED.items()]
    return markdown(pd.DataFrame(rows))


def scores_of(found):
    """Return one row of scores for every seed and model."""
    return pd.DataFrame(
        [
            {"model": each["model"], "cpu": each["cpu"]}
            | score_positive(each["y"], each["probability"], tuple(SCORES))
            for each in found
        ]
    )


def seeds_row(model, own):
    """Return a model's scores over seeds."""
    said = {
        name: f"{own[score].mean():.3f} ± {own[score].std(ddof=0):.3f}"
        for score, name in SCORES.items()
    }
    return {"model": model, **said, "CPU s": f"{own['cpu'].mean():.1f}", "seeds": len(own)}


def cited_row(model, values):
    """Return a row of cited scores."""
    named = dict(zip(("ACC", "F1", "AUC"), (f"{value:.3f}" for value in values), strict=True))
    return {"model": f"*{model}*", **named, "log-loss": "", "CPU s": "", "seeds": "cited"}


def parts_table(parts, whole):
    """Return one row an anchor and one column a part as Markdown, the mixture last."""
    scores = scores_of(parts)
    scores[["anchor", "part"]] = scores["model"].str.split(": ", n=1, expand=True)
    anchors = sorted(scores["anchor"].unique(), key=lambda name: name == "mean of anchors")
    rows = [
        {"anchor": anchor} | {part: said(own[own["part"] == part]) for part in steps()}
        for anchor, own in ((anchor, scores[scores["anchor"] == anchor]) for anchor in anchors)
    ]
    ours = [each for each in whole if each["model"] == OURS]
    if ours:
        last = list(steps())[-1]
        rows.append({"anchor": "mixture, all defaults"} | dict.fromkeys(steps(), ""))
        rows[-1][last] = said(scores_of(ours))
    return markdown(pd.DataFrame(rows))


def said(own):
    """Say mean AUC and log-loss."""
    if not len(own):
        return ""
    return f"{np.mean(own['roc_auc']):.3f} / {np.mean(own['log_loss']):.3f}"
