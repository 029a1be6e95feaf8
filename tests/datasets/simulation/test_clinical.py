"""The clinical table: legal values, what makes the diagnosis, what is missing."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets.simulation.clinical import (
    SPORADICALLY_MISSING,
    draw_clinical,
    drop_sporadic,
    find_score,
    list_clinical_columns,
    list_score_columns,
    put_on_scale,
    spell_apoe_column,
)
from adestim.datasets.simulation.latent import draw_latent
from adestim.datasets.simulation.tasks import NORMAL, TASKS

N = 1500
RANGES = {
    "mmse": (0, 30, 1),
    "cdrsb": (0, 18, 0.5),
    "adas13": (0, 85, 1),
    "faq": (0, 30, 1),
    "moca": (0, 30, 1),
    "updrs3": (0, 132, 1),
    "education": (6, 20, 1),
    "memory_complaint": (0, 24, 1),
    "gds": (0, 15, 1),
    "age": (18, 120, 0.1),
}


def drawn(task):
    """Latent subjects and their clinical table."""
    latent = draw_latent(TASKS[task], N, np.random.default_rng(0))
    index = pd.RangeIndex(N)
    return latent, draw_clinical(TASKS[task], latent, index, np.random.default_rng(1))


@pytest.fixture(scope="module")
def clinical():
    return {task: drawn(task) for task in ("nc_ad", "nc_pd")}


@pytest.mark.parametrize("task", ["nc_ad", "nc_pd"])
def test_values_are_legal_and_rounded(clinical, task):
    _, table = clinical[task]
    for name in RANGES.keys() & set(table):
        low, high, step = RANGES[name]
        assert table[name].between(low, high).all(), name
        steps = table[name] / step
        np.testing.assert_allclose(steps, steps.round(), atol=1e-6, err_msg=name)


def test_controls_of_the_parkinson_cohort_have_the_moca_of_their_enrolment(clinical):
    latent, table = clinical["nc_pd"]
    assert table.loc[latent.y == 0, "moca"].min() >= 26
    assert set(table.loc[latent.y == 0, "hoehn_yahr"]) == {0}
    assert set(table.loc[latent.y == 1, "hoehn_yahr"]) == {1, 2}


@pytest.mark.parametrize(
    ("name", "sign"), [("mmse", -1), ("adas13", 1), ("cdrsb", 1), ("moca", -1)]
)
def test_scores_are_worse_where_the_disease_is_more_severe(clinical, name, sign):
    latent, table = clinical["nc_ad"]
    patients = latent.y == 1
    r = np.corrcoef(table.loc[patients, name], latent.severity[patients])[0, 1]
    assert r * sign == pytest.approx(0.5, abs=0.1)


def test_words_say_what_the_model_drew(clinical):
    latent, table = clinical["nc_pd"]
    np.testing.assert_array_equal(table["sex"] == "F", latent.female)
    np.testing.assert_array_equal(table["rbd"] == "yes", latent.gate)
    np.testing.assert_array_equal(table["family_history"] == "yes", latent.family_history)


@pytest.mark.parametrize("task", list(TASKS))
def test_columns_to_learn_from_hold_nothing_that_makes_the_diagnosis(task):
    learned, scores = list_clinical_columns(TASKS[task]), list_score_columns(TASKS[task])
    assert not set(learned) & set(scores)
    assert ("rbd" in learned) == (task == "nc_pd")


def test_table_has_the_recorded_columns_then_the_scores(clinical):
    for task, (_, table) in clinical.items():
        assert list(table) == list_clinical_columns(TASKS[task]) + list_score_columns(TASKS[task])
        assert table.notna().all(axis=None)


def test_questionnaires_end_at_their_limits():
    assert put_on_scale(np.array([-9.0, 0.0, 0.3, 9.0]), 2.0, 1.5, 15).tolist() == [0, 2, 2, 15]


def test_higher_quantile_is_a_higher_score():
    scores = find_score("mmse", TASKS["nc_ad"], NORMAL, np.array([0.0, 0.01, 0.5, 1.0]))
    assert scores.tolist() == sorted(scores)
    assert scores[-1] == 30


def test_single_test_scores_are_missing_at_the_published_rates():
    whole = pd.DataFrame(1.0, index=range(20_000), columns=["age", "mmse", "adas13", "faq", "moca"])
    rates = drop_sporadic(whole, np.random.default_rng(0)).isna().mean()
    assert rates["age"] == rates["moca"] == 0
    for name, rate in SPORADICALLY_MISSING.items():
        assert rates[name] == pytest.approx(rate, abs=4 * np.sqrt(rate / len(whole)))
    assert whole.notna().all(axis=None)


def test_apoe_is_text_and_missing_where_it_is_not_present(clinical):
    latent, table = clinical["nc_ad"]
    present = np.arange(N) % 3 > 0
    apoe = spell_apoe_column(latent, present, table.index)
    np.testing.assert_array_equal(apoe.notna(), present)
    assert apoe.dropna().str.fullmatch("[234]/[234]").all()
