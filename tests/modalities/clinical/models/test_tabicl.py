"""TabICL's column and row transformers against the package that published them."""

import numpy as np
import pytest
import torch

from adestim import check_backbone
from adestim.backbone import find_card, load_backbone
from adestim.backbone.contract import sizes_of
from adestim.encoding import BackboneSpec
from adestim.encoding.places import TokenPlaces
from adestim.exceptions import CheckpointError, InputError
from adestim.modalities.clinical.models.tabicl import TabICLRows
from tests.tabicl_file import SMALL, make_tabicl, write_tabicl

N_KNOWN, N_COLUMNS = 9, 5
CLOSE = {"atol": 1e-5, "rtol": 1e-4}
VERSION_1 = {
    "col_affine": True,
    "col_feature_group": False,
    "col_target_aware": False,
    "col_ssmax": "none",
}
CONFIGS = {
    "version 2": {"row_rope_interleaved": False},
    "version 1": VERSION_1,
    "grouped side by side": {"col_feature_group": "valid", "bias_free_ln": True},
    "one scale a head": {"col_ssmax": "ssmax"},
    "mapped scales": {"col_ssmax": "ssmax-mlp"},
    "mapped scales of elements": {"col_ssmax": "ssmax-mlp-elementwise"},
    "query's scales": {"col_ssmax": "qassmax-mlp"},
    "regression": {"max_classes": 0, "num_quantiles": 5},
}


def forget_labels(model):
    """Let all labels of a package's model look like their mean."""
    embedder = model.col_embedder
    if hasattr(embedder, "y_encoder") and embedder.max_classes:
        weight = embedder.y_encoder.weight.data
        weight.copy_(weight.mean(1, keepdim=True).expand_as(weight))
    return model


def read_by_package(model, rows, known):
    """Return what the package's model makes of rows, (B, C * E)."""
    table = torch.cat([known, rows])[None]
    labels = torch.zeros(1, len(known))
    # Out of training mode the package computes in half precision.
    model = forget_labels(model).train()
    with torch.no_grad():
        embedded = model.col_embedder(table, labels)
        return model.row_interactor(embedded)[0, len(known) :]


