import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from adestim.encoding.tables import read_training_table
from adestim.training.phase_one import members
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.logistic import fit_phase_one, inner_folds
from adestim.training.phase_one.members import nest_folds
from adestim.training.phase_one.ridge import fit_ridge_phase_one, number_folds
from adestim.training.phase_one.shares import Mixture
from tests.coin import Coin
from tests.fusion_tables import numeric_table, tables_of, with_missing

FOUR = {"joint", "discriminant", "forest", "late"}


FEW_TREES = Grower(20, 0)


def fit(grower=FEW_TREES, n_subjects=120, **options):
    X, y = numeric_table(n_subjects)
    subjects = read_training_table(with_missing(X))
    codes = (y == "AD").astype(int)
    folds = inner_folds(codes, np.arange(n_subjects), 0)
    weight = np.ones(n_subjects)
    fitted, unseen = fit_phase_one(subjects.tables, codes, weight, folds, 2, grower, **options)
    return fitted, unseen, fitted.scores(subjects.pool_tokens()), subjects.present, codes, folds


@pytest.fixture(scope="module")
def whole():
    return fit()


def test_all_members_have_shares_that_sum_to_one(whole):
    fitted, *_ = whole
    assert set(fitted.shares) <= FOUR
    assert sum(fitted.shares.values()) == pytest.approx(1)


def test_only_members_that_are_named_join():
    fitted, unseen, *_ = fit(members=("joint", "late"))
    assert "joint" in fitted.shares
    assert set(fitted.shares) <= {"joint", "late"}
    assert set(unseen.judges) == {"late"}


def test_a_grower_without_trees_grows_no_forest():
    assert "forest" not in fit(Grower(0, 0))[1].judges


def test_every_member_judges_whatever_is_shown(whole):
    fitted, unseen, scores, present, *_ = whole
    shown = present & np.array([True, False, True])
    for known in (unseen, scores):
        odds = fitted.member_odds(known, shown)
        assert set(odds) == set(fitted.shares)
        assert all(own.shape == (120, 1) and np.isfinite(own).all() for own in odds.values())


@pytest.fixture(scope="module")
def even():
    """Phase 1 of four members that count alike."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "choose_shares", lambda odds, _: Mixture(np.full(len(odds), 0.25)))
        return fit()


def test_stacked_odds_are_the_mean_of_members_that_count_alike(even):
    fitted, _, scores, present, *_ = even
    odds = fitted.member_odds(scores, present)
    assert set(odds) == FOUR
    np.testing.assert_allclose(fitted.mix(scores, present), np.mean([*odds.values()], axis=0))


def test_some_members_may_be_kept(even):
    fitted, _, scores, present, *_ = even
    kept = fitted.keep(["joint", "forest"])
    assert kept.combiners == {}
    assert kept.shares == {"joint": 0.5, "forest": 0.5}
    before, after = (each.member_odds(scores, present) for each in (fitted, kept))
    np.testing.assert_array_equal(after["forest"], before["forest"])
    assert not fitted.keep([]).mix(scores, present).any()


def test_members_that_are_not_kept_are_let_go(even):
    fitted, *_ = even
    kept = fitted.keep(["joint"])
    assert kept.forest is None
    assert not kept.readers


# Members of the user


def test_a_member_that_draws_lots_has_no_share_and_is_not_run():
    fitted, unseen, scores, present, *_ = fit(None, 300, others=[("coin", Coin())])
    assert "coin" in unseen.judges
    assert "coin" not in fitted.shares
    assert "coin" not in fitted.readers
    calls = Coin.calls
    fitted.logits(scores, present, "stacked")
    assert Coin.calls == calls


def test_a_member_that_remembers_has_no_more_share_than_what_it_knows_of_others():
    rng = np.random.default_rng(0)
    X, y = numeric_table(120)
    X["gene__noise"] = rng.normal(scale=1000, size=120)
    codes = (y == "AD").astype(int)
    tables, folds = tables_of(X), inner_folds(codes, np.arange(120), 0)
    fitted, unseen = fit_phase_one(
        tables, codes, np.ones(120), folds, 2, others=[("nearest", KNeighborsClassifier(1))]
    )
    assert "nearest" not in fitted.shares
    said = unseen.judges["nearest"](unseen, np.ones((120, 3), dtype=bool))[:, 0] > 0
    assert (said == codes).mean() < 0.9


def test_a_member_that_knows_more_has_the_larger_share():
    X, y = numeric_table(120)
    tables, codes = tables_of(X), (y == "AD").astype(int)
    folds = inner_folds(codes, np.arange(120), 0)
    shares = fit_phase_one(
        tables, codes, np.ones(120), folds, 2,
        members=(), others=[("good", LogisticRegression()), ("coin", Coin())],
    )[0].shares  # fmt: skip
    assert shares["good"] > 0.9


# Subjects that members have not seen


@pytest.mark.parametrize("name", ["discriminant", "late", "forest"])
def test_training_odds_come_from_members_that_did_not_see_the_label(name, monkeypatch):
    monkeypatch.setattr("adestim.training.phase_one.logistic.PENALTIES", np.array([0.5]))
    X, y = numeric_table(60)
    tables, codes = tables_of(X), (y == "AD").astype(int)
    folds = inner_folds(codes, np.arange(60), 0, 3)
    tested, shown = folds[0][1], np.ones((60, 3), dtype=bool)
    flipped = codes.copy()
    flipped[tested] = 1 - flipped[tested]
    # Heads of other folds have seen the labels, so scores are held fast.
    unseen = [
        fit_phase_one(tables, own, np.ones(60), folds, 2, Grower(9, 0))[1]
        for own in (codes, flipped)
    ]
    same = [each._replace(values=unseen[0].values) for each in unseen]
    before, after = (each.judges[name](each, shown) for each in same)
    if name == "forest":
        np.testing.assert_array_equal(before[tested], after[tested])
    assert not np.allclose(before, after)


def test_nested_folds_lie_within_the_training_part():
    codes = np.arange(40) % 2
    folds = inner_folds(codes, np.arange(40), 0)
    train = folds[2][0]
    inner = nest_folds(folds, 2)
    assert len(inner) == 4
    for own, test in inner:
        assert not set(own) & set(test)
        assert len(own) + len(test) == len(train)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([train[test] for _, test in inner])), train
    )


def test_of_two_folds_nothing_is_nested():
    assert nest_folds(inner_folds(np.arange(8) % 2, np.arange(8), 0, 2), 0) == []


# Numbers


def test_numbers_have_the_same_members():
    X, _ = numeric_table(120)
    target = X["mri__a"].to_numpy() + np.random.default_rng(0).normal(scale=0.5, size=120)
    subjects = read_training_table(with_missing(X))
    folds = number_folds(target, np.arange(120), 0)
    fitted, unseen = fit_ridge_phase_one(
        subjects.tables, target, np.ones(120), folds, Grower(20, 0), others=[("own", Ridge())]
    )
    assert set(unseen.judges) == {"conditional", "forest", "late", "own"}
    assert sum(fitted.shares.values()) == pytest.approx(1)
    scores = fitted.scores(subjects.pool_tokens())
    found = fitted.logits(scores, subjects.present, "stacked")[:, 0]
    assert np.corrcoef(found, target)[0, 1] > 0.7
