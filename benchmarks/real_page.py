"""The page of the benchmark on open tables, made of whatever predictions are stored."""

import numpy as np
import pandas as pd
from contestants import MODELS, OURS, PHASE_ONE, RIVALS, missing_libraries
from ranks import draw_rankings, rank_models
from reporting import RESULTS, machine, markdown
from scipy import stats

from adestim.evaluation import corrected_t_test, score_probabilities

CHOSEN_ON = ("ad_data", "rosmap", "pd_speech")
REPORTED_ON = ("stroke",)
FIXED = "fixed split"
TEST_SHARE = 0.2
N_FOLDS = 5
SCORES = ("roc_auc", "balanced_accuracy", "log_loss", "brier")
RANKED = {"log_loss": "log-loss", "roc_auc": "AUC"}
FOLD = ["repeat", "fold"]
TOLERATED = 0.001
SLOPES = (0.9, 1.1)
PLOT = "real_ranks.png"
BEHIND = (
    "not behind by more than a corrected standard error",
    "not behind by more than a plain one",
)
NOT_WORSE = f"not worse than its phase 1 by more than {TOLERATED}"
CALIBRATED = f"slope from {SLOPES[0]} to {SLOPES[1]}"
GOALS = (*BEHIND, NOT_WORSE, CALIBRATED)


def score_stored(stored):
    """Return one row of scores for every stored prediction."""
    return pd.DataFrame([score_one(each) for each in stored])


def score_one(found):
    """Return the scores of one stored prediction."""
    named = {name: found[name] for name in ("setting", "model", "repeat", "fold", "cpu")}
    return named | score_positive(found["y"], found["probability"], SCORES)


def score_positive(y, probability, scores):
    """Return scores of probabilities of the positive label."""
    probability = np.asarray(probability)
    both = np.stack([1 - probability, probability], axis=1)
    return score_probabilities(np.asarray(y), both, classes=[0, 1], scores=scores)


def slopes_of(stored):
    """Return the calibration slope of every model, all people of a repeat together."""
    pooled = {}
    for found in stored:
        key = (found["setting"], found["model"], found["repeat"])
        pooled.setdefault(key, []).append(found)
    rows = [
        (*key[:2], slope_of(parts))
        for key, parts in pooled.items()
        if len(parts) == N_FOLDS or FIXED in key[0]
    ]
    slopes = pd.DataFrame(rows, columns=["setting", "model", "slope"])
    return slopes.groupby(["setting", "model"])["slope"].mean()


def slope_of(parts):
    """Return the calibration slope over the folds of a repeat."""
    y = np.concatenate([part["y"] for part in parts])
    probability = np.concatenate([part["probability"] for part in parts])
    return score_positive(y, probability, ("calibration_slope",))["calibration_slope"]


def table_of(scores, slopes, setting):
    """Return a setting's table as Markdown: a row a model, the best first by log-loss."""
    here = scores[scores["setting"] == setting]
    rows = [
        row_of(here, model, slopes.get((setting, model), np.nan))
        for model in here.groupby("model")["log_loss"].mean().sort_values().index
    ]
    return markdown(pd.DataFrame(rows))


def row_of(here, model, slope):
    """Return the scores of a model, and what ours gains on it."""
    own = here[here["model"] == model]
    return {
        "model": f"**{model}**" if model in (OURS, PHASE_ONE) else model,
        "AUC": f"{own.roc_auc.mean():.3f} ± {own.roc_auc.std():.3f}",
        "balanced accuracy": f"{own.balanced_accuracy.mean():.3f}",
        "log-loss": f"{own.log_loss.mean():.4f}",
        "Brier": f"{own.brier.mean():.4f}",
        "slope": "" if np.isnan(slope) else f"{slope:.2f}",
        "CPU s": f"{own.cpu.mean():.2f}",
        "AUC, ours minus it": interval_of(here, model, "roc_auc"),
        "log-loss, ours minus it": interval_of(here, model, "log_loss"),
        "repeats": f"{len(own) / N_FOLDS:g}",
    }


def interval_of(here, model, score):
    """Say the paired difference of ours to a model and its corrected 95 % interval."""
    differences = differ(here, OURS, model, score)
    if model == OURS or not len(differences):
        return ""
    found = corrected_t_test(differences, TEST_SHARE)
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def differ(here, first, second, score):
    """Return differences of two models in a score, over the folds that both have."""
    wide = here.pivot_table(index=FOLD, columns="model", values=score)
    if not {first, second} <= set(wide.columns):
        return np.array([])
    return (wide[first] - wide[second]).dropna().to_numpy()


