"""Both ends of the line along which gradients are integrated."""

import numpy as np
import pytest
import torch

from adestim.inspection.tokens.integrated import ExplainedOutput, features_of
from adestim.inspection.tokens.path_ends import line_end, line_start, mean_own
from adestim.inspection.tokens.view import view_of
from tests.inspection.fitted import fitted


def ends_of(view, baseline, mean=None):
    """Return a batch's output, both ends, and what else the output needs."""
    output = ExplainedOutput.of(view, 1)
    tables = enumerate(view.tables.values())
    features = [features_of(table, output.heads, place) for place, table in tables]
    rows, batch = next(view.batches(len(view.data)))
    inputs, others = line_end(output, batch, features, rows)
    start = line_start(output, inputs, batch["present"], rows, baseline, mean)
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


def test_a_forest_goes_from_what_it_says_of_means_to_what_it_says_of_the_subjects():
    view = view_of(*fitted(n_trees=10, max_epochs=0))
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
    few, many = (mean_own(view, output, size) for size in (5, 24))
    assert few.shape == (1, 16)
    torch.testing.assert_close(few, many, rtol=1e-4, atol=1e-5)
    _, inputs, start, _ = ends_of(view, "mean", many)
    assert start[-1].shape == inputs[-1].shape
