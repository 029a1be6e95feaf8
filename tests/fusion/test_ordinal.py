import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.isotonic import isotonic_regression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import OrdinalClassifier
from adestim.exceptions import DataWarning, InputError
from adestim.fusion.ordinal import project_to_falling
from tests.fusion_tables import encodings_table, numeric_table, quick, with_missing

ORDER = ["CN", "MCI", "AD"]


def leveled(n_subjects=200, noise=0.4, seed=0):
    """Numbers of which the first, with noise, decides the level; and the level's name."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_subjects, 2))
    return X, np.array(ORDER)[
        np.digitize(X[:, 0] + noise * rng.normal(size=n_subjects), [-0.5, 0.5])
    ]


def ordinal(estimator=None, **params):
    return OrdinalClassifier(estimator or LogisticRegression(), **({"order": ORDER} | params))


# Probabilities


def test_each_copy_answers_whether_a_subject_lies_beyond_a_level():
    X, y = leveled()
    model = ordinal().fit(X, y)
    assert model.levels_.tolist() == ORDER
    for step, estimator in enumerate(model.estimators_):
        direct = LogisticRegression().fit(X, np.isin(y, ORDER[step + 1 :]))
        np.testing.assert_allclose(estimator.predict_proba(X), direct.predict_proba(X))


def test_probabilities_are_differences_in_the_order_of_the_classes():
    X, y = leveled()
    model = ordinal().fit(X, y)
    beyond_cn, beyond_mci = (each.predict_proba(X)[:, 1] for each in model.estimators_)
    assert (beyond_cn >= beyond_mci).all()
    assert model.classes_.tolist() == ["AD", "CN", "MCI"]
    expected = np.column_stack([beyond_mci, 1 - beyond_cn, beyond_cn - beyond_mci])
    np.testing.assert_allclose(model.predict_proba(X), expected)


def test_answers_that_contradict_each_other_give_no_negative_probability():
    X, y = leveled(noise=2.0)
    model = ordinal(KNeighborsClassifier(3)).fit(X, y)
    raw = np.column_stack([each.predict_proba(X)[:, 1] for each in model.estimators_])
    raw[0] = 0.2, 0.8
    assert project_to_falling(raw)[0].tolist() == [0.5, 0.5]
    probabilities = model.predict_proba(X)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@settings(max_examples=50, deadline=None)
@given(arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(0, 1)))
def test_the_correction_is_isotonic_regression(values):
    expected = [isotonic_regression(row, increasing=False) for row in values]
    np.testing.assert_allclose(project_to_falling(values), expected, atol=1e-12)


def test_predict_takes_the_most_probable_class():
    X, y = leveled()
    model = ordinal().fit(X, y)
    best = model.predict_proba(X).argmax(axis=1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[best])


def test_the_expected_level_weighs_levels_by_their_probability():
    X, y = leveled()
    model = ordinal().fit(X, y)
    by_level = model.predict_proba(X)[:, [1, 2, 0]]
    np.testing.assert_allclose(model.predict_expected(X), by_level @ [0, 1, 2])
    assert np.corrcoef(model.predict_expected(X), X[:, 0])[0, 1] > 0.9


def test_classes_of_no_consequence_have_their_frequencies():
    X, y = leveled()
    model = ordinal(DummyClassifier(strategy="prior")).fit(X, y)
    frequencies = [np.mean(y == label) for label in model.classes_]
    np.testing.assert_allclose(model.predict_proba(X[:1])[0], frequencies)


def test_two_levels_are_the_classifier_itself():
    X, y = leveled()
    kept = y != "MCI"
    model = ordinal(order=["CN", "AD"]).fit(X[kept], y[kept])
    direct = LogisticRegression().fit(X[kept], y[kept])
    np.testing.assert_allclose(model.predict_proba(X), direct.predict_proba(X), atol=1e-5)


def test_another_order_asks_other_questions():
    X, y = leveled()
    wrong = ordinal(order=["MCI", "CN", "AD"]).fit(X, y)
    assert wrong.score(X, y) < ordinal().fit(X, y).score(X, y) - 0.1


# The order


def test_labels_are_sorted_where_no_order_is_given():
    X, y = leveled()
    model = OrdinalClassifier(LogisticRegression()).fit(X, np.searchsorted(ORDER[::-1], y))
    assert model.levels_.tolist() == model.classes_.tolist()


def test_a_level_that_nobody_has_is_passed_over():
    X, y = leveled()
    with pytest.warns(DataWarning, match="'order' of OrdinalClassifier names 'SCD'"):
        model = ordinal(order=["CN", "SCD", "MCI", "AD"]).fit(X, y)
    assert model.levels_.tolist() == ORDER


def test_an_order_that_lacks_a_class_is_refused():
    X, y = leveled()
    with pytest.raises(InputError, match=r"'order'.*Got MCI missing\. List AD, CN, MCI"):
        ordinal(order=["CN", "AD"]).fit(X, y)


def test_an_order_that_repeats_a_class_is_refused():
    X, y = leveled()
    with pytest.raises(InputError, match="Got CN more than once"):
        ordinal(order=[*ORDER, "CN"]).fit(X, y)


def test_a_single_class_is_refused():
    X, _ = leveled()
    with pytest.raises(InputError, match=r"OrdinalClassifier needs at least 2 classes.*1 class"):
        ordinal().fit(X, ["CN"] * len(X))


def test_a_classifier_without_probabilities_is_refused():
    with pytest.raises(ValueError, match="'estimator' parameter of OrdinalClassifier"):
        ordinal(StandardScaler()).fit(*leveled())


# Weights, groups, copies


def test_rows_of_weight_zero_change_nothing_at_all():
    X, y = leveled()
    weight = np.ones(len(y))
    weight[::5] = 0
    labels = np.where(weight == 0, "dropped", y)
    with_rows = ordinal().fit(X, labels, sample_weight=weight)
    without = ordinal().fit(X[weight > 0], y[weight > 0])
    np.testing.assert_allclose(with_rows.predict_proba(X), without.predict_proba(X))


def test_a_heavier_class_becomes_more_probable():
    X, y = leveled(noise=2.0)
    heavy = ordinal().fit(X, y, sample_weight=np.where(y == "AD", 5.0, 1.0))
    gain = heavy.predict_proba(X)[:, 0] - ordinal().fit(X, y).predict_proba(X)[:, 0]
    assert gain.mean() > 0.1


def test_weights_need_a_classifier_that_takes_them():
    X, y = leveled()
    with pytest.raises(InputError, match="KNeighborsClassifier does not"):
        ordinal(KNeighborsClassifier()).fit(X, y, sample_weight=np.ones(len(y)))


class Grouped(LogisticRegression):
    """A classifier that keeps the groups it is given."""

    def fit(self, X, y, groups=None):
        self.groups_ = groups
        return super().fit(X, y)


def test_groups_reach_the_classifier():
    X, y = leveled()
    model = ordinal(Grouped()).fit(X, y, groups=np.arange(len(y)) // 2)
    np.testing.assert_array_equal(model.estimators_[0].groups_, np.arange(len(y)) // 2)


def test_the_classifier_itself_is_not_fitted():
    estimator = LogisticRegression()
    ordinal(estimator).fit(*leveled())
    assert not hasattr(estimator, "coef_")


def test_it_works_inside_searches_and_pickles():
    X, y = leveled()
    search = GridSearchCV(ordinal(), {"estimator__C": [0.01, 1.0]}, cv=3).fit(X, y)
    assert cross_val_score(make_pipeline(StandardScaler(), ordinal()), X, y, cv=3).mean() > 0.6
    copy = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(copy.predict_proba(X), search.predict_proba(X))
    assert clone(copy).get_params()["estimator__C"] == search.best_params_["estimator__C"]


def test_copies_may_be_fitted_side_by_side():
    X, y = leveled()
    together = ordinal(n_jobs=2).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(together, ordinal().fit(X, y).predict_proba(X))


# Fusions


def test_a_fusion_reads_tables_with_missing_modalities_through_it():
    X, y = numeric_table(90, n_classes=3)
    table = encodings_table(with_missing(X))
    model = ordinal(quick(max_epochs=1)).fit(table, y, groups=np.arange(90) // 2)
    probabilities = model.predict_proba(table)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert model.score(table, y) > 0.5
    assert model.feature_names_in_.tolist() == table.columns.tolist()


def test_columns_are_known_by_name_at_prediction():
    X, y = leveled()
    frame = pd.DataFrame(X, columns=["a", "b"])
    model = ordinal().fit(frame, y)
    found = model.predict_proba(frame[["b", "a"]])
    np.testing.assert_array_equal(found, model.predict_proba(frame))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b"]])
