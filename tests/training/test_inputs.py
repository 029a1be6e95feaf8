from dataclasses import replace

import numpy as np
import pytest
import torch

from adestim.encoding.tables import read_later_table
from adestim.training.inputs import Start, scale_of_scores, scale_scores
from tests.fusion_tables import numeric_table, prepared_inputs, read_for

MODALITIES = ["mri", "csf", "gene"]


@pytest.fixture(scope="module")
def prepared():
    """What reading tables into nets needs, subjects, their unseen scores and the classes."""
    return prepared_inputs()


def test_data_hold_every_subject_and_modality(prepared):
    inputs, subjects, scores, codes = prepared
    data = read_for("mri", inputs, subjects, scores, codes, np.linspace(1, 2, 40))
    assert len(data) == 40
    assert {name: tuple(value.shape) for name, value in data.tokens.items()} == {
        "mri": (40, 2, 1),
        "csf": (40, 2, 1),
        "gene": (40, 1, 1),
    }
    np.testing.assert_array_equal(data.y, codes)
    np.testing.assert_allclose(data.weight, np.linspace(1, 2, 40), rtol=1e-6)


def test_tokens_are_standardised_by_place(prepared):
    inputs, subjects, scores, _ = prepared
    data = read_for("mri", inputs, subjects, scores)
    known = data.tokens["mri"][data.present[:, list(data.masks).index("mri")]]
    torch.testing.assert_close(known.mean(dim=0), torch.zeros(2, 1), atol=1e-5, rtol=0)
    torch.testing.assert_close(known.std(dim=0, correction=0), torch.ones(2, 1), atol=1e-4, rtol=0)


def test_presence_and_masks_agree(prepared):
    inputs, subjects, scores, _ = prepared
    data = read_for("mri", inputs, subjects, scores)
    assert set(data.masks) == set(MODALITIES)
    for place, mask in enumerate(data.masks.values()):
        np.testing.assert_array_equal(mask.any(dim=1), data.present[:, place])
    assert not data.present.all()


def test_data_without_classes_serve_prediction(prepared):
    inputs, subjects, scores, _ = prepared
    data = read_for("mri", inputs, subjects, scores)
    assert (data.weight == 1).all()
    assert (data.y == 0).all()


def test_an_outlier_is_cut_before_it_reaches_the_net(prepared):
    inputs, _, _, _ = prepared
    X, _ = numeric_table(5)
    X.iloc[0, 0] = 1e9
    subjects = read_later_table(X, inputs.likes)
    scores = inputs.phase_one.scores(subjects.pool_tokens())
    data = read_for("mri", inputs, subjects, scores)
    assert data.tokens["mri"].abs().max() < 20
    assert data.scores.abs().max() < 20


def test_base_logits_are_phase_ones_for_what_is_shown(prepared):
    inputs, subjects, scores, _ = prepared
    rows, shown = np.array([3, 7]), np.array([[True, False, True], [False, True, False]])
    shown &= subjects.present[rows]
    data = read_for("mri", inputs, subjects, scores)
    base = data.base(rows, shown)
    expected = inputs.phase_one.logits(scores.take(rows), shown, "stacked", "mri")
    np.testing.assert_allclose(base, expected, rtol=1e-6)
    assert not np.allclose(base, data.base_logits.numpy()[rows])


def test_base_logits_of_nobody_are_none(prepared):
    inputs, subjects, scores, _ = prepared
    data = read_for("mri", inputs, subjects, scores)
    assert data.base(np.array([], dtype=int), np.zeros((0, 3), dtype=bool)).shape == (0, 2)


def test_nets_share_their_tokens_and_start_each_from_its_own_prediction(prepared):
    inputs, subjects, scores, _ = prepared
    other = replace(inputs, starts={"a": Start("stacked", None), "b": Start("anchor", "csf")})
    found = dict(other.read_by_net(subjects, scores, "cpu", "float32"))
    assert found["a"].tokens["mri"] is found["b"].tokens["mri"]
    for name, start in other.starts.items():
        expected = inputs.phase_one.logits(scores, subjects.present, *start)
        np.testing.assert_array_equal(found[name].base_logits, expected)


def test_some_of_the_nets_may_be_kept(prepared):
    assert list(prepared[0].keep_nets(["gene"]).starts) == ["gene"]


def test_scores_are_scaled_to_unit_root_mean_square_over_who_has_them():
    scores = np.zeros((6, 2, 2, 1))
    scores[:3, 0, 0, 0] = [3.0, -3.0, 3.0]
    scores[:, 1, 1, 0] = 0.5
    scaled = scale_scores(scores, scale_of_scores(scores))
    np.testing.assert_allclose(scaled[:3, 0, 0], [1, -1, 1])
    np.testing.assert_allclose(scaled[:, 1, 1], 1)
    assert np.isfinite(scaled).all()
