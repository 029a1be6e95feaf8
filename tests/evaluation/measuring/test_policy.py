"""Measuring one modality after the other, until a prediction is settled."""

import pickle
from functools import cache

import pandas as pd
import pytest

from adestim.evaluation import measurement_policy
from adestim.exceptions import InputError
from tests.evaluation.measuring.patients import MODALITIES, fitted, measurements

COSTS = {"fmri": 4.0, "smri": 3.0, "genetics": 1.0}


def follow(n_subjects=100, seed=7, **settings):
    model, reference, _ = fitted()
    X, y = measurements(n_subjects, seed)
    settings = {"X_reference": reference, "start": "clinical", "costs": COSTS} | settings
    return measurement_policy(model, X, y, **{"n_random": 2} | settings)


@cache
def followed():
    return follow()


def test_every_policy_begins_alike_and_costs_no_more_than_everything():
    first = followed().curve.groupby("policy", sort=False).first().drop(index="everything")
    assert len(first.drop_duplicates()) == 1
    assert (first["cost"] == 0).all()
    assert (followed().curve["cost"] <= sum(COSTS.values())).all()
    assert followed().summary().loc["everything", "cost"] == sum(COSTS.values())


def test_costs_and_settled_people_only_rise():
    for _, own in followed().curve.groupby("policy"):
        assert own["cost"].is_monotonic_increasing
        assert own["decided"].is_monotonic_increasing


def test_measuring_by_gain_settles_as_many_for_less():
    ends = followed().summary()
    assert ends.loc["by gain", "cost"] < ends.loc["random order", "cost"]
    assert ends.loc["by gain", "cost"] < 0.8 * ends.loc["fixed order", "cost"]
    assert ends.loc["by gain", "decided"] > ends.loc["random order", "decided"] - 0.05
    assert ends.loc["by gain", "accuracy"] > ends.loc["random order", "accuracy"] - 0.05


def test_who_is_settled_is_measured_no_more():
    subjects = followed().subjects
    at_once = followed().curve.query("policy == 'by gain'")["decided"].iloc[0]
    own = subjects[subjects["policy"] == "by gain"]
    assert (own["cost"] == 0).mean() == pytest.approx(at_once)
    assert (own.loc[own["cost"] == 0, "order"] == "").all()
    assert own.loc[~own["decided"], "cost"].eq(sum(COSTS.values())).all()


def test_the_fixed_order_is_that_of_the_costs():
    own = followed().subjects.query("policy == 'fixed order'")
    orders = {"", "fmri", "fmri, smri", "fmri, smri, genetics"}
    assert set(own["order"]) <= orders


def test_what_has_no_cost_is_never_measured():
    found = follow(30, costs={"genetics": 1.0})
    assert set(found.subjects["order"]) == {"", "genetics"}
    assert found.curve.query("policy == 'by gain'")["n_measured"].max() == 1


def test_several_modalities_may_be_there_at_first():
    found = follow(30, start=["clinical", "smri"], costs=None)
    assert found.start == ("smri", "clinical")
    assert not found.subjects["order"].str.contains("smri").any()
    assert set(found.costs) == set(MODALITIES)


def test_a_seed_gives_one_result():
    pd.testing.assert_frame_equal(follow(30).curve, follow(30).curve)


def test_it_shows_and_draws_itself():
    pytest.importorskip("matplotlib")
    assert "MeasurementPolicy from clinical" in repr(followed())
    assert "everything" in followed()._repr_html_()
    ax = followed().plot(score="decided")
    assert ax.get_xlabel() == "mean cost"
    assert len(ax.get_lines()) == 4
    with pytest.raises(InputError, match=r"can be drawn\. Got 'auc'"):
        followed().plot(ax, score="auc")


def test_it_survives_pickling():
    again = pickle.loads(pickle.dumps(followed()))
    pd.testing.assert_frame_equal(again.curve, followed().curve)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start": "pet"}, "'start' names modalities of the table.*'pet'"),
        ({"start": []}, "'start' names modalities"),
        ({"costs": {"clinical": 1.0}}, "Something is left to measure"),
        ({"costs": {"smri": 0.0}}, "A cost is a number above 0"),
        ({"n_random": 0}, "'n_random'"),
        ({"scores": ["auc"]}, "auc"),
    ],
)
def test_other_settings_are_refused(settings, words):
    with pytest.raises(InputError, match=f"(?s){words}"):
        follow(10, **settings)


def test_people_who_have_nothing_to_begin_with_are_refused():
    model, reference, _ = fitted()
    X, y = measurements(10, 7)
    X.loc[X.index[3], [name for name in X if name.startswith("clinical")]] = float("nan")
    with pytest.raises(InputError, match="1 who have none, the first 'c7-sub-0004'"):
        measurement_policy(model, X, y, X_reference=reference, start="clinical")


def test_a_classifier_without_sets_is_refused():
    model, reference, _ = fitted()
    X, y = measurements(10, 7)
    with pytest.raises(InputError, match="without predict_set"):
        measurement_policy(model.estimator_, X, y, X_reference=reference, start="clinical")
