import sys

import numpy as np
import pytest
import torch

from adestim.exceptions import InputError, MissingDependencyError
from adestim.inspection.tokens.integrated import (
    ExplainedOutput,
    OfPhaseOne,
    PhaseOneOutputs,
    average_own_tokens,
    find_target,
    follow_forest,
    integrate_gradients,
    make_line_end,
    make_line_start,
    standardise_features,
)
from adestim.inspection.tokens.view import view_of
from adestim.training.phase_one import members
from adestim.training.phase_one.shares import Mixture
from tests.inspection.fitted import fitted, fitted_regressor


def quadratic(values, odds, present, rows):
    """Outputs whose gradient is known."""
    total = (values**2).sum(axis=(1, 2, 3)) + 3 * odds[:, 0]
    return total[:, None] * np.array([[0.0, 1.0]])


def test_gradient_of_phase_one_is_that_of_its_function():
    scores = torch.randn(4, 3, 2, 1, dtype=torch.float64, requires_grad=True)
    odds = torch.randn(4, 1, dtype=torch.float64, requires_grad=True)
    present, rows = torch.ones(4, 3, dtype=torch.bool), torch.arange(4)
    OfPhaseOne.apply(scores, odds, present, rows, PhaseOneOutputs(quadratic))[:, 1].sum().backward()
    torch.testing.assert_close(scores.grad, 2 * scores.detach(), atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(odds.grad, torch.full_like(odds, 3), atol=1e-8, rtol=1e-6)


@pytest.fixture
def with_forest(monkeypatch):
    """A classifier whose forest has a share, and its table."""
    even = lambda odds, _: Mixture(np.full(len(odds), 1 / len(odds)))  # noqa: E731
    monkeypatch.setattr(members, "choose_shares", even)
    return fitted.__wrapped__(n_trees=10, max_epochs=0)


def test_forest_goes_from_the_training_means_to_the_subjects(with_forest):
    view = view_of(*with_forest)
    found = follow_forest(view)
    scores = view.data.base.scores
    np.testing.assert_allclose(found.end, scores.judges["forest"](scores, view.present))
    complete = view.present.all(axis=1)
    assert np.ptp(found.start[complete], axis=0).max() < 1e-9 < np.ptp(found.start)


def test_without_a_forest_there_are_no_steps():
    assert follow_forest(view_of(*fitted())) is None
    assert follow_forest(view_of(*fitted_regressor())) is None


def test_integral_of_a_product_is_split_evenly():
    inputs = (torch.tensor([[2.0]]), torch.tensor([[3.0]]))
    start = tuple(map(torch.zeros_like, inputs))
    found = integrate_gradients(lambda a, b: (a * b)[:, 0], inputs, start, (), 8)
    torch.testing.assert_close(torch.cat(found), torch.tensor([[3.0], [3.0]]))


def test_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingDependencyError, match=r"adestim\[explain\]"):
        integrate_gradients(lambda x: x[:, 0], (torch.ones(1, 1),), (torch.zeros(1, 1),), (), 2)


def test_the_patients_or_the_last_class_is_explained_unless_another_is_named():
    fusion, _ = fitted()
    assert find_target(fusion.classes_, None) == 0
    assert find_target(fusion.classes_, "CN") == 1
    assert find_target(fitted(n_classes=3)[0].classes_, None) == 2


def test_unknown_class_is_told_with_the_choice():
    with pytest.raises(InputError, match=r"Got 'MCI'. Choose from"):
        find_target(fitted()[0].classes_, "MCI")


def test_regressor_has_no_target():
    with pytest.raises(InputError, match="a regressor has none"):
        find_target(None, "AD")


def ends_of(view, baseline, mean=None):
    """Return a batch's output, both ends, and what else the output needs."""
    output = ExplainedOutput.of(view, 1)
    tables = enumerate(view.tables.values())
    features = [standardise_features(table, output.heads, place) for place, table in tables]
    rows, batch = next(view.batches(len(view.data)))
    inputs, others = make_line_end(output, batch, features, rows)
    start = make_line_start(output, inputs, batch["present"], rows, baseline, mean)
    return output, inputs, start, others


def test_the_end_is_what_the_model_says():
    fusion, X = fitted()
    output, inputs, _, others = ends_of(view_of(fusion, X), "missing")
    p = fusion.predict_proba(X)[:, 1]
    np.testing.assert_allclose(
        torch.sigmoid(output(*inputs, *others)).detach().numpy(), p, atol=1e-5
    )


@pytest.mark.parametrize(("baseline", "factor"), [("missing", 0), ("mean", 1)])
def test_a_baseline_has_zeros_and_for_the_mean_the_intercepts(baseline, factor):
    view = view_of(*fitted())
    output, inputs, start, _ = ends_of(view, baseline)
    place = len(output.read) + len(view.tables)
    assert (start[place] == factor).all()
    others = [value for number, value in enumerate(start) if number != place]
    assert not any(value.any() for value in others)
    assert [value.shape for value in start] == [value.shape for value in inputs]


def test_a_forest_goes_from_what_it_says_of_means_to_what_it_says_of_the_subjects(with_forest):
    view = view_of(*with_forest)
    output, inputs, start, _ = ends_of(view, "missing")
    place = len(output.read) + len(view.tables) + 1
    np.testing.assert_allclose(inputs[place], output.forest.end, rtol=1e-6)
    np.testing.assert_allclose(start[place], output.forest.start, rtol=1e-6)


def test_the_mean_of_texts_is_one_word_whatever_their_length(reader):
    view = view_of(*reader)
    output = ExplainedOutput.of(view, 1)
    if not output.reads_inputs:
        assert view.anchor == "csf"
        return
    few, many = (average_own_tokens(view, output, size) for size in (5, 24))
    assert few.shape == (1, 16)
    torch.testing.assert_close(few, many, rtol=1e-4, atol=1e-5)
    _, inputs, start, _ = ends_of(view, "mean", many)
    assert start[-1].shape == inputs[-1].shape
