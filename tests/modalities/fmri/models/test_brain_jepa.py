"""Brain-JEPA against outputs of its reference code, and its preparation."""

import numpy as np
import pytest
import torch

from adestim import check_backbone
from adestim.backbone import CLOSED, find_card, load_backbone
from adestim.backbone.weights.checkpoint import load_strict
from adestim.backbone.weights.layout import canonical_state
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError, InputError, TimeSeriesError
from adestim.inspection import TokenPlaces
from adestim.modalities.fmri.models.brain_jepa import BrainJEPA, time_sines
from adestim.modalities.fmri.timeseries import RoiLayout
from tests.modalities.fmri.model_files import (
    JEPA_TINY,
    arrays,
    atlas_names,
    baselines,
    jepa_file,
    n_adapted,
    quadratic_tables,
    released_shapes,
    series_of,
    shapes_of,
    spec_of,
    table_file,
)

HOME = "adestim.modalities.fmri.models.brain_jepa:BrainJEPA"
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture(scope="module")
def case(parity):
    return arrays(parity / "brainjepa")


@pytest.fixture(scope="module")
def spec(parity, case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jepa")
    weights = jepa_file(parity / "brainjepa", folder / "jepa-ep300.pth.tar")
    table = table_file(folder / "gradients.csv", case["gradient"])
    return spec_of("brain-jepa", HOME, JEPA_TINY, weights, gradients=table)


@pytest.fixture(scope="module")
def model(spec):
    return load_backbone(spec)


def changed(spec, tmp_path, **architecture):
    return spec_of(
        "brain-jepa",
        HOME,
        JEPA_TINY | architecture,
        spec.source("weights"),
        gradients=spec.source("gradients"),
    )


def test_embeds_as_the_reference(model, case):
    positions = model.pos_embed_proj(model.gradients)
    torch.testing.assert_close(positions, case["pos_embed"], **CLOSE)
    torch.testing.assert_close(model.embed(case["input"][:, 0]), case["input_tokens"], **CLOSE)


def test_encodes_and_pools_as_the_reference(model, case):
    tokens = model.encode(model.embed(case["input"][:, 0]), None, 200)
    torch.testing.assert_close(tokens, case["output_tokens"], **CLOSE)
    own = torch.ones(2, 200, dtype=torch.bool)
    torch.testing.assert_close(model.pool(tokens, own), case["pooled"], **CLOSE)


@pytest.mark.parametrize("masked", [False, True])
def test_encodes_auxiliary_tokens_as_the_reference(model, case, masked):
    both = torch.cat([case["input_tokens"], case["aux_tokens"]], dim=1)
    tokens = model.encode(both, torch.zeros(2, 205) if masked else None, 200)
    torch.testing.assert_close(tokens, case["output_tokens_with_aux"], **CLOSE)


def test_closed_auxiliary_tokens_change_nothing(model, case):
    both = torch.cat([case["input_tokens"], 100 * case["aux_tokens"]], dim=1)
    log_mask = torch.zeros(2, 205)
    log_mask[:, 200:] = CLOSED
    tokens = model.encode(both, log_mask, 200)[:, :200]
    torch.testing.assert_close(tokens, case["output_tokens"], **CLOSE)


def test_gradient_reaches_auxiliary_tokens_and_their_gate(model, case):
    auxiliary = case["aux_tokens"].clone().requires_grad_()
    gate = torch.full((2, 5), -2.0, requires_grad=True)
    log_mask = torch.cat([torch.zeros(2, 200), gate], dim=1)
    tokens = model.encode(torch.cat([case["input_tokens"], auxiliary], dim=1), log_mask, 200)
    model.pool(tokens, torch.ones(2, 200, dtype=torch.bool)).sum().backward()
    assert (auxiliary.grad.abs().sum(-1) > 0).all()
    assert (gate.grad != 0).all()


def test_no_table_of_all_pairs_of_tokens_is_kept(model, case):
    tokens = case["input_tokens"].clone().requires_grad_()
    assert quadratic_tables(lambda: model.encode(tokens, torch.zeros(2, 200), 200), 200) == []


def test_adapters_reach_every_layer_of_every_block(model):
    assert n_adapted(model) == 3 * 4


def test_keeps_the_contract(model, case):
    assert check_backbone(model, list(case["input"][:, 0].numpy())) is None


def test_half_precision_stays_close(spec, case):
    model = load_backbone(spec, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        tokens = model.encode(model.embed(case["input"][:, 0]), None, 200)
    assert (tokens - case["output_tokens"]).abs().mean() < 0.02


def test_released_checkpoint_fits_name_by_name(reference):
    with torch.device("meta"):
        model = BrainJEPA()
    released = released_shapes(reference / "keys_brainjepa.txt")
    assert shapes_of(model) == released
    n_parameters = sum(value.numel() for value in model.state_dict().values())
    assert n_parameters == find_card("brain-jepa", "fmri").n_parameters


def released(reference, part, prefix="module."):
    """Return the tensors that a part of the released file holds, without memory."""
    shapes = released_shapes(reference / f"keys_{part}.txt")
    return {prefix + name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def test_predictor_beside_the_encoders_is_left_out(reference):
    encoder = released(reference, "brainjepa")
    predictor = released(reference, "brainjepa_predictor")
    raw = {"encoder": encoder, "predictor": predictor, "target_encoder": encoder, "epoch": 300}
    state = canonical_state(raw, BrainJEPA.checkpoint)
    assert state.keys() == released(reference, "brainjepa", prefix="").keys()


@pytest.mark.parametrize("wrapper", [None, "predictor"])
def test_predictor_alone_is_recognised_and_refused(reference, spec, wrapper):
    predictor = released(reference, "brainjepa_predictor")
    raw = predictor if wrapper is None else {wrapper: predictor, "epoch": 300}
    with torch.device("meta"):
        model = BrainJEPA()
    with pytest.raises(CheckpointError, match="look like the predictor of Brain-JEPA, without"):
        load_strict(model, canonical_state(raw, BrainJEPA.checkpoint), spec)


def test_fewer_time_patches_get_their_own_table_of_sines(spec, model, case, tmp_path):
    short = BrainJEPA.load(changed(spec, tmp_path, n_time_patches=6))
    expected = model.pos_embed_proj.emb_h.unflatten(0, (20, 10))[:, :6].flatten(0, 1)
    torch.testing.assert_close(short.pos_embed_proj.emb_h, expected, **CLOSE)
    embedded = short.embed(case["input"][:, 0, :, :24])
    wanted = case["input_tokens"].unflatten(1, (20, 10))[:, :, :6].flatten(1, 2)
    torch.testing.assert_close(embedded, wanted, **CLOSE)


def test_table_of_sines_is_the_released_one(case):
    torch.testing.assert_close(time_sines(10, 16), case["pos_embed"][:10, :16], **CLOSE)


def test_positions_follow_a_projection_that_is_trained(spec, case):
    model = BrainJEPA.load(spec)
    model.embed(case["input"][:, 0]).square().sum().backward()
    assert model.pos_embed_proj.predictor_pos_embed_proj.weight.grad.abs().sum() > 0


def test_fine_tuned_checkpoints_load_too(parity, spec, case, tmp_path):
    state = torch.load(spec.source("weights"))["target_encoder"]
    tuned = {f"encoder.{key.removeprefix('module.')}": value for key, value in state.items()}
    path = tmp_path / "tuned.pth"
    torch.save({"model": {**tuned, "fc_norm.weight": torch.ones(32), "head.bias": 0}}, path)
    table = spec.source("gradients")
    model = BrainJEPA.load(spec_of("brain-jepa", HOME, JEPA_TINY, path, gradients=table))
    tokens = model.encode(model.embed(case["input"][:, 0]), None, 200)
    torch.testing.assert_close(tokens, case["output_tokens"], **CLOSE)


def test_weights_of_another_size_are_refused(spec, tmp_path):
    with pytest.raises(CheckpointError, match="of another shape"):
        BrainJEPA.load(changed(spec, tmp_path, width=64))


@pytest.mark.parametrize("exchange", [True, False])
def test_table_that_changed_since_fit_is_refused(spec, case, tmp_path, exchange):
    table = table_file(tmp_path / "g.csv", case["gradient"])
    weights = spec.source("weights")
    changing = spec_of("brain-jepa", HOME, JEPA_TINY, weights, gradients=table)
    if exchange:
        table_file(table, 2 * case["gradient"])
    else:
        table.unlink()
    with pytest.raises(CheckpointError, match="must be the file that fit saw"):
        BrainJEPA.load(changing)


class Rows(list):
    """Training rows with the layout of their regions."""

    def __init__(self, series, names=None):
        super().__init__(series)
        n_rois = series[0].values.shape[1] if series else 20
        made_up = tuple(f"roi{number:03d}" for number in range(n_rois))
        self.layout = RoiLayout(tuple(names or made_up), named=names is not None)


@pytest.fixture
def table(tmp_path):
    values = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    return table_file(tmp_path / "g.csv", values)


def learned(raws, table, **params):
    size = BrainJEPA.input_size(**JEPA_TINY)
    return BrainJEPA.learn(raws, gradients=table, **size, **params)


def test_scan_normalisation_is_one_scale_for_all_regions(table):
    series = series_of(baselines(0, 40, 20))
    inputs = BrainJEPA.prepare(series, **learned(Rows([series]), table))
    expected = (series.values - series.values.mean()) / series.values.std()
    assert inputs.dtype == np.float32
    np.testing.assert_allclose(inputs, expected.T, rtol=1e-5, atol=1e-6)


def test_scan_normalisation_uses_the_whole_run_and_then_its_middle(table):
    series = series_of(baselines(0, 60, 20))
    inputs = BrainJEPA.prepare(series, **learned([series], table))
    expected = (series.values - series.values.mean()) / series.values.std()
    np.testing.assert_allclose(inputs, expected[10:50].T, rtol=1e-5, atol=1e-6)


def test_slow_run_is_resampled_and_never_repeats_its_last_volume(table):
    series = series_of(baselines(0, 40, 20), t_r=3.0)
    inputs = BrainJEPA.prepare(series, **learned([series], table))
    assert inputs.shape == (20, 40)
    assert (np.diff(inputs, axis=1) != 0).all()


def test_short_run_is_filled_with_the_mean_of_every_region(table):
    series = series_of(baselines(0, 25, 20))
    inputs = BrainJEPA.prepare(series, **learned([series], table, normalization=None))
    np.testing.assert_allclose(inputs[:, :25], series.values.T, rtol=1e-6)
    padding = np.repeat(series.values.mean(axis=0)[:, None], 15, axis=1)
    np.testing.assert_allclose(inputs[:, 25:], padding, rtol=1e-6)


def test_robust_normalisation_is_fitted_to_means_over_time(table):
    rows = [series_of(baselines(seed, 40, 20)) for seed in range(7)]
    options = learned(Rows(rows), table, normalization="robust")
    means = np.stack([row.values.mean(axis=0) for row in rows])
    low, middle, high = np.quantile(means, [0.25, 0.5, 0.75], axis=0)
    expected = (rows[3].values - middle) / (high - low)
    np.testing.assert_allclose(BrainJEPA.prepare(rows[3], **options), expected.T, rtol=1e-5)


@pytest.mark.parametrize("normalization", ["scan", "robust", None])
def test_regions_without_a_signal_are_neutral(table, normalization):
    rows = [series_of(baselines(seed, 40, 20), absent=[3]) for seed in range(5)]
    options = learned(Rows(rows), table, normalization=normalization)
    inputs = BrainJEPA.prepare(rows[0], **options)
    neutral = rows[0].values[:, rows[0].present].mean() if normalization is None else 0.0
    np.testing.assert_allclose(inputs[3], neutral, rtol=1e-6)
    complete = rows[0].values[:, rows[0].present]
    if normalization == "scan":
        np.testing.assert_allclose(
            inputs[0], (complete[:, 0] - complete.mean()) / complete.std(), rtol=1e-4
        )


def test_statistics_are_read_only_where_they_are_asked_for(table):
    class Unread:
        layout = None

        def __iter__(self):
            raise AssertionError("read")

    assert learned(Unread(), table)["normalization"] == "scan"
    with pytest.raises(AssertionError, match="read"):
        learned(Unread(), table, normalization="robust")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"normalization": "zscore"}, "must be one of"),
        ({"normalisation": "scan"}, "may hold 'gradients'.*'normalisation'"),
        ({"gradients_sha256": "0" * 64}, "must have the SHA-256 0000"),
    ],
)
def test_wrong_options_are_refused(table, params, words):
    with pytest.raises(InputError, match=words):
        learned([], table, **params)


