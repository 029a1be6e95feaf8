"""The pipeline from a table of patients to probabilities, inside the tools of scikit-learn."""

import numpy as np
import optuna
import pandas as pd
import pytest
import sklearn
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from scipy.stats import randint
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import ClinicalExtractor, ModalityUnion, PoolTokens
from adestim.encoding import Encoding
from adestim.tuning import TrialPruning
from tests.fusion_tables import quick

optuna.logging.set_verbosity(optuna.logging.ERROR)

N_SUBJECTS = 64


@pytest.fixture(scope="module")
def cohort():
    """Raw cells of patients with blocks missing, their diagnoses, and their families."""
    rng = np.random.default_rng(0)
    patients = pd.DataFrame(
        {
            "age": rng.normal(72, 6, N_SUBJECTS).round(1),
            "sex": rng.choice(["F", "M"], N_SUBJECTS),
            "tau": rng.normal(300, 50, N_SUBJECTS),
            "abeta": rng.normal(800, 90, N_SUBJECTS),
            "hippocampus": rng.normal(3.5, 0.4, N_SUBJECTS),
        },
        index=[f"sub-{number:02d}" for number in range(N_SUBJECTS)],
    )
    signal = (patients["tau"] - 300) / 50 - (patients["hippocampus"] - 3.5) / 0.8
    y = np.where(signal + rng.normal(scale=0.3, size=N_SUBJECTS) > 0, "AD", "CN")
    patients.iloc[::5, 2:4] = np.nan
    patients.iloc[2::7, 4] = np.nan
    return patients, y, np.arange(N_SUBJECTS) // 2


@pytest.fixture
def pipeline():
    return Pipeline(
        [
            (
                "encode",
                ModalityUnion(
                    [
                        ("clinical", ClinicalExtractor(), ["age", "sex"]),
                        ("csf", StandardScaler(), ["tau", "abeta"]),
                        ("mri", StandardScaler(), ["hippocampus"]),
                    ]
                ),
            ),
            ("classify", quick(anchor="csf")),
        ]
    )


@pytest.fixture(scope="module")
def encoded(cohort):
    """The encodings table of the cohort, its diagnoses and its families."""
    patients, y, families = cohort
    union = ModalityUnion(
        [
            ("clinical", ClinicalExtractor(), ["age", "sex"]),
            ("csf", StandardScaler(), ["tau", "abeta"]),
            ("mri", StandardScaler(), ["hippocampus"]),
        ]
    )
    return union.fit_transform(patients), y, families


def test_cross_val_score_over_groups(pipeline, cohort):
    patients, y, families = cohort
    scores = cross_val_score(
        pipeline,
        patients,
        y,
        groups=families,
        cv=StratifiedGroupKFold(3),
        scoring="roc_auc",
        error_score="raise",
    )
    assert scores.shape == (3,)
    assert scores.mean() > 0.75


