"""BrainHarmonix-F: its patches at any repetition time, its positions, its checkpoint."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from adestim import check_backbone
from adestim._support.digests import digest_file
from adestim.backbone import CLOSED, find_card
from adestim.encoding import BackboneSpec
from adestim.evaluation import warn_pretraining
from adestim.exceptions import (
    AdestimWarning,
    CheckpointError,
    InputError,
    LeakageWarning,
    TimeSeriesError,
)
from adestim.inspection import TokenPlaces
from adestim.modalities.fmri.models.brainharmonix_f import BrainHarmonixF
from adestim.modalities.fmri.timeseries import RoiLayout
from tests.modalities.fmri.model_files import (
    atlas_names,
    baselines,
    n_adapted,
    series_of,
    table_file,
)

HOME = "adestim.modalities.fmri.models.brainharmonix_f:BrainHarmonixF"
N_ROIS, N_TIMES, WIDTH, DEPTH, N_HEADS = 5, 3, 12, 2, 3
TINY = {
    "n_rois": N_ROIS, "n_time_patches": N_TIMES, "n_gradients": 4, "n_modes": 6, "width": WIDTH,
    "depth": DEPTH, "n_heads": N_HEADS,
}  # fmt: skip
N_TOKENS = N_ROIS * N_TIMES
# Repetition times, and how many volumes lie within 35.28 s.
RATES = {0.735: 48, 0.72: 49, 1.0: 35, 2.0: 18, 2.2: 16, 3.0: 12}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Paths of both tables, and their numbers."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    gradients, modes = (rng.normal(size=(N_ROIS, n)).astype(np.float32) for n in (4, 6))
    frame = pd.DataFrame(modes, [f"ROI_{n}" for n in range(1, 6)], [f"Mode_{n}" for n in range(6)])
    frame.to_csv(folder / "eigenmodes.csv", float_format="%.9g")
    paths = {
        "gradients": table_file(folder / "gradients.csv", gradients),
        "eigenmodes": folder / "eigenmodes.csv",
    }
    return paths, torch.from_numpy(gradients), torch.from_numpy(modes)


@pytest.fixture(scope="module")
def state():
    """Random weights under the module's names."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: 0.3 * torch.randn(value.shape, generator=generator)
        for name, value in BrainHarmonixF(**TINY).state_dict().items()
    }


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    """A file as the release holds it: two encoders, a decoder, sines of another length."""
    path = tmp_path_factory.mktemp("harmonix") / "model.pth"
    averaged = {f"encoder_ema.{name}": value for name, value in state.items()}
    trained = {f"encoder.{name}": value + 1 for name, value in state.items()}
    beside = {
        "encoder_ema.pos_embed.emb_h_encoder": torch.ones(2 * N_TOKENS, WIDTH // 2),
        "encoder_ema.pos_embed.emb_h_decoder": torch.ones(2 * N_TOKENS, 4),
        "encoder_ema.pos_embed.decoder_pos_embed_proj.weight": torch.ones(4, WIDTH // 2),
        "encoder_ema.pos_embed.decoder_pos_embed_proj.bias": torch.ones(4),
        "decoder.mask_token": torch.zeros(1, 1, 8),
    }
    torch.save({**averaged, **trained, **beside}, path)
    return path


@pytest.fixture(scope="module")
def spec(weights, tables):
    files = {key: digest_file(path) for key, path in tables[0].items()}
    return BackboneSpec(
        "brainharmonix-f",
        options=(
            ("architecture", tuple(sorted(TINY.items()))),
            ("files", tuple(files.items())),
        ),
        sources=(
            ("weights", str(weights)),
            ("home", HOME),
            *((key, str(path)) for key, path in tables[0].items()),
        ),
    )


@pytest.fixture(scope="module")
def model(spec):
    return BrainHarmonixF.load(spec)


@pytest.fixture
def options_of(tables):
    def options(rows=(), **params):
        params = {"normalization": None} | params
        return BrainHarmonixF.learn(
            rows, **tables[0], **BrainHarmonixF.input_size(**TINY), **params
        )

    return options


def run(n_volumes, t_r, absent=()):
    return series_of(np.random.default_rng(0).normal(size=(n_volumes, N_ROIS)), t_r, absent)


def positions_of(state, tables):
    """Return positions (n_tokens, width), region by region."""
    _, gradients, modes = tables
    part = {name.removeprefix("pos_embed."): value for name, value in state.items()}
    mapped = F.linear(gradients, part["grad_proj.weight"], part["grad_proj.bias"])
    mapped = mapped + F.linear(modes, part["geo_harm_proj.weight"], part["geo_harm_proj.bias"])
    mapped = (mapped - mapped.min()) / (mapped.max() - mapped.min()) * 2 - 1
    angle = torch.arange(N_TIMES)[:, None] / 10000 ** (torch.arange(3) / 3)
    sines = torch.cat([angle.sin(), angle.cos()], dim=1)
    return torch.stack([torch.cat([time, place]) for place in mapped for time in sines])


def fit_filter(kernel, n_volumes):
    """Return the filter (width, 48) at another number of volumes, as FlexiViT resizes it."""
    rows = F.interpolate(
        torch.eye(48)[:, None, None], (1, n_volumes), mode="bicubic", antialias=True
    )
    return kernel @ torch.linalg.pinv(rows[:, 0, 0]).T


def encode_plainly(state, x):
    """Return what torch's own transformer makes of tokens (1, T, width)."""
    for block in range(DEPTH):
        layer = nn.TransformerEncoderLayer(
            WIDTH, N_HEADS, 4 * WIDTH, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
        ).eval()
        start = f"blocks.{block}."
        of = {n.removeprefix(start): value for n, value in state.items() if n.startswith(start)}
        renamed = {
            "attn.qkv.": "self_attn.in_proj_",
            "attn.proj.": "self_attn.out_proj.",
            "mlp.fc1.": "linear1.",
            "mlp.fc2.": "linear2.",
        }
        for old, new in renamed.items():
            of = {name.replace(old, new): value for name, value in of.items()}
        layer.load_state_dict(of)
        x = layer(x)
    return F.layer_norm(x, (WIDTH,), state["norm.weight"], state["norm.bias"], 1e-6)


@pytest.mark.parametrize(("t_r", "n_volumes"), RATES.items())
def test_a_patch_of_any_rate_meets_the_resized_filter(
    t_r, n_volumes, model, state, tables, options_of
):
    series = run(3 * n_volumes, t_r)
    inputs = BrainHarmonixF.prepare(series, **options_of())
    assert inputs.shape == (N_ROIS, N_TIMES * 48)
    assert inputs.dtype == np.float32
    kernel = state["patch_embed.proj.weight"][:, 0, 0]
    kernel = kernel if n_volumes == 48 else fit_filter(kernel, n_volumes)
    patches = torch.from_numpy(series.values.T).float().unflatten(1, (N_TIMES, n_volumes))
    tokens = patches.flatten(0, 1) @ kernel.T + state["patch_embed.proj.bias"]
    expected = tokens + positions_of(state, tables)
    torch.testing.assert_close(
        model.embed(torch.from_numpy(inputs)[None])[0], expected, atol=1e-4, rtol=1e-4
    )


def test_encodes_as_a_plain_transformer(model, state, options_of):
    tokens = model.embed(
        torch.from_numpy(BrainHarmonixF.prepare(run(60, 2.0), **options_of()))[None]
    )
    encoded = model.encode(tokens, None, N_TOKENS)
    torch.testing.assert_close(encoded, encode_plainly(state, tokens), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("windows", ["middle", "all"])
def test_keeps_the_contract(windows, model, options_of):
    options = options_of(windows=windows)
    inputs = [BrainHarmonixF.prepare(run(n, 2.0), **options) for n in (20, 130)]
    assert check_backbone(model, inputs) is None


def test_patches_after_the_end_of_a_run_are_closed(model, state, options_of):
    inputs = BrainHarmonixF.prepare(run(20, 2.0), **options_of())
    batch = model.collate([inputs])
    own = model.own_mask(batch)
    # Two volumes of the second patch were recorded, none of the third.
    assert own.unflatten(1, (N_ROIS, N_TIMES)).tolist() == [[[True, True, False]] * N_ROIS]
    mask = torch.zeros(1, N_TOKENS).masked_fill(~own, CLOSED)
    tokens = model.embed(batch)
    encoded = model.encode(tokens, mask, N_TOKENS)
    expected = encode_plainly(state, tokens[:, own[0]])
    torch.testing.assert_close(encoded[:, own[0]], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.pool(encoded, own), expected.mean(1), atol=1e-4, rtol=1e-4)


def test_a_begun_patch_ends_with_zeros(options_of):
    short = run(20, 2.0)
    filled = series_of(np.pad(short.values, ((0, 16), (0, 0))), 2.0)
    one, other = (BrainHarmonixF.prepare(series, **options_of()) for series in (short, filled))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_long_run_is_read_in_its_middle_or_whole(options_of):
    series = run(74, 2.0)
    middle = BrainHarmonixF.prepare(series_of(series.values[10:64], 2.0), **options_of())
    np.testing.assert_array_equal(BrainHarmonixF.prepare(series, **options_of()), middle)
    windows = BrainHarmonixF.prepare(series, **options_of(windows="all"))
    assert windows.shape == (2, N_ROIS, N_TIMES * 48)
    first = BrainHarmonixF.prepare(series_of(series.values[:54], 2.0), **options_of())
    np.testing.assert_allclose(windows[0], first, atol=1e-6)


def test_regions_are_scaled_by_the_training_rows(options_of):
    rows = [series_of(baselines(seed, 60, N_ROIS), 2.0) for seed in range(6)]
    means = np.stack([row.values.mean(axis=0) for row in rows])
    low, centre, high = np.quantile(means, [0.25, 0.5, 0.75], axis=0)
    scaled = BrainHarmonixF.prepare(rows[0], **options_of(rows, normalization="robust"))
    values = series_of((rows[0].values - centre) / (high - low), 2.0)
    expected = BrainHarmonixF.prepare(values, **options_of())
    np.testing.assert_allclose(scaled, expected, rtol=1e-4, atol=1e-4)


def test_a_run_without_its_mean_is_told_of(options_of):
    values = baselines(0, 60, N_ROIS)
    with pytest.warns(AdestimWarning, match="without their mean, which brainharmonix-f"):
        BrainHarmonixF.prepare(
            series_of(values - values.mean(axis=0), 2.0), **options_of(normalization="scan")
        )


def test_adapters_reach_every_layer_of_every_block(model):
    assert n_adapted(model) == DEPTH * 4


def test_released_model_has_the_stated_size():
    card = find_card("brainharmonix-f", "fmri")
    with torch.device("meta"):
        model = card.backbone_class()(**card.architecture)
    assert sum(value.numel() for value in model.state_dict().values()) == card.n_parameters


def test_people_of_its_pretraining_are_told_of():
    with pytest.warns(LeakageWarning, match="brainharmonix-f"):
        warn_pretraining("brainharmonix-f", "UK Biobank")


def test_weights_of_another_model_are_refused(spec, tmp_path):
    torch.save({"vit.layernorm.weight": torch.ones(3)}, tmp_path / "other.pth")
    other = BackboneSpec(
        spec.name, options=spec.options, sources=(("weights", str(tmp_path / "other.pth")),)
    )
    with pytest.raises(CheckpointError, match="must hold exactly that model's weights"):
        BrainHarmonixF.check_weights(other)


@pytest.mark.parametrize("key", ["gradients", "eigenmodes"])
def test_both_tables_must_be_named(key, tables):
    given = {name: path for name, path in tables[0].items() if name != key}
    with pytest.raises(InputError, match=rf"must name the table of {key}.*brainharmony_pos_embed"):
        BrainHarmonixF.files(**given)


@pytest.mark.parametrize("key", ["gradients", "eigenmodes"])
def test_another_table_needs_its_hash(key, tables, options_of):
    with pytest.raises(InputError, match=rf"table of {key} must have the SHA-256 0+,"):
        options_of(**{f"{key}_sha256": "0" * 64})
    assert options_of(**{f"{key}_sha256": digest_file(tables[0][key])})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"normalization": "zscore"}, r"must be one of .* Leave it out for 'robust'"),
        ({"windows": "some"}, "'windows' in backbone_params of brainharmonix-f"),
        ({"n_clips": 3}, "Got 'n_clips'"),
    ],
)
def test_other_options_are_refused(wrong, words, options_of):
    with pytest.raises(InputError, match=words):
        options_of(**wrong)


