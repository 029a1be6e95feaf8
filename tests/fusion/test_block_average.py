import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.naive_bayes import GaussianNB

from adestim import BlockAverageClassifier
from adestim.exceptions import DataWarning
from adestim.fusion import tuned_logistic
from tests.fusion_tables import BLOCKS, numeric_table, with_missing


@pytest.fixture(scope="module")
def incomplete():
    X, y = numeric_table(60)
    return with_missing(X), y


def test_probabilities_are_averaged_over_the_modalities_observed(incomplete):
    X, y = incomplete
    model = BlockAverageClassifier(GaussianNB()).fit(X, y)
    observed = {name: X[BLOCKS[name]].notna().all(axis=1) for name in BLOCKS}
    total = np.zeros((60, 2))
    for name, has in observed.items():
        own = X.loc[has, BLOCKS[name]].to_numpy(np.float32)
        total[has] += GaussianNB().fit(own, y[has]).predict_proba(own)
    expected = total / sum(has.to_numpy() for has in observed.values())[:, None]
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-5)


def test_the_given_classifier_is_left_unfitted(incomplete):
    given = GaussianNB()
    model = BlockAverageClassifier(given).fit(*incomplete)
    assert not hasattr(given, "classes_")
    assert set(model.models_) == set(BLOCKS)


def test_a_classifier_may_read_unknown_values(incomplete):
    X, y = incomplete
    model = BlockAverageClassifier(HistGradientBoostingClassifier(max_iter=2))
    holes = X.assign(mri__b=X["mri__b"].where(X["mri__b"] > 0))
    assert model.fit(holes, y).predict_proba(holes).shape == (60, 2)


def test_unknown_values_count_as_the_mean_by_default(incomplete):
    X, y = incomplete
    model = BlockAverageClassifier(random_state=0).fit(X, y)
    hole = X.dropna().assign(mri__b=np.nan)
    means = X["mri__b"].mean()
    np.testing.assert_allclose(
        model.predict_proba(hole), model.predict_proba(hole.assign(mri__b=means)), rtol=1e-5
    )


def test_folds_of_the_default_keep_groups_whole():
    X, y = numeric_table(30)
    groups = np.tile(np.arange(30), 2)
    double = X.loc[np.tile(X.index, 2)].reset_index(drop=True)
    model = BlockAverageClassifier(random_state=0).fit(double, np.tile(y, 2), groups=groups)
    folds = model.models_["mri"][-1].cv
    # Subjects are sorted by what they hold, so that the two of a group are neighbours.
    assert all(not set(train // 2) & set(test // 2) for train, test in folds)


def test_a_modality_of_one_class_is_left_out_with_a_warning():
    X, y = numeric_table(40)
    X.loc[y == "AD", BLOCKS["csf"]] = np.nan
    with pytest.warns(DataWarning, match="who have 'csf' are of one class"):
        model = BlockAverageClassifier(random_state=0).fit(X, y)
    assert set(model.models_) == {"mri", "gene"}
    only = X[y == "CN"].assign(mri__a=np.nan, mri__b=np.nan, gene__a=np.nan)
    np.testing.assert_allclose(model.predict_proba(only), [[0.5, 0.5]] * 20)


def test_a_class_that_nobody_with_a_modality_has_gets_its_share_from_the_others():
    X, y = numeric_table(90, n_classes=3)
    X.loc[y == "CN", BLOCKS["csf"]] = np.nan
    model = BlockAverageClassifier(DummyClassifier(strategy="prior")).fit(X, y)
    complete = numeric_table(9)[0].iloc[:1]
    np.testing.assert_allclose(
        model.predict_proba(complete), [[(2 / 3 + 1 / 2) / 3, 2 / 9, (2 / 3 + 1 / 2) / 3]]
    )


def test_a_model_without_probabilities_is_refused(incomplete):
    with pytest.raises(ValueError, match="'estimator' parameter of BlockAverageClassifier"):
        BlockAverageClassifier("logistic").fit(*incomplete)


def test_the_penalty_is_chosen_by_log_loss_over_the_folds():
    X, y = numeric_table(60)
    chosen = tuned_logistic().fit(X, y)[-1]
    assert isinstance(chosen, LogisticRegressionCV)
    mean_loss = -chosen.scores_.mean(axis=0).ravel()
    assert chosen.Cs_[mean_loss.argmin()] == chosen.C_


def test_without_folds_there_is_no_choice():
    assert isinstance(tuned_logistic([])[-1], LogisticRegression)


def test_wide_tables_lose_nothing_by_the_rotation():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 80))
    y = (X[:, 0] > 0).astype(int)
    rotated, plain = tuned_logistic([]).fit(X, y), tuned_logistic([])
    plain.set_params(pca="passthrough", logisticregression__tol=1e-8).fit(X, y)
    np.testing.assert_allclose(rotated.predict_proba(X), plain.predict_proba(X), atol=5e-3)
