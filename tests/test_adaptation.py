import numpy as np
import pytest
import torch

from adestim.adaptation import AdaptationSettings, adapt_backbone
from adestim.backbone.loading import load_backbone
from adestim.frozen import pool_backbone
from tests.toy_backbone import N_FEATURES, N_PLACES, toy_spec, write_weights

N_SUBJECTS = 60
QUICK = AdaptationSettings(max_epochs=6, learning_rate=0.02, body_learning_rate=5e-3)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return toy_spec(write_weights(tmp_path_factory.mktemp("weights") / "toy.pt"))


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
