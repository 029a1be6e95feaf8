"""One estimator on one split: predicted, failed, kept and read again."""

import json
import stat
import warnings

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from adestim.evaluation.comparing.jobs import (
    Job,
    load_result,
    name_result,
    run_job,
    run_jobs,
)
from adestim.exceptions import DataWarning, InputError
from tests.evaluation.studies import FailsWhere, Interrupted, Recorder
from tests.fusion_tables import numeric_table


def job(estimator=None, **changes):
    X, y = numeric_table(40)
    settings = {
        "name": "a",
        "repeat": 0,
        "fold": 0,
        "estimator": LogisticRegression() if estimator is None else estimator,
        "table": X,
        "y": y,
        "groups": None,
        "train": np.arange(30),
        "test": np.arange(30, 40),
        "classes": ("AD", "CN"),
    }
    return Job(**(settings | changes))


def test_predictions_are_those_of_the_estimator_fitted_on_the_training_rows():
    task = job()
    model = LogisticRegression().fit(task.table[:30], task.y[:30])
    result = run_job(task)
    assert result.status == "ok"
    np.testing.assert_allclose(result.predictions, model.predict_proba(task.table[30:]))


def test_probabilities_are_in_the_order_of_the_classes_asked_for():
    forward, backward = run_job(job()), run_job(job(classes=("CN", "AD")))
    np.testing.assert_allclose(forward.predictions, np.array(backward.predictions)[:, ::-1])


def test_a_class_without_training_rows_has_no_probability():
    task = job(classes=("AD", "CN", "MCI"))
    assert (np.array(run_job(task).predictions)[:, 2] == 0).all()


def test_a_regression_gives_values():
    y = np.arange(40.0)
    result = run_job(job(LinearRegression(), y=y, classes=()))
    assert np.shape(result.predictions) == (10,)


def test_the_estimator_is_not_fitted():
    model = LogisticRegression()
    run_job(job(model))
    assert not hasattr(model, "classes_")


def test_a_failure_is_told():
    result = run_job(job(FailsWhere()))
    assert (result.status, result.error) == ("failed", "RuntimeError: cannot be fitted")


def test_an_interruption_goes_through():
    with pytest.raises(KeyboardInterrupt):
        run_job(job(Interrupted("sub-000")))


def test_predictions_of_nan_are_a_failure():
    class Silent(FailsWhere):
        def predict_proba(self, X):
            return np.full((len(X), 2), np.nan)

    result = run_job(job(Silent("nobody")))
    assert result.status == "failed"
    assert "Predictions of Silent must be finite. Got NaN or infinity for 10 row(s)" in result.error


def test_the_threshold_comes_from_the_training_rows():
    task = job(threshold="sensitivity>=0.9")
    shuffled = task.y.copy()
    shuffled[30:] = shuffled[30:][::-1]
    result = run_job(task)
    assert 0 < result.threshold < 1
    assert run_job(job(threshold="sensitivity>=0.9", y=shuffled)).threshold == result.threshold


# Groups


def test_fit_gets_the_groups_of_the_training_rows(tmp_path):
    run_job(job(Recorder(str(tmp_path)), groups=np.arange(40)))
    assert [path.name.split("-")[0] for path in tmp_path.iterdir()] == ["with"]


# Keys


def test_the_key_is_that_of_what_decides_the_result():
    first = name_result(job(), "data")
    assert name_result(job(name="b", fold=3), "data") == first
    others = [
        name_result(job(), "other data"),
        name_result(job(LogisticRegression(C=2)), "data"),
        name_result(job(make_pipeline(LogisticRegression())), "data"),
        name_result(job(train=np.arange(29)), "data"),
        name_result(job(threshold="youden"), "data"),
        name_result(job(classes=("CN", "AD")), "data"),
    ]
    assert len({first, *others}) == 7


def test_nested_parameters_are_part_of_the_key():
    keys = {
        name_result(job(make_pipeline(StandardScaler(), LogisticRegression(C=C))), "data")
        for C in (1, 2)
    }
    assert len(keys) == 2


def test_a_lambda_has_no_key():
    model = make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression())
    with pytest.raises(
        InputError, match=r"'resume' needs .* pickle. Got .* for 'a'. Write lambdas"
    ):
        name_result(job(model), "data")


# Folder of results


def test_results_are_read_again(tmp_path):
    counted, folder = tmp_path / "fits", tmp_path / "results"
    counted.mkdir()
    task = job(Recorder(str(counted)))
    first = run_jobs([task], ["key"], folder, None, False)
    second = run_jobs([task], ["key"], folder, None, False)
    assert first == second
    assert len(list(counted.iterdir())) == 1


def test_results_are_their_owners_alone(tmp_path):
    run_jobs([job()], ["key"], tmp_path / "results", None, False)
    file = tmp_path / "results" / "key.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_failures_are_not_kept(tmp_path):
    [result] = run_jobs([job(FailsWhere())], ["key"], tmp_path, None, False)
    assert result.status == "failed"
    assert list(tmp_path.iterdir()) == []


def test_what_was_finished_before_an_interruption_is_kept(tmp_path):
    jobs = [job(), job(Interrupted("sub-000"))]
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, ["first", "second"], tmp_path, None, False)
    assert [path.name for path in tmp_path.iterdir()] == ["first.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b'{"status": "ok"', b'{"other": 1}', b"[]", b"\xff", b"[" * 100_000, b"7", b"null"],
)
def test_a_damaged_result_is_made_again(tmp_path, content):
    (tmp_path / "key.json").write_bytes(content)
    with pytest.warns(DataWarning, match=r"damaged, and is made again: key\.json"):
        [result] = run_jobs([job()], ["key"], tmp_path, None, False)
    assert result.status == "ok"
    assert json.loads((tmp_path / "key.json").read_text())["status"] == "ok"


def test_no_flipped_bit_gives_other_predictions(tmp_path):
    task = job(threshold="youden")
    [first] = run_jobs([task], ["key"], tmp_path, None, False)
    whole = (tmp_path / "key.json").read_bytes()
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        (tmp_path / "key.json").write_bytes(flipped)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = load_result(tmp_path / "key.json", len(task.test))
        assert found is None or found == first


def test_a_cut_result_is_made_again(tmp_path):
    [first] = run_jobs([job()], ["key"], tmp_path, None, False)
    path = tmp_path / "key.json"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.warns(DataWarning, match="damaged"):
        [second] = run_jobs([job()], ["key"], tmp_path, None, False)
    assert second.predictions == first.predictions


def test_a_file_is_no_folder_of_results(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match=r"'resume' is a folder of results. Got a file"):
        run_jobs([job()], ["key"], file, None, False)


def test_jobs_in_parallel_give_what_one_after_the_other_does():
    jobs = [job(LogisticRegression(C=C)) for C in (0.1, 1.0)]
    with parallel_config(backend="threading"):
        together = run_jobs(jobs, [], None, 2, False)
    for one, other in zip(run_jobs(jobs, [], None, None, False), together, strict=True):
        assert one.predictions == other.predictions


def test_progress_is_shown_where_asked_for(terminal):
    run_jobs([job()], [], None, None, True)
    assert "1 estimators" in terminal.getvalue()


def test_the_index_of_the_table_reaches_the_estimator():
    result = run_job(job(FailsWhere("sub-035")))
    assert result.status == "ok"
    assert pd.Series(np.ravel(result.predictions)).eq(0.5).all()
