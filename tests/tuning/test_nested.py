import numpy as np
import optuna
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from adestim.exceptions import InputError, LeakageError
from adestim.tuning import nested_cross_validate
from tests.tuning.studies import Moody, logistic_space, moods, plain_table

QUICK = {"outer_cv": 3, "n_trials": 2, "inner_cv": 2, "random_state": 0}


def nested_logistic(**settings):
    settings = {"space": logistic_space} | QUICK | settings
    return nested_cross_validate(LogisticRegression(), *plain_table(), **settings)


@pytest.fixture(scope="module")
def nested():
    return nested_logistic()


def test_every_row_is_predicted_once_by_a_model_that_never_saw_it(nested):
    assert sorted(nested.predictions["row"]) == list(range(40))
    X, _ = plain_table()
    assert (nested.predictions.index == X.index[nested.predictions["row"]]).all()


def test_every_fold_has_a_fresh_study_of_its_own_rows():
    X, y = plain_table()
    found = nested_cross_validate(Moody(), X, y, space=lambda *_: {}, **QUICK)
    for fold, tuned in enumerate(found.tuned):
        held_out = set(found.predictions.index[found.predictions["fold"] == fold])
        assert set(tuned.best_estimator_.labels_) == set(X.index) - held_out
        assert len(tuned.study.trials) == 2


def test_scores_are_those_of_the_rows_held_out(nested):
    X, y = plain_table()
    first = nested.predictions[nested.predictions["fold"] == 0]
    rows = first["row"].to_numpy()
    model = nested.tuned[0].best_estimator_
    shares = model.predict_proba(X.iloc[rows])[np.arange(len(rows)), (y[rows] == "CN").astype(int)]
    assert nested.scores.loc[0, "score"] == pytest.approx(np.log(shares).mean())
    assert nested.scores.loc[0, "inner_score"] == nested.tuned[0].best_score_
    assert nested.scores["n_test"].sum() == 40


def test_probabilities_are_told_by_class(nested):
    columns = ["probability of AD", "probability of CN"]
    np.testing.assert_allclose(nested.predictions[columns].sum(axis=1), 1)


def test_samplers_start_afresh_in_every_fold():
    sampler = optuna.samplers.GridSampler({"C": [0.1, 1.0]})
    found = nested_logistic(sampler=sampler)
    assert all(sorted(each.trials["C"]) == [0.1, 1.0] for each in found.tuned)


def test_studies_are_named_by_fold_in_a_storage():
    storage = optuna.storages.InMemoryStorage()
    nested_logistic(storage=storage, study_name="ours")
    names = [study.study_name for study in storage.get_all_studies()]
    assert names == ["ours-fold-0", "ours-fold-1", "ours-fold-2"]


def test_one_seed_one_result(nested):
    again = nested_logistic()
    assert again.scores.equals(nested.scores)
    assert not nested_logistic(random_state=1).scores.equals(nested.scores)


def test_numbers_are_predicted_without_probabilities():
    X, _ = plain_table()
    found = nested_cross_validate(
        Ridge(), X, X["mri__a"] * 2, space=lambda *_: {"alpha": 1.0}, **QUICK
    )
    assert found.predictions.columns.tolist() == ["fold", "row", "target", "predicted"]


def test_groups_stay_whole_in_outer_and_inner_folds():
    X, y = plain_table()
    groups = np.arange(40) // 4
    found = nested_cross_validate(Moody(), X, y, groups, space=lambda *_: {}, **QUICK)
    for fold, tuned in enumerate(found.tuned):
        rows = found.predictions.loc[found.predictions["fold"] == fold, "row"]
        assert not set(tuned.best_estimator_.groups_) & set(groups[rows])


def test_outer_folds_that_part_a_group_are_refused():
    X, y = plain_table()
    with pytest.raises(LeakageError):
        nested_cross_validate(
            Moody(), X, y, np.zeros(40), [(np.arange(20), np.arange(20, 40))], space=moods
        )


def test_a_fold_all_of_whose_trials_fail_is_an_error():
    with pytest.raises(InputError, match="in no mood"):
        nested_cross_validate(Moody(threshold=-1), *plain_table(), space=moods, **QUICK)


def test_bars_nest(terminal):
    nested_logistic(verbose=2)
    assert "nested: 100%" in terminal.getvalue()
    assert "tuning:" in terminal.getvalue()


def test_folds_are_shown_with_their_mean(nested):
    mean = f"{nested.scores['score'].mean():.4g}"
    for shown in (repr(nested), nested._repr_html_()):
        assert f"score {mean}, standard deviation" in shown
    assert len(repr(nested).splitlines()) == 3 + len(nested.scores)
