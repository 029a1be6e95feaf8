"""The Bayes-optimal probability, against brute force and against what happens."""

from dataclasses import fields, replace
from itertools import product

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from adestim.datasets.simulation.latent import (
    compute_covariance,
    compute_mean_measures,
    draw_latent,
    education_probabilities,
)
from adestim.datasets.simulation.oracle import Seen, compute_posterior
from adestim.datasets.simulation.tables import draw_tables
from adestim.datasets.simulation.tasks import APOE_CARRIER, BLOCK_OF, MEASURES, TASKS

N = 4000
BLOCKS = tuple(field.name for field in fields(Seen))


def log_odds(probability):
    return np.log(probability / (1 - probability))


def seen_of(n, *blocks):
    """The same blocks are known of everybody."""
    return Seen(**{name: np.full(n, name in blocks) for name in BLOCKS})


def joint_density(task, group, latent, row, blocks):
    """P(group, what is seen) of one subject: a plain sum over everything that is hidden."""
    clinical = "clinical" in blocks
    columns = [place for place, name in enumerate(MEASURES) if BLOCK_OF[name] in blocks]
    seen_gate = "apoe" in blocks if task.gate == "apoe4" else clinical
    cov = compute_covariance(group)[np.ix_(columns, columns)]
    total = 0.0
    for genotype, gate, (years, p_years), kind in product(
        range(6), (False, True), zip(*education_probabilities(group), strict=True), group.subtypes
    ):
        hidden_ok = (
            ("apoe" not in blocks or genotype == latent.apoe[row])
            and (not clinical or years == latent.education[row])
            and (not seen_gate or gate == latent.gate[row])
        )
        p_gate = group.gate_rate if gate else 1 - group.gate_rate
        if task.gate == "apoe4":
            p_gate = float(gate == APOE_CARRIER[genotype])
        if not hidden_ok or p_gate == 0:
            continue
        weight = group.apoe_probabilities[genotype] * p_gate * p_years * kind.rates[int(gate)]
        mean = compute_mean_measures(group, kind, gate, years)[columns]
        x = latent.measures[row, columns]
        total += weight * (multivariate_normal.pdf(x, mean, cov) if columns else 1.0)
    if clinical:
        total *= group.female if latent.female[row] else 1 - group.female
        history = group.family_history
        total *= history if latent.family_history[row] else 1 - history
    return group.share * total


@pytest.mark.parametrize(
    "blocks",
    [
        ("smri", "fmri", "clinical", "apoe"),
        ("fmri", "clinical", "apoe"),
        ("smri", "fmri", "clinical"),
        ("smri", "apoe"),
        ("clinical",),
        ("fmri",),
        ("apoe",),
    ],
)
@pytest.mark.parametrize("name", ["smci_pmci", "nc_pd"])
def test_probability_is_that_of_a_plain_sum_over_all_hidden_states(name, blocks):
    task = TASKS[name]
    latent = draw_latent(task, 4, np.random.default_rng(0))
    found = compute_posterior(task, latent, np.zeros(4), seen_of(4, *blocks))
    for row in range(4):
        first, second = (joint_density(task, group, latent, row, blocks) for group in task.groups)
        assert found[row] == pytest.approx(second / (first + second), rel=1e-8)


@pytest.mark.parametrize("block", BLOCKS)
def test_what_is_not_seen_does_not_matter(block):
    task = TASKS["nc_ad"]
    latent = draw_latent(task, 30, np.random.default_rng(0))
    other = draw_latent(task, 30, np.random.default_rng(1))
    changed = replace(latent, measures=np.where(
        [BLOCK_OF[name] == block for name in MEASURES], other.measures, latent.measures
    ))  # fmt: skip
    if block == "clinical":
        changed = replace(
            changed, female=other.female, education=other.education,
            family_history=other.family_history,
        )  # fmt: skip
    if block == "apoe":
        changed = replace(changed, apoe=other.apoe, gate=other.gate)
    evidence = np.linspace(-1, 1, 30)
    seen = seen_of(30, *(set(BLOCKS) - {block}))
    np.testing.assert_array_equal(
        compute_posterior(task, latent, evidence, seen),
        compute_posterior(task, changed, evidence[::-1] if block == "snps" else evidence, seen),
    )


@pytest.mark.parametrize("name", list(TASKS))
def test_nothing_seen_leaves_the_prior(name):
    task = TASKS[name]
    latent = draw_latent(task, 5, np.random.default_rng(0))
    found = compute_posterior(task, latent, np.ones(5), seen_of(5))
    np.testing.assert_allclose(found, task.groups[1].share)


def test_genotypes_add_their_evidence_to_the_log_odds():
    task = TASKS["nc_ad"]
    latent = draw_latent(task, 5, np.random.default_rng(0))
    evidence = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    without, seen = (
        compute_posterior(task, latent, evidence, seen_of(5, *blocks))
        for blocks in (["fmri"], ["fmri", "snps"])
    )
    np.testing.assert_allclose(log_odds(seen) - log_odds(without), evidence)


def test_subjects_do_not_depend_on_each_other():
    tables = draw_tables(60, "nc_mci", 0.5, seed=0)
    latent, seen = tables.latent, tables.present.seen()
    rows = np.arange(60)[::-2]
    some = compute_posterior(
        tables.task,
        type(latent)(**{f.name: getattr(latent, f.name)[rows] for f in fields(latent)}),
        tables.genotypes.evidence[rows],
        Seen(**{name: getattr(seen, name)[rows] for name in BLOCKS}),
    )
    np.testing.assert_allclose(some, tables.oracle[rows])


@pytest.mark.parametrize("missing", [None, "adni", 0.3, 0.6])
@pytest.mark.parametrize("task", list(TASKS))
def test_oracle_is_calibrated(task, missing):
    tables = draw_tables(N, task, missing, seed=1)
    y, oracle = tables.latent.y, tables.oracle
    score = log_odds(np.clip(oracle, 1e-12, 1 - 1e-12))[:, None]
    line = LogisticRegression(C=1e8).fit(score, y)
    assert line.coef_.item() == pytest.approx(1, abs=0.1)
    assert line.intercept_.item() == pytest.approx(0, abs=0.15)
    bins = np.array_split(np.argsort(oracle), 10)
    error = np.mean([abs(oracle[rows].mean() - y[rows].mean()) for rows in bins])
    assert error < 0.025
    brier = np.mean((oracle - y) ** 2)
    assert brier == pytest.approx(np.mean(oracle * (1 - oracle)), abs=0.012)


def test_hearing_less_never_helps_the_oracle():
    whole, half = (draw_tables(N, "nc_ad", missing, seed=2) for missing in (None, 0.5))
    assert np.array_equal(whole.latent.y, half.latent.y)
    known = roc_auc_score(whole.latent.y, whole.oracle)
    assert roc_auc_score(half.latent.y, half.oracle) < known - 0.02
