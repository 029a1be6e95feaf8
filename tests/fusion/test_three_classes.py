"""Three classes and missing modalities, through every fusion from fit to scores."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from adestim import (
    AnchoredFusionClassifier,
    BlockAverageClassifier,
    ConcatFusionClassifier,
    CrossAttentionFusionClassifier,
    LateFusionClassifier,
    LinearFusionClassifier,
    MixtureFusionClassifier,
    OrdinalClassifier,
    SelfAttentionFusionClassifier,
    UnimodalClassifier,
)
from adestim.evaluation import score_ordinal, score_probabilities
from tests.fusion_tables import BLOCKS, encodings_table, numeric_table, with_missing

ORDER = ["CN", "MCI", "AD"]
SMALL = {"width": 8, "max_epochs": 2, "random_state": 0}
FUSIONS = {
    "anchored": AnchoredFusionClassifier(anchor=["mri", "csf"], n_queries=2, n_trees=5, **SMALL),
    "anchored, no auxiliaries": AnchoredFusionClassifier(
        anchor="mri", n_queries=0, n_trees=0, **SMALL
    ),
    "concat": ConcatFusionClassifier(**SMALL),
    "linear": LinearFusionClassifier(**SMALL),
    "self-attention": SelfAttentionFusionClassifier(depth=1, **SMALL),
    "cross-attention": CrossAttentionFusionClassifier(depth=1, **SMALL),
    "mixture": MixtureFusionClassifier(**SMALL),
    "late, mean": LateFusionClassifier(weighting="mean", random_state=0),
    "late, weighted": LateFusionClassifier(weighting="weighted", random_state=0),
    "late, stacked": LateFusionClassifier(weighting="stacked", random_state=0),
    "blocks": BlockAverageClassifier(),
    "unimodal": UnimodalClassifier(modality="mri", **SMALL),
}


@pytest.fixture(scope="module")
def incomplete():
    X, y = numeric_table(120, n_classes=3)
    return encodings_table(with_missing(X)), y


@pytest.fixture(scope="module", params=FUSIONS.values(), ids=FUSIONS.keys())
def unseen(request, incomplete):
    """Probabilities of subjects held out."""
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    return cross_val_predict(request.param, *incomplete, cv=folds, method="predict_proba")


def test_probabilities_of_three_classes_sum_to_one(unseen):
    assert unseen.shape == (120, 3)
    assert (unseen >= 0).all()
    np.testing.assert_allclose(unseen.sum(axis=1), 1, rtol=1e-6)


def test_subjects_held_out_are_judged_better_than_by_the_class_frequencies(unseen, incomplete):
    y = incomplete[1]
    scores = score_probabilities(y, unseen, np.unique(y), scores=["roc_auc", "log_loss"])
    assert scores["log_loss"] < log_loss(y, np.full((120, 3), 1 / 3))
    assert scores["roc_auc"] > 0.6


def test_predictions_know_the_order_that_nobody_told(unseen, incomplete):
    y = incomplete[1]
    predicted = np.unique(y)[unseen.argmax(axis=1)]
    assert score_ordinal(y, predicted, ORDER)["quadratic_kappa"] > 0.2


@pytest.mark.parametrize("name", ["anchored", "linear", "late, stacked"])
def test_fusions_answer_ordinal_questions(name, incomplete):
    X, y = incomplete
    model = OrdinalClassifier(FUSIONS[name], order=ORDER).fit(X, y)
    level = np.array([ORDER.index(label) for label in y])
    assert np.corrcoef(model.predict_expected(X), level)[0, 1] > 0.5


def test_a_class_may_lack_a_modality_that_the_others_have(incomplete):
    X, y = incomplete
    X = X.copy()
    X.loc[y == "MCI", "gene"] = None
    kept = X.notna().any(axis=1)
    model = clone(FUSIONS["anchored"]).fit(X[kept], y[kept])
    alone = X.assign(csf=None).loc[X["mri"].notna()]
    assert np.isfinite(model.predict_proba(alone)).all()
    assert list(BLOCKS) == model.modalities_
