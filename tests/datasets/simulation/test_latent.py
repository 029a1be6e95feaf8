"""The model behind the cohorts: published aggregates, calibration, ceilings."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim.datasets.simulation.latent import beta_binomial
from adestim.datasets.simulation.tables import draw_tables
from adestim.datasets.simulation.tasks import AD_APOE, APOE, CN_APOE, MCI_APOE, TASKS

N = 4000
AD_TASKS = ("nc_ad", "nc_mci", "smci_pmci")


@pytest.fixture(scope="module")
def complete():
    """The four tasks, large and complete."""
    return {task: draw_tables(N, task, None, seed=0) for task in TASKS}


def separability(values, y):
    """AUC whichever way the values point."""
    auc = roc_auc_score(y, values)
    return max(auc, 1 - auc)


def log_odds(probability):
    return np.log(probability / (1 - probability))


def e4_copies(tables):
    return np.char.count(tables.latent.apoe_names(), "4")


def blocks(tables):
    """The measurements of each modality."""
    latent = tables.latent
    clinical = np.column_stack(
        [
            latent.measures[:, [0, 8, 9]],
            latent.education,
            latent.female,
            latent.family_history,
            latent.gate,
        ]
    )
    copies = e4_copies(tables)
    return [
        latent.measures[:, 1:5],
        latent.measures[:, 5:8],
        clinical if tables.task.gate == "rbd" else clinical[:, :-1],
        np.column_stack([copies, copies > 0, tables.genotypes.evidence]),
    ]


def cross_validated(model, X, y):
    return cross_val_predict(model, X, y, cv=5, method="predict_proba")[:, 1]


GROUPS = [
    ("nc_ad", 0, CN_APOE),
    ("nc_mci", 1, MCI_APOE),
    ("nc_ad", 1, AD_APOE),
]


@pytest.mark.parametrize(
    ("low", "high", "step", "mean", "sd"),
    [(0, 30, 1, 29.0, 1.2), (0, 18, 0.5, 4.4, 1.7), (0, 30, 1, 0.2, 1.0), (6, 20, 1, 16.5, 2.6)],
)
def test_scores_have_the_mean_and_sd_asked_for(low, high, step, mean, sd):
    values, probabilities = beta_binomial(low, high, step, mean, sd)
    found = values @ probabilities
    assert found == pytest.approx(mean, abs=1e-9)
    assert np.sqrt((values - found) ** 2 @ probabilities) == pytest.approx(sd, rel=0.02)


@pytest.mark.parametrize(("task", "place"), [(task, place) for task in TASKS for place in (0, 1)])
def test_ages_and_scores_are_the_published_ones(complete, task, place):
    tables = complete[task]
    group = tables.task.groups[place]
    members = tables.clinical[tables.latent.y == place]
    published = {"age": group.age, "education": group.education, **group.scores}
    for column, (mean, sd) in published.items():
        spread = max(sd, members[column].std())
        standard_error = spread / np.sqrt(len(members))
        assert members[column].mean() == pytest.approx(mean, abs=3 * standard_error), column
        # The scores' long tails make their SD uncertain, the more so the rarer they are.
        excess = max(members[column].kurt(), 0) if sd else 0
        tolerance = 3 * np.sqrt((2 + excess) / len(members)) / 2
        assert members[column].std() == pytest.approx(sd, rel=tolerance + 0.02), column


@pytest.mark.parametrize(("task", "place", "counts"), GROUPS)
def test_apoe_genotypes_are_as_frequent_as_published(complete, task, place, counts):
    tables = complete[task]
    names = tables.latent.apoe_names()[tables.latent.y == place]
    for genotype, count in zip(APOE, counts, strict=True):
        share = count / sum(counts)
        standard_error = np.sqrt(share * (1 - share) / len(names))
        assert np.mean(names == genotype) == pytest.approx(share, abs=3 * standard_error)


@pytest.mark.parametrize(
    ("task", "variable", "auc"),
    [
        ("nc_ad", "age", 0.63),
        ("nc_ad", "education", 0.63),
        ("nc_ad", "mmse", 0.99),
        ("nc_ad", "adas13", 0.99),
        ("nc_ad", "cdrsb", 0.995),
        ("nc_ad", "faq", 0.97),
        ("nc_mci", "age", 0.55),
        ("nc_mci", "education", 0.56),
        ("nc_mci", "mmse", 0.75),
        ("nc_mci", "adas13", 0.83),
        ("nc_mci", "cdrsb", 0.93),
    ],
)
def test_single_variables_separate_as_published(complete, task, variable, auc):
    tables = complete[task]
    found = separability(tables.clinical[variable], tables.latent.y)
    assert found == pytest.approx(auc, abs=0.03)


@pytest.mark.parametrize(("task", "auc"), [("nc_ad", 0.695), ("nc_mci", 0.593)])
def test_e4_copies_separate_as_published(complete, task, auc):
    tables = complete[task]
    found = separability(e4_copies(tables), tables.latent.y)
    assert found == pytest.approx(auc, abs=0.03)


@pytest.mark.parametrize(
    ("task", "measure", "low", "high"),
    [
        ("nc_ad", "hippocampus", 0.83, 0.90),
        ("nc_mci", "hippocampus", 0.68, 0.75),
        ("smci_pmci", "hippocampus", 0.66, 0.71),
        ("nc_pd", "putamen", 0.50, 0.58),
        ("nc_pd", "hippocampus", 0.50, 0.58),
    ],
)
def test_structure_separates_as_published(complete, task, measure, low, high):
    tables = complete[task]
    assert low <= separability(tables.latent.measure(measure), tables.latent.y) <= high


@pytest.mark.parametrize(("task", "low", "high"), [("nc_mci", 0.1, 0.4), ("nc_ad", 0.3, 0.7)])
def test_default_mode_connectivity_falls_as_much_as_aimed_at(complete, task, low, high):
    tables = complete[task]
    values, y = tables.latent.measure("dmn"), tables.latent.y
    pooled = np.sqrt((values[y == 0].var() + values[y == 1].var()) / 2)
    assert low <= (values[y == 0].mean() - values[y == 1].mean()) / pooled <= high


def test_polygenic_evidence_without_apoe_is_weak(complete):
    for tables in complete.values():
        assert 0.52 <= separability(tables.genotypes.evidence, tables.latent.y) <= 0.63


def test_hippocampus_shrinks_with_age(complete):
    latent = complete["nc_ad"].latent
    healthy = latent.y == 0
    slope = np.polyfit(latent.measure("age")[healthy], latent.measure("hippocampus")[healthy], 1)
    assert slope[0] == pytest.approx(-0.06, abs=0.02)


def test_conversion_is_that_of_36_months(complete):
    assert 0.30 <= complete["smci_pmci"].latent.y.mean() <= 0.45


@pytest.mark.parametrize("task", list(TASKS))
def test_oracle_is_above_every_model_of_the_measurements(complete, task):
    tables = complete[task]
    y, ceiling = tables.latent.y, roc_auc_score(tables.latent.y, tables.oracle)
    X = np.column_stack(blocks(tables))
    boosting = HistGradientBoostingClassifier(max_iter=100, max_depth=3, random_state=0)
    logistic = make_pipeline(StandardScaler(), LogisticRegression())
    for model in (logistic, boosting):
        assert roc_auc_score(y, cross_validated(model, X, y)) < ceiling


# The made-up task has more of its effects in single modalities, and less between them.
@pytest.mark.parametrize(
    ("task", "gap"), [(task, 0.01 if task == "teaching" else 0.03) for task in TASKS]
)
def test_late_fusion_leaves_a_gap(complete, task, gap):
    tables = complete[task]
    y = tables.latent.y
    logistic = make_pipeline(StandardScaler(), LogisticRegression())
    late = sum(log_odds(cross_validated(logistic, X, y)) for X in blocks(tables))
    assert roc_auc_score(y, tables.oracle) - roc_auc_score(y, late) >= gap


@pytest.mark.parametrize("task", AD_TASKS)
def test_part_of_the_gap_is_learned_from_several_hundred_subjects(task):
    tables = draw_tables(3000, task, None, seed=5)
    y, train = tables.latent.y, np.arange(3000) < 700
    X = blocks(tables)
    logistic = make_pipeline(StandardScaler(), LogisticRegression())
    late = sum(log_odds(logistic.fit(x[train], y[train]).predict_proba(x[~train])[:, 1]) for x in X)
    boosting = HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.06, max_depth=3, random_state=0
    ).fit(np.column_stack(X)[train], y[train])
    joint = boosting.predict_proba(np.column_stack(X)[~train])[:, 1]
    assert roc_auc_score(y[~train], joint) > roc_auc_score(y[~train], late) + 0.005


def test_permuted_labels_leave_nothing(complete):
    tables = complete["nc_ad"]
    y = np.random.default_rng(0).permutation(tables.latent.y)
    logistic = make_pipeline(StandardScaler(), LogisticRegression())
    found = cross_validated(logistic, np.column_stack(blocks(tables)), y)
    assert roc_auc_score(y, found) == pytest.approx(0.5, abs=0.04)