@pytest.mark.usefixtures("all_penalties")  # as the processes, whom no fixture reaches
def test_two_processes_score_as_one(pipeline, cohort):
    patients, y, _ = cohort
    one, two = (
        cross_val_score(
            pipeline, patients, y, cv=StratifiedKFold(2), scoring="roc_auc", n_jobs=n_jobs
        )
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_grid_search_over_parameters_of_both_steps(pipeline, cohort):
    patients, y, families = cohort
    grid = {
        "encode__csf__with_mean": [True, False],
        "classify__start": ["stacked", "average"],
    }
    search = GridSearchCV(
        pipeline, grid, cv=StratifiedGroupKFold(2), scoring="roc_auc", n_jobs=2, error_score="raise"
    )
    search.fit(patients, y, groups=families)
    assert len(search.cv_results_["params"]) == 4
    assert set(search.best_params_) == set(grid)
    assert search.predict_proba(patients).shape == (N_SUBJECTS, 2)


def test_randomized_search(pipeline, cohort):
    patients, y, _ = cohort
    search = RandomizedSearchCV(
        pipeline,
        {"classify__n_queries": randint(0, 4), "classify__anchor": ["csf", "mri"]},
        n_iter=2,
        cv=StratifiedKFold(2),
        random_state=0,
        error_score="raise",
    )
    search.fit(patients, y)
    assert search.best_estimator_.named_steps["classify"].anchors_ == [
        search.best_params_["classify__anchor"]
    ]


def test_optuna_study_with_pruning_by_epoch(pipeline, cohort):
    patients, y, families = cohort
    folds = list(StratifiedGroupKFold(2).split(patients, y, families))

    def objective(trial):
        rate = trial.suggest_float("learning_rate", 1e-3, 1.0, log=True)
        pipeline.set_params(classify__learning_rate=rate)
        pipeline.named_steps["classify"].set_callbacks(TrialPruning(trial))
        return cross_val_score(
            pipeline, patients, y, cv=folds, scoring="roc_auc", error_score="raise"
        ).mean()

    pruner = optuna.pruners.MedianPruner(n_startup_trials=1)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    for rate in (2e-3, 1.0):
        study.enqueue_trial({"learning_rate": rate})
    study.optimize(objective, n_trials=2)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED"]
    assert sorted(study.trials[0].intermediate_values) == [1, 2, 3, 4]
    assert len(study.trials[1].intermediate_values) < 4


def test_over_sampling_in_a_pipeline_of_imbalanced_learn(encoded):
    table, y, _ = encoded
    rare = (y == "CN") | (np.arange(N_SUBJECTS) % 3 == 0)
    model = make_imblearn_pipeline(RandomOverSampler(random_state=0), quick(anchor="csf"))
    model.fit(table[rare], y[rare])
    plain = quick(anchor="csf").fit(table[rare], y[rare])
    assert model.predict_proba(table)[:, 0].mean() > plain.predict_proba(table)[:, 0].mean()


def test_calibration(encoded):
    table, y, _ = encoded
    model = CalibratedClassifierCV(quick(anchor="csf"), cv=StratifiedKFold(2)).fit(table, y)
    probability = model.predict_proba(table)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert roc_auc_score(y == "CN", probability[:, 1]) > 0.75


def test_stacking_with_a_model_of_pooled_tokens(encoded):
    table, y, _ = encoded
    pooled = make_pipeline(PoolTokens(), SimpleImputer(), LogisticRegression())
    stack = StackingClassifier(
        [("fusion", quick(anchor="csf")), ("pooled", pooled)], cv=StratifiedKFold(2)
    )
    assert stack.fit(table, y).score(table, y) > 0.7


def test_permutation_importance_is_one_number_a_modality(encoded):
    table, y, _ = encoded
    model = quick(anchor="csf").fit(table, y)
    result = permutation_importance(model, table, y, scoring="roc_auc", n_repeats=3, random_state=0)
    importance = dict(zip(table.columns, result.importances_mean, strict=True))
    assert max(importance, key=importance.get) == "csf"
    assert importance["csf"] > 0.1


def test_learning_curve(encoded):
    table, y, families = encoded
    sizes, _, scores = learning_curve(
        quick(anchor="csf"),
        table,
        y,
        groups=families,
        cv=StratifiedGroupKFold(2),
        train_sizes=[0.5, 1.0],
        scoring="roc_auc",
        error_score="raise",
    )
    assert sizes.tolist() == [16, 32]
    assert np.isfinite(scores).all()


@pytest.fixture
def routing():
    """Metadata routing switched on, and a scorer that asks for no metadata."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield make_scorer(roc_auc_score, response_method="predict_proba").set_score_request(
            sample_weight=False
        )


def routed():
    """A classifier that asks for groups and weights."""
    return quick(anchor="csf").set_fit_request(groups=True, sample_weight=True)


def test_routed_metadata_reach_the_fit_of_every_fold(routing, encoded, monkeypatch):
    table, y, families = encoded
    received = []
    fit = type(quick()).fit

    def spy(self, X, y, groups=None, sample_weight=None):
        received.append((X.index, groups, sample_weight))
        return fit(self, X, y, groups=groups, sample_weight=sample_weight)

    model, weight = routed(), np.linspace(0.5, 1.5, N_SUBJECTS)
    monkeypatch.setattr(type(model), "fit", spy)
    cross_validate(
        model,
        table,
        y,
        cv=StratifiedGroupKFold(2),
        params={"groups": families, "sample_weight": weight},
        scoring=routing,
        error_score="raise",
    )
    assert len(received) == 2
    for index, groups, weights in received:
        rows = table.index.get_indexer(index)
        np.testing.assert_array_equal(groups, families[rows])
        np.testing.assert_array_equal(weights, weight[rows])


def test_routed_metadata_in_a_grid_search(routing, encoded):
    table, y, families = encoded
    search = GridSearchCV(
        routed(),
        {"start": ["stacked", "average"]},
        cv=StratifiedGroupKFold(2),
        scoring=routing,
        error_score="raise",
    )
    search.fit(table, y, groups=families, sample_weight=np.ones(N_SUBJECTS))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_what_travels_between_the_steps_are_encodings(pipeline, cohort):
    patients, y, _ = cohort
    table = pipeline.fit(patients, y)[:-1].transform(patients)
    assert table.columns.tolist() == ["clinical", "csf", "mri"]
    assert table["csf"].isna().sum() == len(range(0, N_SUBJECTS, 5))
    assert all(isinstance(cell, Encoding) for cell in table.stack().dropna())
