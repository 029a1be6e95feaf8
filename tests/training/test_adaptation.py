from dataclasses import replace

import numpy as np
import pytest
import torch

from adestim.backbone import load_backbone
from adestim.backbone.forward import pool_backbone
from adestim.exceptions import DeviceMemoryError, InputError
from adestim.training.adaptation import AdaptationSettings, adapt_backbone
from tests.toy_backbone import N_FEATURES, N_PLACES, WIDTH, ToyViT, toy_spec

N_SUBJECTS = 60
QUICK = AdaptationSettings(max_epochs=6, learning_rate=0.02, body_learning_rate=5e-3)


@pytest.fixture(scope="module")
def spec(weights):
    return toy_spec(weights)


def subjects(seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(N_SUBJECTS, N_PLACES, N_FEATURES)).astype(np.float32)
    return list(inputs), np.where(inputs.mean(axis=(1, 2)) > 0, "AD", "CN")


def adapted(spec, kind, **changes):
    inputs, y = subjects()
    options = {"kind": kind, "settings": QUICK, "device": "cpu"} | changes
    return adapt_backbone(spec, inputs, y, np.arange(N_SUBJECTS), **options)


def accuracy(adaptation, inputs, y):
    """How often the adapted model with its head is right."""
    model = load_backbone(adaptation.spec, "cpu", torch.float32)
    with torch.no_grad():
        pooled = pool_backbone(model, torch.from_numpy(np.stack(inputs))).numpy()
    logits = pooled @ adaptation.coef.T + adaptation.intercept
    return np.mean(adaptation.classes[logits.argmax(axis=1)] == y)


@pytest.mark.parametrize("kind", ["head", "lora", "full"])
def test_an_adapted_model_with_its_head_predicts_unseen_subjects(spec, kind):
    assert accuracy(adapted(spec, kind), *subjects(seed=1)) > 0.8


def test_fitting_the_head_leaves_the_model(spec):
    adaptation = adapted(spec, "head")
    assert adaptation.spec == spec
    assert adaptation.coef.shape == (2, 16)


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_an_adapted_model_bears_another_digest_and_carries_what_changed(spec, kind):
    adaptation = adapted(spec, kind)
    assert adaptation.spec != spec
    assert adaptation.spec.source("weights") == spec.source("weights")
    assert len(adaptation.spec.adapter) > 100


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_model_that_training_did_not_improve_stays_itself(spec, kind):
    still = replace(QUICK, max_epochs=1, learning_rate=1e-9, body_learning_rate=1e-9)
    assert adapted(spec, kind, settings=still).spec == spec


def test_adaptation_leaves_the_frozen_model_as_it_was(spec):
    before = [value.clone() for value in load_backbone(spec, "cpu").parameters()]
    adapted(spec, "full")
    after = load_backbone(spec, "cpu").parameters()
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_equal_seeds_give_equal_models(spec):
    digests = {adapted(spec, "lora", seed=seed).spec.digest for seed in (1, 1, 2)}
    assert len(digests) == 2


def test_history_has_one_record_an_epoch(spec):
    history = adapted(spec, "lora").history
    assert [record["epoch"] for record in history] == list(range(1, len(history) + 1))
    assert all(np.isfinite(record["valid_loss"]) for record in history)


def test_the_global_generators_are_left_as_found(spec):
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    adapted(spec, "lora")
    assert torch.equal(torch.random.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_bfloat16_adapts_too(spec):
    assert accuracy(adapted(spec, "lora", precision="bfloat16"), *subjects(seed=1)) > 0.75


# Weights without a gradient, and a GPU that is too small


class Idle(ToyViT):
    """A model with a layer that its output does not depend on."""

    def __init__(self, width):
        super().__init__(width)
        self.idle = torch.nn.Linear(1, 1)


class SaidIdle(Idle):
    unused_parts = ("idle",)


def spec_like(folder, cls):
    """Write the weights of a model, and return its name tag."""
    torch.save(cls(WIDTH).state_dict(), folder / "model.pt")
    spec = toy_spec(folder / "model.pt")
    sources = dict(spec.sources) | {"home": f"{__name__}:{cls.__name__}"}
    return replace(spec, name=cls.__name__, sources=tuple(sources.items()))


def test_all_weights_are_trained_and_audited(tmp_path):
    with pytest.raises(InputError, match=r"none for 2, backbone\.body\.idle.*unused_parts"):
        adapted(spec_like(tmp_path, Idle), "full")


def test_a_part_that_is_said_to_be_unused_is_left_as_it_is(tmp_path):
    spec = spec_like(tmp_path, SaidIdle)
    adaptation = adapted(spec, "full")
    frozen, trained = load_backbone(spec), load_backbone(adaptation.spec)
    assert trained.idle.weight is frozen.idle.weight
    assert not torch.equal(trained.patch.weight, frozen.patch.weight)


def out_of_memory(*args, **options):
    raise torch.OutOfMemoryError("no room")


def test_memory_that_runs_out_before_the_head_is_fitted_is_said(spec, monkeypatch):
    monkeypatch.setattr(ToyViT, "encode", out_of_memory)
    with pytest.raises(DeviceMemoryError, match=r"'toy' on the training.*'batch_size': 1"):
        adapted(spec, "head")


def test_a_copy_that_does_not_fit_is_said_with_the_remedy(spec, monkeypatch):
    load_backbone(spec, torch.device("cpu"))
    monkeypatch.setattr(ToyViT, "__deepcopy__", out_of_memory, raising=False)
    with pytest.raises(DeviceMemoryError, match=r"all weights of ToyViT.*adapt='lora'"):
        adapted(spec, "full")
