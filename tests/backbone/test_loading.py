import sys
from dataclasses import replace

import pytest
import torch
from joblib import Parallel, delayed

from adestim.backbone import load_backbone, loading
from adestim.backbone.adapter import Adapter, make_adapted_spec
from adestim.backbone.loading import in_worker_process, require_own_gpu, skeleton
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError, DeviceMemoryError, InputError
from tests.backbone.toys import ToyBackbone, toy

BFLOAT = torch.bfloat16


@pytest.fixture(autouse=True)
def loaded(monkeypatch):
    """Start with no model in memory."""
    kept = {}
    monkeypatch.setattr(loading, "_LOADED", kept)
    return kept


@pytest.fixture
def spec(tmp_path):
    return spec_of(tmp_path / "model.pt")


def spec_of(path, seed=0, **options):
    """Write a model and return its name tag."""
    torch.save(toy(seed=seed).state_dict(), path)
    return BackboneSpec(
        "toy",
        digest=ToyBackbone.digest(path),
        options=tuple({"architecture": (), **options}.items()),
        sources=(("weights", str(path)), ("home", "tests.backbone.toys:ToyBackbone")),
    )


def test_a_model_is_frozen_and_in_evaluation_mode(spec):
    model = load_backbone(spec)
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())


def test_a_model_is_loaded_once(spec, tmp_path):
    model = load_backbone(spec)
    (tmp_path / "model.pt").unlink()
    assert load_backbone(spec, "cpu") is model


def test_the_same_weights_elsewhere_are_the_same_model(spec, tmp_path):
    (tmp_path / "copy").mkdir()
    assert load_backbone(spec_of(tmp_path / "copy" / "model.pt")) is load_backbone(spec)


def test_preparation_does_not_make_another_model(spec, tmp_path):
    other = spec_of(tmp_path / "model.pt", preparation=(("scale", 2),))
    assert load_backbone(other) is load_backbone(spec)


def test_other_weights_are_another_model(spec, tmp_path):
    model = load_backbone(spec)
    other = load_backbone(spec_of(tmp_path / "other.pt", seed=1))
    assert not other.toy.weight.equal(model.toy.weight)


def test_each_precision_is_a_model_of_its_own(spec):
    half, whole = load_backbone(spec, dtype=BFLOAT), load_backbone(spec)
    assert (half.toy.weight.dtype, whole.toy.weight.dtype) == (BFLOAT, torch.float32)


def test_a_file_that_cannot_be_read_leaves_nothing_behind(spec, tmp_path, loaded):
    (tmp_path / "model.pt").write_bytes(b"<html>")
    with pytest.raises(CheckpointError, match="web page"):
        load_backbone(replace(spec, digest=""))
    assert loaded == {}


def adapter(seed=0):
    weight = torch.randn(6, generator=torch.Generator().manual_seed(seed))
    return Adapter(weight={"out.bias": weight}, down={}, up={})


def test_an_adapted_model_shares_what_was_not_changed(spec):
    frozen, adapted = load_backbone(spec), load_backbone(make_adapted_spec(spec, adapter()))
    assert adapted.out.bias.equal(adapter().weight["out.bias"])
    assert not frozen.out.bias.equal(adapted.out.bias)
    assert adapted.toy.weight is frozen.toy.weight


def test_few_adapted_models_are_kept(spec, loaded):
    for seed in range(5):
        load_backbone(make_adapted_spec(spec, adapter(seed)))
    assert len(loaded) == 1 + loading.N_ADAPTED_KEPT
    newest = make_adapted_spec(spec, adapter(4))
    assert load_backbone(newest) is load_backbone(newest)


def test_a_skeleton_shares_weights_and_not_layers():
    model = toy()
    copied = skeleton(model)
    copied.out = torch.nn.Identity()
    copied.gradient_checkpointing = True
    assert isinstance(model.out, torch.nn.Linear)
    assert not model.gradient_checkpointing
    assert all(weight is model.get_parameter(name) for name, weight in copied.named_parameters())


