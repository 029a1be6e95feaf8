"""The prediction of an anchored fusion: one mixture of members and of anchors' nets."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.base import clone
from sklearn.metrics import log_loss

from adestim import AnchoredFusionClassifier, AnchoredFusionRegressor
from adestim.encoding.tables import read_later_table
from adestim.exceptions import DataWarning
from adestim.training import task as tasks
from adestim.training.mixture import ANCHORED_PRIOR
from tests.fusion_tables import BLOCKS, numeric_table, quick, with_missing
from tests.kept_nets import fit_even, fit_kept, paper

SMALL = {"width": 8, "n_queries": 2, "n_trees": 0, "random_state": 0}


def curved(n_subjects=240, seed=0):
    """A table whose class no linear member tells, but a net of 'mri' does."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n_subjects, 2)), columns=["mri__a", "csf__a"])
    return X, np.where(np.cos(2 * X["mri__a"]) > 0, "AD", "CN")


@pytest.fixture(scope="module")
def incomplete():
    X, y = numeric_table(60)
    return with_missing(X), y


@pytest.fixture(scope="module")
def mixed():
    """A mixture of the late fusion and of two anchors' nets, and its table with gaps."""
    X, _ = curved()
    y = np.where(np.cos(2 * X["mri__a"]) + np.cos(2 * X["csf__a"]) > 0, "AD", "CN")
    X.loc[::6, "mri__a"] = np.nan
    X.loc[1::6, "csf__a"] = np.nan
    params = {"anchor": ["mri", "csf"], "members": ["late"], "max_epochs": 4, "n_folds": 3}
    return fit_even(quick(**params, learning_rate=0.03), X, y), X, y


def odds_of(probability):
    """Log-odds of every class against class 0."""
    logs = np.log(probability)
    return logs[:, 1:] - logs[:, :1]


def odds_of_members(model, X):
    """What members of phase 1 say, by name."""
    subjects = read_later_table(X, model.inputs_.likes)
    scores = model.phase_one_.scores(subjects.pool_tokens())
    return model.phase_one_.member_odds(scores, subjects.present)


# Shares


def test_shares_are_of_members_and_anchors_and_sum_to_one(mixed):
    model, *_ = mixed
    assert sum(model.shares_.values()) == pytest.approx(1)
    assert all(share > 0 for share in model.shares_.values())
    assert set(model.shares_) == {"late", "anchored mri", "anchored csf"}


def test_interaction_is_the_anchored_part(mixed):
    model, *_ = mixed
    assert list(model.interaction_) == ["mri", "csf"]
    anchored = sum(share for name, share in model.shares_.items() if name.startswith("anchored"))
    assert sum(model.interaction_.values()) == pytest.approx(anchored)
    assert anchored == pytest.approx(1 - model.shares_["late"])


def test_history_tells_every_anchors_share(mixed):
    model, *_ = mixed
    assert all(row["interaction"] == model.interaction_[row["anchor"]] for row in model.history_)


def test_members_alone_leave_no_interaction(incomplete):
    model = quick(anchor="all", max_epochs=0).fit(*incomplete)
    assert model.interaction_ == dict.fromkeys(BLOCKS, 0.0)
    assert model.nets_ == {}


def test_nets_are_those_with_a_share(mixed):
    model, *_ = mixed
    assert set(model.nets_) == {name for name, share in model.interaction_.items() if share > 0}


# Predictions


def test_probabilities_are_the_members_odds_weighed_by_their_shares(mixed):
    model, X, _ = mixed
    complete = X.notna().all(axis=1).to_numpy()
    odds = odds_of_members(model, X) | {
        f"anchored {name}": odds_of(own) for name, own in model.predict_proba_by_anchor(X).items()
    }
    expected = sum(share * odds[name] for name, share in model.shares_.items())
    found = odds_of(model.predict_proba(X))
    np.testing.assert_allclose(found[complete], expected[complete], rtol=1e-4, atol=1e-5)
    assert not np.allclose(found[~complete], expected[~complete])


