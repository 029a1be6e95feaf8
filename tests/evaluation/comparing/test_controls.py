import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from adestim.evaluation import CovariateClassifier, MaskOnlyClassifier
from adestim.exceptions import InputError
from tests.fusion_tables import encodings_table, numeric_table, with_missing


@pytest.fixture
def telling_mask():
    """A table whose modality 'csf' is missing for one class only."""
    X, y = numeric_table(60)
    X.loc[y == "AD", ["csf__a", "csf__b"]] = np.nan
    return X, y


def people(X, seed=0):
    """Age and sex of the subjects of a table, in another order, with a hole in each."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"age": rng.normal(72, 6, len(X)), "sex": rng.choice(["F", "M"], len(X))}, index=X.index
    )
    frame.iloc[3, 0], frame.iloc[4, 1] = np.nan, None
    return frame.sample(frac=1, random_state=seed)


# Mask only


def test_the_mask_tells_a_label_that_hangs_on_it(telling_mask):
    X, y = telling_mask
    model = MaskOnlyClassifier().fit(X, y)
    assert model.score(X, y) == 1
    assert model.modalities_ == ["mri", "csf", "gene"]
    assert model.classes_.tolist() == ["AD", "CN"]


def test_nothing_but_the_mask_is_read(telling_mask):
    X, y = telling_mask
    other = X.where(X.isna(), X + 5)
    np.testing.assert_array_equal(
        MaskOnlyClassifier().fit(X, y).predict_proba(X),
        MaskOnlyClassifier().fit(other, y).predict_proba(other),
    )


def test_a_modality_known_in_part_is_there(telling_mask):
    X, y = telling_mask
    holes = X.copy()
    holes.loc[y == "CN", "csf__a"] = np.nan
    np.testing.assert_array_equal(
        MaskOnlyClassifier().fit(X, y).predict_proba(X),
        MaskOnlyClassifier().fit(holes, y).predict_proba(holes),
    )


def test_encodings_numbers_and_raw_cells_tell_the_same(telling_mask):
    X, y = telling_mask
    table = encodings_table(X)
    raw = table.map(lambda cell: "a file" if cell is not None else np.nan)
    expected = MaskOnlyClassifier().fit(X, y).predict_proba(X)
    for each in (table, raw):
        np.testing.assert_allclose(MaskOnlyClassifier().fit(each, y).predict_proba(each), expected)


def test_the_prevalence_is_predicted_where_nothing_is_missing():
    X, y = numeric_table(60)
    y = np.where(np.arange(60) < 15, "AD", "CN")
    np.testing.assert_allclose(MaskOnlyClassifier().fit(X, y).predict_proba(X), [[0.25, 0.75]] * 60)


@pytest.mark.parametrize("nothing", [None, np.nan])
def test_a_column_may_be_wholly_missing_at_prediction(telling_mask, nothing):
    X, y = telling_mask
    model = MaskOnlyClassifier().fit(encodings_table(X), y)
    assert set(model.predict(encodings_table(numeric_table(60)[0]).assign(csf=nothing))) == {"AD"}


def test_a_mask_that_tells_nothing_scores_by_chance():
    X, _ = numeric_table(200)
    y = np.random.default_rng(1).permutation(np.arange(200) % 2)
    scores = cross_val_score(MaskOnlyClassifier(), with_missing(X), y, scoring="roc_auc")
    assert abs(scores.mean() - 0.5) < 0.1


def test_three_classes(telling_mask):
    X, _ = telling_mask
    y = np.array(["a", "b", "c"])[np.arange(60) % 3]
    assert MaskOnlyClassifier().fit(X, y).predict_proba(X).shape == (60, 3)


def test_an_unfitted_control_says_so(telling_mask):
    with pytest.raises(NotFittedError):
        MaskOnlyClassifier().predict(telling_mask[0])


# Covariates


def test_covariates_are_found_by_the_index():
    X, _ = numeric_table(60)
    covariates = people(X)
    y = np.where(covariates.loc[X.index, "age"] > 72, "AD", "CN")
    model = CovariateClassifier(covariates).fit(X.iloc[:40], y[:40])
    assert model.score(X.iloc[40:], y[40:]) > 0.9


def test_words_are_covariates():
    X, _ = numeric_table(60)
    covariates = people(X)
    y = covariates.loc[X.index, "sex"].fillna("F").to_numpy()
    assert CovariateClassifier(covariates[["sex"]]).fit(X, y).score(X, y) >= 59 / 60


def test_rows_of_one_subject_share_its_covariates():
    X, _ = numeric_table(30)
    visits = X.loc[X.index.repeat(2)]
    model = CovariateClassifier(people(X)).fit(visits, np.arange(60) // 2 % 2)
    probability = model.predict_proba(visits)
    np.testing.assert_array_equal(probability[::2], probability[1::2])


def test_a_word_not_seen_in_training_is_no_harm():
    X, y = numeric_table(20)
    covariates = pd.DataFrame({"site": ["a", "b"] * 9 + ["c", "c"]}, index=X.index)
    model = CovariateClassifier(covariates).fit(X.iloc[:18], y[:18])
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("kind", ["Int64", "category", "boolean", "string"])
def test_columns_of_pandas_own_kinds_are_read(kind):
    X, y = numeric_table(20)
    column = pd.Series([0, 1] * 9 + [1, None], index=X.index, dtype="Int64")
    if kind != "Int64":
        column = column.map({0: False, 1: True}) if kind == "boolean" else column.astype("string")
    model = CovariateClassifier(pd.DataFrame({"x": column.astype(kind)})).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_a_covariate_that_nobody_has_is_no_harm():
    X, y = numeric_table(20)
    covariates = people(X).assign(education=np.nan)
    assert np.isfinite(CovariateClassifier(covariates).fit(X, y).predict_proba(X)).all()


def test_its_own_columns_are_the_covariates_where_there_are_none():
    X, y = numeric_table(60)
    assert CovariateClassifier().fit(X, y).score(X, y) > 0.9


def test_encodings_are_no_covariates():
    X, y = numeric_table(20)
    with pytest.raises(InputError, match=r"numbers or words.*encodings in column 'mri'"):
        CovariateClassifier().fit(encodings_table(X), y)


def test_a_subject_without_covariates_is_refused_by_name():
    X, y = numeric_table(20)
    covariates = people(X).drop(index=["sub-003", "sub-007"])
    with pytest.raises(InputError, match=r"Got 2 without: 'sub-003', 'sub-007'\. Add rows"):
        CovariateClassifier(covariates).fit(X, y)


def test_two_rows_of_covariates_are_refused():
    X, y = numeric_table(20)
    covariates = people(X)
    twice = pd.concat([covariates, covariates.loc[["sub-001"]]])
    with pytest.raises(InputError, match=r"one row a subject\. Got 1 with several: 'sub-001'"):
        CovariateClassifier(twice).fit(X, y)


def test_an_array_has_no_index_to_find_covariates_by():
    X, y = numeric_table(20)
    with pytest.raises(InputError, match=r"must be a DataFrame\. Got ndarray"):
        CovariateClassifier(people(X)).fit(X.to_numpy(), y)


def test_a_control_with_covariates_can_be_copied():
    X, y = numeric_table(20)
    model = clone(CovariateClassifier(people(X))).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
