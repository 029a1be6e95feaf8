import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.base import clone
from sklearn.metrics import log_loss

from adestim.evaluation import cross_val_fit
from adestim.exceptions import DataWarning
from adestim.training.aggregation import (
    ByConfidence,
    BySkill,
    Mean,
    Stacked,
    Validated,
    weigh_by_log_loss,
)
from tests.fusion_tables import BLOCKS, encodings_table, numeric_table, quick, with_missing

RULES = {
    "mean": Mean(),
    "confidence": ByConfidence(),
    "skill": BySkill(np.array([0.3, 0.0, 0.1])),
    "stacked": Stacked(np.full((6, 2), 0.3), np.zeros(2)),
}


def judged(n=40, n_anchors=3, n_classes=3, seed=0):
    """Probabilities by anchor, and who has which."""
    rng = np.random.default_rng(seed)
    values = softmax(rng.normal(size=(n, n_anchors, n_classes)), axis=2)
    return values, rng.random((n, n_anchors)) < 0.6


@pytest.fixture(scope="module")
def incomplete():
    """Two modalities, of which some subjects lack one."""
    X, y = numeric_table(40)
    X = with_missing(X).drop(columns="gene__a")
    known = X.notna().any(axis=1).to_numpy()
    return X[known], y[known]


def small(**params):
    """Anchors' own heads alone, stacked unless told otherwise."""
    alone = {"anchor": ["mri", "csf"], "members": (), "max_epochs": 0, "aggregate": "stacked"}
    return quick(**(alone | params))


@pytest.fixture(scope="module")
def stacked(incomplete):
    return small().fit(*incomplete)


# Rules


@pytest.mark.parametrize("rule", RULES)
@given(seed=st.integers(0, 2**16))
def test_probabilities_stay_probabilities(rule, seed):
    combined = RULES[rule].combine(*judged(5, seed=seed))
    assert combined.shape == (5, 3)
    assert (combined >= 0).all()
    np.testing.assert_allclose(combined.sum(axis=1), 1)


@pytest.mark.parametrize("rule", RULES)
def test_what_an_absent_anchor_says_does_not_matter(rule):
    values, present = judged()
    present[:, 0] = True
    other = np.where(present[:, :, None], values, values[::-1])
    np.testing.assert_allclose(
        RULES[rule].combine(values, present), RULES[rule].combine(other, present)
    )


@pytest.mark.parametrize("rule", RULES)
def test_who_has_none_of_the_anchors_is_judged_by_all(rule):
    values, present = judged()
    np.testing.assert_array_equal(
        RULES[rule].combine(values, np.zeros_like(present)),
        RULES[rule].combine(values, np.ones_like(present)),
    )


def test_the_mean_is_that_of_the_anchors_a_subject_has():
    values = np.array([[[0.8, 0.2], [0.4, 0.6], [0.0, 1.0]]])
    np.testing.assert_allclose(Mean().combine(values, np.array([[True, True, False]]))[0, 0], 0.6)


def test_an_anchor_that_knows_nothing_of_a_subject_has_no_say():
    values = np.array([[[0.5, 0.5], [0.9, 0.1]]])
    both = np.ones((1, 2), dtype=bool)
    np.testing.assert_allclose(ByConfidence().combine(values, both), [[0.9, 0.1]])


def test_anchors_that_all_know_nothing_count_alike():
    values = np.full((1, 2, 2), 0.5)
    combined = ByConfidence().combine(values, np.ones((1, 2), dtype=bool))
    np.testing.assert_allclose(combined, [[0.5, 0.5]])


def test_confidence_is_one_minus_the_normalised_entropy():
    values = np.array([[[1.0, 0.0], [0.2, 0.8]]])
    entropy = -(0.2 * np.log2(0.2) + 0.8 * np.log2(0.8))
    expected = (1.0 + (1 - entropy) * 0.2) / (2 - entropy)
    combined = ByConfidence().combine(values, np.ones((1, 2), dtype=bool))
    assert combined[0, 0] == pytest.approx(expected)


def test_skill_is_how_far_the_loss_lies_below_the_reference():
    losses = np.array([[0.2, 0.9], [0.4, 0.9]])
    present = np.array([[True, True], [True, False]])
    rule = BySkill.learn(losses, np.array([0.7, 0.7]), present, np.array([1.0, 3.0]))
    np.testing.assert_allclose(rule.skill, [(0.5 + 3 * 0.3) / 4, 0])


def test_where_no_anchor_is_skilful_all_count_alike():
    values, present = judged(10)
    losses = np.ones((10, 3))
    rule = BySkill.learn(losses, np.full(10, 0.5), present, np.ones(10))
    assert rule.skill.tolist() == [0, 0, 0]
    np.testing.assert_allclose(rule.combine(values, present), Mean().combine(values, present))


