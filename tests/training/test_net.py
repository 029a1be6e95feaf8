import copy
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.nn import functional as F

from adestim.exceptions import DeviceMemoryError, InputError
from adestim.training.batches import BatchIterator
from adestim.training.net import (
    EarlyStop,
    EpochHook,
    FusionNet,
    GradientAudit,
    NumberLoss,
    StopTraining,
    WarmupCosine,
    exceeds_its_error,
    warmup_cosine,
)
from tests.training.batch_data import N_SUBJECTS, fusion_data


class Recording(nn.Module):
    """A linear model that remembers the batches it has seen in training."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 2)
        self.dropout = nn.Dropout(0.5)
        self.seen = []

    def forward(self, batch):
        if self.training:
            self.seen.append(batch)
        return self.head(self.dropout(batch["tokens"]["a"].mean(dim=1)))


def net_of(
    *callbacks, module=None, lr=0.05, max_epochs=4, precision="float32", modality_dropout=0.0
):
    torch.manual_seed(0)
    return FusionNet(
        module or Recording(),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=lr,
        max_epochs=max_epochs,
        batch_size=8,
        iterator_train=BatchIterator,
        iterator_train__shuffle=True,
        iterator_train__modality_dropout=modality_dropout,
        iterator_valid=BatchIterator,
        train_split=None,
        precision=precision,
        callbacks=list(callbacks),
        callbacks__print_log=None,
        callbacks__valid_loss=None,
        verbose=0,
    )


class Raising(Callback):
    """Raise an exception after the second epoch."""

    def __init__(self, exception):
        self.exception = exception

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise self.exception


def test_only_training_batches_drop_modalities():
    net = net_of(EarlyStop(fusion_data(), 10), modality_dropout=0.5).fit(fusion_data())
    assert not all(batch["present"].all() for batch in net.module_.seen)
    batches = BatchIterator(fusion_data(), net.batch_size)
    assert all(batch["present"].all() for batch, _ in batches)


# The loss


def test_loss_is_the_cross_entropy_averaged_with_the_weights():
    net = net_of().initialize()
    logits, y = torch.randn(5, 2), torch.tensor([0, 1, 1, 0, 1])
    weight = torch.tensor([1.0, 2.0, 0.0, 0.5, 3.0])
    expected = (F.cross_entropy(logits, y, reduction="none") * weight).sum() / weight.sum()
    torch.testing.assert_close(net.get_loss(logits, y, X={"weight": weight}), expected)


def test_losses_of_numbers_are_in_units_of_their_scale():
    outputs, targets = torch.tensor([[1.0], [5.0]]), torch.tensor([0.0, 3.0])
    assert NumberLoss("squared", 2.0)(outputs, targets).tolist() == [0.25, 1.0]


def test_hubers_loss_is_half_the_square_and_then_linear():
    outputs = torch.tensor([[0.0], [1.0], [-10.0], [11.0]])
    losses = NumberLoss("huber", 1.0)(outputs, torch.zeros(4)).tolist()
    tail = [1.345 * (size - 1.345 / 2) for size in (10, 11)]
    assert losses == pytest.approx([0, 0.5, *tail])


def test_a_loss_of_numbers_survives_pickling():
    loss = NumberLoss("huber", 0.5)
    assert pickle.loads(pickle.dumps(loss)) == loss


def test_doubling_all_weights_leaves_training_as_it_is():
    once = net_of().fit(fusion_data())
    twice = net_of().fit(fusion_data(weight=torch.full((N_SUBJECTS,), 2.0)))
    assert once.history[:, "train_loss"] == pytest.approx(twice.history[:, "train_loss"])
    torch.testing.assert_close(once.module_.head.weight, twice.module_.head.weight)


def test_mean_loss_does_not_depend_on_the_batches():
    weight = torch.linspace(0.1, 3, N_SUBJECTS)
    net = net_of().initialize()
    small = net.mean_loss(fusion_data(weight))
    assert small == pytest.approx(
        net.set_params(batch_size=N_SUBJECTS).mean_loss(fusion_data(weight))
    )


def test_logits_are_predicted_without_dropout_in_the_order_of_the_rows():
    net, data = net_of().initialize(), fusion_data()
    expected = net.module_.head(data.tokens["a"].mean(dim=1)).detach().numpy()
    np.testing.assert_allclose(net.predict_logits(data), expected, rtol=1e-5, atol=1e-6)


def test_bfloat16_trains_on_the_cpu_and_returns_float32():
    net = net_of(precision="bfloat16").fit(fusion_data())
    full = net_of().fit(fusion_data())
    logits = net.predict_logits(fusion_data())
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, full.predict_logits(fusion_data()), atol=0.1)
    assert not np.array_equal(logits, full.predict_logits(fusion_data()))


# The end of training


def test_stop_training_ends_quietly():
    net = net_of(Raising(StopTraining())).fit(fusion_data())
    assert len(net.history) == 2


def test_memory_that_runs_out_is_said_with_the_remedy():
    with pytest.raises(DeviceMemoryError, match=r"Training.*batch_size=.*gradient_checkpointing"):
        net_of(Raising(torch.OutOfMemoryError("no room"))).fit(fusion_data())


class Cramped(Recording):
    """A model whose device has room for a few subjects."""

    room = 3

    def forward(self, batch):
        if len(batch["present"]) > self.room:
            raise torch.OutOfMemoryError("no room")
        return super().forward(batch)


def test_a_net_can_be_trained_again_after_memory_ran_out():
    net = net_of(module=Cramped())
    with pytest.raises(DeviceMemoryError, match="Training needs more memory than cpu"):
        net.fit(fusion_data())
    assert len(net.set_params(batch_size=3).fit(fusion_data()).history) == 4


def test_predicted_batches_that_do_not_fit_are_halved():
    net = net_of().initialize()
    expected = net.predict_logits(fusion_data())
    cramped = net_of(module=Cramped()).initialize()
    cramped.module_.load_state_dict(net.module_.state_dict())
    np.testing.assert_allclose(cramped.predict_logits(fusion_data()), expected, rtol=1e-5)


def test_prediction_of_a_subject_that_does_not_fit_is_said_with_the_remedy():
    net = net_of(module=Cramped()).initialize()
    net.module_.room = 0
    with pytest.raises(DeviceMemoryError, match=r"single subject.*precision='bfloat16'"):
        net.predict_logits(fusion_data())
    net.module_.room = 3
    assert np.isfinite(net.predict_logits(fusion_data())).all()


def test_a_real_interrupt_reaches_the_user():
    with pytest.raises(KeyboardInterrupt):
        net_of(Raising(KeyboardInterrupt())).fit(fusion_data())


def test_early_stop_restores_the_best_epoch():
    stop = EarlyStop(fusion_data(), patience=10)
    net = net_of(stop, lr=3.0, max_epochs=6).fit(fusion_data())
    assert net.mean_loss(fusion_data()) == pytest.approx(min(net.history[:, "valid_loss"]))
    assert net.history[-1, "valid_loss"] > stop.best_loss_


def test_early_stop_restores_the_start_where_no_epoch_is_better():
    opposite = fusion_data()
    opposite.y = 1 - opposite.y
    net = net_of(EarlyStop(opposite, patience=2), lr=0.5).initialize()
    with torch.no_grad():
        net.module_.head.weight.zero_()
        net.module_.head.bias.zero_()
    net.partial_fit(fusion_data())
    assert (net.module_.head.weight == 0).all()
    assert len(net.history) == 2


def test_early_stop_without_validation_trains_to_the_end():
    net = net_of(EarlyStop(None, patience=1), max_epochs=5).fit(fusion_data())
    assert len(net.history) == 5


def test_epoch_hook_gets_every_epoch():
    epochs = []
    hook = EpochHook(lambda record: epochs.append(record["epoch"]))
    net_of(hook, max_epochs=3).fit(fusion_data())
    assert epochs == [1, 2, 3]


def test_epoch_hook_stops_training_where_it_returns_true():
    net = net_of(EpochHook(lambda record: record["epoch"] == 2)).fit(fusion_data())
    assert len(net.history) == 2


def test_a_trained_net_pickles_without_the_data_it_was_trained_on():
    class_of_tokens = fusion_data()
    class_of_tokens.tokens["a"] = torch.randn(N_SUBJECTS, 3000, 2)
    hook = EpochHook(lambda record: False)
    net = net_of(EarlyStop(class_of_tokens, 3), hook).fit(fusion_data())
    net.module_.seen.clear()
    stored = pickle.dumps(net)
    assert len(stored) < 100_000
    restored = pickle.loads(stored)
    np.testing.assert_array_equal(
        restored.predict_logits(fusion_data()), net.predict_logits(fusion_data())
    )


def test_a_trained_net_pickles_its_module_once_and_no_moments():
    torch.manual_seed(0)
    module = Recording()
    module.large = nn.Linear(100, 100)
    net = net_of(module=module).fit(fusion_data())
    net.module_.seen.clear()
    stored = pickle.dumps(net)
    assert len(stored) < 1.5 * 4 * 100 * 101
    restored = pickle.loads(stored)
    assert restored.module is restored.module_


def test_a_net_that_is_not_trained_can_be_copied():
    assert isinstance(copy.deepcopy(net_of()).module, Recording)


# The audit of gradients


class Cut(Recording):
    """A model with a layer of which the output tells nothing, at times."""

    def __init__(self, factor):
        super().__init__()
        self.idle, self.factor = nn.Linear(2, 2), factor

    def forward(self, batch):
        logits = super().forward(batch)
        if self.factor is None:
            return logits
        return logits + self.factor * self.idle(batch["tokens"]["a"].mean(dim=1))


def test_a_trained_weight_that_the_output_does_not_depend_on_is_an_error():
    with pytest.raises(InputError, match=r"none for 2, idle\.weight, idle\.bias first.*full"):
        net_of(GradientAudit(), module=Cut(None)).fit(fusion_data())


def test_a_frozen_weight_needs_no_gradient():
    module = Cut(None)
    module.idle.requires_grad_(False)
    assert net_of(GradientAudit(), module=module).fit(fusion_data()).history


def test_a_gradient_of_zero_is_a_gradient():
    net = net_of(GradientAudit(), module=Cut(0.0)).fit(fusion_data())
    assert (net.module_.idle.weight.grad == 0).all()


def test_the_audit_looks_again_in_every_training():
    net = net_of(GradientAudit(), module=Cut(1.0)).fit(fusion_data())
    net.module_.factor = None
    net.module_.zero_grad()
    net.initialize_optimizer()
    with pytest.raises(InputError, match="none for 2"):
        net.partial_fit(fusion_data())


# The schedule


def test_learning_rate_warms_up_and_decays_to_zero():
    factors = [WarmupCosine(100, 10)(step) for step in range(101)]
    assert 0 < factors[0] < 0.2
    assert np.all(np.diff(factors[:10]) > 0)
    assert max(factors) == pytest.approx(1)
    assert np.all(np.diff(factors[10:]) < 0)
    assert factors[-1] == pytest.approx(0, abs=1e-9)


def test_learning_rate_stays_at_zero_after_the_last_step():
    assert WarmupCosine(10, 1)(25) == pytest.approx(0)


def test_schedule_is_stepped_with_every_batch():
    net = net_of(warmup_cosine(12), lr=0.1).fit(fusion_data())
    rates = [batch["event_lr"] for epoch in net.history for batch in epoch["batches"]]
    assert len(rates) == 12
    assert rates[1] == pytest.approx(0.1)
    assert rates[-1] < 0.01


def test_a_mean_within_its_standard_error_is_noise():
    values = np.array([1.0, -0.9, 0.8, -0.7])
    assert not exceeds_its_error(values, np.ones(4))
    assert exceeds_its_error(np.abs(values), np.ones(4))
