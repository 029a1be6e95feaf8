import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline

from adestim.evaluation import (
    ModalityDropout,
    draw_hidden,
    hide_modalities,
    missing_patterns,
    modality_columns,
)
from adestim.exceptions import InputError
from tests.fusion_tables import encodings_table, numeric_table, with_missing

shapes = st.tuples(st.integers(1, 8), st.integers(1, 4))


@st.composite
def cohorts(draw):
    """Who has what, and as many random numbers."""
    shape = draw(shapes)
    numbers = arrays(float, shape, elements=st.floats(0, 1, exclude_max=True))
    return draw(arrays(bool, shape)), draw(numbers)


# Choosing what to hide


@given(cohorts(), st.floats(0, 1))
def test_only_what_is_there_is_hidden_and_never_all(cohort, rate):
    present, chance = cohort
    hidden = draw_hidden(present, rate, chance)
    assert not (hidden & ~present).any()
    np.testing.assert_array_equal((present & ~hidden).any(axis=1), present.any(axis=1))


@given(cohorts(), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_rate_hides_the_same_and_more(cohort, one, other):
    present, chance = cohort
    fewer, more = (draw_hidden(present, rate, chance) for rate in sorted((one, other)))
    assert not (fewer & ~more).any()


def test_the_rate_is_kept_where_subjects_have_much():
    chance = np.random.default_rng(0).random((4000, 6))
    assert draw_hidden(np.ones((4000, 6), bool), 0.3, chance).mean() == pytest.approx(0.3, abs=0.01)


# Hiding it


@pytest.mark.parametrize("as_table", [pd.DataFrame, encodings_table])
def test_what_is_hidden_is_missing_and_nothing_else(as_table):
    X = with_missing(numeric_table(30)[0])
    table = as_table(X)
    present = missing_patterns(table)
    hidden = present.to_numpy() & (np.random.default_rng(0).random(present.shape) < 0.5)
    result = hide_modalities(table, hidden, modality_columns(table))
    np.testing.assert_array_equal(missing_patterns(result), present & ~hidden)
    kept = result.notna()
    assert (result.where(kept, 0) == table.where(kept, 0)).all(axis=None)
    assert result.dtypes.equals(table.dtypes)


def test_the_table_itself_is_left_as_found():
    X, _ = numeric_table(10)
    before = X.copy()
    hide_modalities(X, np.ones((10, 3)), modality_columns(X))
    pd.testing.assert_frame_equal(X, before)


def test_columns_of_many_kinds_are_hidden():
    table = pd.DataFrame(
        {
            "t1w": ["a.nii", "b.nii"],
            "age": [70, 71],
            "gds": pd.array([1, 2], dtype="Int64"),
            "sex": pd.Categorical(["F", "M"]),
        },
        index=["s1", "s2"],
    )
    hidden = [[True] * 4, [False] * 4]
    result = hide_modalities(table, hidden, modality_columns(table))
    assert result.loc["s1"].isna().all()
    assert result.loc["s2"].tolist() == ["b.nii", 71, 2, "M"]
    assert (result.dtypes["gds"], result.dtypes["sex"]) == (table.dtypes["gds"], "category")


def test_arrays_are_hidden_too():
    result = hide_modalities(np.arange(6).reshape(3, 2), [[1], [0], [0]], {"features": [0, 1]})
    assert np.isnan(result).sum(axis=1).tolist() == [2, 0, 0]


# The transformer


@pytest.mark.parametrize("as_table", [pd.DataFrame, encodings_table])
def test_training_rows_lose_modalities_at_random(as_table):
    X, _ = numeric_table(200)
    table = as_table(X)
    result = ModalityDropout(p=0.4, random_state=0).fit_transform(table)
    left = missing_patterns(result)
    assert left.any(axis=1).all()
    assert 0.5 < left.mean(axis=None) < 0.75
    assert result.index.equals(table.index)
    assert result.dtypes.equals(table.dtypes)


def test_transform_hands_the_table_on():
    X, _ = numeric_table(20)
    assert ModalityDropout(p=0.9, random_state=0).fit(X).transform(X) is X


def test_an_array_has_one_modality_which_stays():
    X = numeric_table(20)[0].to_numpy(np.float32)
    result = ModalityDropout(p=1.0, random_state=0).fit_transform(X)
    np.testing.assert_array_equal(result, X)
    assert result.dtype == np.float32


def test_only_the_modalities_named_are_hidden():
    X, _ = numeric_table(100)
    dropout = ModalityDropout(p=1.0, modalities=["csf"], random_state=0)
    left = missing_patterns(dropout.fit_transform(X))
    assert left.mean().to_dict() == {"mri": 1.0, "csf": 0.0, "gene": 1.0}


def test_a_seed_hides_the_same():
    X, _ = numeric_table(50)
    first, second, other = (
        ModalityDropout(random_state=seed).fit_transform(X).isna() for seed in (1, 1, 2)
    )
    assert first.equals(second)
    assert not first.equals(other)


def test_the_global_generator_is_left_as_found():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    ModalityDropout().fit_transform(numeric_table(20)[0])
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_pipeline_hides_in_training_only():
    class Watching(DummyClassifier):
        def fit(self, X, y):
            self.missing_ = X.isna().mean(axis=None)
            return super().fit(X, y)

        def predict(self, X):
            assert X.notna().all(axis=None)
            return super().predict(X)

    X, y = numeric_table(60)
    model = make_pipeline(ModalityDropout(p=0.5, random_state=0), Watching()).fit(X, y)
    assert model[-1].missing_ > 0.2
    assert len(model.predict(X)) == 60


def test_modalities_that_are_not_there_are_refused():
    X, _ = numeric_table(10)
    with pytest.raises(InputError, match=r"Got 'pet'\. Choose from \['mri', 'csf', 'gene'\]"):
        ModalityDropout(modalities=["pet"]).fit(X)


def test_a_probability_beyond_one_is_refused():
    with pytest.raises(ValueError, match="'p' parameter of ModalityDropout must be"):
        ModalityDropout(p=1.5).fit(numeric_table(10)[0])
