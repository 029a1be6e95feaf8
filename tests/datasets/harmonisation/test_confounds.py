"""Confounds taken out of features, on all training rows or on healthy people."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from adestim.datasets import ConfoundRegressor, SiteHarmonizer
from adestim.exceptions import InputError, TableError


def study(n_rows=300, seed=0):
    """Volumes that shrink with age, and more so in patients, who are older."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n_rows) < 0.5, "AD", "CN")
    age = rng.normal(70, 6, n_rows) + 4 * (y == "AD")
    sex = rng.choice(["F", "M"], n_rows)
    volume = 5 - 0.03 * age + 0.4 * (sex == "M") - 0.5 * (y == "AD")
    index = [f"s{number}" for number in range(n_rows)]
    table = {"volume": volume + rng.normal(0, 0.2, n_rows), "age": age, "sex": sex}
    return pd.DataFrame(table, index), y


def test_residuals_are_those_of_a_linear_regression():
    X, _ = study()
    coded = np.column_stack([X["age"], X["sex"] == "M"])
    plain = X["volume"] - LinearRegression().fit(coded, X["volume"]).predict(coded)
    found = ConfoundRegressor().fit_transform(X).ravel()
    assert_allclose(found - found.mean(), plain, atol=1e-10)


def test_the_mean_and_the_units_are_kept():
    X, _ = study()
    assert ConfoundRegressor().fit_transform(X).mean() == pytest.approx(X["volume"].mean())


def test_effects_of_controls_are_learned_on_controls_alone():
    X, y = study()
    regressor = ConfoundRegressor(["age", "sex"], fit_on="controls").fit(X, y)
    changed = X.assign(volume=X["volume"].where(y == "CN", 99.0))
    assert_allclose(regressor.coef_, regressor.fit(changed, y).coef_)


def test_controls_leave_more_of_the_disease():
    X, y = study(n_rows=2000)
    gap = {}
    for fit_on in ("all", "controls"):
        after = ConfoundRegressor(fit_on=fit_on).fit_transform(X, y).ravel()
        gap[fit_on] = after[y == "CN"].mean() - after[y == "AD"].mean()
    assert gap["controls"] == pytest.approx(0.5, abs=0.05)
    assert gap["all"] < gap["controls"]


def test_test_rows_do_not_need_labels_and_do_not_depend_on_each_other():
    X, y = study()
    regressor = ConfoundRegressor(fit_on="controls").fit(X.iloc[:200], y[:200])
    together = regressor.transform(X.iloc[200:])
    alone = [regressor.transform(X.iloc[[row]])[0] for row in range(200, 300)]
    assert_allclose(together, alone)


def test_labels_may_be_numbers():
    X, y = study()
    words = ConfoundRegressor(fit_on="controls").fit(X, y)
    numbers = ConfoundRegressor(fit_on="controls", control=0).fit(X, (y == "AD").astype(int))
    assert_allclose(words.coef_, numbers.coef_)


def test_a_table_by_index_does_as_its_columns_do():
    X, _ = study()
    people = X[["age", "sex"]].sample(frac=1, random_state=0)
    assert_allclose(
        ConfoundRegressor(people).fit_transform(X[["volume"]]), ConfoundRegressor().fit_transform(X)
    )


def test_it_serves_in_cross_validation():
    X, y = study()
    pipeline = make_pipeline(ConfoundRegressor(fit_on="controls"), LogisticRegression())
    assert cross_val_score(pipeline, X, y, scoring="roc_auc", error_score="raise").mean() > 0.85


def test_it_follows_another_step_that_keeps_the_index():
    X, _ = study()
    people, site = X[["age", "sex"]], pd.Series(np.arange(300) % 3, X.index)
    steps = make_pipeline(SiteHarmonizer(sites=site, covariates=people), ConfoundRegressor(people))
    with pytest.raises(InputError, match=r"keep the index after set_output\(transform='pandas'\)"):
        steps.fit(X[["volume"]])
    after = steps.set_output(transform="pandas").fit_transform(X[["volume"]])
    assert abs(np.corrcoef(after["volume"], X["age"])[0, 1]) < 1e-3


def test_missing_features_stay_missing():
    X, _ = study()
    X.loc["s3", "volume"] = np.nan
    after = ConfoundRegressor().set_output(transform="pandas").fit_transform(X)
    assert after.index[after["volume"].isna()].tolist() == ["s3"]


def test_missing_confounds_are_refused_by_subject():
    X, _ = study()
    X.loc["s3", "age"] = np.nan
    with pytest.raises(InputError, match=r"Every row has its covariates. Got none for 's3'"):
        ConfoundRegressor().fit(X)


def test_controls_need_labels():
    X, _ = study()
    with pytest.raises(InputError, match=r"told by y who is healthy. Got no y"):
        ConfoundRegressor(fit_on="controls").fit(X)


def test_too_few_controls_are_refused():
    X, y = study()
    with pytest.raises(InputError, match=r"Got 0 row\(s\) for 3 coefficients"):
        ConfoundRegressor(fit_on="controls", control="healthy").fit(X, y)


def test_absent_confounds_are_named():
    X, _ = study()
    with pytest.raises(TableError, match="no 'icv' among 3 columns"):
        ConfoundRegressor(["age", "icv"]).fit(X)


def test_it_survives_pickling():
    X, y = study()
    regressor = ConfoundRegressor(X[["age", "sex"]], fit_on="controls").fit(X[["volume"]], y)
    copy = pickle.loads(pickle.dumps(regressor))
    assert_allclose(copy.transform(X[["volume"]]), regressor.transform(X[["volume"]]))