def errors_of(differences):
    """Return the standard error of a mean over folds, corrected for shared rows, and plain."""
    if len(differences) < 2:
        return np.nan, np.nan
    found = corrected_t_test(differences, TEST_SHARE)
    half = (found.high - found.low) / 2
    corrected = half / stats.t.ppf(0.975, len(differences) - 1)
    return corrected, np.std(differences, ddof=1) / np.sqrt(len(differences))


def means_of(scores, models, score):
    """Return mean scores (n_settings, n_models), each setting over the folds that all have."""
    rows = {}
    for setting, here in scores[scores["model"].isin(models)].groupby("setting", sort=False):
        wide = here.pivot_table(index=FOLD, columns="model", values=score)
        rows[setting] = wide.reindex(columns=models).dropna().mean()
    return pd.DataFrame(rows).T


def list_ranked(scores):
    """Return the models that are ranked, which every setting has, and those left out."""
    n_settings = scores["setting"].nunique()
    counts = scores.groupby("model")["setting"].nunique()
    present = [model for model in (OURS, *RIVALS) if model in counts]
    ranked = [model for model in present if counts[model] == n_settings]
    return ranked, [model for model in present if model not in ranked]


def ranks_section(scores, folder):
    """Return the section on mean ranks, and the rankings by score; draw them into the folder."""
    models, left_out = list_ranked(scores)
    if len(models) < 2:
        return ["## Mean ranks", "No two models have all settings yet."], {}
    rankings = {
        score: rank_models(means_of(scores, models, score), score == "roc_auc") for score in RANKED
    }
    titles = {f"Mean rank by {RANKED[score]}": found for score, found in rankings.items()}
    folder.mkdir(parents=True, exist_ok=True)
    draw_rankings(titles, folder / PLOT, OURS)
    some = next(iter(rankings.values()))
    text = (
        f"Over {some.n_settings} settings, each by the mean over the folds that all ranked models "
        f"have. Friedman: {say_friedman(rankings)}. Nemenyi's critical difference at 5 % is "
        f"{some.critical:.2f}. Settings of one set share its people, so that the tests are surer "
        "than they should be."
    )
    if left_out:
        text += f" Not ranked, some settings being absent: {', '.join(left_out)}."
    return ["## Mean ranks", text, f"![Mean ranks]({PLOT})", ranks_table(rankings)], rankings


def say_friedman(rankings):
    """Say the p-values of Friedman's test."""
    return ", ".join(f"p = {each.p:.2g} by {RANKED[score]}" for score, each in rankings.items())


def ranks_table(rankings):
    """Return mean ranks as Markdown."""
    table = pd.DataFrame({f"by {RANKED[score]}": each.ranks for score, each in rankings.items()})
    table = table.sort_values(f"by {RANKED['log_loss']}").map("{:.2f}".format)
    return markdown(table.rename_axis("model").reset_index())


def goals_section(scores, slopes, rankings):
    """Return the section that checks the goals one by one."""
    if OURS not in set(scores["model"]):
        return ["## Goals", f"Not checked: there are no predictions of the {OURS} yet."]
    known = scores[scores["model"].isin(MODELS)]
    settings = list(known.groupby("setting", sort=False))
    behind = [
        behind_best(here, setting, score)
        for score in RANKED
        for setting, here in settings
        if has_both(here)
    ]
    own = [own_goals(here, setting, slopes.get((setting, OURS))) for setting, here in settings]
    tables = [table for table in (pd.DataFrame(behind), pd.DataFrame(own)) if len(table)]
    lines = [first_by_rank(rankings, score) for score in RANKED]
    lines += [
        summary_of(table, goal) for table in tables for goal in table.columns if goal in GOALS
    ]
    return ["## Goals", "\n".join(f"- {line}" for line in lines), *map(markdown, tables)]


def has_both(here):
    """Return whether there are predictions of ours and of a rival in a setting."""
    models = set(here["model"])
    return OURS in models and not models.isdisjoint(RIVALS)


