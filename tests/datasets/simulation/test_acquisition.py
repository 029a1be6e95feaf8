"""Phases, sites and protocols, and what is missing because of them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from adestim.datasets.simulation.acquisition import (
    ADNI,
    FAST_SITES,
    draw_acquisition,
    draw_present,
    drop_at_random,
    tabulate_acquisition,
)
from adestim.datasets.simulation.tables import draw_tables
from adestim.datasets.simulation.tasks import TASKS

N = 4000
PROTOCOLS = {
    "ADNI1": {(3.0, 140)},
    "ADNI2": {(3.0, 140)},
    "ADNI3": {(3.0, 197), (0.607, 976)},
    "ADNI4": {(3.0, 197), (0.607, 976)},
}


@pytest.fixture(scope="module")
def acquired():
    return draw_acquisition(TASKS["nc_ad"], N, np.random.default_rng(0))


@pytest.fixture(scope="module")
def present(acquired):
    return draw_present(TASKS["nc_ad"], "adni", acquired, np.random.default_rng(1))


@pytest.mark.parametrize("phase", list(PROTOCOLS))
def test_repetition_time_and_length_are_those_of_the_phase(acquired, phase):
    members = acquired.phase == phase
    found = set(zip(acquired.t_r[members], acquired.volumes[members], strict=True))
    assert found == PROTOCOLS[phase]


def test_fast_protocol_runs_at_its_sites_alone(acquired):
    assert set(acquired.site[acquired.t_r < 1]) == set(FAST_SITES)


def test_phases_are_as_large_as_published(acquired):
    people = np.array([819, 131 + 790, 696, 596])
    shares = [(acquired.phase == phase.name).mean() for phase in ADNI]
    assert shares == pytest.approx(people / people.sum(), abs=0.025)


def test_parkinson_cohort_has_one_protocol():
    acquired = draw_acquisition(TASKS["nc_pd"], 50, np.random.default_rng(0))
    assert set(zip(acquired.phase, acquired.t_r, acquired.volumes, strict=True)) == {
        ("PPMI", 2.4, 210)
    }


def test_every_site_has_one_maker(acquired):
    makers = pd.DataFrame({"site": acquired.site, "vendor": acquired.vendor})
    assert (makers.groupby("site")["vendor"].nunique() == 1).all()
    assert set(acquired.vendor) == {"Siemens", "GE", "Philips"}


def test_resting_state_runs_are_missing_where_the_protocol_was_not_run(acquired, present):
    second = acquired.phase == "ADNI2"
    assert not present.fmri[acquired.phase == "ADNI1"].any()
    assert set(acquired.vendor[second & present.fmri]) == {"Philips"}
    assert set(acquired.vendor[(acquired.phase == "ADNI3") & present.fmri]) == set(acquired.vendor)


def test_last_phase_has_no_array_and_few_apoe_genotypes(acquired, present):
    last = acquired.phase == "ADNI4"
    assert not present.snps[last].any()
    assert present.apoe[last].mean() == pytest.approx(1 - 341 / 596, abs=0.06)


def test_nothing_is_missing_if_so_asked(acquired):
    whole = draw_present(TASKS["nc_ad"], None, acquired, np.random.default_rng(0))
    assert whole.complete().all()
    assert whole.apoe.all()


def test_whoever_would_lose_everything_keeps_one_block():
    there = drop_at_random(0.95, 500, np.random.default_rng(0))
    assert there.any(axis=0).all()
    assert (there.sum(axis=0) == 1).mean() > 0.9


def test_array_tells_the_apoe_genotype_too(present):
    seen = present.seen()
    np.testing.assert_array_equal(seen.apoe, present.apoe | present.snps)
    assert (seen.apoe & ~present.apoe).any()


def test_sites_are_numbered_from_one(acquired):
    table = tabulate_acquisition(acquired, pd.RangeIndex(N))
    assert list(table) == ["site", "phase"]
    assert sorted(set(table["site"])) == [f"00{number}" for number in range(1, 9)]


@pytest.mark.parametrize("task", list(TASKS))
def test_complete_cases_are_as_rare_as_in_adni(task):
    tables = draw_tables(N, task, "adni", seed=0)
    assert 0.15 <= tables.present.complete().mean() <= 0.35


def test_pattern_of_missing_modalities_is_no_clue():
    tables = draw_tables(N, "nc_mci", "adni", seed=0)
    present = tables.present
    pattern = np.column_stack([present.smri, present.fmri, present.apoe, present.snps])
    found = cross_val_predict(
        LogisticRegression(), pattern.astype(float), tables.latent.y, method="predict_proba"
    )[:, 1]
    assert roc_auc_score(tables.latent.y, found) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("rate", [0.3, 0.9])
def test_rate_holds_and_nobody_loses_everything(rate):
    present = draw_tables(N, "nc_ad", rate, seed=0).present
    there = np.array([present.smri, present.fmri, present.clinical, present.snps])
    assert there.any(axis=0).all()
    kept = (1 - rate) + rate**4 / 4
    assert there.mean(axis=1) == pytest.approx([kept] * 4, abs=0.03)
