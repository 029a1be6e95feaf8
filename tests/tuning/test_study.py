import pickle
import sys

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import LateFusionClassifier, ModalityUnion
from adestim._support.sklearn import list_callbacks
from adestim.exceptions import AdestimWarning, InputError, LeakageError, MissingDependencyError
from adestim.tuning import tune
from adestim.tuning.objective import check_rows, draw_inner_splits
from tests.fusion_tables import numeric_table, quick
from tests.tuning.studies import SETTINGS, Moody, logistic_space, moods, plain_table, rates


def tuned_logistic(**settings):
    settings = {"n_trials": 4, "space": logistic_space} | SETTINGS | settings
    return tune(LogisticRegression(), *plain_table(), **settings)


@pytest.fixture(scope="module")
def tuned():
    return tuned_logistic()


def test_the_best_trial_is_refitted_on_all_rows(tuned):
    X, y = plain_table()
    again = LogisticRegression(C=tuned.best_params_["C"]).fit(X, y)
    np.testing.assert_array_equal(tuned.best_estimator_.coef_, again.coef_)


def test_the_best_score_is_that_of_the_cross_validation(tuned):
    rows = tuned.trials
    assert tuned.best_score_ == rows["score"].max()
    assert rows.loc[rows["score"].idxmax(), "C"] == tuned.best_params_["C"]


