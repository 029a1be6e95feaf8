import numpy as np
import pandas as pd
import pytest

from adestim.evaluation import (
    missing_patterns,
    modality_columns,
    pattern_labels,
    score_by_pattern,
    score_predictions,
    score_probabilities,
)
from adestim.exceptions import InputError
from tests.fusion_tables import BLOCKS, encodings_table, numeric_table, with_missing


@pytest.fixture
def judged():
    """Labels, probabilities and who has what, of 120 subjects; without 'csf' it is guesswork."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    present = pd.DataFrame({"mri": True, "csf": np.arange(120) % 3 > 0, "gene": False})
    present.iloc[:4, 2] = True
    present.index = [f"sub-{number:03d}" for number in range(120)]
    p = np.where(present["csf"], 0.3 + 0.4 * y + rng.normal(0, 0.1, 120), rng.random(120))
    return y, np.clip(p, 0.01, 0.99), present


def tidy(y, p, subjects, **columns):
    """Predictions as a comparison keeps them."""
    table = pd.DataFrame({"estimator": "a", "repeat": 0, "fold": 0, "subject": subjects, "y": y})
    return table.assign(**{"p_0": 1 - p, "p_1": p}, **columns)


# Who has what


def test_every_kind_of_table_tells_the_same():
    X = with_missing(numeric_table(30)[0])
    expected = pd.DataFrame({name: X[own].notna().any(axis=1) for name, own in BLOCKS.items()})
    table = encodings_table(X)
    raw = table.map(lambda cell: "file.nii" if cell is not None else "n/a")
    for each in (X, table, raw):
        pd.testing.assert_frame_equal(missing_patterns(each), expected)


def test_an_array_is_one_modality():
    assert missing_patterns(np.array([[1.0], [np.nan]])).to_dict("list") == {
        "features": [True, False]
    }


def test_columns_of_a_raw_table_can_be_put_together():
    raw = pd.DataFrame({"t1w": ["a", None, None], "age": [None, 70, None], "sex": ["F", None, ""]})
    present = missing_patterns(raw, {"smri": "t1w", "clinical": ["age", "sex"]})
    assert present.to_dict("list") == {
        "smri": [True, False, False],
        "clinical": [True, True, False],
    }


def test_columns_that_are_not_there_are_refused():
    with pytest.raises(InputError, match=r"must be in the table\. Got 'pet'"):
        missing_patterns(pd.DataFrame({"t1w": ["a"]}), {"pet": ["pet"]})


def test_a_table_without_a_value_is_known_by_its_names():
    empty = pd.DataFrame({"mri": [None, None], "csf": [None, None]}, dtype=object)
    assert not missing_patterns(empty).any(axis=None)
    assert modality_columns(empty) == {"mri": [0], "csf": [1]}


def test_patterns_are_named_by_what_is_there():
    present = pd.DataFrame({"mri": [True, True, False], "csf": [True, False, False]})
    assert pattern_labels(present).tolist() == ["mri+csf", "mri", "none"]


# Scores


def test_every_pattern_is_scored_by_itself(judged):
    y, p, present = judged
    table = score_by_pattern((y, np.c_[1 - p, p], [0, 1]), present, n_resamples=0)
    assert table["pattern"].tolist() == ["all", "mri+csf", "mri", "other"]
    assert table["n"].tolist() == [120, 78, 38, 4]
    rows = pattern_labels(present).to_numpy() == "mri"
    expected = score_probabilities(y[rows], np.c_[1 - p, p][rows], [0, 1], scores=["roc_auc"])
    assert table["roc_auc"][2] == pytest.approx(expected["roc_auc"])
    assert table["roc_auc"][1] > 0.9 > table["roc_auc"][2]


def test_intervals_hold_the_score(judged):
    y, p, present = judged
    table = score_by_pattern(
        (y, np.c_[1 - p, p], [0, 1]), present, scores=["roc_auc"], n_resamples=200
    )
    assert (table["roc_auc_low"] <= table["roc_auc"]).all()
    assert (table["roc_auc"] <= table["roc_auc_high"]).all()
    widths = table["roc_auc_high"] - table["roc_auc_low"]
    assert widths[2] > widths[1]


def test_a_tidy_table_in_any_order_tells_the_same(judged):
    y, p, present = judged
    arrays = score_by_pattern((y, np.c_[1 - p, p], [0, 1]), present, n_resamples=0)
    shuffled = tidy(y, p, present.index).sample(frac=1, random_state=0)
    frame = score_by_pattern(shuffled, present, n_resamples=0)
    assert (frame["estimator"] == "a").all()
    pd.testing.assert_frame_equal(frame.drop(columns="estimator"), arrays)


def test_scores_are_averaged_over_repeats(judged):
    y, p, present = judged
    first, second = tidy(y, p, present.index), tidy(y, 1 - p, present.index, repeat=1)
    table = score_by_pattern(pd.concat([first, second]), present, scores=["roc_auc"], n_resamples=0)
    np.testing.assert_allclose(table["roc_auc"], 0.5)


def test_estimators_are_scored_one_by_one(judged):
    y, p, present = judged
    both = pd.concat([tidy(y, p, present.index), tidy(y, 1 - p, present.index, estimator="b")])
    table = score_by_pattern(both, present, scores=["roc_auc"], n_resamples=0)
    a, b = (table.loc[table["estimator"] == name, "roc_auc"].to_numpy() for name in "ab")
    np.testing.assert_allclose(a, 1 - b)


def test_thresholds_of_the_folds_are_kept(judged):
    y, p, present = judged
    low = tidy(y, p, present.index, threshold=0.0)
    table = score_by_pattern(low, present, scores=["sensitivity", "specificity"], n_resamples=0)
    assert (table["sensitivity"] == 1).all()
    assert (table["specificity"] == 0).all()


def test_rows_of_one_subject_are_told_apart_by_their_order():
    present = pd.DataFrame({"mri": True, "csf": [True, False] * 20}, index=np.repeat(range(20), 2))
    y = np.repeat(np.arange(20) % 2, 2)
    p = np.where(present["csf"], y * 0.8 + 0.1, 0.5)
    table = score_by_pattern(
        tidy(y, p, present.index), present, scores=["roc_auc"], n_resamples=0
    ).set_index("pattern")
    assert table["roc_auc"].to_dict() == {"all": 0.875, "mri": 0.5, "mri+csf": 1.0}


def test_groups_are_resampled_whole(judged):
    y, p, present = judged
    proba, pairs = np.c_[1 - p, p], np.arange(120) // 20
    kwargs = {"scores": ["brier"], "n_resamples": 100}
    alone = score_by_pattern((y, proba, [0, 1]), present, **kwargs)
    grouped = score_by_pattern((y, proba, [0, 1]), present, groups=pairs, **kwargs)
    assert grouped["brier_low"][0] != alone["brier_low"][0]


def test_a_pattern_with_one_class_has_no_auc(judged):
    y, p, present = judged
    y = np.where(present["csf"], y, 1)
    table = score_by_pattern((y, np.c_[1 - p, p], [0, 1]), present, n_resamples=20)
    assert table.loc[2, ["roc_auc", "roc_auc_low", "roc_auc_high"]].isna().all()
    assert np.isfinite(table.loc[2, "brier"])


def test_numbers_are_scored_too(judged):
    _, p, present = judged
    y = p + np.random.default_rng(0).normal(0, 0.1, 120)
    frame = tidy(y, p, present.index).drop(columns=["p_0", "p_1"]).assign(prediction=p)
    table = score_by_pattern(frame, present, n_resamples=0)
    assert table["r2"][0] == pytest.approx(score_predictions(y, p)["r2"])


def test_who_was_not_tested_is_not_counted(judged):
    y, p, present = judged
    table = score_by_pattern(tidy(y, p, present.index)[60:], present, n_resamples=0)
    assert table["n"][0] == 60


def test_a_subject_unknown_to_the_patterns_is_refused(judged):
    y, p, present = judged
    with pytest.raises(InputError, match=r"must be in 'present'\. Got 'sub-119'"):
        score_by_pattern(tidy(y, p, present.index), present[:-1])


def test_arrays_of_another_length_are_refused(judged):
    y, p, present = judged
    with pytest.raises(InputError, match=r"Got 119 and 120 rows"):
        score_by_pattern((y[1:], np.c_[1 - p, p][1:], [0, 1]), present)
