"""CortexMAE on parcels: its preparation, its blocks, its checkpoint."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from adestim import check_backbone
from adestim.backbone import CLOSED, find_card
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError, InputError, TimeSeriesError
from adestim.inspection import TokenPlaces
from adestim.modalities.fmri.models.cortex_mae import CortexMAEParcel
from adestim.modalities.fmri.timeseries import RoiLayout
from tests.modalities.fmri.model_files import atlas_names, n_adapted, series_of

HOME = "adestim.modalities.fmri.models.cortex_mae:CortexMAEParcel"
N_ROIS, WIDTH, DEPTH, N_HEADS = 5, 12, 2, 3
TINY = {"n_rois": N_ROIS, "width": WIDTH, "depth": DEPTH, "n_heads": N_HEADS}
N_TOKENS = 1 + 4 * N_ROIS


def spec_of(weights, **more):
    sizes = tuple(sorted((TINY | more).items()))
    return BackboneSpec(
        "cortex-mae-parcel",
        options=(("architecture", sizes),),
        sources=(("weights", str(weights)), ("home", HOME)),
    )


@pytest.fixture(scope="module")
def state():
    """Random weights, under the names of the released file."""
    generator = torch.Generator().manual_seed(0)
    state = {
        f"encoder.{name}": 0.3 * torch.randn(value.shape, generator=generator)
        for name, value in CortexMAEParcel(**TINY).state_dict().items()
    }
    return {**state, "decoder.mask_token": torch.zeros(1, 1, 8)}


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("cortex") / "checkpoint-last.pth"
    torch.save({"model": state, "args": {"input_space": "schaefer400"}, "epoch": 99}, path)
    return path


@pytest.fixture(scope="module")
def model(weights):
    return CortexMAEParcel.load(spec_of(weights))


@pytest.fixture(scope="module")
def clips():
    return torch.randn(2, 3, N_ROIS, 16, generator=torch.Generator().manual_seed(1))


def encode_plainly(state, clip):
    """Return what torch's own transformer makes of one clip (n_rois, n_frames)."""
    part = {name.removeprefix("encoder."): value for name, value in state.items()}
    # Four frames of a region are a token, time patch after time patch.
    patches = torch.stack([clip[:, start : start + 4] for start in range(0, 16, 4)]).flatten(0, 1)
    positions = part["pos_embed.weight_temporal"] + part["pos_embed.weight_spatial"]
    tokens = F.linear(patches, part["patch_embed.weight"], part["patch_embed.bias"])
    x = torch.cat([part["cls_token"][0], tokens + positions.flatten(0, 1)])[None]
    for block in range(DEPTH):
        layer = nn.TransformerEncoderLayer(
            WIDTH, N_HEADS, 4 * WIDTH, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
        ).eval()
        of = {
            name.removeprefix(f"blocks.{block}."): value
            for name, value in part.items()
            if name.startswith(f"blocks.{block}.")
        }
        layer.load_state_dict(
            {
                "self_attn.in_proj_weight": torch.cat([of[f"attn.{k}.weight"] for k in "qkv"]),
                "self_attn.in_proj_bias": torch.cat([of[f"attn.{k}.bias"] for k in "qkv"]),
                "self_attn.out_proj.weight": of["attn.proj.weight"],
                "self_attn.out_proj.bias": of["attn.proj.bias"],
                "linear1.weight": of["mlp.fc1.weight"],
                "linear1.bias": of["mlp.fc1.bias"],
                "linear2.weight": of["mlp.fc2.weight"],
                "linear2.bias": of["mlp.fc2.bias"],
                **{name: value for name, value in of.items() if name.startswith("norm")},
            }
        )
        x = layer(x)
    return F.layer_norm(x, (WIDTH,), part["norm.weight"], part["norm.bias"], 1e-6)[0]


