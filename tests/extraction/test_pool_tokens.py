"""PoolTokens: from encodings to numbers for any scikit-learn model."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from adestim import PoolTokens
from adestim.encoding import BackboneSpec, Encoding
from adestim.exceptions import InputError, NoModalityError

REGIONS = BackboneSpec(
    "morphometry", options=(("token_names", ("left", "right")), ("feature_names", ("gm", "wm")))
)
WORDS = BackboneSpec("words")


def encoding(tokens, backbone, mask=None):
    tokens = np.array(tokens, dtype=np.float32)
    return Encoding(tokens, tokens, None if mask is None else np.array(mask), backbone)


@pytest.fixture
def frame():
    """Two modalities: regions with fixed places, words without."""
    return pd.DataFrame(
        {
            "smri": [
                encoding([[1, 2], [3, 4]], REGIONS),
                encoding([[5, 6], [7, 8]], REGIONS, mask=[True, False]),
                None,
            ],
            "note": [
                encoding([[1, 1, 1], [3, 5, 7]], WORDS),
                None,
                encoding([[9, 8, 7]], WORDS),
            ],
        },
        index=["s1", "s2", "s3"],
    )


# What comes out


def test_tokens_with_and_without_places_are_pooled(frame):
    pooled = PoolTokens().fit_transform(frame)
    expected = pd.DataFrame(
        [
            [1, 2, 3, 4, 2, 3, 4],
            [5, 6, np.nan, np.nan, np.nan, np.nan, np.nan],
            [np.nan, np.nan, np.nan, np.nan, 9, 8, 7],
        ],
        index=["s1", "s2", "s3"],
        columns=[
            "smri__left__gm", "smri__left__wm", "smri__right__gm", "smri__right__wm",
            "note__d0", "note__d1", "note__d2",
        ],
        dtype=np.float32,
    )  # fmt: skip
    pd.testing.assert_frame_equal(pooled, expected)


def test_mean_forgets_the_places(frame):
    pooled = PoolTokens(pool="mean").fit_transform(frame[["smri"]])
    assert list(pooled.columns) == ["smri__gm", "smri__wm"]
    np.testing.assert_array_equal(pooled, [[2, 3], [5, 6], [np.nan, np.nan]])


def test_names_are_those_of_the_columns(frame):
    pool = PoolTokens().fit(frame)
    assert list(pool.get_feature_names_out()) == list(pool.transform(frame).columns)
    assert pool.modalities_ == ["smri", "note"]


def test_numeric_frame_comes_back_as_it_was():
    frame = pd.DataFrame({"csf__tau": [300.0, np.nan], "mri__volume": [2, 3]}, index=["a", "b"])
    pooled = PoolTokens().fit_transform(frame)
    pd.testing.assert_frame_equal(pooled, frame.astype(np.float32))


def test_numeric_array_is_one_anonymous_modality():
    pooled = PoolTokens().fit_transform(np.array([[1.0, np.nan]]))
    assert list(pooled.columns) == ["features__x0", "features__x1"]
    np.testing.assert_array_equal(pooled, [[1, np.nan]])


# New subjects


def test_longer_texts_than_in_fit_are_averaged_too(frame):
    longer = frame.iloc[:1].assign(note=[encoding(np.full((9, 3), 2), WORDS)])
    pooled = PoolTokens().fit(frame).transform(longer)
    np.testing.assert_array_equal(pooled.filter(like="note"), [[2, 2, 2]])


@pytest.mark.parametrize("missing", [None, np.nan])
def test_modality_absent_at_prediction_is_nan(frame, missing):
    pooled = PoolTokens().fit(frame).transform(frame.assign(smri=missing))
    assert pooled.filter(like="smri").isna().all(axis=None)
    assert pooled.shape == (3, 7)


def test_array_of_encodings_is_read_with_the_names_of_fit(frame):
    pool = PoolTokens().fit(frame)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        pooled = pool.transform(frame.to_numpy(dtype=object))
    np.testing.assert_array_equal(pooled, pool.transform(frame))


def test_encodings_of_another_backbone_are_refused(frame):
    pool = PoolTokens().fit(frame)
    with pytest.raises(InputError, match=r"'smri' must come from one backbone.*same fitted"):
        pool.transform(frame.assign(smri=frame["note"]))


def test_text_is_refused_by_the_name_of_its_column():
    with pytest.raises(InputError, match=r"Column 'sex' must hold encodings or numbers.*Encode"):
        PoolTokens().fit(pd.DataFrame({"sex": ["F", "M"]}))


def test_modality_that_nobody_has_is_refused_in_fit(frame):
    with pytest.raises(NoModalityError, match="'smri' is missing for every training subject"):
        PoolTokens().fit(frame.assign(smri=None))


# An estimator like any other


def test_transform_before_fit_is_refused(frame):
    with pytest.raises(NotFittedError):
        PoolTokens().transform(frame)


def test_fitted_pooling_survives_pickling_without_the_data(frame):
    pool = PoolTokens().fit(frame)
    restored = pickle.loads(pickle.dumps(pool))
    pd.testing.assert_frame_equal(restored.transform(frame), pool.transform(frame))
    assert all(len(table.tokens) == 0 for table in restored._like.values())


def test_clone_forgets_what_was_learned(frame):
    copy = clone(PoolTokens(pool="mean").fit(frame))
    assert copy.get_params() == {"pool": "mean"}
    assert not hasattr(copy, "modalities_")


def test_any_model_that_takes_nan_may_follow(frame):
    y = ["CN", "AD", "CN"]
    big = pd.concat([frame] * 8, ignore_index=True)
    model = make_pipeline(PoolTokens(), HistGradientBoostingClassifier(min_samples_leaf=1))
    assert cross_val_score(model, big, y * 8, cv=2).mean() == 1
