"""Models written to the contract of the suite brainmarks."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from adestim import BackboneCard, FMRIExtractor, check_backbone, register_backbone
from adestim.backbone import registry
from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError
from adestim.modalities.fmri import SuiteModel
from tests.modalities.fmri.model_files import series_of

N_ROIS, WIDTH, N_FRAMES = 12, 8, 10


class Embeddings(NamedTuple):
    """What a module of the suite returns."""

    cls_embeds: torch.Tensor | None
    reg_embeds: torch.Tensor | None
    patch_embeds: torch.Tensor | None


class Wrapper(nn.Module):
    """A module of the suite: windows of ten frames a region, shuffled as masked models do."""

    __space__ = "some_regions"

    def __init__(self):
        super().__init__()
        self.patch = nn.Linear(N_FRAMES, WIDTH)

    def forward(self, batch):
        windows = batch["frames"].transpose(1, 2).unfold(2, N_FRAMES, N_FRAMES).flatten(1, 2)
        patches = self.patch(windows)[:, torch.randperm(windows.shape[1])]
        return Embeddings(patches.mean(1, keepdim=True), None, patches)


class Transform:
    """A transform of the suite, which undoes the standardisation and renames."""

    def __call__(self, sample):
        raw = sample["bold"] * sample["std"] + sample["mean"]
        return {"frames": raw, "seconds": sample["tr"] * len(raw)}


class Regions(SuiteModel):
    """The pair as a backbone."""

    n_rois = N_ROIS
    width = width_out = WIDTH

    @classmethod
    def build(cls, weights):
        wrapper = Wrapper()
        wrapper.load_state_dict(torch.load(weights))
        return Transform(), wrapper


class First(Regions):
    """Pooled by its class token, of the middle minute."""

    pooling = "first"
    duration = 60.0


class Unready(Regions):
    """Its transform is to be fitted."""

    @classmethod
    def build(cls, weights):
        transform, wrapper = super().build(weights)
        transform.fit = print
        return transform, wrapper


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "some.pt"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(Wrapper().state_dict(), path)
    return path


def spec_of(weights):
    return BackboneSpec("some", sources=(("weights", str(weights)),))


def series(seed=0, n_volumes=40, t_r=2.0, absent=()):
    values = np.random.default_rng(seed).normal(100, 5, size=(n_volumes, N_ROIS))
    return series_of(values, t_r, absent)


@pytest.mark.parametrize("model", [Regions, First])
def test_keeps_the_contract(weights, model):
    options = model.learn([], **model.input_size())
    inputs = [model.prepare(series(seed), **options) for seed in range(3)]
    assert check_backbone(model.load(spec_of(weights)), inputs) is None


def test_tokens_are_what_the_module_returns(weights):
    run = series(absent=[2])
    model = Regions.load(spec_of(weights))
    tokens = model.embed(model.collate([Regions.prepare(run, n_rois=N_ROIS)]))[0]
    frames = torch.from_numpy(run.values.astype(np.float32))[None]
    expected = model.wrapper({"frames": frames})
    ordered = [part[part[:, 0].argsort()] for part in (tokens[1:], expected.patch_embeds[0])]
    torch.testing.assert_close(*ordered, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(tokens[:1], expected.cls_embeds[0], atol=1e-4, rtol=1e-4)


def test_the_global_generator_is_left_alone(weights):
    model = Regions.load(spec_of(weights))
    inputs = model.collate([Regions.prepare(series(), n_rois=N_ROIS)])
    before = torch.get_rng_state()
    first, second = model.embed(inputs), model.embed(inputs)
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_middle_seconds_are_read():
    run = series(n_volumes=50)
    inputs = First.prepare(run, n_rois=N_ROIS, duration=60.0)
    middle = run.values[10:40]
    assert inputs.shape == (33, N_ROIS)
    np.testing.assert_allclose(inputs[0], middle.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(inputs[1], middle.std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(inputs[2], 2.0)
    with pytest.raises(InputError, match=r"last for the 60 s.*Got 40 s"):
        First.prepare(series(n_volumes=20), n_rois=N_ROIS, duration=60.0)


def test_runs_of_other_lengths_need_a_duration(weights):
    model = Regions.load(spec_of(weights))
    runs = [Regions.prepare(series(n_volumes=n), n_rois=N_ROIS) for n in (40, 60)]
    with pytest.raises(InputError, match=r"equally many tokens. Got 49, 73. Set duration"):
        model.embed(model.collate(runs))


def test_a_transform_that_must_be_fitted_is_refused(weights):
    with pytest.raises(InputError, match="transform of Unready must be ready"):
        Unready.load(spec_of(weights))


def test_it_serves_an_extractor(weights, monkeypatch):
    monkeypatch.setattr(registry, "_CARDS", dict(registry._CARDS))
    register_backbone(BackboneCard("some-regions", "fmri", Regions))
    runs = [[series(seed).values] for seed in range(3)]
    extractor = FMRIExtractor(backbone="some-regions", weights=weights, t_r=2.0, min_duration=60)
    encodings = extractor.fit_transform(runs)
    assert encodings.iloc[0, 0].tokens.shape == (1 + N_ROIS * 4, WIDTH)
    with pytest.raises(InputError, match="regions"):
        extractor.transform([[run[:, :4]] for [run] in runs])