def spec_of(weights, config=None):
    known = sizes_of(TabICLRows, BackboneSpec("tabicl"))
    config = SMALL | (config or {})
    sizes = tuple((key, config[key]) for key in sorted(known) if key in config)
    return BackboneSpec(
        "tabicl", options=(("architecture", sizes),), sources=(("weights", str(weights)),)
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("tabicl") / "tabicl.ckpt"
    write_tabicl(path)
    return path


@pytest.fixture(scope="module")
def table():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(N_KNOWN + 3, N_COLUMNS, generator=generator).split([3, N_KNOWN])


@pytest.fixture(scope="module")
def inputs(table):
    rows, known = table
    return [torch.cat([row[None], known]).numpy() for row in rows]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_row_is_read_as_by_the_package(name, tmp_path, table, inputs):
    config = CONFIGS[name]
    write_tabicl(tmp_path / "model.ckpt", **config)
    model = TabICLRows.load(spec_of(tmp_path / "model.ckpt", config))
    batch = model.collate(inputs)
    tokens = model.embed(batch)
    encoded = model.encode(tokens, None, tokens.shape[1])
    pooled = model.pool(encoded, torch.ones(tokens.shape[:2], dtype=torch.bool))
    torch.testing.assert_close(pooled, read_by_package(make_tabicl(**config), *table), **CLOSE)


def test_every_row_may_know_others(weights, table):
    model = load_backbone(spec_of(weights))
    rows, known = table
    other = known.flip(1) + 1
    both = torch.stack([torch.cat([rows[:1], known]), torch.cat([rows[1:2], other])])
    alone = [model.embed(one[None])[0] for one in both]
    torch.testing.assert_close(model.embed(both), torch.stack(alone), **CLOSE)


@pytest.mark.parametrize("name", ["version 1", "version 2", "grouped side by side"])
def test_keeps_the_contract(name, tmp_path, inputs):
    write_tabicl(tmp_path / "model.ckpt", **CONFIGS[name])
    model = TabICLRows.load(spec_of(tmp_path / "model.ckpt", CONFIGS[name]))
    assert check_backbone(model, inputs) is None


def test_released_sizes_are_the_defaults_of_the_package():
    from tabicl._model.tabicl import TabICL

    with torch.device("meta"):
        ours, theirs = TabICLRows(), TabICL()
    wanted = {
        name.replace("in_proj_", "in_proj."): value.shape
        for name, value in theirs.state_dict().items()
        if name.startswith(("col_", "row_"))
    }
    assert {name: value.shape for name, value in ours.state_dict().items()} == wanted
    card = find_card("tabicl", "clinical")
    assert sum(shape.numel() for shape in wanted.values()) == card.n_parameters


@pytest.mark.parametrize("place", [0, 3])
def test_what_stands_in_for_a_row_is_read_alike_at_any_place(weights, place):
    model = load_backbone(spec_of(weights))
    token, auxiliary = torch.randn(2, 3, 2, model.width, generator=torch.Generator().manual_seed(1))
    token = token[:, :1]
    alone = model.encode(torch.cat([token, auxiliary], dim=1), torch.zeros(3, 3), 1)
    padded = torch.zeros(3, 5, model.width)
    padded[:, place] = token[:, 0]
    own = torch.zeros(3, 5, dtype=torch.bool)
    own[:, place] = True
    log_mask = torch.cat([(~own) * -1e4, torch.zeros(3, 2)], dim=1)
    apart = model.encode(torch.cat([padded, auxiliary], dim=1), log_mask, 5)
    pooled = model.pool(alone, torch.ones(3, 1, dtype=torch.bool))
    torch.testing.assert_close(model.pool(apart, own), pooled, **CLOSE)


def test_adapters_reach_the_row_transformer_alone(weights):
    model = load_backbone(spec_of(weights))
    layers = dict(model.named_modules())
    assert len(model.lora_targets) == 4 * SMALL["row_num_blocks"]
    assert all(isinstance(layers[name], torch.nn.Linear) for name in model.lora_targets)
    assert not any(name.startswith("col_") for name in model.lora_targets)


def test_columns_that_do_not_vary_are_left_out():
    table = np.array([[1.0, 5.0, 2.0], [2.0, 5.0, 2.0], [3.0, 5.0, 2.5]])
    options = TabICLRows.learn(list(table), names=("a", "b", "c"))
    assert options["names"] == ("a", "c")
    constant = TabICLRows.learn([np.ones(2)] * 3, names=("a", "b"))
    assert constant["names"] == ("a",)
    assert np.isfinite(TabICLRows.prepare(np.array([7.0, 1.0]), **constant)).all()


def test_no_more_rows_than_asked_for_are_known():
    rows = list(np.random.default_rng(0).normal(size=(30, 2)))
    assert TabICLRows.learn(rows, n_context=8)["context"].shape == (8, 2)
    with pytest.raises(InputError, match=r"must be a number of rows from 2. Got 1"):
        TabICLRows.learn(rows, n_context=1)


@pytest.mark.parametrize("group", ["same", "valid", False])
def test_tokens_are_shared_by_the_columns_they_read(group):
    architecture = (("col_feature_group", group), ("row_num_cls", 2))
    names = ("a", "b", "c", "d", "e")
    spec = BackboneSpec(
        "tabicl",
        options=(("architecture", architecture), ("preparation", (("names", names),))),
    )
    places = TabICLRows.place_tokens(TokenPlaces("clinical", "columns", ()), spec)
    assert places.names == names
    assert places.n_tokens == 2 + {"same": 5, "valid": 2, False: 5}[group]
    np.testing.assert_allclose(places.mixing.sum(0), 1)
    first = dict(zip(names, places.mixing[:, 2], strict=True))
    read = {"same": ["b", "c", "e"], "valid": ["a", "b", "c"], False: ["a"]}[group]
    assert [name for name in names if first[name] > 0] == read


def test_weights_of_another_size_are_refused(weights):
    other = spec_of(weights, {"embed_dim": 32})
    with pytest.raises(CheckpointError, match="same architecture at another size"):
        TabICLRows.check_weights(other)


def test_a_way_to_group_that_tabicl_does_not_have_is_refused():
    with pytest.raises(InputError, match="'col_feature_group' of TabICL must be"):
        TabICLRows(col_feature_group="all")
