"""One mixture of members of phase 1 and of anchored nets."""

import numpy as np
import pytest

from adestim.training.mixture import (
    ANCHORED_PRIOR,
    Doubt,
    MemberMixture,
    Said,
    measure_trust,
    name_anchored,
)
from adestim.training.phase_one.shares import class_loss, number_loss

MRI, CSF = name_anchored("mri"), name_anchored("csf")


def told(strength=2.0, n=200, seed=0):
    """Classes, and odds that tell them as strongly as asked, noise of variance 1 on."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    return y, (strength * (2 * y - 1) + rng.normal(size=n))[:, None]


def coin(n=200, seed=1):
    """Odds that are sure by lot."""
    return 6 * np.sign(np.random.default_rng(seed).normal(size=n))[:, None]


def learn(mixture, odds, y, judged=None, calibrated=False):
    said = Said(odds, judged or {})
    return mixture.learn(said, class_loss(y, np.ones(len(y))), calibrated)


# Before any evidence


def test_members_of_a_kind_count_alike_before_any_evidence():
    shares = MemberMixture.start(["joint", "late"], [MRI, CSF]).shares
    assert shares[MRI] == shares[CSF] == pytest.approx(ANCHORED_PRIOR / 2)
    assert shares["joint"] == shares["late"] == pytest.approx((1 - ANCHORED_PRIOR) / 2)


@pytest.mark.parametrize(("members", "anchored"), [(["joint"], []), ([], [MRI]), ([], [MRI, CSF])])
def test_a_kind_that_is_alone_has_all(members, anchored):
    shares = MemberMixture.start(members, anchored).shares
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares) == members + anchored


# What is learned


def test_shares_stay_shares():
    y, good = told()
    mixture = MemberMixture.start(["joint", "late"], [MRI])
    shares = learn(mixture, {"joint": good, "late": coin(), MRI: 0.5 * good}, y).shares
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) >= 0


def test_who_tosses_coins_has_no_share():
    y, good = told()
    mixture = MemberMixture.start(["joint", "coin"], [])
    assert learn(mixture, {"joint": good, "coin": coin()}, y).shares == {"joint": 1, "coin": 0}


def test_who_knows_most_has_the_most():
    y, weak = told(strength=0.3)
    perfect = 8.0 * (2 * y - 1)[:, None]
    shares = learn(
        MemberMixture.start(["weak", "perfect"], []), {"weak": weak, "perfect": perfect}, y
    )
    assert shares.shares["perfect"] > 0.9


def test_little_evidence_leaves_shares_near_the_prior():
    y, good = told(n=4)
    start = MemberMixture.start(["one", "other"], [MRI])
    odds = {"one": good, "other": 1.1 * good, MRI: 0.9 * good}
    found = learn(start, odds, y).shares
    assert all(abs(found[name] - share) < 0.15 for name, share in start.shares.items())


def test_shares_do_not_depend_on_the_order_of_subjects():
    y, good = told()
    start, rows = MemberMixture.start(["joint"], [MRI]), np.arange(200)[::-1]
    odds = {"joint": good, MRI: told(1.0, seed=2)[1]}
    there = learn(start, odds, y).shares
    back = learn(start, {name: own[rows] for name, own in odds.items()}, y[rows]).shares
    assert back == pytest.approx(there, abs=1e-4)


def test_sharpness_is_learned_only_where_it_is_asked_for():
    y, _ = told()
    timid = {"joint": 0.2 * (2 * y - 1)[:, None].astype(float)}
    start = MemberMixture.start(["joint"], [])
    assert learn(start, timid, y).sharpness == 1
    assert learn(start, timid, y, calibrated=True).sharpness > 1.5


def test_numbers_have_shares_too():
    rng = np.random.default_rng(0)
    y = rng.normal(size=100)
    odds = {"good": (y + 0.1 * rng.normal(size=100))[:, None], "bad": rng.normal(size=(100, 1))}
    start = MemberMixture.start(["good", "bad"], [])
    found = start.learn(Said(odds, {}), number_loss(y, np.ones(100), 0.5), False).shares
    assert found["good"] > 0.9


# What is said


def test_a_mixture_is_the_sum_of_odds_by_shares():
    mixture = MemberMixture({"joint": 0.75, MRI: 0.25}, frozenset([MRI]), sharpness=2.0)
    odds = {"joint": np.array([[1.0], [2.0]]), MRI: np.array([[5.0], [-2.0]])}
    np.testing.assert_allclose(mixture.combine(Said(odds, {})), [[4.0], [2.0]])


def test_an_anchor_that_a_subject_lacks_leaves_its_share_to_the_other_anchors():
    mixture = MemberMixture({"joint": 0.4, MRI: 0.4, CSF: 0.2}, frozenset([MRI, CSF]))
    odds = {
        name: np.full((3, 1), value) for name, value in (("joint", 1.0), (MRI, 2.0), (CSF, 3.0))
    }
    judged = {MRI: np.array([True, False, False]), CSF: np.array([True, True, False])}
    expected = [[0.4 + 0.8 + 0.6], [0.4 + 0.6 * 3], [0.4 + 0.8 + 0.6]]
    np.testing.assert_allclose(mixture.combine(Said(odds, judged)), expected)


def test_members_without_a_share_are_let_go_and_not_heard():
    mixture = MemberMixture({"joint": 1.0, "late": 0.0}, frozenset()).drop_unused()
    assert mixture.shares == {"joint": 1.0}
    odds = {"joint": np.ones((2, 1))}
    np.testing.assert_array_equal(mixture.combine(Said(odds, {})), odds["joint"])


def test_some_of_the_subjects_may_be_taken():
    said = Said({"joint": np.arange(4.0)[:, None]}, {MRI: np.array([True, False, True, False])})
    some = said.take(np.array([1, 2]))
    assert some.odds["joint"].ravel().tolist() == [1, 2]
    assert some.judged[MRI].tolist() == [False, True]


# Doubt


def learn_in_doubt(odds, y, groups=None, calibrated=False):
    groups = np.arange(len(y)) if groups is None else groups
    mixture = MemberMixture.start(["joint"], [MRI])
    loss = class_loss(y, np.ones(len(y)))
    return mixture.learn(Said(odds, {}), loss, calibrated, Doubt([MRI], groups))


def test_a_correction_that_gains_clearly_keeps_nearly_all_of_its_share():
    y, weak = told(0.3)
    odds = {"joint": weak, MRI: weak + 3.0 * (2 * y - 1)[:, None]}
    trusted = learn(MemberMixture.start(["joint"], [MRI]), odds, y).shares[MRI]
    assert 0.9 * trusted < learn_in_doubt(odds, y).shares[MRI] <= trusted


@pytest.mark.parametrize("seed", range(5))
def test_a_correction_that_may_be_luck_has_less(seed):
    y, good = told()
    noise = np.random.default_rng(seed).normal(scale=0.2, size=good.shape)
    odds = {"joint": good, MRI: good + noise}
    trusted = learn(MemberMixture.start(["joint"], [MRI]), odds, y)
    found = learn_in_doubt(odds, y)
    assert found.shares[MRI] <= 0.5 * trusted.shares[MRI]
    assert sum(found.shares.values()) == pytest.approx(1)


def test_what_is_not_certain_at_all_leaves_the_mixture_of_the_others():
    y, good = told(3.0)
    odds = {"joint": 0.4 * good, MRI: 0.4 * good}
    found = learn_in_doubt(odds, y, calibrated=True)
    alone = learn(MemberMixture.start(["joint"], []), odds, y, calibrated=True)
    assert found.shares == {"joint": 1, MRI: 0}
    assert found.sharpness == pytest.approx(alone.sharpness)


def test_subjects_of_a_group_are_one_piece_of_evidence():
    rng = np.random.default_rng(0)
    gains = np.repeat(0.3 + rng.normal(size=40), 5)
    apart, together = (
        measure_trust(gains, np.arange(200)),
        measure_trust(gains, np.arange(200) // 5),
    )
    assert 0 < together < apart < 1


@pytest.mark.parametrize(
    ("gains", "trust"), [([0, 0], 0), ([-1, -1], 0), ([1, 1], 1), ([1, -1], 0)]
)
def test_trust_is_between_none_and_all(gains, trust):
    assert measure_trust(np.array(gains, dtype=float), np.arange(2)) == trust


def test_numbers_are_doubted_too():
    y, rng = np.linspace(-2, 2, 100), np.random.default_rng(0)
    said = {
        "joint": (y + rng.normal(size=100))[:, None],
        MRI: (y + 0.1 * rng.normal(size=100))[:, None],
    }
    start = MemberMixture.start(["joint"], [MRI])
    for own, least in ((said, 0.6), (said | {MRI: said["joint"]}, -1)):
        loss = number_loss(y, np.ones(100), 1.0)
        found = start.learn(Said(own, {}), loss, False, Doubt([MRI], np.arange(100))).shares[MRI]
        assert (found > least) if least > 0 else found == 0
