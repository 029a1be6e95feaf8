"""BrainLM 111M and 650M against outputs of their reference code, and their preparation."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from adestim import check_backbone
from adestim.backbone import CLOSED, find_card, load_backbone
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError, InputError
from adestim.inspection import TokenPlaces
from adestim.modalities.fmri.models.brainlm import BrainLM
from tests.modalities.fmri.model_files import (
    VIT_TINY,
    arrays,
    baselines,
    coordinates_file,
    flat_file,
    n_adapted,
    quadratic_tables,
    released_shapes,
    series_of,
    shapes_of,
    spec_of,
)

HOME = "adestim.modalities.fmri.models.brainlm:BrainLM"
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture(scope="module")
def case(parity):
    return arrays(parity / "brainlm")


@pytest.fixture(scope="module")
def spec(parity, tmp_path_factory):
    weights = flat_file(parity / "brainlm", tmp_path_factory.mktemp("vit") / "pytorch_model.bin")
    return spec_of("brainlm-111m", HOME, VIT_TINY, weights)


@pytest.fixture(scope="module")
def model(spec):
    return load_backbone(spec)


def test_embeds_as_the_reference(model, case):
    embedded = model.embed(case["input"])
    assert embedded.shape == (2, 730, 32)
    torch.testing.assert_close(embedded[:, :64], case["input_tokens_first64"], **CLOSE)


@pytest.mark.parametrize("masked", [False, True])
def test_encodes_as_the_reference(model, case, masked):
    log_mask = torch.zeros(2, 730) if masked else None
    tokens = model.encode(model.embed(case["input"]), log_mask, 730)
    torch.testing.assert_close(tokens, case["output_tokens"], **CLOSE)


@pytest.mark.parametrize("masked", [False, True])
def test_encodes_auxiliary_tokens_as_the_reference(model, case, masked):
    both = torch.cat([model.embed(case["input"]), case["aux_tokens"]], dim=1)
    tokens = model.encode(both, torch.zeros(2, 735) if masked else None, 730)
    first_and_auxiliary = torch.cat([tokens[:, :1], tokens[:, 730:]], dim=1)
    torch.testing.assert_close(first_and_auxiliary, case["output_tokens_with_aux"], **CLOSE)


def test_closed_auxiliary_tokens_change_nothing(model, case):
    both = torch.cat([model.embed(case["input"]), 100 * case["aux_tokens"]], dim=1)
    tokens = model.encode(both, F.pad(torch.zeros(2, 730), (0, 5), value=CLOSED), 730)
    torch.testing.assert_close(tokens[:, :730], case["output_tokens"], **CLOSE)


def test_gradient_reaches_auxiliary_tokens_and_their_gate(model, case):
    auxiliary = case["aux_tokens"].clone().requires_grad_()
    gate = torch.full((2, 5), -2.0, requires_grad=True)
    log_mask = torch.cat([torch.zeros(2, 730), gate], dim=1)
    both = torch.cat([model.embed(case["input"]), auxiliary], dim=1)
    tokens = model.encode(both, log_mask, 730)
    model.pool(tokens, torch.ones(2, 730, dtype=torch.bool)).square().sum().backward()
    assert (auxiliary.grad.abs().sum(-1) > 0).all()
    assert (gate.grad != 0).all()


def test_no_table_of_all_pairs_of_tokens_is_kept(model, case):
    tokens = model.embed(case["input"][:1]).requires_grad_()
    assert quadratic_tables(lambda: model.encode(tokens, torch.zeros(1, 730), 730), 730) == []


@pytest.mark.parametrize(
    ("name", "size", "n_data"), [("brainlm-111m", "111M", 351), ("brainlm-650m", "650M", 465)]
)
def test_released_checkpoint_fits_name_by_name(reference, name, size, n_data):
    card = find_card(name, "fmri")
    with torch.device("meta"):
        model = BrainLM(**card.architecture)
    released = released_shapes(reference / f"keys_brainlm_{size}.txt", without="decoder.")
    assert shapes_of(model) == released
    assert sum(value.numel() for value in model.state_dict().values()) == card.n_parameters
    own = torch.ones(1, released["vit.embeddings.position_embeddings"][1], dtype=torch.bool)
    assert int(model.readable(own).sum()) == 1 + n_data


def test_patches_outside_the_data_are_not_readable(model):
    image = torch.zeros(1, 424, 200)
    background = model.embed(image) - model.vit.embeddings.position_embeddings
    padding = background[0, 1]
    differs = ~torch.isclose(background[0], padding, atol=1e-6).all(dim=-1)
    own = torch.ones(1, 730, dtype=torch.bool)
    readable = model.readable(own)[0]
    assert torch.equal(readable, differs)
    assert readable[0]
    assert int(readable.sum()) == 1 + 27 * 13


def test_columns_seven_to_nineteen_hold_the_data(model):
    readable = model.readable(torch.ones(1, 730, dtype=torch.bool))[0, 1:].unflatten(0, (27, 27))
    columns = torch.arange(27)
    assert torch.equal(readable, ((columns >= 7) & (columns <= 19)).expand(27, -1))


def test_pools_the_class_token_or_the_patches_with_data(spec, model, case):
    tokens, own = case["output_tokens"], torch.ones(2, 730, dtype=torch.bool)
    torch.testing.assert_close(model.pool(tokens, own), tokens[:, 0])
    weights = spec.source("weights")
    averaging = BrainLM.load(spec_of("x", HOME, VIT_TINY | {"pooling": "mean"}, weights))
    with_auxiliary = torch.cat([tokens, 100 * case["aux_tokens"]], dim=1)
    data = model.readable(own)[0]
    data[0] = False
    torch.testing.assert_close(averaging.pool(with_auxiliary, own), tokens[:, data].mean(1))


def test_adapters_reach_every_layer_of_every_block(model):
    assert n_adapted(model) == 3 * 6


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_keeps_the_contract(spec, case, pooling):
    architecture = VIT_TINY | {"pooling": pooling, "n_frames": 200}
    model = BrainLM.load(spec_of("x", HOME, architecture, spec.source("weights")))
    assert check_backbone(model, list(case["input"].numpy())) is None


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_stand_in_is_pooled_where_there_is_no_run(pooling):
    model = BrainLM(**VIT_TINY, pooling=pooling)
    tokens = torch.randn(2, 730, 32, generator=torch.Generator().manual_seed(0))
    own = torch.zeros(2, 730, dtype=torch.bool)
    own[:, 0] = True
    torch.testing.assert_close(model.pool(tokens, own), tokens[:, 0])
    torch.testing.assert_close(model.pool(tokens[:, :6], own[:, :1]), tokens[:, 0])
    torch.testing.assert_close(model.pool(tokens, own.flip(1)), tokens[:, -1])


def test_other_pooling_is_refused():
    with pytest.raises(InputError, match="must be 'cls' or 'mean'"):
        BrainLM(**VIT_TINY, pooling="max")


def test_weights_of_another_model_are_refused(parity, tmp_path):
    other = flat_file(parity / "brainlm13m", tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="must hold exactly that model's weights"):
        BrainLM.load(spec_of("brainlm-111m", HOME, VIT_TINY, other))


@pytest.fixture
def coordinates(tmp_path):
    rng = np.random.default_rng(0)
    xyz = np.column_stack([rng.integers(-70, 70, 30), rng.integers(-4, 4, 30), np.arange(30)])
    return coordinates_file(tmp_path / "A424_Coordinates.dat", xyz), xyz


def learned(raws, path):
    return BrainLM.learn(raws, coordinates=path, **BrainLM.input_size(n_parcels=30, n_frames=40))


def test_preparation_scales_divides_and_sorts_by_y(coordinates):
    path, xyz = coordinates
    rows = [series_of(baselines(seed, 40, 30), t_r=0.735) for seed in range(4)]
    options = learned(rows, path)
    pooled = np.concatenate([row.values - row.values.mean(axis=0) for row in rows])
    low, middle, high = np.quantile(pooled.astype(np.float32), [0.25, 0.5, 0.75], axis=0)
    centred = rows[1].values - rows[1].values.mean(axis=0)
    expected = (centred - middle) / (high - low) / 5.6430855
    order = sorted(range(30), key=lambda parcel: (xyz[parcel, 1], parcel))
    inputs = BrainLM.prepare(rows[1], **options)
    assert (inputs.shape, inputs.dtype) == ((30, 40), np.float32)
    np.testing.assert_allclose(inputs, expected.T[order], rtol=1e-4, atol=1e-5)


def test_unknown_option_is_refused(coordinates):
    with pytest.raises(InputError, match=r"may hold 'coordinates'.*'normalization'"):
        BrainLM.learn([], coordinates=coordinates[0], n_parcels=30, normalization="scan")


@pytest.mark.parametrize("size", [{"n_frames": 1000}, {"n_parcels": 0}])
def test_data_must_fit_into_the_image(size):
    with pytest.raises(InputError, match="must fit into its image"):
        BrainLM(**VIT_TINY, **size)


def places_of(sources=(), n_tokens=0, **sizes):
    spec = BackboneSpec("model", options=(("architecture", tuple(sizes.items())),), sources=sources)
    named = TokenPlaces("fmri", "columns", ("token",) * n_tokens)
    return BrainLM.place_tokens(named, spec)


def test_patches_are_shared_by_the_parcels_they_see(tmp_path):
    path = tmp_path / "coordinates.dat"
    path.write_text("1 0 50 0\n2 0 -50 0\n3 0 -40 0\n4 0 60 0\n")
    sizes = {"n_parcels": 4, "n_frames": 4, "image_size": 4, "patch_size": 2}
    places = places_of((("coordinates", str(path)),), **sizes)
    # Parcels 2 and 3 are in the back, and thus in the first row of patches.
    np.testing.assert_array_equal(places.placed([100, 1, 1, 10, 10]), [10, 1, 1, 10])
    np.testing.assert_array_equal(places.coordinates[1], [0, -50, 0])


@pytest.mark.parametrize("file", [None, "gone.dat"])
def test_without_its_file_it_has_no_parcels(file, tmp_path):
    sources = () if file is None else (("coordinates", str(tmp_path / file)),)
    assert places_of(sources).kind == "columns"