class Raws(list):
    """Training series, of which the layout is known."""

    def __init__(self, names):
        super().__init__()
        self.layout = RoiLayout(tuple(names))


@pytest.fixture
def full_tables(tmp_path):
    """Tables of 400 regions, and what vouches for them."""
    values = np.random.default_rng(0).normal(size=(400, 4))
    pd.DataFrame(values).to_csv(tmp_path / "eigenmodes.csv")
    return {
        "gradients": table_file(tmp_path / "gradients.csv", values),
        "eigenmodes": tmp_path / "eigenmodes.csv",
    }


def test_regions_must_be_in_the_order_of_the_atlas(full_tables):
    sizes = BrainHarmonixF.input_size(n_gradients=4, n_modes=4)
    names = atlas_names()[50:]
    assert BrainHarmonixF.learn(Raws(names), **full_tables, **sizes)["centre"] is None
    with pytest.raises(TimeSeriesError, match="in a fixed order: the 400 of Schaefer's"):
        BrainHarmonixF.learn(Raws(names[::-1]), **full_tables, **sizes)


@pytest.mark.parametrize("n_windows", [1, 3])
def test_tokens_lie_at_their_parcels(n_windows, spec):
    names = tuple(f"token {k}" for k in range(n_windows * N_TOKENS))
    places = BrainHarmonixF.place_tokens(TokenPlaces("fmri", "parcels", names), spec)
    assert places.mixing.shape == (N_ROIS, n_windows * N_TOKENS)
    assert places.mixing[:, N_TIMES + 1].argmax() == 1