def test_the_folds_are_the_same_in_all_trials_and_known_by_the_seed():
    seen = []

    class Noting(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            seen.append(tuple(X.index))
            return super().fit(X, y)

    tune(Noting(), *plain_table(), n_trials=3, space=logistic_space, **SETTINGS)
    assert len(set(seen[:6])) == 2
    assert seen[0] == seen[2] == seen[4]


def test_one_seed_one_study(tuned):
    pd.testing.assert_frame_equal(
        tuned_logistic().trials.drop(columns="seconds"), tuned.trials.drop(columns="seconds")
    )
    assert not tuned_logistic(random_state=1).trials["C"].equals(tuned.trials["C"])


def test_global_generators_are_left_as_found():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    tuned_logistic(n_trials=1)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_the_first_trial_takes_the_estimator_as_it_is():
    model = LateFusionClassifier(weighting="stacked", random_state=0)
    found = tune(model, *plain_table(), n_trials=1, **SETTINGS)
    assert found.best_params_ == {"weighting": "stacked"}


def test_a_regressor_is_scored_by_squared_error():
    X, _ = plain_table()

    def space(trial, estimator):
        return {"alpha": trial.suggest_float("alpha", 0.1, 10)}

    found = tune(Ridge(), X, X["mri__a"] * 2, n_trials=2, space=space, **SETTINGS)
    assert -1 < found.best_score_ < 0


def test_groups_stay_whole_and_reach_fit():
    X, y = plain_table()
    groups = np.arange(len(X)) // 4
    found = tune(Moody(), X, y, groups=groups, n_trials=1, space=lambda *_: {}, **SETTINGS)
    np.testing.assert_array_equal(found.best_estimator_.groups_, groups)


def test_rows_of_one_label_stay_together_without_groups():
    X, y = plain_table()
    X.index = [f"sub-{number // 2}" for number in range(len(X))]
    rows = check_rows(X, y, None)
    for train, test in draw_inner_splits(LogisticRegression(), rows, 3, 0):
        assert not set(X.index[train]) & set(X.index[test])


def test_a_splitter_that_parts_a_group_is_refused():
    X, y = plain_table()
    with pytest.raises(LeakageError, match="one side of fold 0"):
        tune(
            LogisticRegression(),
            X,
            y,
            groups=np.zeros(len(X)),
            inner_cv=[(np.arange(20), np.arange(20, 40))],
            space=logistic_space,
        )


def test_a_splitter_of_ones_own_gets_the_groups():
    X, y = plain_table()
    groups = np.arange(len(X)) // 2
    found = tune(
        LogisticRegression(),
        X,
        y,
        groups=groups,
        inner_cv=GroupKFold(4),
        n_trials=1,
        space=lambda *_: {},
    )
    expected = cross_val_score(
        LogisticRegression(), X, y, groups=groups, cv=GroupKFold(4), scoring="neg_log_loss"
    )
    assert found.best_score_ == pytest.approx(expected.mean())


def test_trials_that_fail_are_warned_of_with_their_causes():
    sampler = optuna.samplers.GridSampler({"mood": [0.1, 0.4, 0.8, 0.9]})
    expected = "2 of 4 trials failed; 2 of: RuntimeError: in no mood"
    with pytest.warns(AdestimWarning, match=expected):
        found = tune(Moody(), *plain_table(), n_trials=4, space=moods, sampler=sampler, **SETTINGS)
    failed = found.trials[found.trials["state"] == "fail"]
    assert set(failed["error"]) == {"RuntimeError: in no mood"}
    assert failed["score"].isna().all()


def test_a_study_all_of_whose_trials_fail_is_an_error_with_the_causes():
    with pytest.raises(
        InputError, match=r"Got 3 trials, of which 3 failed.*3 of: RuntimeError: in no mood"
    ):
        tune(Moody(threshold=-1), *plain_table(), n_trials=3, space=moods, **SETTINGS)


def test_a_hopeless_study_is_given_up_early():
    with pytest.raises(InputError, match="Got 10 trials, of which 10 failed"):
        tune(Moody(threshold=-1), *plain_table(), n_trials=500, space=moods, **SETTINGS)


def test_a_score_that_is_not_finite_fails_the_trial():
    with pytest.raises(InputError, match=r"inner fold must be finite.*Got nan"):
        tuned_logistic(n_trials=1, scoring=lambda *_: np.nan)


class PruneAll(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        return True


def test_a_study_all_of_whose_trials_are_pruned_is_an_error():
    with pytest.raises(InputError, match=r"2 were pruned.*more patient pruner"):
        tuned_logistic(n_trials=2, pruner=PruneAll())


def test_estimators_without_epochs_report_their_folds(tuned):
    assert all(list(trial.intermediate_values) == [1, 2] for trial in tuned.study.trials)


def test_nets_report_their_epochs_and_are_pruned_in_them():
    X, y = numeric_table(40)
    pruner = optuna.pruners.PercentilePruner(25.0, n_startup_trials=1)
    found = tune(quick(), X, y, n_trials=3, space=rates(1e-4, 1.0), pruner=pruner, **SETTINGS)
    assert set(found.study.trials[0].intermediate_values) == {1, 2, 3, 4}
    assert "pruned" in set(found.trials["state"])
    assert not list_callbacks(found.best_estimator_)


def test_a_pipeline_that_ends_in_a_fusion_is_tuned_as_a_whole():
    X, y = plain_table()
    union = ModalityUnion(
        [("mri", StandardScaler(), ["mri__a", "mri__b"]), ("csf", "passthrough", ["csf__a"])]
    )
    pipeline = make_pipeline(union, quick(max_epochs=1))
    found = tune(pipeline, X, y, n_trials=2, **SETTINGS)
    assert found.best_estimator_.predict_proba(X).shape == (40, 2)
    assert "anchoredfusionclassifier__learning_rate" in found.best_params_
    assert pipeline[-1].learning_rate == 2e-3


def test_callbacks_of_the_user_stay():
    class Counting:
        n_tasks = 0

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            Counting.n_tasks += 1

    model = quick(max_epochs=1).set_callbacks(Counting())
    tune(model, *plain_table(), n_trials=1, space=rates(1e-3, 1e-2), **SETTINGS)
    assert Counting.n_tasks > 0


def test_a_study_is_never_continued():
    storage = optuna.storages.InMemoryStorage()
    tuned_logistic(n_trials=1, storage=storage, study_name="ours")
    with pytest.raises(InputError, match=r"begun afresh.*'ours'.*another study_name"):
        tuned_logistic(n_trials=1, storage=storage, study_name="ours")


def test_time_ends_a_study():
    assert len(tuned_logistic(n_trials=10_000, timeout=0.05).trials) < 10_000


@pytest.mark.parametrize("n_trials", [0, 1.5, True, None])
def test_a_number_of_trials_that_is_none_is_refused(n_trials):
    with pytest.raises(InputError, match="'n_trials' must be an int of at least 1"):
        tuned_logistic(n_trials=n_trials)


def test_an_estimator_without_a_space_is_refused_before_any_trial():
    with pytest.raises(InputError, match="parameter to search"):
        tune(LogisticRegression(), *plain_table())


def test_labels_are_needed():
    with pytest.raises(InputError, match="requires y"):
        tune(LateFusionClassifier(), plain_table()[0], None)


def test_bars_nest_and_tell_the_best_score(terminal):
    tuned_logistic(n_trials=2, verbose=2)
    text = terminal.getvalue()
    assert "tuning: 100%" in text
    assert "trial 1:" in text
    assert "best=-" in text


def test_nothing_is_written_into_a_log_and_optuna_is_left_as_found(capfd):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tuned_logistic(n_trials=2, verbose=2)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING


def test_what_was_found_pickles(tuned):
    copy = pickle.loads(pickle.dumps(tuned))
    assert copy.best_params_ == tuned.best_params_
    assert len(copy.study.trials) == 4


def test_the_estimator_itself_is_not_touched():
    model = quick()
    before = clone(model).get_params()
    tune(model, *plain_table(), n_trials=1, **SETTINGS)
    assert model.get_params() == before
    assert not hasattr(model, "nets_")


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingDependencyError, match=r"adestim\[tuning\]"):
        tuned_logistic()