def test_an_anchor_that_a_subject_lacks_leaves_its_share_to_the_others(mixed):
    model, X, _ = mixed
    by_anchor = model.predict_proba_by_anchor(X)
    expected = model.shares_["late"] * odds_of_members(model, X)["late"]
    for other, lacked in (("csf", "mri"), ("mri", "csf")):
        lacks = X[f"{lacked}__a"].isna().to_numpy()
        own = expected + sum(model.interaction_.values()) * odds_of(by_anchor[other])
        np.testing.assert_allclose(
            odds_of(model.predict_proba(X))[lacks], own[lacks], rtol=1e-4, atol=1e-5
        )


def test_who_lacks_all_anchors_is_judged_by_all_of_them(incomplete):
    X, y = incomplete
    model = fit_even(quick(anchor=["mri", "csf"], members=(), learning_rate=0.02), X, y)
    alone = numeric_table(10)[0]
    alone[BLOCKS["mri"] + BLOCKS["csf"]] = np.nan
    by_anchor = model.predict_proba_by_anchor(alone)
    expected = sum(share * odds_of(by_anchor[name]) for name, share in model.interaction_.items())
    np.testing.assert_allclose(odds_of(model.predict_proba(alone)), expected, rtol=1e-4)


def test_three_classes_are_mixed_too():
    X, y = numeric_table(90, n_classes=3)
    model = quick(anchor=["mri", "csf"], learning_rate=0.02)
    fit_kept(model, with_missing(X), y)
    probability = model.predict_proba(with_missing(X))
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert log_loss(y, probability) < np.log(3) - 0.2
    assert sum(model.shares_.values()) == pytest.approx(1)


def test_a_mixture_is_no_worse_than_its_members_on_average_on_new_subjects():
    X, y = numeric_table(400)
    X = with_missing(X)
    train, test = slice(200), slice(200, None)
    model = quick(max_epochs=0, n_trees=50).fit(X[train], y[train])
    read = read_later_table(X[test], model.inputs_.likes)
    scores = model.phase_one_.scores(read.pool_tokens())
    odds = model.phase_one_.member_odds(scores, read.present)
    losses = {name: log_loss(y[test], 1 / (1 + np.exp(own[:, 0]))) for name, own in odds.items()}
    # Mean odds never lose more than their members do on average.
    average = sum(share * losses[name] for name, share in model.shares_.items())
    assert log_loss(y[test], model.predict_proba(X[test])) <= average + 1e-9


def test_nets_add_what_no_member_of_phase_one_tells():
    X, y = curved(600)
    train, test = slice(300), slice(300, None)
    long = {"depth": 2, "max_epochs": 15, "batch_size": 16, "learning_rate": 0.02}
    model = quick(**long).fit(X[train], y[train])
    members = quick(max_epochs=0).fit(X[train], y[train])
    assert model.interaction_["mri"] > ANCHORED_PRIOR
    losses = [log_loss(y[test], each.predict_proba(X[test])) for each in (model, members)]
    assert losses[0] < losses[1] - 0.05


# Evidence


def test_a_net_that_is_sure_of_what_it_learned_from_noise_has_no_share():
    X, _ = numeric_table(60)
    noise = np.random.default_rng(0).permutation(np.arange(60) % 2)
    model = fit_kept(quick(max_epochs=1, learning_rate=1.0, batch_size=4), X, noise)
    assert model.history_[0]["valid_loss"] > np.log(2) + 0.2
    assert model.interaction_ == {"mri": 0.0}
    assert model.nets_ == {}


def test_evidence_is_of_groups_that_a_net_has_not_seen(monkeypatch):
    X, y = numeric_table(60)
    groups, used = np.arange(60) // 4, []
    split = tasks.Classification.folds

    def capture(targets, groups, *args):
        folds = split(targets, groups, *args)
        used.extend((groups[train], groups[test]) for train, test in folds)
        return folds

    monkeypatch.setattr(tasks.Classification, "folds", staticmethod(capture))
    [team] = collect(paper(max_epochs=1), X, y, groups)
    assert len(used) == len(team.lanes) == 5
    for train, test in used:
        assert not set(train) & set(test)
    rows = [(lane.train.rows.tolist(), lane.validation.rows.tolist()) for lane in team.lanes]
    assert all(not set(train) & set(test) for train, test in rows)
    assert sorted(row for _, test in rows for row in test) == list(range(60))


