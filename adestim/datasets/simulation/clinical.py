"""The clinical table: what is recorded of a subject, and the scores that make the diagnosis."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from adestim.datasets.simulation.latent import Latent, beta_binomial
from adestim.datasets.simulation.tasks import Group, Task

# Lowest value, highest value, step, and whether a higher score is worse.
SCORES = {
    "mmse": (0, 30, 1, False),
    "cdrsb": (0, 18, 0.5, True),
    "adas13": (0, 85, 1, True),
    "faq": (0, 30, 1, True),
    "moca": (0, 30, 1, False),
    "updrs3": (0, 132, 1, True),
    "hoehn_yahr": (1, 2, 1, True),
}
# Controls of PPMI are enrolled with a MoCA above 26; patients have one above 15.
PPMI_MOCA = {"CN": (26, 30, 1, False), "PD": (15, 30, 1, False)}
SCORE_CORRELATION = 0.5
SPORADICALLY_MISSING = {"mmse": 0.002, "adas13": 0.014, "faq": 0.016}
RECORDED = ("age", "sex", "education", "family_history", "memory_complaint", "gds")


def list_clinical_columns(task: Task) -> list[str]:
    """Return the columns of the clinical table that do not make the diagnosis."""
    return [*RECORDED, "rbd"] if task.gate == "rbd" else list(RECORDED)


def list_score_columns(task: Task) -> list[str]:
    """Return the columns that do."""
    return list(task.groups[0].scores)


def draw_clinical(
    task: Task, latent: Latent, index: pd.Index, random_state: np.random.Generator
) -> pd.DataFrame:
    """Return the clinical table, complete; the diagnostic scores are its last columns."""
    table = pd.DataFrame(
        {
            "age": np.round(latent.measure("age"), 1),
            "sex": np.where(latent.female, "F", "M"),
            "education": latent.education.astype(float),
            "family_history": np.where(latent.family_history, "yes", "no"),
            "memory_complaint": put_on_scale(latent.measure("memory_complaint"), 8, 4, 24),
            "gds": put_on_scale(latent.measure("gds"), 2.0, 1.5, 15),
        },
        index=index,
    )
    if task.gate == "rbd":
        table["rbd"] = np.where(latent.gate, "yes", "no")
    for name in list_score_columns(task):
        table[name] = draw_score(name, task, latent, random_state)
    return table


def put_on_scale(z: np.ndarray, centre: float, spread: float, highest: float) -> np.ndarray:
    """Turn standard deviations into points of a questionnaire, from zero up."""
    return np.clip(np.round(centre + spread * z), 0, highest)


def draw_score(
    name: str, task: Task, latent: Latent, random_state: np.random.Generator
) -> np.ndarray:
    """Draw a score of given mean and SD in each group, worse with severity."""
    noise = random_state.standard_normal(len(latent.y))
    worse = SCORE_CORRELATION * latent.severity + np.sqrt(1 - SCORE_CORRELATION**2) * noise
    quantile = norm.cdf(worse if SCORES[name][3] else -worse)
    score = np.zeros(len(latent.y))
    for place, group in enumerate(task.groups):
        members = latent.y == place
        score[members] = find_score(name, task, group, quantile[members])
    return score


def find_score(name: str, task: Task, group: Group, quantile: np.ndarray) -> np.ndarray:
    """Return the group's score at each quantile."""
    mean, sd = group.scores[name]
    if sd == 0:
        return np.full(len(quantile), mean)
    low, high, step, _ = choose_score_range(name, task, group)
    values, probabilities = beta_binomial(low, high, step, mean, sd)
    place = np.searchsorted(np.cumsum(probabilities), quantile)
    return values[np.minimum(place, len(values) - 1)]


def choose_score_range(name: str, task: Task, group: Group) -> tuple:
    """Return lowest, highest, step and direction of a score."""
    return PPMI_MOCA[group.label] if (name, task.disease) == ("moca", "pd") else SCORES[name]


def drop_sporadic(table: pd.DataFrame, random_state: np.random.Generator) -> pd.DataFrame:
    """Leave out single test scores, at the published rates."""
    table = table.copy()
    for name, rate in SPORADICALLY_MISSING.items():
        if name in table:
            table.loc[random_state.random(len(table)) < rate, name] = np.nan
    return table


def spell_apoe_column(latent: Latent, present: np.ndarray, index: pd.Index) -> pd.Series:
    """Return the genotypes as text, ``"3/4"``; missing where not present."""
    genotypes = pd.Series(latent.apoe_names(), index=index, name="apoe")
    return genotypes.where(pd.Series(present, index=index))
