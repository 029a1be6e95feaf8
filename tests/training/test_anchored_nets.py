"""How one anchor's net is built."""

import pytest

from adestim.backbone.lora import LoRASettings
from adestim.exceptions import InputError
from adestim.training.anchored_nets import (
    AnchoredSettings,
    build_anchored_net,
    lora_settings,
    require_depth,
)
from tests.fusion_tables import prepared_inputs, quick, settings_of

MODALITIES = ["mri", "csf", "gene"]


@pytest.fixture(scope="module")
def inputs():
    """What reading tables into nets needs."""
    return prepared_inputs()[0]


def settings(**params):
    return settings_of(AnchoredSettings, quick(**params))


def test_module_follows_the_parameters_of_the_estimator(inputs):
    larger = settings(width=16, depth=3, n_queries=5, cross_modal=False)
    module = build_anchored_net("mri", inputs, larger)
    assert module.backbone.width == 16
    assert len(module.backbone.blocks) == 3
    assert module.qformer.n_queries == 5
    assert module.qformer.cross_modal is None


def test_where_auxiliary_tokens_join_follows_the_parameters(inputs):
    modules = [
        build_anchored_net("mri", inputs, settings(depth=2, interaction_depth=depth, gate=gate))
        for depth, gate in ((0, "learned"), (1, "open"), ("output", "closed"))
    ]
    assert [module.backbone.join_at for module in modules] == [0, 1, 0]
    assert [module.output_reader is not None for module in modules] == [False, False, True]
    assert [module.log_gate.requires_grad for module in modules] == [True, False, False]


def test_a_depth_is_refused_where_one_anchor_is_too_shallow(inputs):
    for depth in (0, 1, "output"):
        require_depth(MODALITIES, inputs.likes, settings(depth=2, interaction_depth=depth))
    with pytest.raises(InputError, match=r"'interaction_depth'.*Got 2 for 'mri'.*from 0 to 1"):
        require_depth(MODALITIES, inputs.likes, settings(depth=2, interaction_depth=2))


def test_options_of_the_adapters_are_passed_on():
    settings = lora_settings(4, {"alpha": 8.0, "targets": ["qkv"]})
    assert settings == LoRASettings(rank=4, alpha=8.0, targets=("qkv",))


def test_an_unknown_option_of_the_adapters_is_refused():
    with pytest.raises(InputError, match=r"'lora_params'.*'rank'.*'alpha'"):
        lora_settings(4, {"rank": 2})
