"""What modalities contribute."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logit
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, ClinicalExtractor, ModalityUnion
from adestim.exceptions import DataWarning, InputError, NoModalityError
from adestim.inspection import modality_contributions
from adestim.inspection.contribution.contribution import (
    average_present,
    bootstrap_means,
    interaction_indices,
    shapley_values,
)
from tests.fusion_tables import numeric_table, with_missing
from tests.inspection.rules import (
    SMALL,
    additive,
    classes_of,
    exclusive,
    fitted_classifier,
    fitted_regressor,
    follow,
    signs,
)
from tests.toy_backbone import ToyExtractor, toy_cells, write_weights

EVEN = {"output": "probability", "baseline": [0.5, 0.5]}
SIZES = st.sampled_from([(2, 2), (2, 4), (1, 8), (2, 16)])
GAMES = SIZES.flatmap(lambda shape: arrays(float, shape, elements=st.floats(-10, 10)))


@pytest.fixture(scope="module")
def found():
    return modality_contributions(fitted_classifier(), classes_of()[0])


# Values


@pytest.mark.parametrize("output", ["logit", "probability"])
def test_contributions_add_up_to_the_output(found, output):
    X = classes_of()[0]
    if output == "probability":
        found = modality_contributions(fitted_classifier(), X, output=output)
    p = fitted_classifier().predict_proba(X)[:, 0]
    assert found.target == "AD"
    np.testing.assert_allclose(found.outputs, logit(p) if output == "logit" else p, atol=1e-5)
    np.testing.assert_allclose(found.values.sum(axis=1) + found.baseline, found.outputs)


def test_contributions_to_a_number_add_up():
    X = with_missing(numeric_table(48)[0])
    found = modality_contributions(fitted_regressor(), X)
    np.testing.assert_allclose(found.outputs, fitted_regressor().predict(X), rtol=1e-5)
    np.testing.assert_allclose(found.values.sum(axis=1) + found.baseline, found.outputs)
    assert (found.output, found.target) == ("number", None)
    assert found.baseline == fitted_regressor().target_mean_


def test_classes_of_three_add_up_for_every_target():
    X, y = classes_of(3)
    model = fitted_classifier(3, anchor="mri")
    found = modality_contributions(model, X, target="MCI", output="probability")
    np.testing.assert_allclose(found.values.sum(axis=1) + found.baseline, found.outputs)
    assert found.baseline == pytest.approx(np.mean(y == "MCI"))
    np.testing.assert_allclose(found.outputs, model.predict_proba(X)[:, 2], atol=1e-6)


def test_contributions_to_the_other_class_are_the_opposite(found):
    other = modality_contributions(fitted_classifier(), classes_of()[0], target="CN")
    np.testing.assert_allclose(other.values, -found.values, atol=1e-6)


def test_what_a_subject_lacks_contributes_nothing(found):
    assert not found.present.all(axis=None)
    assert (found.values.to_numpy()[~found.present.to_numpy()] == 0).all()
    assert (found.values.to_numpy()[found.present.to_numpy()] != 0).any()


def test_modalities_that_add_up_contribute_what_they_add():
    X = signs((0, "b__x"))
    found = modality_contributions(follow(additive, X), X, **EVEN)
    expected = np.column_stack([0.2 * X["a__x"], 0.1 * X["b__x"].fillna(0), np.zeros(8)])
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    np.testing.assert_allclose(found.pairs, 0, atol=1e-12)


def test_modalities_that_tell_only_together_share_and_interact():
    X = signs((0, "b__x"), (7, "c__x"))
    found = modality_contributions(follow(exclusive, X), X, **EVEN)
    both = 0.4 * X["a__x"] * X["b__x"].fillna(0)
    np.testing.assert_allclose(found.values["a"], both / 2, atol=1e-12)
    np.testing.assert_allclose(found.values["b"], both / 2, atol=1e-12)
    np.testing.assert_allclose(found.pairs[:, 0, 1], both, atol=1e-12)
    np.testing.assert_allclose(found.pairs[:, :, 2], 0, atol=1e-12)


def test_certain_probabilities_have_finite_log_odds():
    X = signs()
    model = follow(lambda frame: (frame["a__x"] > 0).astype(float), X)
    found = modality_contributions(model, X, baseline=[0.5, 0.5])
    np.testing.assert_allclose(np.abs(found.outputs), logit(1 - 1e-6))


def test_a_subject_is_judged_alike_alone_and_among_others(found):
    alone = modality_contributions(fitted_classifier(), classes_of()[0].iloc[[4]])
    np.testing.assert_allclose(alone.values, found.values.iloc[[4]], atol=1e-5)


def test_raw_cells_go_through_a_pipeline_to_a_foundation_model(tmp_path):
    X, y = toy_cells(30, missing=(2, 3))
    X["age"] = np.random.default_rng(0).normal(70, 5, size=30)
    X.loc[X.index[4], "age"] = np.nan
    weights = write_weights(tmp_path / "toy.pt")
    union = ModalityUnion(
        [("scan", ToyExtractor(weights), "img"), ("who", ClinicalExtractor(), ["age"])]
    )
    fusion = AnchoredFusionClassifier(anchor="scan", device="cpu", **SMALL)
    pipeline = make_pipeline(union, fusion).fit(X, y)
    found = modality_contributions(pipeline, X, target="AD", output="probability")
    assert found.present.sum().to_dict() == {"scan": 28, "who": 29}
    np.testing.assert_allclose(found.outputs, pipeline.predict_proba(X)[:, 0], atol=1e-6)
    np.testing.assert_allclose(found.values.sum(axis=1) + found.baseline, found.outputs)
    assert found.summary()["mean_absolute"].idxmax() == "scan"


# The cohort


def test_summary_averages_over_those_who_have_the_modality(found):
    summary = found.summary(n_resamples=200)
    has = found.present["csf"]
    values = found.values.loc[has, "csf"]
    row = summary.loc["csf"]
    assert (row["n_present"], row["mean"]) == (has.sum(), pytest.approx(values.mean()))
    assert row["mean_absolute"] == pytest.approx(values.abs().mean())
    assert row["low"] <= row["mean_absolute"] <= row["high"]


def test_visits_of_one_subject_are_resampled_together():
    X = signs()
    rule = follow(lambda frame: 0.5 + 0.1 * frame["a__x"], X)
    X = pd.concat([X.mask(X < 0, -2)] * 20)
    visits = X.set_axis(np.repeat(np.arange(40), 4))
    alone, groups = modality_contributions(rule, X, **EVEN), visits.index
    by_visit = modality_contributions(rule, visits, **EVEN).summary()
    pd.testing.assert_frame_equal(by_visit, alone.summary(groups))
    apart = alone.summary(np.arange(len(X)))
    assert (by_visit["low"] != apart["low"]).any()


def test_groups_of_another_length_are_refused(found):
    with pytest.raises(InputError, match="Got 3 for 48 subjects"):
        found.summary(["s1", "s2", "s3"])


def test_interactions_are_means_over_who_has_both():
    X = signs((0, "b__x"), (1, "b__x"))
    found = modality_contributions(follow(exclusive, X), X, **EVEN)
    both = (0.4 * X["a__x"] * X["b__x"]).dropna()
    matrix = found.interactions()
    assert matrix.loc["a", "b"] == matrix.loc["b", "a"] == pytest.approx(both.mean())
    assert np.isnan(np.diag(matrix)).all()
    pair = found.synergies(n_resamples=200).set_index(["first", "second"]).loc[("a", "b")]
    assert (pair["n_present"], pair["mean"]) == (6, pytest.approx(both.mean()))
    assert pair["mean_absolute"] == pytest.approx(0.4)
    assert pair["low"] <= pair["mean"] <= pair["high"]


def test_modalities_that_nobody_has_together_have_no_interaction():
    X = signs(*[(row, "a__x") for row in range(4)], *[(row, "b__x") for row in range(4, 8)])
    found = modality_contributions(follow(exclusive, X), X, **EVEN)
    assert np.isnan(found.interactions().loc["a", "b"])
    assert np.isfinite(found.interactions().loc["a", "c"])


def test_frame_has_a_row_a_subject_and_modality(found):
    frame = found.frame()
    assert frame.columns.to_list() == ["subject", "modality", "present", "contribution"]
    wide = frame.pivot(index="subject", columns="modality", values="contribution")
    np.testing.assert_array_equal(wide[found.values.columns], found.values)


def test_one_modality_has_no_pairs():
    X = signs()[["a__x"]]
    found = modality_contributions(follow(lambda frame: 0.5 + 0.1 * frame["a__x"], X), X, **EVEN)
    assert found.synergies().empty
    np.testing.assert_allclose(found.values["a"], 0.1 * X["a__x"])


def test_contributions_survive_pickling(found):
    copy = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(copy.summary(), found.summary())


# Bounds


def test_of_many_subjects_some_are_drawn_with_a_word():
    X = pd.concat([signs()] * 5, ignore_index=True)
    model = follow(additive, X)
    with pytest.warns(DataWarning, match="10 of 40 subjects were drawn"):
        found = modality_contributions(model, X, max_subjects=10, **EVEN)
    with pytest.warns(DataWarning):
        again = modality_contributions(model, X, max_subjects=10, **EVEN)
    assert len(found.values.index.unique()) == 10
    pd.testing.assert_frame_equal(found.values, again.values)
    everybody = modality_contributions(model, X, max_subjects=None, **EVEN).values
    np.testing.assert_allclose(found.values, everybody.loc[found.values.index])


def test_more_than_eight_modalities_are_refused():
    X = pd.DataFrame(np.zeros((4, 9)), columns=[f"m{number}__x" for number in range(9)])
    with pytest.raises(InputError, match=r"at most 8 modalities.* Got 9\. Join"):
        modality_contributions(follow(additive, X), X, baseline=[0.5, 0.5])


def test_a_subject_without_any_modality_is_refused():
    X = classes_of()[0].copy()
    X.iloc[2] = np.nan
    with pytest.raises(NoModalityError, match="'sub-002'"):
        modality_contributions(fitted_classifier(), X)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"output": "odds"}, r"'output' must be 'logit' or 'probability'\. Got 'odds'\."),
        ({"max_subjects": 0}, r"'max_subjects' must be at least 1, or None\. Got 0\."),
        ({"target": "FTD"}, "Got 'FTD'"),
    ],
)
def test_wrong_parameters_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        modality_contributions(fitted_classifier(), classes_of()[0], **wrong)


@given(GAMES)
def test_values_share_out_the_worth_of_all(worth):
    np.testing.assert_allclose(
        shapley_values(worth).sum(axis=1), worth[:, -1] - worth[:, 0], atol=1e-9
    )


@given(arrays(float, (1, 4), elements=st.floats(-10, 10)))
def test_a_player_who_adds_nothing_gets_nothing_and_changes_nobody(worth):
    with_dummy = np.concatenate([worth, worth], axis=1)
    values, pairs = shapley_values(with_dummy), interaction_indices(with_dummy)
    np.testing.assert_allclose(values[:, 2], 0, atol=1e-9)
    np.testing.assert_allclose(values[:, :2], shapley_values(worth), atol=1e-9)
    np.testing.assert_allclose(pairs[:, :2, :2], interaction_indices(worth), atol=1e-9)
    np.testing.assert_allclose(pairs[:, 2], 0, atol=1e-9)


def test_glove_game_gives_the_single_left_glove_two_thirds():
    # Players 0 and 1 hold right gloves, player 2 a left one; a pair is worth 1.
    worth = np.array([[0, 0, 0, 0, 0, 1, 1, 1]], dtype=float)
    np.testing.assert_allclose(shapley_values(worth), [[1 / 6, 1 / 6, 2 / 3]])


def test_glove_game_has_rivals_and_partners():
    worth = np.array([[0, 0, 0, 0, 0, 1, 1, 1]], dtype=float)
    pairs = interaction_indices(worth)[0]
    np.testing.assert_allclose(pairs, [[0, -0.5, 0.5], [-0.5, 0, 0.5], [0.5, 0.5, 0]])


def test_additive_games_have_no_interactions():
    worth = np.array([[0, 1, 2, 3, 4, 5, 6, 7]], dtype=float)
    np.testing.assert_allclose(shapley_values(worth), [[1, 2, 4]])
    np.testing.assert_allclose(interaction_indices(worth), 0, atol=1e-12)


def test_a_single_player_gets_all():
    worth = np.array([[1.0, 3.0]])
    assert shapley_values(worth).item() == 2
    assert interaction_indices(worth).item() == 0


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(3, 2, size=(200, 1))


def ends(values, present=None, groups=None, n_resamples=2000, level=0.95, seed=0):
    present = np.ones(values.shape, dtype=bool) if present is None else present
    groups = np.arange(len(values)) if groups is None else groups
    return bootstrap_means(values, present, groups, n_resamples, level, seed)


def test_intervals_are_as_wide_as_the_normal_ones(values):
    low, high = ends(values)[:, 0]
    expected = 2 * 1.96 * values.std() / np.sqrt(len(values))
    assert high - low == pytest.approx(expected, rel=0.1)
    assert low < values.mean() < high


def test_rows_of_one_group_are_drawn_together(values):
    alone, together = ends(values), ends(np.repeat(values, 4, axis=0), groups=np.arange(800) // 4)
    np.testing.assert_allclose(together, alone)


def test_only_those_present_count(values):
    present = np.arange(200)[:, None] < 100
    expected = ends(values[:100], n_resamples=4000)
    np.testing.assert_allclose(ends(values, present, n_resamples=4000), expected, atol=0.1)
    assert average_present(values, present)[0] == pytest.approx(values[:100].mean())


def test_nobody_present_has_no_interval(values):
    nobody = np.zeros(values.shape, dtype=bool)
    assert np.isnan(ends(values, nobody)).all()
    assert np.isnan(average_present(values, nobody)).all()


@pytest.mark.parametrize("settings", [{"n_resamples": 0}, {"groups": np.zeros(200, dtype=int)}])
def test_what_cannot_be_resampled_has_no_interval(values, settings):
    assert np.isnan(ends(values, **settings)).all()


def test_one_seed_gives_one_interval(values):
    np.testing.assert_array_equal(ends(values, seed=3), ends(values, seed=3))


def test_a_level_that_is_no_share_is_refused(values):
    with pytest.raises(InputError, match=r"'level' must lie between 0 and 1\. Got 95\."):
        ends(values, level=95)