def collect(model, X, y, groups=None):
    """The nets of all anchors, trained."""
    teams = []
    for training in model.fit_nets(X, y, groups):
        training.run()
        teams += training.teams
    return teams


def test_subjects_of_weight_zero_change_no_share(incomplete):
    X, y = incomplete
    weight = np.ones(60)
    weight[::7] = 0
    params = {"anchor": "all", "n_trees": 5}
    with_rows = quick(**params).fit(X, y, sample_weight=weight)
    without = quick(**params).fit(X[weight > 0], y[weight > 0])
    assert with_rows.shares_ == without.shares_
    np.testing.assert_array_equal(with_rows.predict_proba(X), without.predict_proba(X))


def test_the_number_of_inner_folds_is_that_asked_for():
    X, y = numeric_table(40)
    assert len(collect(paper(n_folds=3, max_epochs=1), X, y)[0].lanes) == 3


def test_a_class_of_one_group_leaves_members_that_count_alike_with_a_warning():
    X, _ = numeric_table(30)
    y = np.where(np.arange(30) == 3, "rare", "common")
    with pytest.warns(DataWarning, match="members of phase 1 count alike") as caught:
        model = quick(anchor="all").fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert model.shares_ == pytest.approx(dict.fromkeys(model.shares_, 1 / 3))
    assert (model.nets_, model.history_, model.temperature_) == ({}, [], 1)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


# Anchors that are one member


@pytest.mark.parametrize("aggregate", ["mean", "confidence", "validation", "stacked"])
def test_anchors_may_be_one_member_by_a_rule(aggregate, incomplete):
    X, y = incomplete
    model = fit_kept(paper(anchor="all", aggregate=aggregate), X, y)
    assert model.shares_ == {"anchored": 1.0}
    assert model.interaction_ == pytest.approx(dict.fromkeys(BLOCKS, 1 / 3))
    by_anchor = np.stack([*model.predict_proba_by_anchor(X).values()], axis=1)
    present = np.stack([X[names].notna().any(axis=1) for names in BLOCKS.values()], axis=1)
    expected = model.aggregation_.combine(by_anchor, present)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-5)


@pytest.mark.parametrize("aggregate", ["mean", "confidence", "validation", "stacked"])
def test_a_rules_anchors_are_mixed_with_other_members(aggregate):
    X, y = curved()
    params = {"anchor": ["mri", "csf"], "members": ["late"], "max_epochs": 4, "n_folds": 3}
    model = fit_even(quick(**params, learning_rate=0.05, aggregate=aggregate), X, y)
    assert model.shares_ == pytest.approx({"late": 0.6, "anchored": 0.4})
    assert sum(model.interaction_.values()) == pytest.approx(model.shares_["anchored"])


def test_the_papers_configuration_is_one_line(incomplete):
    X, y = incomplete
    model = AnchoredFusionClassifier(members=(), aggregate="mean", n_queries=16)
    fit_kept(model.set_params(max_epochs=1, random_state=0), X, y)
    assert all(start.combination == "anchor" for start in model.inputs_.starts.values())
    has = {name: X[columns].notna().any(axis=1).to_numpy() for name, columns in BLOCKS.items()}
    weight = np.stack([has[name] for name in BLOCKS], axis=1)[:, :, None]
    by_anchor = np.stack([*model.predict_proba_by_anchor(X).values()], axis=1)
    expected = (weight * by_anchor).sum(axis=1) / weight.sum(axis=1)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-5)


# What nets start from


@pytest.mark.parametrize(
    ("members", "start", "expected"),
    [
        ("all", "auto", "stacked"),
        ((), "auto", "anchor"),
        ("all", "anchor", "anchor"),
        (["late"], "stacked", "stacked"),
        ((), "average", "average"),
    ],
)
def test_nets_of_reference_anchors_start_from_members_where_there_are_any(
    members, start, expected, incomplete
):
    model = quick(members=members, start=start, max_epochs=0).fit(*incomplete)
    assert [each.combination for each in model.inputs_.starts.values()] == [expected]