def test_weights_that_were_exchanged_or_are_gone_are_refused(spec, tmp_path):
    torch.save(toy(seed=1).state_dict(), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"must be those that fit saw.*another content"):
        load_backbone(spec)
    (tmp_path / "model.pt").unlink()
    with pytest.raises(CheckpointError, match=r"must be those that fit saw.*no such file"):
        load_backbone(spec)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("brainmvp", r"BrainMVP_uniformer.pt from https://github.com/shaohao011/BrainMVP"),
        ("nucleotide-transformer-500m-human-ref", r"from https://huggingface.co/InstaDeepAI/"),
    ],
)
def test_weights_that_are_gone_are_said_with_where_to_get_them(spec, tmp_path, name, place):
    (tmp_path / "model.pt").unlink()
    with pytest.raises(CheckpointError, match=rf"SHA-256 is {spec.digest} \(.*{place}"):
        load_backbone(replace(spec, name=name))


class Full(ToyBackbone):
    """A model whose device has no room for it."""

    def __init__(self, quantization=None):
        super().__init__()

    def to(self, device):
        raise torch.OutOfMemoryError("no room")


def full_spec(spec, **architecture):
    options = (("architecture", tuple(architecture.items())),)
    sources = {**dict(spec.sources), "home": f"{__name__}:Full"}
    return BackboneSpec(spec.name, spec.digest, options, tuple(sources.items()))


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [
        (torch.float32, "pass precision='bfloat16' or a smaller backbone or device='cpu'"),
        (torch.bfloat16, "pass a smaller backbone or device='cpu'"),
    ],
)
def test_a_model_that_does_not_fit_is_said_with_the_remedy(spec, loaded, dtype, remedy):
    with pytest.raises(DeviceMemoryError, match=rf"Loading 'toy' needs more.*{remedy}"):
        load_backbone(full_spec(spec), "cpu", dtype)
    assert not loaded


def test_a_language_model_that_does_not_fit_may_be_quantised(spec):
    with pytest.raises(DeviceMemoryError, match=r"backbone_params={'quantization': '4bit'}"):
        load_backbone(full_spec(spec, quantization=None))


def test_a_quantised_model_stays_off_the_cpu(spec):
    with pytest.raises(InputError, match=r"'toy' in 8bit for the device 'cpu'.*device='cuda'"):
        load_backbone(full_spec(spec, quantization="8bit"), "cpu")


@pytest.fixture
def in_worker(monkeypatch):
    """Take this process for a worker of joblib."""
    monkeypatch.setattr(loading, "in_worker_process", lambda: True)


def test_workers_of_joblib_are_recognised():
    assert not in_worker_process()
    for backend in ("loky", "multiprocessing"):
        found = Parallel(n_jobs=2, backend=backend)(delayed(in_worker_process)() for _ in range(2))
        assert all(found)


class DaskModule:
    """Stands for the package distributed, inside a task or outside."""

    def __init__(self, worker):
        self.worker = worker

    def get_worker(self):
        if self.worker is None:
            raise ValueError("No worker found")
        return self.worker


@pytest.mark.parametrize(
    ("worker", "parent", "gpu_each", "expected"),
    [
        ("worker", "nanny", False, True),
        ("worker", None, False, False),
        (None, "nanny", False, False),
        ("worker", "nanny", True, False),
    ],
    ids=["a process", "a thread of this process", "no task", "a GPU each"],
)
def test_worker_processes_of_dask_are_recognised(monkeypatch, worker, parent, gpu_each, expected):
    monkeypatch.setitem(sys.modules, "distributed", DaskModule(worker))
    monkeypatch.setattr(loading.multiprocessing, "parent_process", lambda: parent)
    if gpu_each:
        monkeypatch.setitem(sys.modules, "dask_cuda", DaskModule(None))
    assert in_worker_process() is expected


@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda", 0)])
def test_a_worker_of_joblib_fills_no_gpu(spec, device, in_worker):
    with pytest.raises(DeviceMemoryError, match=r"one process only.*n_jobs=1.*memory=.*CUDA_VIS"):
        load_backbone(spec, device)


def test_a_worker_of_joblib_loads_for_the_cpu(spec, in_worker):
    assert load_backbone(spec, "cpu").width == load_backbone(spec, torch.device("cpu")).width


def test_a_worker_of_joblib_uses_what_is_loaded(spec, in_worker, loaded):
    model = load_backbone(spec)
    loaded[*spec.identity(), "cuda", torch.float32] = model
    assert load_backbone(spec, "cuda") is model


def test_the_process_itself_may_use_a_gpu(spec):
    require_own_gpu(spec, "cuda")
    assert not in_worker_process()
