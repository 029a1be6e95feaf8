"""What lies before the first block is computed once a subject."""

import gc

import numpy as np
import pandas as pd
import pytest
import torch

from adestim import AnchoredFusionClassifier
from adestim.backbone import limit_embedded, load_backbone
from adestim.backbone.embedded import EMBEDDED, LIMIT, EmbeddedSubjects
from adestim.backbone.forward import encode_frozen
from adestim.backbone.lora import AdaptedBackbone, LoRASettings
from adestim.encoding import BackboneSpec
from adestim.evaluation import cross_val_fit
from adestim.exceptions import InputError
from adestim.store.record import StoredArray
from tests.backbone.patches import N_FEATURES, PatchViT, RaggedPatchViT, write_patches

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def nothing_kept():
    """Start and end with nothing in memory, at the usual limit."""
    limit_embedded(LIMIT)
    yield
    limit_embedded(LIMIT)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_patches(tmp_path_factory.mktemp("weights") / "patches.pt")


def spec_of(weights, model=PatchViT):
    return BackboneSpec(
        model.__name__,
        digest=model.digest(weights),
        options=(("architecture", ()),),
        sources=(
            ("weights", str(weights)),
            ("home", f"tests.backbone.patches:{model.__name__}"),
        ),
    )


def some_inputs(n=6, seed=0):
    rng = np.random.default_rng(seed)
    return list(rng.normal(size=(n, 2, N_FEATURES)).astype(np.float32))


@pytest.fixture
def embedded(monkeypatch):
    """How many subjects the model embeds, call by call."""
    sizes = []
    embed = PatchViT.embed

    def counted(self, inputs):
        sizes.append(len(inputs))
        return embed(self, inputs)

    monkeypatch.setattr(PatchViT, "embed", counted)
    return sizes


def table_of(weights, n=20):
    rng = np.random.default_rng(1)
    inputs = some_inputs(n)
    tau = rng.normal(size=n)
    y = np.where([item.mean() * 8 + add > 0 for item, add in zip(inputs, tau, strict=True)], 1, 0)
    column = np.empty(n, dtype=object)
    column[:] = encode_frozen(inputs, spec_of(weights), device="cpu")
    return pd.DataFrame({"img": column, "csf__tau": tau}), y


def quick(**params):
    small = {"anchor": "img", "n_queries": 2, "max_epochs": 3, "batch_size": 6, "device": "cpu"}
    return AnchoredFusionClassifier(**(small | {"n_trees": 0, "random_state": 0} | params))


# Training


def test_a_subject_is_embedded_once_over_epochs_folds_and_seeds(weights, embedded):
    X, y = table_of(weights)
    embedded.clear()
    fits = cross_val_fit(quick(max_epochs=2), X, y, cv=2, seeds=[0, 1])
    fits.predict_proba(X)
    quick(random_state=2, max_epochs=1).fit(X, y).predict_proba(X)
    assert embedded == [1] * len(X)