def test_what_an_anchor_without_a_net_says_is_its_start(incomplete):
    X, y = incomplete
    alone = quick(members=(), max_epochs=0).fit(X, y)
    beside = quick(start="anchor", max_epochs=0).fit(X, y)
    np.testing.assert_allclose(
        beside.predict_proba_by_anchor(X)["mri"], alone.predict_proba(X), rtol=1e-6
    )


# Temperature


def test_a_temperature_belongs_to_the_mixture(incomplete):
    X, y = incomplete
    plain, tempered = (
        quick(members="joint", max_epochs=0, calibrate=calibrate).fit(X, y)
        for calibrate in (None, "temperature")
    )
    assert plain.temperature_ == 1 != tempered.temperature_
    logits = np.log(plain.predict_proba(X)) / tempered.temperature_
    np.testing.assert_allclose(tempered.predict_proba(X), softmax(logits, axis=1))


# Copies and seeds


def test_the_same_seed_gives_the_same_bits(mixed):
    model, X, y = mixed
    again = fit_even(clone(model), X, y)
    assert again.shares_ == model.shares_
    assert again.history_ == model.history_
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_mixture_pickles_small_and_predicts_the_same(mixed):
    model, X, _ = mixed
    stored = pickle.dumps(model)
    assert len(stored) < 1_000_000
    restored = pickle.loads(stored)
    assert restored.shares_ == model.shares_
    np.testing.assert_array_equal(restored.predict_proba(X), model.predict_proba(X))


def test_what_has_no_share_is_not_kept(incomplete):
    model = quick(anchor="all", n_trees=20).fit(*incomplete)
    assert set(model.phase_one_.shares) == set(model.shares_)
    kept = {*model.phase_one_.combiners, *model.phase_one_.readers, "joint"}
    assert set(model.shares_) <= kept


# Numbers


@pytest.fixture(scope="module")
def waves():
    """A table with gaps, and numbers that a net of 'mri' tells and no linear member does."""
    X, _ = curved()
    y = 70 + 10 * np.cos(2 * X["mri__a"]).to_numpy() + 3 * X["csf__a"].to_numpy()
    X.loc[::6, "mri__a"] = np.nan
    X.loc[1::6, "csf__a"] = np.nan
    return X, y


@pytest.fixture(scope="module")
def regressor(waves):
    model = AnchoredFusionRegressor(
        anchor=["mri", "csf"], members=["late"], max_epochs=4, n_folds=3, **SMALL
    )
    return fit_even(model, *waves)


def test_numbers_are_the_members_predictions_weighed_by_their_shares(regressor, waves):
    X, _ = waves
    complete = X.notna().all(axis=1).to_numpy()
    said = {
        name: regressor.target_mean_ + regressor.target_scale_ * own[:, 0]
        for name, own in odds_of_members(regressor, X).items()
    } | {f"anchored {name}": own for name, own in regressor.predict_by_anchor(X).items()}
    expected = sum(share * said[name] for name, share in regressor.shares_.items())
    np.testing.assert_allclose(regressor.predict(X)[complete], expected[complete], rtol=1e-5)
    assert sum(regressor.shares_.values()) == pytest.approx(1)
    assert regressor.interaction_ == pytest.approx({"mri": 0.2, "csf": 0.2})


def test_who_lacks_an_anchor_has_numbers_of_the_others(regressor, waves):
    X, _ = waves
    lacks = X["mri__a"].isna().to_numpy()
    late = odds_of_members(regressor, X)["late"][:, 0]
    late = regressor.target_mean_ + regressor.target_scale_ * late
    expected = (
        regressor.shares_["late"] * late
        + sum(regressor.interaction_.values()) * regressor.predict_by_anchor(X)["csf"]
    )
    np.testing.assert_allclose(regressor.predict(X)[lacks], expected[lacks], rtol=1e-5)


def test_copies_of_a_mixture_of_numbers_predict_the_same(regressor, waves):
    X, y = waves
    for other in (fit_even(clone(regressor), X, y), pickle.loads(pickle.dumps(regressor))):
        np.testing.assert_array_equal(other.predict(X), regressor.predict(X))
