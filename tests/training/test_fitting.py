from dataclasses import replace

import numpy as np
import pytest
import torch

from adestim.exceptions import DataWarning, DeviceMemoryError, InputError
from adestim.training.anchored_nets import AnchoredSettings, build_anchored_net
from adestim.training.fitting import TrainerSettings, build_net, calibrate, inner_split, prepare_net
from adestim.training.phase_one.ridge import number_folds
from tests.fusion_tables import prepared_inputs, quick, read_for, settings_of
from tests.kept_nets import nets_kept
from tests.toy_backbone import ToyViT, toy_module_and_data, write_weights

MODALITIES = ["mri", "csf", "gene"]


@pytest.fixture(scope="module")
def prepared():
    """What reading tables into nets needs, subjects, their unseen scores and the classes."""
    return prepared_inputs()


@pytest.fixture
def toy(tmp_path):
    """A module with a toy model as anchor, its subjects, and how it is trained."""
    return toy_module_and_data(write_weights(tmp_path / "toy.pt"))


def reference_net(inputs, anchor="mri", **params):
    """A net of an anchor with a reference backbone, as an estimator of some parameters has it."""
    estimator = quick(**params)
    module = build_anchored_net(anchor, inputs, settings_of(AnchoredSettings, estimator))
    trainer = settings_of(TrainerSettings, estimator)
    return build_net(module, 40, None, None, trainer).initialize()


@pytest.mark.parametrize("anchor", MODALITIES)
def test_a_fresh_module_gives_the_base_logits(prepared, anchor):
    inputs, subjects, scores, codes = prepared
    data = read_for(anchor, inputs, subjects, scores, codes)
    net = reference_net(inputs, anchor)
    np.testing.assert_array_equal(net.predict_logits(data), data.base_logits)


def test_net_is_optimised_by_adamw_with_the_parameters_of_the_estimator(prepared):
    net = reference_net(
        prepared[0], learning_rate=0.03, weight_decay=0.2, batch_size=7, max_epochs=9
    )
    assert type(net.optimizer_) is torch.optim.AdamW
    assert all(group["weight_decay"] == 0.2 for group in net.optimizer_.param_groups)
    assert (net.lr, net.batch_size, net.max_epochs) == (0.03, 7, 9)


def test_a_net_trains_on_the_data_it_is_given(prepared):
    inputs, subjects, scores, codes = prepared
    torch.manual_seed(0)
    data = read_for("mri", inputs, subjects, scores, codes)
    net = reference_net(inputs, max_epochs=5, learning_rate=0.02)
    before = net.mean_loss(data)
    net.partial_fit(data)
    assert net.mean_loss(data) < before


# A frozen anchor


def test_calibration_measures_the_anchors_own_tokens_and_pooled_vectors(toy):
    module, data, settings = toy
    calibrate(module, data, settings)
    assert module.own.rms.item() == pytest.approx(1.3, abs=0.4)
    with torch.no_grad():
        pooled = module.pooled(data.batch(np.flatnonzero(data.present[:, 0]))[0])
    standard = (pooled - module.pooled_mean) / module.pooled_scale
    torch.testing.assert_close(standard.mean(dim=0), torch.zeros(16), atol=1e-4, rtol=0)
    assert (standard.std(dim=0, correction=0) < 1).all()


def test_calibration_of_nobody_changes_nothing(toy):
    module, data, settings = toy
    calibrate(module, data.view(np.flatnonzero(~data.present[:, 0])), settings)
    assert module.own.rms.item() == 1
    assert (module.pooled_scale == 1).all()


def test_memory_that_runs_out_in_calibration_is_said_with_the_remedy(toy, monkeypatch):
    def full(*args):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(ToyViT, "encode", full)
    with pytest.raises(DeviceMemoryError, match=r"Measuring.*batch_size=6.*smaller batch_size"):
        calibrate(*toy)


def test_the_optimiser_holds_what_is_trained_and_pretrained_weights_move_slowly(toy):
    module, data, settings = toy
    net = build_net(module, len(data), None, None, settings).initialize()
    held = {id(value) for group in net.optimizer_.param_groups for value in group["params"]}
    assert held == {id(value) for value in module.parameters() if value.requires_grad}
    speeds = sorted(group["lr"] for group in net.optimizer_.param_groups)
    assert speeds == pytest.approx([0.1 * net.lr, net.lr, 10 * net.lr])


def test_training_moves_the_adapters_and_no_frozen_weight(toy):
    module, data, settings = toy
    frozen = {
        name: value.clone() for name, value in module.named_parameters() if not value.requires_grad
    }
    rows = np.arange(len(data))
    net, train = prepare_net(
        module, data, (rows, rows), None, replace(settings, learning_rate=0.05)
    )
    with nets_kept():
        net.fit(train)
    ups = [value for name, value in module.named_parameters() if "lora_B" in name]
    assert ups
    assert all(value.abs().sum() > 0 for value in ups)
    after = dict(module.named_parameters())
    assert all(torch.equal(after[name], value) for name, value in frozen.items())


def test_a_weight_that_gets_no_gradient_is_an_error(toy):
    module, data, settings = toy
    module.orphan = torch.nn.Parameter(torch.zeros(1))
    rows = np.arange(len(data))
    net, train = prepare_net(module, data, (rows, rows), None, settings)
    with pytest.raises(InputError, match="none for 1, orphan first"):
        net.fit(train)


# The inner split


def test_inner_split_keeps_groups_whole():
    codes, groups = np.repeat([0, 1], 20), np.repeat(np.arange(20), 2)
    train, validation = inner_split(codes, groups, 0, 0.2)
    assert not set(groups[train]) & set(groups[validation])
    assert len(validation) == pytest.approx(8, abs=2)


def test_a_class_of_one_group_cannot_be_split():
    codes, groups = np.array([0, 0, 1, 1]), np.array([0, 1, 2, 2])
    with pytest.warns(DataWarning, match="no inner validation split"):
        assert inner_split(codes, groups, 0, 0.5) is None


def test_numbers_of_one_group_cannot_be_split():
    numbers = np.array([0.5, 1.0, 1.5])
    with pytest.warns(DataWarning, match="The training set has a single group"):
        assert inner_split(numbers, np.zeros(3), 0, 0.5, number_folds) is None
