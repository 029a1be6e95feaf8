"""On another device than the CPU: nothing is made on the wrong one, and nothing waits in a loop."""

from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from adestim import AnchoredFusionClassifier, ModalityUnion
from adestim.backbone import check_backbone
from adestim.evaluation import cross_val_fit
from adestim.inspection import query_attention, token_attribution
from tests.families import FAMILIES, V1, cohort_of
from tests.fusion.rival_models import NETS
from tests.fusion_tables import quick
from tests.inspection.fitted import interacting_table
from tests.pretend_device import PRETEND, MixedDevicesError, pretend_device
from tests.toy_backbone import N_FEATURES, N_PLACES, ToyExtractor, ToyViT, toy_cells, toy_table

ONE_A_KIND = ("brainiac", "llama", V1)


@pytest.fixture
def remote():
    return torch.arange(3.0).to(PRETEND)


@pytest.fixture
def watch():
    with pretend_device() as watch:
        yield watch


# The device


def test_numbers_are_those_of_the_cpu(watch):
    layer = torch.nn.Linear(2, 2)
    x = torch.tensor([[1.0, 2.0]])
    expected = layer(x)
    expected.sum().backward()
    gradient, layer.weight.grad = layer.weight.grad, None
    found = layer.to(PRETEND)(x.to(PRETEND))
    found.sum().backward()
    assert {each.device for each in (found, layer.weight, layer.weight.grad)} == {PRETEND}
    torch.testing.assert_close(found.cpu(), expected)
    torch.testing.assert_close(layer.weight.grad.cpu(), gradient)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x: x + torch.ones(3),
        lambda x: torch.cat([x, torch.ones(3)]),
        lambda x: x[torch.tensor([0, 1])],
        lambda x: torch.ones(3).add_(x),
        lambda x: x.uniform_(generator=torch.Generator()),
    ],
)
def test_two_devices_do_not_meet(watch, remote, mix):
    with pytest.raises(MixedDevicesError, match=r" of .* on | with a generator"):
        mix(remote)


def test_a_single_number_of_the_cpu_may_stand_anywhere(watch, remote):
    assert (remote * torch.tensor(2.0)).device == PRETEND


def test_nothing_is_done_outside_the_block():
    with pretend_device():
        remote = torch.ones(2, device=PRETEND)
    with pytest.raises(MixedDevicesError, match="outside the block"):
        remote + 1


@pytest.mark.parametrize(
    "fetch",
    [
        torch.Tensor.cpu,
        lambda x: x.tolist(),
        torch.Tensor.nonzero,
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
    ],
)
def test_what_the_host_waits_for_is_counted(watch, remote, fetch):
    watch.fetched.clear()
    fetch(remote)
    assert watch.fetched.total() == 1


@pytest.mark.parametrize("compute", [torch.sum, torch.Tensor.exp, lambda x: x[:2] + 1])
def test_what_it_does_not_wait_for_is_not(watch, remote, compute):
    watch.sent.clear()
    compute(remote)
    torch.ones(2).to(PRETEND, non_blocking=True)
    assert watch.fetched.total() == watch.sent.total() == 0


def test_what_is_sent_and_waited_for_is_counted(watch):
    torch.ones(2).to(PRETEND)
    assert watch.sent == {"elsewhere": 1}


# Extraction


def tokens(table):
    return np.concatenate([cell.tokens for cell in table.iloc[:, 0] if cell is not None])


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    """Raw data of every family, made when they are asked for."""
    made = {}

    def find(name):
        if name not in made:
            made[name] = cohort_of(name, tmp_path_factory.mktemp("family"))
        return made[name]

    return find


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_encodes_as_on_the_cpu(cohorts, watch, name):
    cohort = cohorts(name)
    cells = cohort.X[cohort.columns]
    expected = tokens(clone(cohort.extractor).fit_transform(cells, cohort.y))
    extractor = clone(cohort.extractor).set_params(device=str(PRETEND))
    found = tokens(extractor.fit_transform(cells, cohort.y))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    # Tokens, mask and vector of a batch.
    n_batches = watch.sent["backbone/forward.py:encode_at_once"]
    assert watch.fetched["backbone/forward.py:to_numpy"] == 3 * n_batches


@pytest.mark.parametrize("adapt", ["head", "lora", "full"])
def test_a_model_is_adapted_as_on_the_cpu(weights, watch, adapt):
    X, y = toy_cells(16)
    settings = {"max_epochs": 2, "learning_rate": 0.02, "batch_size": 6}
    extractor = ToyExtractor(weights, adapt=adapt, adapt_params=settings)
    expected = tokens(extractor.fit_transform(X, y))
    found = tokens(extractor.set_params(device=str(PRETEND)).fit_transform(X, y))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_model_on_the_device_keeps_the_contract(watch):
    inputs = np.random.default_rng(0).normal(size=(3, N_PLACES, N_FEATURES)).astype(np.float32)
    check_backbone(ToyViT().to(PRETEND).eval(), inputs)


# Fusion


