import pickle
import sys

import numpy as np
import optuna
import pytest
from sklearn.base import clone
from sklearn.callback import FitCallback
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim._support.sklearn import list_callbacks
from adestim.exceptions import AdestimWarning, InputError, MissingDependencyError
from adestim.tuning import TrialPruning
from tests.fusion_tables import numeric_table, quick

optuna.logging.set_verbosity(optuna.logging.ERROR)


class PruneAt(optuna.pruners.BasePruner):
    """Prune at one step."""

    def __init__(self, step):
        self.step = step

    def prune(self, study, trial):
        return trial.last_step == self.step


def one_trial(pruner=None, direction="minimize"):
    study = optuna.create_study(pruner=pruner or optuna.pruners.NopPruner(), direction=direction)
    return study, study.ask()


def reported(study):
    return study.trials[0].intermediate_values


def test_it_is_a_callback_of_scikit_learn():
    assert isinstance(TrialPruning(None), FitCallback)


def test_every_epoch_is_reported():
    study, trial = one_trial()
    model = quick(max_epochs=3).set_callbacks(TrialPruning(trial)).fit(*numeric_table(30))
    _, *losses = [row["valid_loss"] for row in model.history_]
    assert reported(study) == dict(zip([1, 2, 3], losses, strict=True))


def test_a_study_that_maximises_gets_the_negative_loss():
    study, trial = one_trial(direction="maximize")
    model = quick().set_callbacks(TrialPruning(trial)).fit(*numeric_table(30))
    assert reported(study)[2] == -model.history_[-1]["valid_loss"]


def test_a_trial_is_pruned_after_an_epoch():
    _, trial = one_trial(PruneAt(2))
    model = quick(max_epochs=4).set_callbacks(TrialPruning(trial))
    with pytest.raises(optuna.TrialPruned):
        model.fit(*numeric_table(30))
    assert len(model.history_) == 2


def test_steps_of_folds_and_anchors_follow_each_other():
    study, trial = one_trial()
    model = quick(anchor=["mri", "csf"], max_epochs=2).set_callbacks(TrialPruning(trial))
    cross_val_score(model, *numeric_table(40), cv=StratifiedKFold(2), error_score="raise")
    assert sorted(reported(study)) == list(range(1, 9))


def test_epochs_that_early_stopping_saves_keep_their_steps():
    X, _ = numeric_table(40)
    noise = np.random.default_rng(0).permutation(np.arange(40) % 2)
    study, trial = one_trial()
    model = quick(anchor=["mri", "csf"], max_epochs=20, patience=1, learning_rate=0.3)
    model.set_callbacks(TrialPruning(trial)).fit(X, noise)
    trained = [row for row in model.history_ if row["epoch"] > 0]
    steps = [20 * ("mri", "csf").index(row["anchor"]) + row["epoch"] for row in trained]
    assert sorted(reported(study)) == steps
    assert max(steps) > 20


def test_room_for_epochs_can_be_set_where_their_number_is_tuned():
    study, trial = one_trial()
    model = quick(anchor=["mri", "csf"], max_epochs=1)
    model.set_callbacks(TrialPruning(trial, n_epochs=10)).fit(*numeric_table(30))
    assert sorted(reported(study)) == [1, 11]


def test_it_works_on_the_classifier_inside_a_pipeline():
    study, trial = one_trial(PruneAt(3))
    X, y = numeric_table(40)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), quick())
    pipeline[-1].set_callbacks(TrialPruning(trial))
    with pytest.raises(optuna.TrialPruned):
        cross_val_score(pipeline, X, y, cv=StratifiedKFold(2), error_score="raise")
    assert sorted(reported(study)) == [1, 2, 3]


def test_set_on_the_pipeline_it_says_where_it_belongs():
    _, trial = one_trial()
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), quick())
    pipeline.set_callbacks(TrialPruning(trial))
    with pytest.raises(InputError, match=r"Got .*pipeline\[-1\].set_callbacks"):
        pipeline.fit(*numeric_table(30))


def test_clones_share_it():
    pruning = TrialPruning(one_trial()[1])
    assert list_callbacks(clone(quick().set_callbacks(pruning))) == [pruning]


def test_a_fitted_estimator_pickles_without_the_study():
    X, y = numeric_table(30)
    model = quick().set_callbacks(TrialPruning(one_trial()[1])).fit(X, y)
    stored = pickle.dumps(model)
    assert b"optuna" not in stored
    np.testing.assert_array_equal(pickle.loads(stored).predict_proba(X), model.predict_proba(X))


def test_a_copy_that_lost_its_trial_warns_and_prunes_nothing():
    study, trial = one_trial(PruneAt(1))
    model = quick().set_callbacks(pickle.loads(pickle.dumps(TrialPruning(trial))))
    with pytest.warns(AdestimWarning, match="n_jobs=1"):
        model.fit(*numeric_table(30))
    assert reported(study) == {}


def test_without_optuna_the_extra_is_named(monkeypatch):
    _, trial = one_trial()
    monkeypatch.setitem(sys.modules, "optuna", None)
    model = quick().set_callbacks(TrialPruning(trial))
    with pytest.raises(MissingDependencyError, match=r"adestim\[tuning\]"):
        model.fit(*numeric_table(30))
