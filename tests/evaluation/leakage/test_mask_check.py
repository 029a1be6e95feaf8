import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from adestim.evaluation import MaskCheck, PermutationTest, shuffled_mask_check
from adestim.evaluation.leakage.mask_check import exchange_patterns
from adestim.exceptions import InputError, LeakageError

SMALL = {"cv": 2, "n_permutations": 19, "n_label_permutations": 19}


def cohort(telling, n_subjects=160, seed=0):
    """Weak signal in two modalities, of which 'csf' is missing by class, or by chance alone."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_subjects) % 2
    X = pd.DataFrame(rng.normal(size=(n_subjects, 2)), columns=["mri__a", "csf__tau"])
    X["mri__a"] += 0.5 * y
    X.loc[rng.random(n_subjects) < (0.1 + 0.8 * y if telling else 0.5), "csf__tau"] = np.nan
    return X, y


def listening():
    """A model that reads the pattern."""
    return make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression())


def deaf():
    """A model that does not."""
    return make_pipeline(SimpleImputer(), LogisticRegression())


def check(model, X, y, **params):
    return shuffled_mask_check(model, X, y, **(SMALL | params))


def test_a_model_that_reads_a_telling_pattern_is_found_out():
    result = check(listening(), *cohort(telling=True))
    assert result.label.p == 0.05
    assert result.label.score > 0.85
    assert result.p == 0.05
    assert result.gain > 0.1
    assert "tells the label" in result.verdict
    assert "makes use of it" in result.verdict


def test_a_model_that_does_not_read_it_is_not_accused():
    result = check(deaf(), *cohort(telling=True))
    assert result.label.p == 0.05
    assert abs(result.gain) < 0.03
    assert "is not seen to make use of it" in result.verdict


def test_a_pattern_by_chance_tells_nothing():
    result = check(listening(), *cohort(telling=False))
    assert result.label.p > 0.05
    assert abs(result.gain) < 0.05
    assert "does not tell the label" in result.verdict


def test_the_pattern_may_tell_the_cohort():
    X, y = cohort(telling=True)
    sites = np.where(X["csf__tau"].isna(), "here", "there")
    result = check(deaf(), X, y, cohort=sites, n_permutations=1)
    assert result.cohort.score == 1
    assert "tells the cohort (AUC 1.00, p = 0.05)" in result.verdict


def test_a_verdict_without_cohorts_says_nothing_of_them():
    test = PermutationTest(0.5, np.array([0.4, 0.6]))
    assert "cohort" not in MaskCheck(test, None, 0.5, np.ones(2), np.ones(2)).verdict


def test_three_classes_are_checked_too():
    X, _ = cohort(telling=False, n_subjects=90)
    result = check(deaf(), X, np.arange(90) % 3, n_permutations=1)
    assert 0.3 < result.score < 0.7


def test_an_exchange_only_hides_and_leaves_everybody_something():
    rng = np.random.default_rng(0)
    present = rng.random((300, 3)) < 0.4
    hidden = exchange_patterns(present, None, seed=1)
    assert not (hidden & ~present).any()
    np.testing.assert_array_equal((present & ~hidden).any(axis=1), present.any(axis=1))


def test_an_exchange_within_classes_keeps_a_pattern_of_a_class():
    y = np.arange(40) % 2
    present = np.c_[np.ones(40, bool), y == 1]
    assert not exchange_patterns(present, y, seed=0).any()
    assert exchange_patterns(present, None, seed=0).any()


def test_a_seed_gives_the_same_check():
    X, y = cohort(telling=True, n_subjects=60)
    first, second = (check(deaf(), X, y, n_permutations=2, random_state=4) for _ in "ab")
    np.testing.assert_array_equal(first.across, second.across)
    np.testing.assert_array_equal(first.label.permuted, second.label.permuted)


def test_groups_are_needed_where_a_subject_has_several_rows():
    X, y = cohort(telling=True)
    with pytest.raises(LeakageError, match=r"groups=X\.index"):
        check(deaf(), X.set_axis(np.arange(160) // 2), y)


def test_groups_are_kept_whole():
    X, y = cohort(telling=True)
    result = check(deaf(), X, y, groups=np.arange(160) // 2, n_permutations=1)
    assert result.label.score > 0.8


def test_a_complete_table_is_refused():
    X, y = cohort(telling=False)
    with pytest.raises(InputError, match="the same modalities for every subject"):
        check(deaf(), X.fillna(0), y)


def test_one_cohort_is_refused():
    X, y = cohort(telling=False)
    with pytest.raises(InputError, match="two labels, or cohorts, at least"):
        check(deaf(), X, y, cohort=["here"] * 160, n_permutations=1)
