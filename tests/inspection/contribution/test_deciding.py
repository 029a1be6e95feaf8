"""Which anchor decides for whom."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier
from adestim.exceptions import InputError
from adestim.inspection import deciding_anchor
from adestim.inspection.contribution.deciding import (
    measure_agreement,
    measure_say,
    weigh_anchors,
)
from adestim.training.aggregation import ByConfidence, BySkill, Mean, Stacked
from tests.fusion_tables import encodings_table, numeric_table, with_missing
from tests.inspection.rules import SMALL, classes_of, fitted_classifier, fitted_regressor, signs

VALUES = np.array([[[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], [[0.5, 0.5], [0.3, 0.7], [0.1, 0.9]]])
COUNTED = np.array([[True, True, True], [True, True, False]])
WEIGHTED_MEANS = [Mean(), ByConfidence(), BySkill(np.array([0.2, 0.5, 0.0]))]


@pytest.fixture(scope="module")
def decided():
    return deciding_anchor(fitted_classifier(), classes_of()[0])


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
    lacking = classes_of()[0][["mri__a", "mri__b"]].isna().all(axis=1)
    assert lacking.any()
    assert decided.decisions.loc[lacking, "mri"].isna().all()
    assert (decided.weights.loc[lacking, "mri"] == 0).all()
    assert (decided.table.loc[lacking, "anchor"] != "mri").all()


def test_decisions_are_those_of_the_anchors(decided):
    model, X = fitted_classifier(), classes_of()[0]
    said = model.classes_[model.predict_proba_by_anchor(X)["csf"].argmax(axis=1)]
    judged = decided.decisions["csf"].notna()
    assert (decided.decisions["csf"][judged] == said[judged]).all()
    assert (decided.table["combined"] == model.predict(X)).all()
    assert (decided.table["agree"] == (decided.table["decision"] == model.predict(X))).all()


def test_agreement_is_the_share_of_equal_decisions(decided):
    both = decided.decisions[["mri", "csf"]].dropna()
    expected = np.mean(both["mri"] == both["csf"])
    assert decided.agreement.loc["mri", "csf"] == pytest.approx(expected)
    np.testing.assert_allclose(np.diag(decided.agreement), 1)
    pd.testing.assert_frame_equal(decided.agreement, decided.agreement.T)


def test_anchors_that_nobody_has_together_have_no_agreement():
    decisions = pd.DataFrame({"mri": ["AD", None], "csf": [None, "CN"]})
    agreement = measure_agreement(decisions, are_classes=True)
    assert np.isnan(agreement.loc["mri", "csf"])


def test_summary_counts_everybody_once(decided):
    summary = decided.summary()
    assert summary["n_decides"].sum() == len(classes_of()[0])
    assert summary["share"].sum() == pytest.approx(1)
    assert (summary["n_judged"] == decided.decisions.notna().sum()).all()
    assert summary["agrees_with_combined"].dropna().between(0, 1).all()


def test_anchors_of_a_number_are_sure_far_from_the_mean():
    X = with_missing(numeric_table(48)[0])
    model = fitted_regressor()
    decided = deciding_anchor(model, X)
    distance = (decided.decisions - model.target_mean_).abs() / model.target_scale_
    np.testing.assert_allclose(decided.confidences, distance)
    expected = decided.decisions.corr().loc["mri", "csf"]
    assert decided.agreement.loc["mri", "csf"] == pytest.approx(expected)
    np.testing.assert_allclose(decided.table["combined"], model.predict(X))


def test_who_lacks_every_anchor_is_judged_by_all():
    X, y = numeric_table(48)
    model = AnchoredFusionClassifier(anchor=["mri", "csf"], **SMALL).fit(with_missing(X), y)
    X.loc["sub-000", ["mri__a", "mri__b", "csf__a", "csf__b"]] = np.nan
    assert deciding_anchor(model, X).decisions.loc["sub-000"].notna().all()


def test_encodings_and_pipelines_are_read():
    X, y = numeric_table(48)
    model = AnchoredFusionClassifier(anchor=["mri", "csf"], **SMALL)
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
