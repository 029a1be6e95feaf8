"""Harmonising sites: ComBat that learns on training rows, and never from the label."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from adestim.datasets import SiteHarmonizer
from adestim.datasets.harmonisation.harmonize import (
    number_sites,
    read_site_labels,
    require_rows,
    require_separable,
    warn_of_unadjusted,
)
from adestim.exceptions import DataWarning, InputError, TableError

FEATURES = [f"f{number}" for number in range(5)]

# Rows 0, 11 and 23 of `published_example`, by neuroCombat 0.2.12 (Python package of the authors
# of Fortin et al. 2018), which stops its iteration at a relative change of 1e-4.
PUBLISHED = {
    True: [
        [2.70222495, 5.12179306, 4.26404707, 6.90179513, 7.17361904],
        [3.35283062, 5.20516405, 5.0588787, 7.68497163, 8.54845537],
        [4.40152801, 4.22932769, 6.26791649, 7.1213235, 6.84034363],
    ],
    False: [
        [2.75110822, 5.14008726, 4.25939031, 6.80717706, 7.14650145],
        [3.39962508, 5.25807166, 5.09081013, 7.80213429, 8.78687846],
        [4.40145746, 3.95282179, 6.19818928, 7.28971938, 6.41726496],
    ],
}


def published_example():
    """24 rows of three sites, by formula, so that any program can make them."""
    rows, features = np.arange(24.0)[:, None], np.arange(5.0)[None, :]
    site = np.array(["A", "B", "C"]).repeat([10, 8, 6])
    age, sex = 60 + np.mod(7 * np.arange(24), 25), np.array(["F", "M", "M"] * 8)
    shift = np.array([0.0, 1.0, -0.5]).repeat([10, 8, 6])[:, None]
    width = np.array([1.0, 1.8, 0.6]).repeat([10, 8, 6])[:, None]
    values = 3 + features + shift * (1 + 0.2 * features) + 0.3 * (sex[:, None] == "M")
    values = values + 0.02 * (age[:, None] - 70) * (1 - 0.3 * features)
    values = values + width * np.sin(1.7 * rows * (features + 1) + features**2)
    return pd.DataFrame(values, columns=FEATURES).assign(site=site, age=age, sex=sex)


def study(n_rows=240, seed=0, effect=0.0):
    """A table of three sites, of which one is higher and one wider, and labels."""
    rng = np.random.default_rng(seed)
    age, y = rng.normal(72, 7, n_rows), rng.integers(0, 2, n_rows)
    site = rng.choice(["A", "B", "C"], n_rows)
    values = rng.normal(size=(n_rows, 5)) * np.where(site == "C", 2.5, 1.0)[:, None]
    values += 2.0 * (site == "B")[:, None] - 0.05 * (age - 72)[:, None] + effect * y[:, None]
    index = [f"s{number}" for number in range(n_rows)]
    return pd.DataFrame(values, index, FEATURES).assign(site=site, age=age), y


@pytest.mark.parametrize("parametric", [True, False])
def test_values_are_those_of_the_authors_program(parametric):
    harmonizer = SiteHarmonizer(covariates=["age", "sex"], parametric=parametric)
    found = harmonizer.fit_transform(published_example())
    assert_allclose(found[[0, 11, 23]], PUBLISHED[parametric], atol=2e-6)


def test_sites_are_alike_afterwards():
    X, _ = study()
    after = pd.DataFrame(SiteHarmonizer(covariates=["age"]).fit_transform(X), X.index)
    assert np.ptp(after.groupby(X["site"]).mean(), axis=0).max() < 0.5
    spread = after.groupby(X["site"]).std()
    assert (spread.max() / spread.min()).max() < 1.3


def test_what_a_covariate_explains_is_kept():
    X, _ = study(n_rows=600)
    after = SiteHarmonizer(covariates=["age"]).fit_transform(X)
    slope = np.polyfit(X["age"], after, 1)[0].mean()
    assert slope == pytest.approx(-0.05, abs=0.015)


def test_the_output_is_the_features_alone():
    X, _ = study()
    harmonizer = SiteHarmonizer(covariates=["age"]).set_output(transform="pandas")
    after = harmonizer.fit_transform(X)
    assert list(after) == FEATURES
    assert after.index.equals(X.index)


def test_the_label_changes_nothing():
    X, y = study(effect=1.0)
    one, other = (SiteHarmonizer().fit(X, labels).transform(X) for labels in (y, None))
    assert_allclose(one, other, rtol=0)


def test_rows_do_not_depend_on_other_rows_that_are_transformed():
    X, _ = study()
    harmonizer = SiteHarmonizer(covariates=["age"]).fit(X.iloc[:160])
    together = harmonizer.transform(X.iloc[160:])
    alone = np.vstack([harmonizer.transform(X.iloc[[row]]) for row in range(160, 240)])
    assert_allclose(together, alone)


def test_tables_by_index_do_as_its_columns_do():
    X, _ = study()
    beside = SiteHarmonizer(sites=X["site"][::-1], covariates=X[["age"]].sample(frac=1))
    columns = SiteHarmonizer(covariates=["age"])
    assert_allclose(beside.fit_transform(X[FEATURES]), columns.fit_transform(X))


def test_arrays_name_columns_by_their_place():
    X, _ = study()
    codes = X["site"].map({"A": 1, "B": 2, "C": 3})
    array = np.column_stack([codes, X["age"], X[FEATURES]])
    found = SiteHarmonizer(sites=0, covariates=[1]).fit_transform(array)
    assert_allclose(found, SiteHarmonizer(covariates=["age"]).fit_transform(X))


def test_it_serves_in_cross_validation():
    X, y = study(effect=0.8)
    raw = cross_val_score(LogisticRegression(), X[FEATURES], y, scoring="roc_auc").mean()
    pipeline = make_pipeline(SiteHarmonizer(sites=X["site"]), LogisticRegression())
    score = cross_val_score(pipeline, X[FEATURES], y, scoring="roc_auc", error_score="raise").mean()
    assert score > raw + 0.02


def test_without_an_effect_of_the_label_there_is_none_afterwards():
    X, _ = study(n_rows=400)
    y = np.random.default_rng(1).permutation(np.arange(400) % 2)
    pipeline = make_pipeline(SiteHarmonizer(sites=X["site"]), LogisticRegression())
    score = cross_val_score(pipeline, X[FEATURES], y, scoring="roc_auc").mean()
    assert score == pytest.approx(0.5, abs=0.09)


def test_effects_are_told_in_units_of_the_features():
    X, _ = study(n_rows=900)
    harmonizer = SiteHarmonizer(covariates=["age"]).fit(X)
    difference = harmonizer.location_.loc["B"] - harmonizer.location_.loc["A"]
    assert_allclose(difference, 2.0, atol=0.25)
    assert_allclose(harmonizer.scale_.loc["C"] / harmonizer.scale_.loc["A"], 2.5, atol=0.35)
    assert list(harmonizer.location_) == FEATURES


def with_site(X, label, n_rows):
    X = X.copy()
    X.iloc[-n_rows:, X.columns.get_loc("site")] = label
    return X


def test_an_unseen_site_is_refused_by_name():
    X, _ = study()
    harmonizer = SiteHarmonizer().fit(X)
    with pytest.raises(InputError, match=r"Every site was in training. Got others: 'Z'"):
        harmonizer.transform(with_site(X, "Z", 3))


def test_rows_of_an_unseen_site_are_left_as_they_are_on_request():
    X = with_site(study()[0], "Z", 30)
    harmonizer = SiteHarmonizer(covariates=["age"], unseen="reference").fit(X.iloc[:-30])
    assert_allclose(harmonizer.transform(X.iloc[-30:]), X.iloc[-30:][FEATURES])


def test_an_unseen_site_is_estimated_from_its_rows_on_request():
    X = with_site(study()[0], "Z", 60)
    X.loc[X["site"] == "Z", FEATURES] += 8.0
    harmonizer = SiteHarmonizer(unseen="estimate").fit(X.iloc[:-60])
    after = harmonizer.transform(X)
    assert abs(after[-60:].mean() - after[:-60].mean()) < 0.4
    with pytest.raises(InputError, match=r"5 rows or more. Got fewer of 'Z'"):
        harmonizer.transform(X.iloc[-3:])


def test_an_estimate_leaves_the_fitted_transformer_as_it_was():
    X = with_site(study()[0], "Z", 60)
    harmonizer = SiteHarmonizer(unseen="estimate").fit(X.iloc[:-60])
    before = harmonizer.transform(X.iloc[-20:])
    harmonizer.transform(X.iloc[-60:])
    assert_allclose(harmonizer.transform(X.iloc[-20:]), before)


def test_small_sites_are_taken_for_one():
    X, _ = study()
    X.iloc[:4, X.columns.get_loc("site")] = "D"
    X.iloc[4:7, X.columns.get_loc("site")] = "E"
    harmonizer = SiteHarmonizer().fit(X)
    assert harmonizer.pooled_sites_.tolist() == ["D", "E"]
    assert_allclose(harmonizer.location_.loc["D"], harmonizer.location_.loc["E"])
    as_one = SiteHarmonizer().fit(X.replace({"site": {"E": "D"}}))
    assert_allclose(harmonizer.transform(X), as_one.transform(X.replace({"site": {"E": "D"}})))


def test_sites_that_are_too_small_together_are_not_adjusted():
    X, _ = study()
    X.iloc[:2, X.columns.get_loc("site")] = "D"
    with pytest.warns(DataWarning, match=r"2 row\(s\) of sites with fewer than 5 rows.*'D'"):
        harmonizer = SiteHarmonizer(covariates=["age"]).fit(X)
    assert_allclose(harmonizer.transform(X)[:2], X[FEATURES].iloc[:2])


def test_one_site_alone_is_left_as_it_is_on_average():
    X, _ = study()
    X = X.assign(site="A")
    after = SiteHarmonizer(covariates=["age"]).fit_transform(X)
    assert_allclose(after.mean(axis=0), X[FEATURES].mean(), atol=1e-6)


def test_missing_features_stay_missing_and_do_not_count():
    X, _ = study()
    X.iloc[::7, 1] = np.nan
    X.iloc[3, :5] = np.nan
    harmonizer = SiteHarmonizer(covariates=["age"]).fit(X)
    after = harmonizer.transform(X)
    assert (np.isnan(after) == X[FEATURES].isna().to_numpy()).all()
    without = SiteHarmonizer(covariates=["age"]).fit(X.drop(index="s3"))
    assert_allclose(harmonizer.location_[FEATURES[2:]], without.location_[FEATURES[2:]], atol=0.02)


def test_infinite_features_are_refused():
    X, _ = study()
    X.iloc[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        SiteHarmonizer().fit(X)


def test_a_constant_feature_stays_as_it_is():
    X, _ = study()
    X["f2"] = 4.0
    assert_allclose(SiteHarmonizer().fit_transform(X)[:, 2], 4.0)


def test_a_site_that_is_not_known_is_refused_by_subject():
    X, _ = study()
    X.loc["s7", "site"] = None
    with pytest.raises(InputError, match=r"Every row has its site. Got none for 's7'. .*'unknown'"):
        SiteHarmonizer().fit(X)


def test_a_covariate_that_tells_the_site_is_refused():
    X, _ = study()
    X["field"] = X["site"].map({"A": 1.5, "B": 3.0, "C": 3.0})
    with pytest.raises(InputError, match="Leave out the covariate that tells the site"):
        SiteHarmonizer(covariates=["field"]).fit(X)


def test_a_table_without_sites_is_refused():
    X, _ = study()
    with pytest.raises(TableError, match="no 'site' among 6 columns"):
        SiteHarmonizer().fit(X.drop(columns="site"))


def test_a_table_without_features_is_refused():
    X, _ = study()
    with pytest.raises(InputError, match=r"1 feature\(s\) and nothing else"):
        SiteHarmonizer().fit(X[["site"]])


def test_sites_by_index_need_the_index():
    X, _ = study()
    with pytest.raises(InputError, match="Pass X as a DataFrame indexed by subject"):
        SiteHarmonizer(sites=X["site"]).fit(X[FEATURES].to_numpy())


def test_a_column_of_words_is_named():
    X, _ = study()
    with pytest.raises(TableError, match=r"Features are numbers. Got other cells in 'sex'"):
        SiteHarmonizer().fit(X.assign(sex="F"))


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.booleans())
def test_units_of_a_feature_do_not_matter(seed, parametric):
    X, _ = study(n_rows=40, seed=seed)
    harmonizer = SiteHarmonizer(covariates=["age"], parametric=parametric, min_site_size=2)
    scaled = X.assign(**{name: 1000 * X[name] + 7 for name in FEATURES})
    once, again = harmonizer.fit_transform(X), clone(harmonizer).fit_transform(scaled)
    assert_allclose(1000 * once + 7, again, rtol=1e-6, atol=1e-3)


def test_it_survives_pickling():
    X, _ = study()
    harmonizer = SiteHarmonizer(sites=X["site"], covariates=X[["age"]]).fit(X[FEATURES])
    copy = pickle.loads(pickle.dumps(harmonizer))
    assert_allclose(copy.transform(X[FEATURES]), harmonizer.transform(X[FEATURES]))


@pytest.mark.parametrize("column", [[2, 11], [2.0, 11.0], ["2", "11"], np.array([2, 11], object)])
def test_a_site_has_the_same_name_however_it_is_stored(column):
    assert read_site_labels(pd.Series(column)).tolist() == ["2", "11"]


def test_small_sites_share_the_last_number():
    labels = np.array(["a", "b", "b", "c", "d", "d", "d"], object)
    numbers, pooled = number_sites(labels, 2)
    assert numbers.tolist() == [2, 0, 0, 2, 1, 1, 1]
    assert pooled.tolist() == ["a", "c"]


def test_without_small_sites_numbers_are_consecutive():
    numbers, pooled = number_sites(np.array(["b", "a", "b", "a"], object), 2)
    assert numbers.tolist() == [1, 0, 1, 0]
    assert len(pooled) == 0


def test_a_covariate_that_says_which_site_it_is_is_refused():
    numbers = np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(InputError, match="Covariates vary within sites"):
        require_separable(numbers, numbers[:, None] - 0.5)


def test_a_covariate_twice_is_refused():
    age = np.array([1.0, -2, 3, 4, -6, 0])[:, None]
    with pytest.raises(InputError, match="2 directions for 3 sites and covariates"):
        require_separable(np.zeros(6, int), np.hstack([age, 2 * age]))


def test_a_covariate_that_does_not_vary_is_no_obstacle():
    require_separable(np.array([0, 0, 1, 1]), np.zeros((4, 1)))


def test_too_few_rows_are_refused():
    with pytest.raises(InputError, match=r"more rows than sites.*2 row\(s\) for 2"):
        require_separable(np.array([0, 1]), np.empty((2, 0)))


def test_unadjusted_sites_are_named():
    with pytest.warns(DataWarning, match=r"1 row\(s\) of sites .* not adjusted: 'x'"):
        warn_of_unadjusted(np.array(["x"], object), 5)


def test_a_new_site_of_few_rows_is_refused_by_name():
    labels = np.array(["x", "y", "y"], object)
    require_rows(labels, np.array(["y"]), 2)
    with pytest.raises(InputError, match="fewer of 'x'"):
        require_rows(labels, np.array(["x", "y"]), 2)
