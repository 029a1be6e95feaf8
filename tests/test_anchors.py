import numpy as np
import pytest
import torch

from adestim.anchors import (
    AnchorInputs,
    BaseLogits,
    build_net,
    choose_anchors,
    net_scores,
    score_scale,
)
from adestim.exceptions import InputError
from adestim.heads import fit_phase_one, inner_folds
from adestim.modalities import read_modalities, training_tables
from adestim.tokens import TokenScaler, stack_tokens, without_rows
from tests.fusion_tables import numeric_table, quick, with_missing

MODALITIES = ["mri", "csf", "gene"]


@pytest.fixture(scope="module")
def prepared():
    """What reading tables needs, the tables, the unseen scores and the classes."""
    X, y = numeric_table(40)
    tables, codes = training_tables(with_missing(X)), (y == "CN").astype(int)
    folds = inner_folds(codes, np.arange(40), 0, 2)
    phase_one, scores = fit_phase_one(tables, codes, np.ones(40), folds, 2)
    inputs = AnchorInputs(
        phase_one=phase_one,
        likes={name: without_rows(table) for name, table in tables.items()},
        scalers={name: TokenScaler.fit(table) for name, table in tables.items()},
        score_scale=score_scale(scores),
        start="stacked",
    )
    return inputs, tables, scores, codes


# The choice of anchors


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [("csf", ["csf"]), (["gene", "mri"], ["gene", "mri"]), ("all", MODALITIES)],
)
def test_anchors_are_one_several_or_all(anchor, expected):
    assert choose_anchors(anchor, MODALITIES) == expected


@pytest.mark.parametrize("anchor", ["pet", ["mri", "pet"], []])
def test_an_unknown_anchor_is_refused_with_the_names_to_choose_from(anchor):
    with pytest.raises(InputError, match=r"anchor.*\['mri', 'csf', 'gene'\]"):
        choose_anchors(anchor, MODALITIES)


# What a net reads


def test_data_hold_every_subject_and_modality(prepared):
    inputs, tables, scores, codes = prepared
    data = inputs.data("mri", tables, scores, codes, np.linspace(1, 2, 40))
    assert len(data) == 40
    assert {name: tuple(value.shape) for name, value in data.tokens.items()} == {
        "mri": (40, 2, 1),
        "csf": (40, 2, 1),
        "gene": (40, 1, 1),
    }
    np.testing.assert_array_equal(data.y, codes)
    np.testing.assert_allclose(data.weight, np.linspace(1, 2, 40), rtol=1e-6)


def test_tokens_are_standardised_by_place(prepared):
    inputs, tables, scores, _ = prepared
    data = inputs.data("mri", tables, scores)
    known = data.tokens["mri"][data.present[:, 0]]
    torch.testing.assert_close(known.mean(dim=0), torch.zeros(2, 1), atol=1e-5, rtol=0)
    torch.testing.assert_close(known.std(dim=0, correction=0), torch.ones(2, 1), atol=1e-4, rtol=0)


def test_presence_and_masks_agree(prepared):
    inputs, tables, scores, _ = prepared
    data = inputs.data("mri", tables, scores)
    for place, name in enumerate(MODALITIES):
        np.testing.assert_array_equal(data.masks[name].any(dim=1), data.present[:, place])
    assert not data.present.all()


def test_data_without_classes_serve_prediction(prepared):
    inputs, tables, scores, _ = prepared
    data = inputs.data("mri", tables, scores)
    assert (data.weight == 1).all()
    assert (data.y == 0).all()


def test_an_outlier_is_cut_before_it_reaches_the_net(prepared):
    inputs, _, _, _ = prepared
    X, _ = numeric_table(5)
    X.iloc[0, 0] = 1e9
    tables = {
        name: stack_tokens(cells, name, inputs.likes[name])
        for name, cells in read_modalities(X).items()
    }
    scores = inputs.phase_one.scores([table.pooled() for table in tables.values()])
    data = inputs.data("mri", tables, scores)
    assert data.tokens["mri"].abs().max() < 20
    assert data.scores.abs().max() < 20


def test_base_logits_are_phase_ones_for_what_is_shown(prepared):
    inputs, tables, scores, _ = prepared
    rows, shown = np.array([3, 7]), np.array([[True, False, True], [False, True, False]])
    base = BaseLogits(inputs.phase_one, scores, "stacked", "mri")(rows, shown)
    expected = inputs.phase_one.logits(scores[rows], shown, "stacked", "mri")
    np.testing.assert_array_equal(base, expected)
    everything = inputs.data("mri", tables, scores).base_logits.numpy()
    assert not np.allclose(base, everything[rows])


def test_scores_are_scaled_to_unit_root_mean_square_over_who_has_them():
    scores = np.zeros((6, 2, 2, 1))
    scores[:3, 0, 0, 0] = [3.0, -3.0, 3.0]
    scores[:, 1, 1, 0] = 0.5
    scaled = net_scores(scores, score_scale(scores))
    np.testing.assert_allclose(scaled[:3, 0, 0], [1, -1, 1])
    np.testing.assert_allclose(scaled[:, 1, 1], 1)
    assert np.isfinite(scaled).all()


# The net


@pytest.mark.parametrize("anchor", MODALITIES)
def test_a_fresh_module_gives_the_base_logits(prepared, anchor):
    inputs, tables, scores, codes = prepared
    module = inputs.module(anchor, 2, quick().get_params())
    data = inputs.data(anchor, tables, scores, codes)
    net = build_net(module, len(data), None, None, quick().get_params()).initialize()
    np.testing.assert_array_equal(net.predict_logits(data), data.base_logits)


def test_module_follows_the_parameters_of_the_estimator(prepared):
    inputs = prepared[0]
    params = quick(width=16, depth=3, n_queries=5, cross_modal=False).get_params()
    module = inputs.module("mri", 2, params)
    assert module.backbone.width == 16
    assert len(module.backbone.blocks) == 3
    assert module.qformer.n_queries == 5
    assert module.qformer.cross_modal is None


def test_net_is_optimised_by_adamw_with_the_parameters_of_the_estimator(prepared):
    inputs = prepared[0]
    params = quick(learning_rate=0.03, weight_decay=0.2, batch_size=7, max_epochs=9).get_params()
    net = build_net(inputs.module("mri", 2, params), 40, None, None, params).initialize()
    assert type(net.optimizer_) is torch.optim.AdamW
    assert all(group["weight_decay"] == 0.2 for group in net.optimizer_.param_groups)
    assert (net.lr, net.batch_size, net.max_epochs) == (0.03, 7, 9)


def test_a_net_trains_on_the_data_it_is_given(prepared):
    inputs, tables, scores, codes = prepared
    params = quick(max_epochs=5, learning_rate=0.02).get_params()
    torch.manual_seed(0)
    data = inputs.data("mri", tables, scores, codes)
    net = build_net(inputs.module("mri", 2, params), len(data), None, None, params).initialize()
    before = net.mean_loss(data)
    net.partial_fit(data)
    assert net.mean_loss(data) < before