def first_by_rank(rankings, score):
    """Say whether ours is first by mean rank."""
    ranks = rankings[score].ranks if score in rankings else pd.Series(dtype=float)
    if OURS not in ranks:
        return f"First by mean rank in {RANKED[score]}: not checked, some settings are absent."
    best = ranks.drop(OURS).idxmin()
    said = f"ours {ranks[OURS]:.2f}, the best rival ({best}) {ranks[best]:.2f}"
    return f"First by mean rank in {RANKED[score]}: {verdict(ranks[OURS] < ranks[best])} ({said})."


def behind_best(here, setting, score):
    """Return how far ours is behind the best rival, in standard errors of two kinds."""
    sign = 1 if score == "log_loss" else -1
    best = (here[here["model"].isin(RIVALS)].groupby("model")[score].mean() * sign).idxmin()
    lost = sign * differ(here, OURS, best, score)
    row = {"setting": setting, "score": RANKED[score], "best rival": best}
    if not len(lost):
        return row
    errors = errors_of(lost)
    said = {
        goal: f"{verdict(lost.mean() <= error)} ({error:.4f})"
        for goal, error in zip(BEHIND, errors, strict=True)
    }
    return row | {"lost to it": f"{lost.mean():+.4f}"} | said


def own_goals(here, setting, slope):
    """Return whether ours adds to its phase 1 and is calibrated."""
    row = {"setting": setting}
    change = differ(here, OURS, PHASE_ONE, "log_loss")
    if len(change):
        row["log-loss, ours minus phase 1"] = f"{change.mean():+.4f}"
        row[NOT_WORSE] = verdict(change.mean() <= TOLERATED)
    if slope is not None and not np.isnan(slope):
        row[CALIBRATED] = f"{verdict(SLOPES[0] <= slope <= SLOPES[1])} ({slope:.2f})"
    return row


def verdict(is_met):
    """Say whether a goal is met."""
    return "met" if is_met else "**missed**"


def summary_of(table, goal):
    """Say in how many rows a goal is met, and where it is missed."""
    checked = table[table[goal].notna()]
    missed = checked[checked[goal].str.startswith("**")]
    rows = missed.reindex(columns=["setting", "score"]).fillna("").agg(" ".join, axis=1)
    where = f"; missed: {'; '.join(rows.str.strip())}" if len(missed) else ""
    return f"{goal[0].upper()}{goal[1:]}: {len(checked) - len(missed)} of {len(checked)}{where}."


def intro():
    """Return the lines that open the page."""
    absent = missing_libraries()
    lacks = f" Not installed, and left out: {', '.join(absent)}." if absent else ""
    return [
        "# Open tables: the method and its rivals",
        "Mean over repeats of 5 stratified folds (AUC ± sd over folds); all models see the same "
        "folds and the same missing blocks, which are hidden completely at random, nobody losing "
        "all. The slope is that of calibration, all people of a repeat together. CPU seconds are "
        "those of fitting and predicting one fold on one thread. Differences are paired by fold, "
        "with Nadeau-Bengio corrected 95 % intervals." + lacks,
        f"Defaults were chosen on {', '.join(CHOSEN_ON)}, so that figures there flatter: how "
        "strongly shares are drawn, and what members are dropped, on the first two; what nets "
        "start from, their prior and how far they are doubted on all of them. "
        f"{', '.join(REPORTED_ON)} was looked at once meanwhile, and nothing was chosen on it.",
    ]


def order_settings(names):
    """Return settings in the order of the sets, complete ones first."""
    sets = [*CHOSEN_ON, *REPORTED_ON]
    return sorted(
        names, key=lambda name: (sets.index(name.split(",")[0]), "complete" not in name, name)
    )


def make_page(stored, sections=(), folder=RESULTS):
    """Return the whole page as Markdown."""
    crossed = [each for each in stored if FIXED not in each["setting"]]
    parts = intro()
    if crossed:
        scores, slopes = score_stored(crossed), slopes_of(crossed)
        settings = order_settings(scores["setting"].unique())
        scores = pd.concat([scores[scores["setting"] == name] for name in settings])
        ranked, rankings = ranks_section(scores, folder)
        for name in settings:
            parts += [f"## {title_of(name)}", table_of(scores, slopes, name)]
        parts += [*ranked, *sections, *goals_section(scores, slopes, rankings)]
    else:
        parts += sections
    return "\n\n".join([*parts, f"Measured with {machine()}"])


def title_of(setting):
    """Return a setting's title with what it was used for."""
    use = "defaults chosen on it" if setting.split(",")[0] in CHOSEN_ON else "reported on"
    return f"{setting} ({use})"
