"""Which of two classes is the positive one, wherever labels are handed over."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from adestim import AnchoredFusionClassifier
from adestim._support.positive_class import choose_positive, put_positive_last, turn_to_positive
from adestim.evaluation import (
    choose_threshold,
    compare,
    delong,
    inner_threshold,
    missing_patterns,
    robustness_curve,
    score_by_pattern,
    score_probabilities,
    transfer,
)
from adestim.exceptions import InputError
from adestim.inspection import FusionReport, modality_contributions


@pytest.mark.parametrize(
    ("classes", "positive"),
    [
        (("AD", "CN"), "AD"),
        (("CN", "PD"), "PD"),
        (("pMCI", "sMCI"), "pMCI"),
        (("Dementia", "Healthy control"), "Dementia"),
        (("Dementia", "Healthy"), "Dementia"),
        (("AD", "CU"), "AD"),
        (("Alzheimer", "CTRL"), "Alzheimer"),
        (("Demented", "Nondemented"), "Demented"),
        (("AD", "non-AD"), "AD"),
        (("converter", "non-converter"), "converter"),
        (("converter", "stable"), "converter"),
        (("AD", "Cognitively Normal"), "AD"),
        (("AD", "cognitively-unimpaired"), "AD"),
        (("MCI-C", "MCI-NC"), "MCI-C"),
        (("negative", "positive"), "positive"),
        (("-", "+"), "+"),
        ((False, True), True),
        ((0, 1), 1),
        ((-1, 1), 1),
        (("a", "b"), "b"),
        (("AD", "MCI"), "MCI"),
        (("CN", "NC"), "NC"),
        (("AD", "CN", "MCI"), "MCI"),
    ],
)
def test_the_positive_class_is_the_patients_and_else_the_last(classes, positive):
    assert choose_positive(classes) == positive
    assert choose_positive(np.array(classes)) == positive


# Every function that is handed labels and probabilities, or fits on labels and tells a side.

PAIRS = [("CN", "AD"), ("CN", "MCI"), ("sMCI", "pMCI"), ("HC", "PD"), (0, 1), ("a", "b"),
         (False, True)]  # fmt: skip
N = 60


def people(negative, positive):
    """Numbers of two modalities that tell the positive, their labels and probabilities."""
    rng = np.random.default_rng(0)
    is_positive = np.arange(N) % 3 == 0
    X = pd.DataFrame({"mri__a": is_positive * 4 + rng.normal(size=N), "csf__t": rng.normal(size=N)})
    y = np.where(is_positive, positive, negative)
    return X, y, np.where(is_positive, 0.9, 0.2) + rng.uniform(-0.1, 0.1, N)


def two_columns(negative, positive, p):
    """Probabilities with columns in the order of scikit-learn, and the classes."""
    classes = np.unique([negative, positive])
    order = slice(None, None, 1 if classes[1] == positive else -1)
    return np.c_[1 - p, p][:, order], classes


def by_delong(X, y, p, pair):
    return delong(y, p, p).auc_first > 0.9


def by_threshold(X, y, p, pair):
    return ((p >= choose_threshold(y, p)) == (y == pair[1])).all()


def by_inner_threshold(X, y, p, pair):
    model = LogisticRegression().fit(X, y)
    own = model.predict_proba(X)[:, model.classes_.tolist().index(pair[1])]
    cut = inner_threshold(LogisticRegression(), X, y, cv=3, random_state=0)
    return ((own >= cut) == (y == pair[1])).mean() > 0.9


def by_scores(X, y, p, pair):
    probabilities, classes = two_columns(*pair, p)
    found = score_probabilities(y, probabilities, classes, threshold=0.05)
    return found["sensitivity"] == 1.0 and found["specificity"] == 0.0


def by_pattern(X, y, p, pair):
    probabilities, classes = two_columns(*pair, np.where(y == pair[1], 0.9, 0.6))
    found = score_by_pattern((y, probabilities, classes), missing_patterns(X), n_resamples=0)
    return found["sensitivity"][0] == 1.0 and found["specificity"][0] == 0.0


def by_robustness(X, y, p, pair):
    weights = {pair[0]: 1e-6, pair[1]: 1.0}
    model = LogisticRegression(class_weight=weights, C=1e-3)
    found = robustness_curve(
        model, X, y, rates=[0.0], n_draws=1, cv=2, scores=["sensitivity", "specificity"]
    )
    return found["value"].tolist() == [1.0, 0.0]


def by_comparison(X, y, p, pair):
    return compare({"lr": LogisticRegression()}, X, y, cv=2).classes == pair


def by_transfer(X, y, p, pair):
    found = transfer(LogisticRegression().fit(X, y), X, y, threshold=0.0, n_resamples=5)
    return found.scores["sensitivity", "estimate"].item() == 1.0


def by_contributions(X, y, p, pair):
    model = AnchoredFusionClassifier(max_epochs=0, n_trees=0, random_state=0).fit(X, y)
    return modality_contributions(model, X).target == pair[1]


def by_report(X, y, p, pair):
    model = AnchoredFusionClassifier(max_epochs=0, n_trees=0, random_state=0).fit(X, y)
    pages = [FusionReport(model, X, y, target=each).to_html() for each in (None, pair[1])]
    return len(pages[0]) == len(pages[1])


ASKED = [by_delong, by_threshold, by_inner_threshold, by_scores, by_pattern, by_robustness,
         by_comparison, by_transfer, by_contributions]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("ask", ASKED)
def test_every_function_takes_the_patients_as_positive(ask, pair):
    X, y, p = people(*pair)
    assert ask(X, y, p, pair)


def test_a_report_speaks_of_the_patients():
    X, y, p = people("CN", "AD")
    assert by_report(X, y, p, ("CN", "AD"))


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_other_class_is_positive_where_it_is_named(pair):
    _, y, p = people(*pair)
    probabilities, classes = two_columns(*pair, p)
    assert delong(y, p, p, positive=pair[0]).auc_first < 0.1
    assert choose_threshold(y, 1 - p, positive=pair[0]) == pytest.approx(0.5, abs=0.3)
    named = {"positive": pair[0], "threshold": 0.05, "scores": ["sensitivity", "specificity"]}
    found = score_probabilities(y, probabilities, classes, **named)
    assert found["sensitivity"] == 1.0


# What it is made of


def test_two_classes_are_put_in_order_and_more_are_left():
    assert put_positive_last(["AD", "CN"]) == ("CN", "AD")
    assert put_positive_last(["AD", "CN"], "CN") == ("AD", "CN")
    assert put_positive_last(["AD", "CN", "MCI"]) == ("AD", "CN", "MCI")
    for positive, classes in (("MCI", ["AD", "CN"]), ("AD", ["AD", "CN", "MCI"])):
        with pytest.raises(InputError, match="'positive' names one of two classes"):
            put_positive_last(classes, positive)


def test_columns_move_with_their_classes():
    found, classes = turn_to_positive([[0.9, 0.1]], np.array(["AD", "CN"]))
    assert classes == ["CN", "AD"]
    assert found.tolist() == [[0.1, 0.9]]
