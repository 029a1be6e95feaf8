import gc
import weakref

import numpy as np
import optuna
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from adestim._support.sklearn import list_callbacks
from adestim.exceptions import InputError, LeakageError
from adestim.tuning import TrialPruning, objective
from adestim.tuning.objective import (
    Objective,
    check_rows,
    choose_scoring,
    draw_inner_splits,
    free_memory,
)
from tests.fusion_tables import quick
from tests.tuning.studies import Moody, logistic_space, moods, plain_table


def test_rows_are_taken_from_frames_and_arrays_alike():
    X, y = plain_table()
    for table in (X, X.to_numpy()):
        part = check_rows(table, y, y).take(np.array([3, 1]))
        np.testing.assert_array_equal(np.asarray(part.table), X.to_numpy()[[3, 1]])
        assert part.groups.tolist() == y[[3, 1]].tolist()


def test_tables_that_are_sparse_are_refused():
    with pytest.raises(InputError, match=r"dense tables.*toarray"):
        check_rows(csr_array(np.eye(3)), [0, 1, 0], None)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_rows(np.eye(3), [0, 1], None)


def test_folds_are_stratified_for_classes_and_keep_groups_whole():
    X, y = plain_table()
    groups = np.arange(40) // 2
    splits = draw_inner_splits(LogisticRegression(), check_rows(X, y, groups), 4, 0)
    assert len(splits) == 4
    for train, test in splits:
        assert not set(groups[train]) & set(groups[test])
        assert len(set(y[test])) == 2


def test_folds_of_a_regressor_need_no_classes():
    X, _ = plain_table()
    splits = draw_inner_splits(Ridge(), check_rows(X, X["mri__a"], None), 4, 0)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(40))


def test_a_splitter_that_parts_rows_of_a_label_is_refused():
    X, y = plain_table()
    X.index = np.arange(40) // 2
    with pytest.raises(LeakageError):
        draw_inner_splits(LogisticRegression(), check_rows(X, y, None), KFold(3, shuffle=True), 0)


def test_a_trial_notes_the_score_of_every_fold_and_its_error():
    rows = check_rows(*plain_table(), None)
    splits = draw_inner_splits(Moody(), rows, 2, 0)
    aim = Objective(Moody(), rows, splits, lambda *_: 0.25, moods)
    study = optuna.create_study()
    study.enqueue_trial({"mood": 0.1})
    trial = study.ask()
    assert aim(trial) == 0.25
    assert trial.user_attrs["fold_scores"] == [0.25, 0.25]
    study.enqueue_trial({"mood": 0.9})
    trial = study.ask()
    with pytest.raises(RuntimeError):
        aim(trial)
    assert trial.user_attrs["error"] == "RuntimeError: in no mood"


def test_settings_are_those_of_the_trial():
    rows = check_rows(*plain_table(), None)
    aim = Objective(LogisticRegression(), rows, [], None, logistic_space)
    assert aim.read_settings({"C": 2.0}) == {"C": 2.0}
    assert aim.fit({"C": 2.0}).C == 2.0


def test_only_nets_are_watched_by_epoch():
    trial = optuna.create_study().ask()
    pipeline = make_pipeline(quick())
    assert objective.watch_epochs(pipeline, trial)
    assert isinstance(list_callbacks(pipeline[-1])[0], TrialPruning)
    assert not objective.watch_epochs(LogisticRegression(), trial)


def test_memory_is_freed_on_the_gpu_too(monkeypatch):
    emptied = []
    monkeypatch.setattr(objective.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(objective.torch.cuda, "empty_cache", lambda: emptied.append(True))

    class Loop:
        pass

    loop = Loop()
    loop.itself = loop
    gone = weakref.ref(loop)
    gc.disable()
    try:
        del loop
        free_memory()
    finally:
        gc.enable()
    assert gone() is None
    assert emptied == [True]


def test_the_score_follows_what_is_predicted():
    assert choose_scoring(LogisticRegression()) == "neg_log_loss"
    assert choose_scoring(Ridge()) == "neg_mean_squared_error"
