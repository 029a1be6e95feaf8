import numpy as np
import pytest
import torch

from adestim.backbone.lora import LoRASettings
from adestim.encoding.tables import read_modalities
from adestim.encoding.tokens import stack_tokens
from adestim.exceptions import InputError
from adestim.fusion._anchor_inputs import (
    BaseOutputs,
    choose_anchors,
    lora_settings,
    net_scores,
    score_scale,
)
from tests.fusion_tables import numeric_table, prepared_anchor_inputs, quick

MODALITIES = ["mri", "csf", "gene"]


@pytest.fixture(scope="module")
def prepared():
    """What reading tables needs, the tables, the unseen scores and the classes."""
    return prepared_anchor_inputs()


def stacked(inputs, scores):
    """The phase-1 outputs from which a net starts by default."""
    return inputs.base(scores, "stacked", "mri")


# The choice of anchors


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [("csf", ["csf"]), (["gene", "mri"], ["gene", "mri"]), ("all", MODALITIES)],
)
def test_anchors_are_one_several_or_all(anchor, expected):
    assert choose_anchors(anchor, MODALITIES, "AnchoredFusionClassifier") == expected


@pytest.mark.parametrize("anchor", ["pet", ["mri", "pet"], []])
def test_an_unknown_anchor_is_refused_with_the_names_to_choose_from(anchor):
    with pytest.raises(InputError, match=r"anchor.*\['mri', 'csf', 'gene'\]"):
        choose_anchors(anchor, MODALITIES, "AnchoredFusionClassifier")


# What a net reads


def test_data_hold_every_subject_and_modality(prepared):
    inputs, tables, scores, codes = prepared
    data = inputs.data(stacked(inputs, scores), tables, codes, np.linspace(1, 2, 40))
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
    data = inputs.data(stacked(inputs, scores), tables)
    known = data.tokens["mri"][data.present[:, 0]]
    torch.testing.assert_close(known.mean(dim=0), torch.zeros(2, 1), atol=1e-5, rtol=0)
    torch.testing.assert_close(known.std(dim=0, correction=0), torch.ones(2, 1), atol=1e-4, rtol=0)


def test_presence_and_masks_agree(prepared):
    inputs, tables, scores, _ = prepared
    data = inputs.data(stacked(inputs, scores), tables)
    for place, name in enumerate(MODALITIES):
        np.testing.assert_array_equal(data.masks[name].any(dim=1), data.present[:, place])
    assert not data.present.all()


def test_data_without_classes_serve_prediction(prepared):
    inputs, tables, scores, _ = prepared
    data = inputs.data(stacked(inputs, scores), tables)
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
    data = inputs.data(stacked(inputs, scores), tables)
    assert data.tokens["mri"].abs().max() < 20
    assert data.scores.abs().max() < 20


def test_base_logits_are_phase_ones_for_what_is_shown(prepared):
    inputs, tables, scores, _ = prepared
    rows, shown = np.array([3, 7]), np.array([[True, False, True], [False, True, False]])
    base = BaseOutputs(inputs.phase_one, scores, "stacked", "mri")(rows, shown)
    expected = inputs.phase_one.logits(scores.take(rows), shown, "stacked", "mri")
    np.testing.assert_array_equal(base, expected)
    everything = inputs.data(stacked(inputs, scores), tables).base_logits.numpy()
    assert not np.allclose(base, everything[rows])


def test_scores_are_scaled_to_unit_root_mean_square_over_who_has_them():
    scores = np.zeros((6, 2, 2, 1))
    scores[:3, 0, 0, 0] = [3.0, -3.0, 3.0]
    scores[:, 1, 1, 0] = 0.5
    scaled = net_scores(scores, score_scale(scores))
    np.testing.assert_allclose(scaled[:3, 0, 0], [1, -1, 1])
    np.testing.assert_allclose(scaled[:, 1, 1], 1)
    assert np.isfinite(scaled).all()


# The module


def test_module_follows_the_parameters_of_the_estimator(prepared):
    inputs = prepared[0]
    params = quick(width=16, depth=3, n_queries=5, cross_modal=False).get_params()
    module = inputs.module("mri", params)
    assert module.backbone.width == 16
    assert len(module.backbone.blocks) == 3
    assert module.qformer.n_queries == 5
    assert module.qformer.cross_modal is None


def test_where_auxiliary_tokens_join_follows_the_parameters(prepared):
    inputs = prepared[0]
    modules = [
        inputs.module("mri", quick(interaction_depth=depth, gate=gate).get_params())
        for depth, gate in ((0, "learned"), (1, "open"), ("output", "closed"))
    ]
    assert [module.backbone.join_at for module in modules] == [0, 1, 0]
    assert [module.output_reader is not None for module in modules] == [False, False, True]
    assert [module.log_gate.requires_grad for module in modules] == [True, False, False]


def test_a_depth_is_refused_where_one_anchor_is_too_shallow(prepared):
    inputs = prepared[0]
    for depth in (0, 1, "output"):
        inputs.require_depth(MODALITIES, quick(interaction_depth=depth).get_params())
    with pytest.raises(InputError, match=r"'interaction_depth'.*Got 2 for 'mri'.*from 0 to 1"):
        inputs.require_depth(MODALITIES, quick(interaction_depth=2).get_params())


def test_options_of_the_adapters_are_passed_on():
    settings = lora_settings(4, {"alpha": 8.0, "targets": ["qkv"]})
    assert settings == LoRASettings(rank=4, alpha=8.0, targets=("qkv",))


def test_an_unknown_option_of_the_adapters_is_refused():
    with pytest.raises(InputError, match=r"'lora_params'.*'rank'.*'alpha'"):
        lora_settings(4, {"rank": 2})