def small(**params):
    settings = {
        "n_trees": 0, "max_epochs": 2, "n_queries": 2, "batch_size": 12, "lora_rank": 2,
        "n_folds": 2, "start": "anchor", "learning_rate": 0.01, "random_state": 0, "device": "cpu",
    }  # fmt: skip
    return AnchoredFusionClassifier(**(settings | params))


def predict_there(estimator, X, y):
    """Return what an estimator predicts that is fitted on the device."""
    return clone(estimator).set_params(device=str(PRETEND)).fit(X, y).predict_proba(X)


def predict_here(estimator, X, y):
    return clone(estimator).fit(X, y).predict_proba(X)


@pytest.fixture(scope="module")
def table(weights):
    return toy_table(weights, 24)


@pytest.mark.parametrize("name", ONE_A_KIND)
def test_a_model_is_an_anchor_as_on_the_cpu(cohorts, watch, name):
    cohort = cohorts(name)
    both = [
        (cohort.modality, clone(cohort.extractor), cohort.columns),
        ("csf", "passthrough", ["tau", "abeta"]),
    ]
    X = ModalityUnion(both).fit_transform(cohort.X, cohort.y)
    model = small(anchor=cohort.modality, members=(), max_epochs=1)
    found = predict_there(model, X, cohort.y)
    np.testing.assert_allclose(found, predict_here(model, X, cohort.y), atol=1e-4)


@pytest.mark.parametrize(
    "params",
    [
        {"anchor": "csf"},
        {
            "anchor": "img", "gradient_checkpointing": True, "interaction_depth": 1,
            "lora_params": {"dropout": 0.2},
        },
    ],
)  # fmt: skip
def test_nets_are_trained_as_on_the_cpu(table, watch, params):
    model = small(members=(), modality_dropout=0.3, **params)
    found = predict_there(model, *table)
    np.testing.assert_allclose(found, predict_here(model, *table), atol=1e-4)


@pytest.mark.parametrize("name", NETS)
def test_rivals_are_trained_as_on_the_cpu(watch, name):
    X, y, _ = interacting_table(40)
    found = predict_there(NETS[name], X, y)
    np.testing.assert_allclose(found, predict_here(NETS[name], X, y), atol=1e-4)


def test_folds_are_trained_together_as_on_the_cpu(table, watch):
    X, y = table
    folds = [
        cross_val_fit(small(anchor="img", device=device), X, y, cv=StratifiedKFold(2))
        for device in ("cpu", str(PRETEND))
    ]
    here, there = ([each.predict_proba(X) for each in fits.estimators] for fits in folds)
    np.testing.assert_allclose(there, here, atol=1e-4)


def waits(fit) -> Counter[str]:
    """Return how often the host waits for the device while something is fitted, by place."""
    with pretend_device() as watch:
        fit()
    return watch.fetched + watch.sent


@pytest.mark.parametrize("anchor", ["img", "csf"])
def test_more_batches_are_no_more_waits(table, anchor):
    few, many = (
        waits(lambda size=size: predict_there(small(anchor=anchor, batch_size=size), *table))
        for size in (12, 6)
    )
    assert few == many


@pytest.mark.parametrize("adapt", ["head", "lora"])
def test_more_batches_of_phase_one_are_no_more_waits(weights, adapt):
    X, y = toy_cells(16)

    def fit(size):
        settings = {"max_epochs": 2, "batch_size": size}
        extractor = ToyExtractor(
            weights, adapt=adapt, adapt_params=settings, device=str(PRETEND), batch_size=16
        )
        extractor.fit(X, y)

    few, many = (waits(lambda size=size: fit(size)) for size in (8, 2))
    # Inputs are gone through once before.
    assert set(many - few) <= {"training/adaptation.py:pool_inputs"}


def test_an_epoch_is_waited_for_once_a_net_and_once_to_judge_them(table):
    def fit(n_epochs):
        model = small(anchor="img", max_epochs=n_epochs)
        return lambda: predict_there(model, *table)

    few, many = (waits(fit(n_epochs)) for n_epochs in (1, 2))
    assert many - few == {
        "training/net.py:record_losses": 2,
        "training/lockstep/lockstep.py:fetch_together": 1,
    }


# Inspection


@pytest.mark.parametrize("baseline", ["missing", "mean"])
def test_tokens_are_explained_as_on_the_cpu(table, watch, baseline):
    X, y = table
    here, there = (
        token_attribution(
            small(anchor="img", members=(), device=device).fit(X, y),
            X,
            n_steps=4,
            baseline=baseline,
        )
        for device in ("cpu", str(PRETEND))
    )
    for name, values in here.values.items():
        np.testing.assert_allclose(there.values[name], values, atol=1e-4)


def test_attention_is_seen_as_on_the_cpu(watch):
    X, y, _ = interacting_table()
    trained = {"n_trees": 0, "max_epochs": 6, "learning_rate": 0.01, "patience": 50}
    here, there = (
        query_attention(quick(start="anchor", device=device, **trained).fit(X, y), X)
        for device in ("cpu", str(PRETEND))
    )
    for name, values in here.weights.items():
        np.testing.assert_allclose(there.weights[name], values, atol=1e-4)
