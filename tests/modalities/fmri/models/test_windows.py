"""All windows of a run: each read by itself, none of the run left out."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, ClinicalExtractor, FMRIExtractor, ModalityUnion
from adestim.backbone import check_backbone
from adestim.backbone.attention import CLOSED
from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError
from adestim.inspection import TokenPlaces
from adestim.modalities.fmri.models.a424 import learn_courses
from adestim.modalities.fmri.models.brain_jepa import BrainJEPA
from adestim.modalities.fmri.models.brainlm import BrainLM
from adestim.modalities.fmri.models.brainlm_13m import BrainLM13M
from adestim.modalities.fmri.models.windows import count_frames, cut_windows
from tests.modalities.fmri.model_files import (
    JEPA_TINY,
    SMALL_TINY,
    VIT_TINY,
    baselines,
    series_of,
    table_file,
)

VIT = VIT_TINY | {"n_parcels": 30, "n_frames": 40, "image_size": 48}
MODELS = {
    "jepa": (BrainJEPA, JEPA_TINY, (20, 40)),
    "cls": (BrainLM, VIT, (30, 40)),
    "mean": (BrainLM, VIT | {"pooling": "mean"}, (30, 40)),
    "13m": (BrainLM13M, SMALL_TINY, (30, 43)),
}


@pytest.fixture(params=MODELS)
def case(request):
    """A small model and inputs of two subjects, of three windows and of one."""
    cls, sizes, shape = MODELS[request.param]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = cls(**sizes).eval()
        if cls is BrainJEPA:
            model.gradients = torch.randn(20, 6)
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(n, *shape)).astype(np.float32) for n in (3, 1)]
    return model, inputs


def run(model, inputs, auxiliary=None):
    """Encoded own tokens, the mask of own tokens and the pooled vectors."""
    batch = model.collate(inputs)
    tokens, own = model.embed(batch), model.own_mask(batch)
    if own is None:
        own = torch.ones(tokens.shape[:2], dtype=torch.bool)
    log_mask = torch.where(own, 0.0, CLOSED)
    if auxiliary is not None:
        tokens = torch.cat([tokens, auxiliary], dim=1)
        log_mask = torch.cat([log_mask, torch.zeros(auxiliary.shape[:2])], dim=1)
    encoded = model.encode(tokens, log_mask, own.shape[1])
    return encoded, own, model.pool(encoded, own)


@torch.no_grad()
def test_windows_are_read_by_themselves_and_their_summaries_averaged(case):
    model, inputs = case
    encoded, own, pooled = run(model, inputs)
    for row, item in enumerate(inputs):
        alone = [run(model, [window]) for window in item]
        tokens = torch.cat([part[0] for part in alone], dim=1)[0]
        torch.testing.assert_close(encoded[row, : len(tokens)], tokens, atol=1e-5, rtol=0)
        vector = torch.stack([part[2][0] for part in alone]).mean(dim=0)
        torch.testing.assert_close(pooled[row], vector, atol=1e-5, rtol=0)
        assert own[row].sum() == len(item) * model.n_window_tokens
    assert torch.isfinite(encoded).all()


@torch.no_grad()
def test_what_may_be_read_is_told_window_by_window(case):
    model, inputs = case
    _, own, _ = run(model, inputs)
    one = model.readable(torch.ones(1, model.n_window_tokens, dtype=torch.bool))[0]
    none = torch.zeros(2 * model.n_window_tokens, dtype=torch.bool)
    readable = model.readable(own)
    assert readable[0].tolist() == one.repeat(3).tolist()
    assert readable[1].tolist() == torch.cat([one, none]).tolist()


def test_every_window_reads_auxiliary_tokens(case):
    model, inputs = case
    auxiliary = torch.randn(2, 3, model.width, requires_grad=True)
    *_, pooled = run(model, inputs, auxiliary)
    pooled.square().sum().backward()
    assert (auxiliary.grad.abs().sum(dim=-1) > 0).all()
    with torch.no_grad():
        parts = [run(model, [window], auxiliary[:1])[2][0] for window in inputs[0]]
        torch.testing.assert_close(pooled[0], torch.stack(parts).mean(0), atol=1e-5, rtol=0)


def test_contract_is_kept_by_subjects_of_several_windows(case):
    model, inputs = case
    assert check_backbone(model, [*inputs, inputs[0][:2]]) is None


@torch.no_grad()
def test_a_subject_without_a_run_has_one_stand_in(case):
    model, _ = case
    token = torch.randn(2, model.n_stand_in, model.width)
    own = torch.ones(2, model.n_stand_in, dtype=torch.bool)
    assert model.pool(model.encode(token, None, model.n_stand_in), own).shape == (2, model.width)


@given(n=st.integers(1, 900), n_frames=st.integers(1, 200))
def test_windows_cover_the_run_and_are_as_few_as_can_be(n, n_frames):
    frames = np.arange(max(n, n_frames))[None]
    windows = cut_windows(frames, n_frames, "all")
    assert windows.shape[1:] == (1, n_frames)
    assert len(windows) == -(-frames.shape[1] // n_frames)
    assert set(windows.ravel()) == set(range(frames.shape[1]))
    assert (np.diff(windows[:, 0], axis=1) == 1).all()


def test_frames_of_one_window_or_of_the_run_are_counted():
    assert count_frames(490, 0.735, 0.735, 200, "middle") == 200
    assert count_frames(490, 0.735, 0.735, 200, "all") == 490
    assert count_frames(50, 0.735, 0.735, 200, "all") == 200


def test_robust_scales_are_fitted_to_what_is_read():
    series = [series_of(baselines(seed, 100, 5), 0.735) for seed in range(4)]
    for windows, first, last in (("middle", 30, 70), ("all", 0, 100)):
        centre, _ = learn_courses(series, 5, 40, "BrainLM", windows)
        courses = [(one.values - one.values.mean(axis=0))[first:last] for one in series]
        np.testing.assert_allclose(centre, np.median(np.concatenate(courses), axis=0), atol=1e-4)


@pytest.mark.parametrize("windows", ["whole", None, 3])
def test_other_windows_are_refused(tmp_path, windows):
    table = table_file(tmp_path / "g.csv", np.random.default_rng(0).normal(size=(20, 6)))
    size = BrainJEPA.input_size(**JEPA_TINY)
    with pytest.raises(InputError, match="'windows' in backbone_params of brain-jepa must be"):
        BrainJEPA.learn([], gradients=table, windows=windows, **size)


def test_places_are_those_of_every_window():
    spec = BackboneSpec("brain-jepa", options=(("architecture", tuple(JEPA_TINY.items())),))
    one, three = (
        BrainJEPA.place_tokens(TokenPlaces("fmri", "columns", ("token",) * n), spec).mixing
        for n in (200, 600)
    )
    np.testing.assert_array_equal(three, np.tile(one, (1, 3)))


@pytest.fixture
def extractor(tmp_path):
    """Brain-JEPA at a small size and random weights, from a file."""
    model = BrainJEPA(**JEPA_TINY)
    state = {name: torch.randn_like(value) * 0.2 for name, value in model.state_dict().items()}
    torch.save({"target_encoder": state}, tmp_path / "jepa.pt")
    table = table_file(tmp_path / "g.csv", np.random.default_rng(0).normal(size=(20, 6)))
    params = {"gradients": table, "architecture": JEPA_TINY, "windows": "all"}
    return FMRIExtractor(
        backbone="brain-jepa",
        weights=tmp_path / "jepa.pt",
        backbone_params=params,
        t_r=2.2,
        device="cpu",
    )


@pytest.mark.parametrize("settings", [{}, {"interaction_depth": 1}, {"lora_rank": 0}])
def test_runs_of_any_length_are_an_anchor(extractor, settings):
    lengths = [50, 70, 130, 90] * 5
    cells = np.empty(20, dtype=object)
    cells[:] = [baselines(row, length, 20) for row, length in enumerate(lengths)]
    cells[3] = None
    X = pd.DataFrame({"bold": cells, "age": np.arange(20.0)})
    union = ModalityUnion([("fmri", extractor, ["bold"]), ("age", ClinicalExtractor(), ["age"])])
    fusion = AnchoredFusionClassifier(
        anchor="fmri", max_epochs=1, n_trees=0, n_queries=2, device="cpu", **settings
    )
    pipeline = make_pipeline(union, fusion).fit(X, [0, 1] * 10)
    encodings = pipeline[0].transform(X)["fmri"]
    assert [cell and cell.n_tokens for cell in encodings[:4]] == [400, 400, 800, None]
    assert np.isfinite(pipeline.predict_proba(X)).all()