def test_what_is_kept_changes_nothing(weights):
    X, y = table_of(weights)
    limit_embedded(0)
    expected = quick().fit(X, y).predict_proba(X)
    limit_embedded(LIMIT)
    first, again = (quick().fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_allclose(first, expected, atol=1e-6)
    np.testing.assert_array_equal(first, again)


def test_without_room_every_batch_is_embedded(weights, embedded):
    X, y = table_of(weights)
    embedded.clear()
    limit_embedded(0)
    quick(max_epochs=1).fit(X, y)
    assert sum(embedded) > len(X)


# One body


def body_of(weights, model=PatchViT, **settings):
    return AdaptedBackbone(spec_of(weights, model), LoRASettings(rank=2, **settings), CPU)


def test_bodies_of_the_same_weights_share_what_they_embed(weights, embedded):
    sources = some_inputs()
    inputs = torch.from_numpy(np.stack(sources))
    first = body_of(weights).embed_subjects(inputs, sources)
    second = body_of(weights).embed_subjects(inputs, sources)
    assert embedded == [1] * 6
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(first, load_backbone(spec_of(weights)).embed(inputs))


def test_tokens_do_not_depend_on_who_else_was_known(weights):
    sources = some_inputs()
    inputs = torch.from_numpy(np.stack(sources))
    body = body_of(weights)
    alone = body.embed_subjects(inputs[2:3], sources[2:3])
    torch.testing.assert_close(body.embed_subjects(inputs, sources)[2:3], alone, rtol=0, atol=0)


def test_weights_that_are_trained_embed_anew(weights, embedded):
    sources = some_inputs()
    inputs = torch.from_numpy(np.stack(sources))
    body = body_of(weights, full=True)
    for _ in range(2):
        assert body.embed_subjects(inputs, sources).requires_grad
    assert embedded == [6, 6]
    assert EMBEDDED.size == 0


@pytest.mark.parametrize("case", ["no sources", "other sources", "a gradient of inputs", "ragged"])
def test_what_cannot_be_known_again_is_embedded_anew(weights, embedded, case):
    sources = some_inputs()
    inputs = torch.from_numpy(np.stack(sources))
    body = body_of(weights, RaggedPatchViT if case == "ragged" else PatchViT)
    if case == "a gradient of inputs":
        inputs.requires_grad_()
    given = {"no sources": (), "other sources": sources[:2]}.get(case, sources)
    for _ in range(2):
        body.embed_subjects(inputs, given)
    assert embedded == [6, 6]


def test_reduced_precision_is_kept_apart(weights, embedded):
    sources = some_inputs()
    inputs = torch.from_numpy(np.stack(sources))
    body = body_of(weights)
    body.embed_subjects(inputs, sources)
    with torch.autocast("cpu", torch.bfloat16):
        half = body.embed_subjects(inputs, sources)
    assert half.dtype == torch.bfloat16
    assert sum(embedded) == 12


# The memory


def tokens(n_bytes=16):
    return torch.zeros(n_bytes // 4, 1)


def test_an_array_is_known_by_its_identity():
    kept = EmbeddedSubjects(100)
    first, twin = np.zeros(3), np.zeros(3)
    kept.keep("m", first, tokens())
    assert kept.find("m", first) is not None
    assert kept.find("m", twin) is None
    assert kept.find("other model", first) is None


def test_an_array_in_a_file_is_known_by_its_value():
    kept = EmbeddedSubjects(100)
    kept.keep("m", StoredArray("a", 0, "F32", (3,), "1"), tokens())
    assert kept.find("m", StoredArray("a", 0, "F32", (3,), "1")) is not None
    assert kept.find("m", StoredArray("a", 0, "F32", (3,), "2")) is None


def test_tokens_go_with_their_subject():
    kept, source = EmbeddedSubjects(100), np.zeros(3)
    kept.keep("m", source, tokens())
    assert kept.size == 16
    del source
    gc.collect()
    assert kept.size == 0


def test_it_never_holds_more_than_its_limit():
    kept, sources = EmbeddedSubjects(50), some_inputs(5)
    for source in sources:
        kept.keep("m", source, tokens())
    assert kept.size == 48
    assert [kept.find("m", source) is None for source in sources] == [False] * 3 + [True] * 2


def test_what_nobody_asks_for_makes_room():
    kept, sources = EmbeddedSubjects(48), some_inputs(5)
    for source in sources[:3]:
        kept.keep("m", source, tokens())
    for _ in range(20):
        kept.find("m", sources[1]), kept.find("m", sources[4])
    kept.keep("m", sources[4], tokens())
    assert kept.find("m", sources[4]) is not None
    assert kept.find("m", sources[0]) is None
    assert kept.find("m", sources[1]) is not None
    assert kept.size == 48


def test_a_subject_is_kept_once():
    kept, source = EmbeddedSubjects(100), np.zeros(3)
    for _ in range(2):
        kept.keep("m", source, tokens())
    assert kept.size == 16


@pytest.mark.parametrize("n_bytes", [-1, 1.5, True, "1 GiB"])
def test_a_limit_is_a_number_of_bytes(n_bytes):
    with pytest.raises(InputError, match="'n_bytes' of limit_embedded"):
        limit_embedded(n_bytes)