def test_robust_normalisation_without_training_rows_is_refused_when_used(table):
    options = learned([], table, normalization="robust")
    with pytest.raises(TimeSeriesError, match="must have been fitted"):
        BrainJEPA.prepare(series_of(baselines(0, 40, 20)), **options)


def test_order_of_the_regions_is_checked_at_the_released_size(tmp_path):
    values = np.random.default_rng(0).normal(size=(450, 30)).astype(np.float32)
    table = table_file(tmp_path / "g.csv", values)
    rows = [series_of(baselines(0, 40, 450))]
    digest = spec_of("x", "", {}, table).digest
    params = {"gradients": table, "gradients_sha256": digest}
    assert BrainJEPA.learn(Rows(rows, atlas_names()), **params)["n_rois"] == 450
    for names, words in (
        (None, "without names.*Pass labels="),
        (atlas_names("7Networks_"), "7-network"),
        (atlas_names()[::-1], "fixed order"),
    ):
        with pytest.raises(TimeSeriesError, match=words):
            BrainJEPA.learn(Rows(rows, names), **params)


def places_of(n_tokens=0, **sizes):
    spec = BackboneSpec("model", options=(("architecture", tuple(sizes.items())),))
    named = TokenPlaces("fmri", "columns", ("token",) * n_tokens)
    return BrainJEPA.place_tokens(named, spec)


def test_times_of_a_parcel_are_summed():
    places = places_of(n_rois=3, n_time_patches=2)
    np.testing.assert_array_equal(places.placed(np.arange(6)), [1, 5, 9])