def test_encodes_clip_by_clip_as_a_plain_transformer(model, state, clips):
    tokens = model.embed(clips)
    assert tokens.shape == (2, 3 * N_TOKENS, WIDTH)
    encoded = model.encode(tokens, None, tokens.shape[1])
    expected = torch.cat([encode_plainly(state, clip) for clip in clips[1]])
    torch.testing.assert_close(encoded[1], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_keeps_the_contract(weights, pooling, clips):
    model = CortexMAEParcel.load(spec_of(weights, pooling=pooling))
    assert check_backbone(model, [clips[0].numpy(), clips[1, :1].numpy()]) is None


def test_pools_the_class_tokens_of_all_clips_or_the_patches(weights, model, clips):
    own = torch.ones(2, 3 * N_TOKENS, dtype=torch.bool)
    tokens = model.encode(model.embed(clips), None, own.shape[1])
    by_clip = tokens.unflatten(1, (3, N_TOKENS))
    torch.testing.assert_close(model.pool(tokens, own), by_clip[:, :, 0].mean(1))
    averaging = CortexMAEParcel.load(spec_of(weights, pooling="mean"))
    torch.testing.assert_close(averaging.pool(tokens, own), by_clip[:, :, 1:].mean((1, 2)))


def test_closed_auxiliary_tokens_change_nothing(model, clips):
    tokens = model.embed(clips[:, :1])
    both = torch.cat([tokens, 100 * torch.ones(2, 3, WIDTH)], dim=1)
    mask = F.pad(torch.zeros(2, N_TOKENS), (0, 3), value=CLOSED)
    encoded = model.encode(both, mask, N_TOKENS)[:, :N_TOKENS]
    torch.testing.assert_close(encoded, model.encode(tokens, None, N_TOKENS))


def test_adapters_reach_every_layer_of_every_block(model):
    assert n_adapted(model) == DEPTH * 6


def test_released_model_has_the_stated_size():
    card = find_card("cortex-mae-parcel", "fmri")
    with torch.device("meta"):
        model = card.backbone_class()(**card.architecture)
    assert sum(value.numel() for value in model.state_dict().values()) == card.n_parameters


def test_weights_of_another_model_are_refused(tmp_path):
    torch.save({"model": {"vit.layernorm.weight": torch.ones(3)}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="must hold exactly that model's weights"):
        CortexMAEParcel.check_weights(spec_of(tmp_path / "other.pth"))


def options_of(**params):
    return CortexMAEParcel.learn([], **CortexMAEParcel.input_size(**TINY), **params)


def run(n_volumes=120, t_r=1.0, absent=()):
    values = np.random.default_rng(0).normal(100, 5, size=(n_volumes, N_ROIS))
    return series_of(values, t_r, absent)


@pytest.mark.parametrize("t_r", [0.72, 1.0, 1.05, 2.0, 3.0])
def test_a_run_is_brought_to_one_second_and_normalised_frame_by_frame(t_r):
    series = run(t_r=t_r)
    scores = torch.from_numpy(
        (series.values - series.values.mean(0)) / series.values.std(0)
    ).float()
    if abs(t_r - 1) > 0.1:
        size = round(t_r * 120)
        scores = F.interpolate(scores.T[None], size=size, mode="linear")[0].T
    frames = (scores - scores.mean(1, keepdim=True)) / (scores.std(1, keepdim=True) + 1e-6)
    frames = frames.clamp(-3, 3)
    inputs = CortexMAEParcel.prepare(series, **options_of(n_clips="all"))
    n_clips = len(frames) // 16
    expected = frames[: 16 * n_clips].unflatten(0, (n_clips, 16)).transpose(1, 2)
    assert inputs.dtype == np.float32
    np.testing.assert_allclose(inputs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("n_clips", "starts"), [(1, [52]), (2, [22, 82]), (100, None)])
def test_clips_are_spread_over_a_run(n_clips, starts):
    every = CortexMAEParcel.prepare(run(), **options_of(n_clips="all"))
    inputs = CortexMAEParcel.prepare(run(), **options_of(n_clips=n_clips))
    frames = np.concatenate(list(every), axis=1)
    if starts is None:
        assert len(inputs) == len(every)
    else:
        expected = [frames[:, start : start + 16] for start in starts]
        np.testing.assert_array_equal(inputs[: len(starts)], expected)


def test_a_run_without_a_clip_is_refused():
    with pytest.raises(TimeSeriesError, match=r"reads clips of 16 s. Got a run of 10 s"):
        CortexMAEParcel.prepare(run(n_volumes=10), **options_of())


def test_a_region_without_a_signal_is_at_its_mean():
    from adestim.modalities.fmri.models.cortex_mae import standardise_regions

    values = np.column_stack([np.arange(4.0), np.zeros(4)])
    np.testing.assert_allclose(standardise_regions(values)[:, 1], 0)


@pytest.mark.parametrize("wrong", [0, -1, True, "some", 1.5])
def test_other_numbers_of_clips_are_refused(wrong):
    with pytest.raises(InputError, match=r"'n_clips' .* must be a number from 1, or 'all'"):
        options_of(n_clips=wrong)


@pytest.mark.parametrize(
    "wrong", [{"pooling": "max"}, {"n_frames": 10, "patch_size": 4}, {"patch_size": 0}]
)
def test_impossible_clips_are_refused(wrong):
    with pytest.raises(InputError, match="multiple of 'patch_size'"):
        CortexMAEParcel(**TINY | wrong)


def test_unknown_option_is_refused():
    with pytest.raises(InputError, match=r"may hold 'n_clips' and 'architecture'\. Got 'windows'"):
        options_of(windows="all")


class Raws(list):
    """Training series, of which the layout is known."""

    def __init__(self, names):
        super().__init__()
        self.layout = RoiLayout(tuple(names))


def test_regions_in_the_order_of_the_atlas_are_accepted():
    options = CortexMAEParcel.learn(Raws(atlas_names()[50:]), n_rois=400, n_frames=16)
    assert options["n_clips"] == 4


@pytest.mark.parametrize("names", [atlas_names()[:49:-1], [f"roi{k}" for k in range(400)]])
def test_regions_in_another_order_are_refused(names):
    with pytest.raises(TimeSeriesError, match="in a fixed order: the 400 of Schaefer's"):
        CortexMAEParcel.learn(Raws(names), n_rois=400, n_frames=16)


@pytest.mark.parametrize("n_clips", [1, 3])
def test_tokens_lie_at_their_parcels(n_clips, weights):
    names = tuple(f"token {k}" for k in range(n_clips * N_TOKENS))
    places = CortexMAEParcel.place_tokens(TokenPlaces("fmri", "parcels", names), spec_of(weights))
    assert places.mixing.shape == (N_ROIS, n_clips * N_TOKENS)
    assert places.mixing[:, 0].sum() == 0
    assert places.mixing[:, 1 + N_ROIS + 2].argmax() == 2
