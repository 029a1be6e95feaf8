import sys

import numpy as np
import pytest
import torch

from adestim.exceptions import InputError, MissingDependencyError
from adestim.inspection.tokens.integrated import (
    ExplainedOutput,
    Numerically,
    average_own_tokens,
    find_target,
    integrate_gradients,
    make_line_end,
    make_line_start,
    standardise_features,
)
from adestim.inspection.tokens.view import view_of
from tests.inspection.fitted import fitted


def quadratic(values, present, rows):
    """Outputs whose gradient is known."""
    return (values**2).sum(axis=1)[:, None] * np.array([[0.0, 1.0]])


def test_gradient_of_what_members_say_is_that_of_its_function():
    values = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    present, rows = torch.ones(4, 3, dtype=torch.bool), torch.arange(4)
    Numerically.apply(values, present, rows, quadratic)[:, 1].sum().backward()
    torch.testing.assert_close(values.grad, 2 * values.detach(), atol=1e-8, rtol=1e-6)


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


def ends_of(view, baseline, means=()):
    """Return a batch's output, both ends, and what else the output needs."""
    output = ExplainedOutput.of(view, 1)
    tables = enumerate(view.tables.values())
    features = [standardise_features(table, output.heads, place) for place, table in tables]
    rows, batch = next(view.batches(len(view.data)))
    inputs, others = make_line_end(output, view, batch, features, rows)
    start = make_line_start(output, inputs, batch["present"], rows, baseline, list(means))
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
    assert not output.readers
    others = [value for number, value in enumerate(start) if number != place]
    assert not any(value.any() for value in others)
    assert [value.shape for value in start] == [value.shape for value in inputs]


def test_a_forest_goes_from_what_it_says_of_means_to_what_it_says_of_the_subjects():
    view = view_of(*fitted(members=("forest",), n_trees=10, max_epochs=0))
    output, inputs, start, _ = ends_of(view, "missing")
    place = len(output.read) + len(view.tables) + 1
    np.testing.assert_allclose(inputs[place], output.readers["forest"].end, rtol=1e-6)
    np.testing.assert_allclose(start[place], output.readers["forest"].start, rtol=1e-6)


def test_the_mean_of_texts_is_one_word_whatever_their_length(reader):
    view = view_of(*reader)
    output = ExplainedOutput.of(view, 1)
    if not output.embedders:
        assert list(view.nets) == ["csf"]
        return
    few, many = (average_own_tokens(view, output, size) for size in (5, 24))
    assert [mean.shape for mean in few] == [(1, 16)] * 5
    torch.testing.assert_close(few, many, rtol=1e-4, atol=1e-5)
    _, inputs, start, _ = ends_of(view, "mean", many)
    assert start[-1].shape == inputs[-1].shape
