"""Phase 1 is fitted once to the same, and nobody can tell."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from adestim import AnchoredFusionClassifier, AnchoredFusionRegressor
from adestim.evaluation import rivals
from adestim.training import task as tasks
from adestim.training.phase_one import remembered
from adestim.training.phase_one.remembered import MEMORY, PhaseOneMemory, spell_content
from tests.fusion_tables import encodings_table, numeric_table, quick, with_missing


@pytest.fixture(scope="module")
def table():
    X, y = numeric_table(40)
    return with_missing(X), y


@pytest.fixture
def fits(monkeypatch):
    """The number of times that phase 1 is really fitted."""
    counted = []
    for name in ("fit_phase_one", "fit_ridge_phase_one"):
        monkeypatch.setattr(tasks, name, count(getattr(tasks, name), counted))
    return counted


def count(fit, counted):
    def fit_and_count(*given):
        counted.append(1)
        return fit(*given)

    return fit_and_count


SAME = {
    "learning rate": {"learning_rate": 0.05},
    "width": {"width": 16},
    "epochs": {"max_epochs": 1},
    "start": {"start": "anchor"},
    "anchor": {"anchor": "csf"},
}
OTHER = {
    "seed": {"random_state": 1},
    "folds": {"n_folds": 3},
    "trees": {"n_trees": 7},
    "members": {"members": ["joint"]},
    "weights of classes": {"class_weight": {"AD": 2, "CN": 1}},
}


@pytest.mark.parametrize("change", SAME)
def test_changes_of_phase_two_alone_fit_it_once(change, table, fits):
    model = quick(n_trees=5)
    model.fit(*table)
    again = clone(model).set_params(**SAME[change]).fit(*table)
    assert len(fits) == 1
    MEMORY.forget()
    anew = clone(again).fit(*table)
    assert len(fits) == 2
    assert anew.shares_ == again.shares_
    np.testing.assert_array_equal(anew.predict_proba(table[0]), again.predict_proba(table[0]))


@pytest.mark.parametrize("change", OTHER)
def test_changes_of_phase_one_fit_it_anew(change, table, fits):
    model = quick(n_trees=5, max_epochs=0).fit(*table)
    clone(model).set_params(**OTHER[change]).fit(*table)
    assert len(fits) == 2


@pytest.mark.parametrize("what", ["cells", "labels", "weights", "groups", "rows", "names"])
def test_other_data_fit_it_anew(what, table, fits):
    (X, y), model = table, quick(n_trees=0, max_epochs=0)
    model.fit(X, y)
    if what == "cells":
        X = X.copy()
        X.iloc[3, X.iloc[3].notna().to_numpy().argmax()] += 1e-3
    elif what == "labels":
        y = np.roll(y, 1)
    elif what == "rows":
        X, y = X.iloc[1:], y[1:]
    elif what == "names":
        X = X.rename(columns=lambda name: name.replace("mri", "pet"))
        model.set_params(anchor="pet")
    weight = np.arange(1.0, 41) if what == "weights" else None
    clone(model).fit(X, y, np.arange(40) // 2 if what == "groups" else None, weight)
    assert len(fits) == 2


def test_rows_in_another_order_are_the_same(table, fits):
    (X, y), order = table, np.random.default_rng(0).permutation(40)
    models = [quick(n_trees=5, max_epochs=0) for _ in range(2)]
    models[0].fit(X, y)
    models[1].fit(X.iloc[order], y[order])
    assert len(fits) == 1
    expected = models[0].predict_proba(X)
    np.testing.assert_allclose(models[1].predict_proba(X), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "params",
    [
        {"random_state": None},
        {"random_state": np.random.RandomState(0)},
        {"members": ["joint", ("own", LogisticRegression())]},
    ],
    ids=["no seed", "a generator", "a user's member"],
)
def test_what_cannot_be_told_is_not_remembered(params, fits):
    X, y = numeric_table(40)
    model = quick(n_trees=0, max_epochs=0, **{"anchor": "mri"}).set_params(**params)
    for _ in range(2):
        model.fit(X, y)
    assert (len(fits), len(MEMORY)) == (2, 0)


def test_a_search_fits_every_fold_once(table, fits):
    search = GridSearchCV(
        quick(n_trees=0), {"learning_rate": [1e-3, 1e-2, 5e-2]}, cv=3, scoring="neg_log_loss"
    )
    search.fit(*table)
    assert len(fits) == 4
    scores = search.cv_results_["mean_test_score"]
    MEMORY.forget()
    remembered_not = clone(search)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MEMORY, "largest_size", 0)
        remembered_not.fit(*table)
    assert len(fits) == 4 + 10
    np.testing.assert_array_equal(remembered_not.cv_results_["mean_test_score"], scores)
    assert len(MEMORY) == 0


def test_rivals_of_one_seed_share_it(table, fits):
    made = rivals(["mri", "csf"], tabular=False, random_state=0, device="cpu")
    for name in ("concatenation", "self-attention"):
        made[name].set_params(max_epochs=0, n_trees=5).fit(*table)
    assert len(fits) == 1


def test_numbers_are_remembered_too(fits):
    X, _ = numeric_table(40)
    y = np.linspace(60, 90, 40)
    first, second = (
        AnchoredFusionRegressor(
            anchor="mri", width=8, n_trees=5, max_epochs=0, random_state=0, learning_rate=rate
        ).fit(X, y)
        for rate in (1e-3, 1e-2)
    )
    assert len(fits) == 1
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


def test_encodings_are_remembered(fits):
    X, y = numeric_table(40)
    X = encodings_table(X)
    for _ in range(2):
        quick(n_trees=0, max_epochs=0, anchor=X.columns[0]).fit(X, y)
    assert len(fits) == 1


def test_who_changes_a_fitted_estimator_changes_no_other(table):
    model = quick(n_trees=5, max_epochs=0)
    expected = clone(model).fit(*table).predict_proba(table[0])
    changed = clone(model).fit(*table)
    for head in (*changed.phase_one_.separate, *changed.phase_one_.joint):
        head.coef[:] = 0
    changed.phase_one_.shares.clear()
    np.testing.assert_array_equal(clone(model).fit(*table).predict_proba(table[0]), expected)


def test_nothing_of_it_is_pickled(table):
    model = quick(n_trees=5, max_epochs=0)
    sizes = [len(pickle.dumps(clone(model).fit(*table))) for _ in range(2)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)


def test_fits_in_threads_share_it(table):
    model = quick(n_trees=5, max_epochs=0)
    with ThreadPoolExecutor(4) as pool:
        fitted = list(pool.map(lambda _: clone(model).fit(*table), range(8)))
    expected = fitted[0].predict_proba(table[0])
    for each in fitted[1:]:
        np.testing.assert_array_equal(each.predict_proba(table[0]), expected)
    assert len(MEMORY) == 1


# The memory


def test_the_oldest_makes_room():
    memory = PhaseOneMemory(largest_size=10)
    for key in "abc":
        memory.keep(key, b"1234")
        memory.find("a")
    assert [memory.find(key) is not None for key in "abc"] == [True, False, True]
    assert memory.size == 8


def test_what_is_too_large_is_not_kept():
    memory = PhaseOneMemory(largest_size=10)
    memory.keep("a", bytes(11))
    assert (len(memory), memory.size) == (0, 0)


def test_the_number_is_bounded():
    memory = PhaseOneMemory()
    for key in range(100):
        memory.keep(key, b"")
    assert len(memory) == remembered.LARGEST_NUMBER
    assert memory.find(99) == b""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["a", "b"], ["ab"]),
        ([["a"], "b"], [["a", "b"]]),
        (1, 1.0),
        (True, 1),
        (None, "None"),
        (np.arange(4), np.arange(4.0)),
        (np.arange(4), np.arange(4).reshape(2, 2)),
        (np.array([1, 2]), [1, 2]),
    ],
    ids=str,
)
def test_what_differs_has_other_parts(one, other):
    assert b"".join(spell_content(one)) != b"".join(spell_content(other))


def test_objects_do_not_tell_what_they_hold():
    for strange in (object(), np.array([None]), {"a": 1}):
        with pytest.raises(TypeError):
            list(spell_content(strange))


def test_the_default_estimator_is_as_it_is_without(table):
    X, y = table
    model = AnchoredFusionClassifier(max_epochs=1, n_trees=5, random_state=0, device="cpu")
    first, second = (clone(model).fit(X, y) for _ in range(2))
    assert first.shares_ == second.shares_
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
