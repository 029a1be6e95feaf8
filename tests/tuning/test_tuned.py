import re
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import optuna
import pytest
from sklearn.linear_model import LogisticRegression

from adestim.exceptions import InputError, MissingDependencyError
from adestim.tuning import tune
from tests.tuning.studies import SETTINGS, Moody, moods, plain_table

mpl.use("Agg")


def space(trial, estimator):
    return {
        "C": trial.suggest_float("C", 1e-4, 1e2, log=True),
        "class_weight": trial.suggest_categorical("class_weight", [None, "balanced"]),
    }


@pytest.fixture(scope="module")
def tuned():
    return tune(LogisticRegression(), *plain_table(), n_trials=8, space=space, **SETTINGS)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_trials_are_told_one_a_row(tuned):
    columns = ["state", "score", "std", "seconds", "error", "C", "class_weight"]
    assert tuned.trials.columns.tolist() == columns
    assert tuned.trials.index.tolist() == list(range(8))
    folds = tuned.study.trials[3].user_attrs["fold_scores"]
    assert tuned.trials.loc[3, "std"] == pytest.approx(np.std(folds, ddof=1))


def test_the_history_shows_every_score_and_the_best_so_far(tuned):
    scores, best = tuned.plot_history().lines
    np.testing.assert_array_equal(scores.get_ydata(), tuned.trials["score"])
    assert best.get_ydata()[-1] == tuned.best_score_


def test_trials_that_failed_are_marked_by_their_own_sign():
    sampler = optuna.samplers.GridSampler({"mood": [0.1, 0.9]})
    with pytest.warns(UserWarning, match="1 of 2 trials failed"):
        found = tune(Moody(), *plain_table(), n_trials=2, space=moods, sampler=sampler, **SETTINGS)
    labels = [text.get_text() for text in found.plot_history().get_legend().get_texts()]
    assert labels == ["trial", "best so far", "fail"]


def test_importances_add_up_to_one_and_are_drawn(tuned):
    importances = tuned.importances()
    assert importances.sum() == pytest.approx(1)
    assert importances.index[0] == "C"
    assert tuned.importances().equals(importances)
    assert len(tuned.plot_importances().patches) == 2


def test_importances_of_equal_scores_are_refused():
    found = tune(Moody(), *plain_table(), n_trials=1, space=lambda *_: {}, **SETTINGS)
    with pytest.raises(InputError, match=r"different scores.*Got 1"):
        found.plot_importances()


@pytest.mark.parametrize(("name", "scale"), [("C", "log"), ("class_weight", "linear")])
def test_scores_are_drawn_over_a_parameter(tuned, name, scale):
    ax = tuned.plot_parameter(name)
    assert ax.get_xscale() == scale
    assert ax.get_xlabel() == name
    assert len(ax.lines[0].get_ydata()) == 8


def test_an_unknown_parameter_is_refused(tuned):
    with pytest.raises(InputError, match=r"'gamma'.*Choose from C, class_weight"):
        tuned.plot_parameter("gamma")


def test_axes_may_be_given(tuned):
    _, ax = plt.subplots()
    assert tuned.plot_history(ax) is ax


def test_without_matplotlib_the_extra_is_named(tuned, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"adestim\[plot\]"):
        tuned.plot_history()


def test_a_study_says_its_best_settings_and_how_trials_ended(tuned):
    first, *settings = repr(tuned).splitlines()
    assert first.startswith(f"Tuned, {len(tuned.trials)} trials (")
    assert [line.split()[0] for line in settings] == list(tuned.best_params_)


def test_a_notebook_shows_the_best_trials_first(tuned):
    page = tuned._repr_html_()
    scores = [float(cell) for cell in re.findall(r"<td>(-?0\.\d+)</td>\s*<td>\d", page)]
    assert "Best score over the inner folds" in page
    assert scores == sorted(scores, reverse=True)
    assert len(scores) > 2