def test_who_has_only_anchors_without_skill_gets_their_mean():
    values, _ = judged(1)
    present = np.array([[False, True, True]])
    rule = BySkill(np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(rule.combine(values, present)[0], values[0, 1:].mean(axis=0))


def test_an_anchor_that_nobody_has_counts_as_the_others_do():
    losses, reference = np.array([[0.1, 0.3, 9.0]]), np.array([0.5])
    rule = BySkill.learn(losses, reference, np.array([[True, True, False]]), np.ones(1))
    np.testing.assert_allclose(rule.skill, [0.4, 0.2, 0.3])
    nobody = BySkill.learn(losses, reference, np.zeros((1, 3), dtype=bool), np.ones(1))
    assert nobody.skill.tolist() == [1, 1, 1]


def test_skill_weighs_numbers_as_it_weighs_probabilities():
    values = np.array([[[70.0], [80.0]]])
    combined = BySkill(np.array([3.0, 1.0])).combine(values, np.ones((1, 2), dtype=bool))
    assert combined.tolist() == [[72.5]]


def test_log_loss_beside_that_of_the_class_frequencies():
    probabilities = np.array([[[0.9, 0.1], [0.5, 0.5]]])
    unseen = Validated(
        np.log(probabilities), np.ones((1, 2), dtype=bool), np.array([0]), np.ones(1)
    )
    rule = weigh_by_log_loss(unseen, np.array([0.5, 0.5]))
    np.testing.assert_allclose(rule.skill, [np.log(0.9 / 0.5), 0])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_stacking_finds_the_anchor_that_knows(n_classes):
    rng = np.random.default_rng(0)
    targets = rng.integers(n_classes, size=600)
    logits = rng.normal(size=(600, 2, n_classes))
    logits[np.arange(600), 1, targets] += 2
    values, present = softmax(logits, axis=2), np.ones((600, 2), dtype=bool)
    rule = Stacked.learn(values[:300], present[:300], targets[:300], np.ones(300))
    combined, mean = (each.combine(values, present)[300:] for each in (rule, Mean()))
    assert log_loss(targets[300:], combined) < log_loss(targets[300:], mean) - 0.05


def test_stacking_with_a_class_that_no_fold_held_out_gives_it_little():
    values, present = judged(40)
    rule = Stacked.learn(values, present, np.arange(40) % 2, np.ones(40))
    assert (rule.combine(values, present)[:, 2] < 0.05).all()


# In the classifier


@pytest.mark.parametrize("aggregate", ["confidence", "validation", "stacked"])
def test_every_rule_classifies_three_classes_with_missing_modalities(aggregate):
    X, y = numeric_table(45, n_classes=3)
    model = quick(anchor=["mri", "csf"], max_epochs=1, aggregate=aggregate).fit(with_missing(X), y)
    probability = model.predict_proba(with_missing(X, seed=1))
    assert probability.shape == (45, 3)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert model.score(X, y) > 0.5


def test_the_rule_combines_what_the_anchors_say(stacked, incomplete):
    X, _ = incomplete
    by_anchor = np.stack(list(stacked.predict_proba_by_anchor(X).values()), axis=1)
    present = np.stack([X[BLOCKS[name]].notna().any(axis=1) for name in ("mri", "csf")], axis=1)
    expected = stacked.aggregation_.combine(by_anchor, present)
    np.testing.assert_allclose(stacked.predict_proba(X), expected)


def test_rules_leave_the_anchors_alone(stacked, incomplete):
    X, y = incomplete
    mean = small(aggregate="mean").fit(X, y)
    assert not np.allclose(mean.predict_proba(X), stacked.predict_proba(X), atol=1e-3)
    for name, probability in mean.predict_proba_by_anchor(X).items():
        np.testing.assert_array_equal(stacked.predict_proba_by_anchor(X)[name], probability)


def test_validation_weighs_the_anchor_that_knows_most():
    X, y = numeric_table(60)
    X["gene__a"] = np.random.default_rng(0).normal(size=60)
    params = {"anchor": ["mri", "gene"], "start": "anchor", "n_queries": 0, "max_epochs": 1}
    mri, gene = quick(aggregate="validation", **params).fit(X, y).aggregation_.skill
    assert mri > 2 * gene


def test_stacking_uses_no_more_than_what_the_copies_did_not_see(incomplete, monkeypatch):
    X, y = incomplete
    seen = []
    learn = Stacked.learn.__func__

    def spy(cls, probabilities, present, targets, weight):
        seen.append((probabilities, targets))
        return learn(cls, probabilities, present, targets, weight)

    monkeypatch.setattr(Stacked, "learn", classmethod(spy))
    noise = np.random.default_rng(0).permutation(y)
    model = small().fit(X, noise)
    [(probabilities, targets)] = seen
    assert len(targets) == len(X)
    unseen = log_loss(targets, probabilities[:, 0])
    assert unseen > log_loss(noise, model.predict_proba_by_anchor(X)["mri"])


def test_an_anchor_too_rare_for_a_fold_does_not_stop_stacking():
    X, y = numeric_table(40)
    X.iloc[2:, X.columns.get_indexer(BLOCKS["gene"])] = np.nan
    X.iloc[1, X.columns.get_indexer(BLOCKS["gene"])] = np.nan
    model = small(anchor=["mri", "gene"]).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_stacking_respects_weights_of_classes_and_subjects(incomplete):
    X, y = incomplete
    by_class = small(class_weight={"AD": 2.0, "CN": 1.0}).fit(X, y)
    by_subject = small().fit(X, y, sample_weight=np.where(y == "AD", 2.0, 1.0))
    np.testing.assert_allclose(by_class.predict_proba(X), by_subject.predict_proba(X))


def test_stacking_works_on_encodings(stacked, incomplete):
    X, y = incomplete
    table = encodings_table(X)
    np.testing.assert_array_equal(
        small().fit(table, y).predict_proba(table), stacked.predict_proba(X)
    )


def test_the_nets_of_all_folds_show_one_bar(incomplete, terminal):
    small(anchor="mri", max_epochs=1, verbose=1).fit(*incomplete)
    assert terminal.getvalue().count("mri:   0%") == 1


def test_one_seed_one_prediction_also_from_a_clone_or_a_pickle(stacked, incomplete):
    X, y = incomplete
    for other in (clone(stacked).fit(X, y), pickle.loads(pickle.dumps(stacked))):
        np.testing.assert_array_equal(other.predict_proba(X), stacked.predict_proba(X))


def test_stacking_leaves_the_global_generators_as_found(incomplete):
    X, y = incomplete
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.RandomState(3).rand()
    small(anchor="mri", random_state=None).fit(X, y)
    assert np.random.rand() == expected  # noqa: NPY002


# Temperature


def test_a_temperature_sharpens_or_flattens_and_keeps_the_order(incomplete):
    X, y = incomplete
    plain, tempered = (
        small(aggregate="validation", max_epochs=1, calibrate=calibrate).fit(X, y)
        for calibrate in (None, "temperature")
    )
    assert plain.temperature_ == 1
    assert tempered.temperature_ != 1
    logits = np.log(plain.predict_proba(X)) / tempered.temperature_
    np.testing.assert_allclose(tempered.predict_proba(X), softmax(logits, axis=1))
    np.testing.assert_array_equal(tempered.predict(X), plain.predict(X))


def test_a_temperature_lowers_the_log_loss_of_new_subjects_of_an_unsure_model():
    X, y = numeric_table(500, seed=4)
    X, train, test = with_missing(X), slice(250), slice(250, None)
    unsure = {"members": (), "start": "average", "max_epochs": 0, "random_state": 4}
    model = quick(**unsure, calibrate="temperature")
    tempered = log_loss(y[test], model.fit(X[train], y[train]).predict_proba(X[test]))
    model.mixture_ = replace(model.mixture_, sharpness=1.0)
    assert tempered < log_loss(y[test], model.predict_proba(X[test])) - 0.03


@pytest.mark.parametrize("max_epochs", [0, 1])
@pytest.mark.parametrize(
    "params", [{"aggregate": "validation"}, {"calibrate": "temperature"}, {"aggregate": "stacked"}]
)
def test_without_inner_folds_nothing_is_learned_on_them_with_a_warning(params, max_epochs):
    X, _ = numeric_table(20)
    y = np.where(np.arange(20) == 3, "rare", "common")
    with pytest.warns(DataWarning, match="no inner folds") as caught:
        model = small(**{"aggregate": "mean", "max_epochs": max_epochs} | params).fit(X, y)
    assert caught[0].filename == __file__
    assert model.temperature_ == 1
    assert model.aggregation_ == Mean()


# Fitted otherwise


@pytest.mark.parametrize("aggregate", ["validation", "stacked"])
def test_folds_fitted_together_learn_the_same(incomplete, aggregate):
    X, y = incomplete
    model = quick(anchor="mri", max_epochs=1, aggregate=aggregate, calibrate="temperature")
    fits = cross_val_fit(model, X, y, cv=2)
    (train, _), together = fits.splits[0], fits.estimators[0]
    alone = clone(model).fit(X.iloc[train], y[train])
    assert together.temperature_ == pytest.approx(alone.temperature_, rel=1e-6)
    np.testing.assert_allclose(together.predict_proba(X), alone.predict_proba(X), rtol=1e-5)


def test_a_second_fit_forgets_the_rule_of_the_first(incomplete):
    X, y = incomplete
    model = small(aggregate="validation", max_epochs=1, calibrate="temperature").fit(X, y)
    model.set_params(anchor="mri", aggregate="mean", calibrate=None).fit(X, y)
    assert (model.aggregation_, model.temperature_) == (Mean(), 1.0)


@pytest.mark.parametrize("wrong", [{"aggregate": "vote"}, {"calibrate": "platt"}])
def test_other_words_are_refused(wrong):
    with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter"):
        quick(**wrong).fit(*numeric_table(20))
