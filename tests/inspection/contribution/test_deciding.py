"""Which anchor decides for whom."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, AnchoredFusionRegressor
from adestim.exceptions import InputError
from adestim.inspection import deciding_anchor
from adestim.inspection.contribution.deciding import (
    measure_agreement,
    measure_say,
    weigh_anchors,
)
from adestim.training.aggregation import ByConfidence, BySkill, Mean, Stacked
from tests.fusion_tables import encodings_table, numeric_table, with_missing
from tests.inspection.fitted import fitted, interacting_table
from tests.inspection.rules import SMALL, signs

VALUES = np.array([[[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], [[0.5, 0.5], [0.3, 0.7], [0.1, 0.9]]])
COUNTED = np.array([[True, True, True], [True, True, False]])
WEIGHTED_MEANS = [Mean(), ByConfidence(), BySkill(np.array([0.2, 0.5, 0.0]))]


@pytest.fixture(scope="module")
def decided():
    return deciding_anchor(*fitted(anchor="all"))


@pytest.mark.parametrize("rule", WEIGHTED_MEANS, ids=lambda rule: type(rule).__name__)
def test_weights_are_those_that_the_anchors_are_combined_by(rule):
    weights = weigh_anchors(rule, VALUES, COUNTED)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights[1, 2] == 0
    combined = np.einsum("nak,na->nk", VALUES, weights)
    np.testing.assert_allclose(combined, rule.combine(VALUES, COUNTED))


def test_weight_of_a_stacked_anchor_is_how_far_it_moves_the_odds():
    rule = Stacked(np.array([[1.0], [0.0], [-1.0]]), np.zeros(1))
    weights = weigh_anchors(rule, VALUES, np.ones((2, 3), dtype=bool))
    odds = np.log(VALUES[0, [0, 2], 1] / VALUES[0, [0, 2], 0])
    moved = np.abs(odds) / np.abs(odds).sum()
    np.testing.assert_allclose(weights[0], [moved[0], 0, moved[1]])
    np.testing.assert_allclose(weights[1], [0, 0, 1])


def test_anchors_without_weight_count_alike():
    weights = weigh_anchors(BySkill(np.zeros(3)), VALUES, COUNTED)
    np.testing.assert_allclose(weights, [[1 / 3] * 3, [0.5, 0.5, 0]])


def test_a_rule_that_tells_no_weights_is_refused():
    with pytest.raises(InputError, match=r"must tell what each counts\. Got SimpleNamespace\."):
        measure_say(SimpleNamespace(), VALUES, COUNTED)


def test_the_surest_of_equal_weights_decides(decided):
    say = (decided.weights * decided.confidences).fillna(-1)
    assert (decided.table["anchor"] == say.idxmax(axis=1)).all()


def test_an_anchor_that_a_subject_lacks_does_not_judge(decided):
    X = fitted()[1]
    lacking = X[["mri__a", "mri__b"]].isna().all(axis=1) & X["gene__a"].notna()
    assert lacking.any()
    assert decided.decisions.loc[lacking, "mri"].isna().all()
    assert (decided.weights.loc[lacking, "mri"] == 0).all()
    assert (decided.table.loc[lacking, "anchor"] != "mri").all()


def test_decisions_are_those_of_the_anchors(decided):
    model, X = fitted(anchor="all")
    said = model.classes_[model.predict_proba_by_anchor(X)["gene"].argmax(axis=1)]
    judged = decided.decisions["gene"].notna()
    assert (decided.decisions["gene"][judged] == said[judged]).all()
    assert (decided.table["combined"] == model.predict(X)).all()
    assert (decided.table["agree"] == (decided.table["decision"] == model.predict(X))).all()


def test_agreement_is_the_share_of_equal_decisions(decided):
    both = decided.decisions[["mri", "gene"]].dropna()
    expected = np.mean(both["mri"] == both["gene"])
    assert decided.agreement.loc["mri", "gene"] == pytest.approx(expected)
    np.testing.assert_allclose(np.diag(decided.agreement.loc[["mri", "gene"], ["mri", "gene"]]), 1)
    pd.testing.assert_frame_equal(decided.agreement, decided.agreement.T)


def test_anchors_that_nobody_has_together_have_no_agreement():
    decisions = pd.DataFrame({"mri": ["AD", None], "csf": [None, "CN"]})
    agreement = measure_agreement(decisions, are_classes=True)
    assert np.isnan(agreement.loc["mri", "csf"])


def test_summary_counts_everybody_once(decided):
    summary = decided.summary()
    assert summary["n_decides"].sum() == len(fitted()[1])
    assert summary["share"].sum() == pytest.approx(1)
    assert (summary["n_judged"] == decided.decisions.notna().sum()).all()
    assert summary["agrees_with_combined"].dropna().between(0, 1).all()


def test_weights_are_as_the_shares_of_the_anchors_that_a_subject_has(decided):
    model, X = fitted(anchor="all")
    shares = pd.Series(model.interaction_)
    both = X[["mri__a", "gene__a"]].notna().all(axis=1)
    for name, share in (shares / shares.sum()).items():
        np.testing.assert_allclose(decided.weights.loc[both, name], share)
    alone = X["mri__a"].notna() & X["gene__a"].isna()
    assert (decided.weights.loc[alone, "mri"] == 1).all()


def test_an_anchor_without_a_share_judges_nobody(decided):
    model, _ = fitted(anchor="all")
    [lost] = [name for name, share in model.interaction_.items() if share == 0]
    assert decided.decisions[lost].isna().all()
    assert (decided.weights[lost] == 0).all()


def test_a_fusion_of_which_no_anchor_has_a_share_says_so():
    with pytest.raises(InputError, match=r"an anchor has a share.*Got shares of \['joint'"):
        deciding_anchor(*fitted(max_epochs=0))


@pytest.fixture(scope="module")
def of_numbers():
    """A regressor of two anchors that are averaged, and its table."""
    X, _, numbers = interacting_table()
    alone = {"anchor": ["mri", "csf"], "members": (), "aggregate": "mean"}
    return AnchoredFusionRegressor(**alone, **SMALL).fit(X, numbers), X


def test_anchors_of_a_number_are_sure_far_from_the_mean(of_numbers):
    model, X = of_numbers
    decided = deciding_anchor(model, X)
    distance = (decided.decisions - model.target_mean_).abs() / model.target_scale_
    np.testing.assert_allclose(decided.confidences, distance)
    np.testing.assert_allclose(decided.table["combined"], model.predict(X))


def test_numbers_of_two_anchors_agree_as_they_correlate(of_numbers):
    model, X = of_numbers
    decided = deciding_anchor(model, X)
    expected = decided.decisions.corr().loc["mri", "csf"]
    assert decided.agreement.loc["mri", "csf"] == pytest.approx(expected)


def test_who_lacks_every_anchor_is_judged_by_all():
    X, y = numeric_table(48)
    alone = {"anchor": ["mri", "csf"], "members": (), "aggregate": "mean"}
    model = AnchoredFusionClassifier(**alone, **SMALL).fit(with_missing(X), y)
    X.loc["sub-000", ["mri__a", "mri__b", "csf__a", "csf__b"]] = np.nan
    assert deciding_anchor(model, X).decisions.loc["sub-000"].notna().all()


def test_who_lacks_every_anchor_of_a_share_is_judged_by_those_that_have_one():
    model, X = fitted(anchor="all")
    X = X.assign(mri__a=np.nan, mri__b=np.nan, gene__a=np.nan).dropna(subset="csf__a")
    found = deciding_anchor(model, X)
    assert found.decisions[["mri", "gene"]].notna().all(axis=None)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1)


def test_encodings_and_pipelines_are_read():
    X, y = numeric_table(48)
    model = AnchoredFusionClassifier(anchor=["mri", "csf"], members=(), **SMALL)
    pipeline = make_pipeline(model).fit(encodings_table(X), y)
    decided = deciding_anchor(pipeline, encodings_table(with_missing(X)))
    assert decided.table.index.equals(X.index)
    assert set(decided.table["anchor"]) <= {"mri", "csf"}


def test_a_model_without_anchors_is_refused():
    X = signs()
    with pytest.raises(InputError, match=r"a fusion that has anchors\. Got DummyClassifier\."):
        deciding_anchor(DummyClassifier().fit(X, X["a__x"]), X)


def test_an_unfitted_model_is_refused():
    with pytest.raises(NotFittedError):
        deciding_anchor(AnchoredFusionClassifier(), signs())
