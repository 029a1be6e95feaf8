"""A model of one's own, from thirty lines in a file to a prediction."""

import importlib
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.pipeline import make_pipeline

import adestim
from adestim import AnchoredFusionClassifier, ModalityUnion, SMRIExtractor, check_backbone
from adestim.backbone import loading, registry
from adestim.exceptions import CheckpointError, InputError

MY_MODEL = '''
import numpy as np
from torch import nn

from adestim import Backbone, BackboneCard, register_backbone
from adestim.backbone import CheckpointLayout


class MyModel(Backbone):
    """A transformer on patches of a volume."""

    lora_targets = ("fc",)
    checkpoint = CheckpointLayout(wrappers=("state_dict",), prefixes=("module.",))
    n_stand_in = 8

    def __init__(self, width=16, edge=4):
        super().__init__()
        self.width = self.width_out = width
        self.patch = nn.Conv3d(1, width, edge, stride=edge)
        self.mix = nn.MultiheadAttention(width, 2, batch_first=True)
        self.fc = nn.Linear(width, width)

    @staticmethod
    def prepare(raw, size=8):
        volume = np.asarray(raw.dataobj, dtype=np.float32)[:size, :size, :size]
        return (volume - volume.mean())[None]

    def embed(self, inputs):
        return self.patch(inputs).flatten(2).transpose(1, 2)

    def encode(self, tokens, log_mask, n_own):
        heads = None if log_mask is None else log_mask[:, None].expand(-1, tokens.shape[1], -1)
        mask = None if heads is None else heads.repeat_interleave(2, dim=0)
        mixed, _ = self.mix(tokens, tokens, tokens, attn_mask=mask, need_weights=False)
        return tokens + self.fc(mixed)


register_backbone(
    BackboneCard("my-model", "smri", home=MyModel, architecture={"width": 16}, licence="MIT")
)
'''


@pytest.fixture
def my_model(tmp_path, monkeypatch):
    """Write the model to a file, as its author would, and import it."""
    monkeypatch.setattr(registry, "_CARDS", {card.name: card for card in registry.list_cards()})
    (tmp_path / "my_model.py").write_text(MY_MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("my_model").MyModel
    sys.modules.pop("my_model", None)


@pytest.fixture
def weights(my_model, tmp_path):
    """Write a checkpoint as a training script would."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = {f"module.{name}": value for name, value in my_model().state_dict().items()}
    torch.save({"state_dict": state, "epoch": 7}, tmp_path / "my_model.pt")
    return tmp_path / "my_model.pt"


def cohort(n=16):
    rng = np.random.default_rng(0)
    volumes = rng.normal(size=(n, 10, 10, 10)).astype(np.float32)
    cells = np.empty(n, dtype=object)
    cells[:] = list(volumes)
    frame = pd.DataFrame({"t1w": cells, "csf__tau": rng.normal(size=n)})
    return frame, np.where(np.arange(n) % 2, "AD", "CN")


def extractor(weights, **params):
    return SMRIExtractor(
        backbone="my-model", weights=weights, affine=np.eye(4), device="cpu", **params
    )


def test_it_keeps_the_contract(my_model):
    inputs = np.random.default_rng(0).normal(size=(3, 1, 8, 8, 8)).astype(np.float32)
    assert check_backbone(my_model(), list(inputs)) is None


@pytest.mark.usefixtures("my_model")
def test_it_is_listed():
    row = adestim.list_backbones("smri").loc["my-model"]
    assert row["licence"] == "MIT"


def test_its_tokens_are_those_of_the_model_itself(my_model, weights):
    frame, _ = cohort(3)
    cells = extractor(weights, backbone_params={"size": 8}).fit_transform(frame[["t1w"]])["smri"]
    assert [cell.tokens.shape for cell in cells] == [(8, 16)] * 3
    model = my_model.load(cells[0].backbone)
    inputs = model.collate([cell.inputs for cell in cells])
    with torch.no_grad():
        expected = model.encode(model.embed(inputs), None, 8)
    tokens = np.stack([cell.tokens for cell in cells])
    np.testing.assert_allclose(tokens, expected.numpy(), atol=1e-5)


def test_worker_processes_find_it(weights):
    fitted = extractor(weights).fit(cohort(2)[0][["t1w"]])
    assert pickle.loads(pickle.dumps(fitted)).backbone_ == fitted.backbone_


def test_it_is_an_anchor(weights):
    frame, y = cohort()
    pipeline = make_pipeline(
        ModalityUnion([("smri", extractor(weights), "t1w"), ("csf", "passthrough", ["csf__tau"])]),
        AnchoredFusionClassifier(
            anchor="smri", n_trees=0, max_epochs=1, device="cpu", random_state=0
        ),
    )
    assert pipeline.fit(frame, y).predict_proba(frame).shape == (16, 2)


def test_another_size_than_that_of_the_weights_is_said(weights):
    other = extractor(weights, backbone_params={"architecture": {"width": 24}})
    with pytest.raises(CheckpointError, match=r"of another shape: patch\.weight"):
        other.fit_transform(cohort(2)[0][["t1w"]])


def test_a_misspelt_name_is_suggested(weights):
    other = extractor(weights).set_params(backbone="my-modle")
    with pytest.raises(InputError, match=r"Got 'my-modle'\. Did you mean 'my-model'\?"):
        other.fit(cohort(2)[0][["t1w"]])


def fail_if_read(raw, size=8):
    raise AssertionError("prepared again")


def move_model(folder, monkeypatch):
    """Move the model's file into a package, as its author may between two releases."""
    (folder / "my_package").mkdir()
    (folder / "my_model.py").rename(folder / "my_package" / "model.py")
    others = {card.name: card for card in registry.list_cards() if card.name != "my-model"}
    monkeypatch.setattr(registry, "_CARDS", others)
    monkeypatch.setattr(loading, "_LOADED", {})
    del sys.modules["my_model"]
    importlib.import_module("my_package.model")


def test_a_model_that_has_moved_finds_what_was_stored(my_model, weights, tmp_path, monkeypatch):
    frame, y = cohort()
    union = [("smri", extractor(weights), "t1w"), ("csf", "passthrough", ["csf__tau"])]
    fusion = AnchoredFusionClassifier(
        anchor="smri", n_trees=0, max_epochs=1, device="cpu", random_state=0
    )
    pipeline = make_pipeline(ModalityUnion(union, memory=tmp_path / "store"), fusion)
    probabilities = pipeline.fit(frame, y).predict_proba(frame)
    saved = pickle.dumps(pipeline)
    move_model(tmp_path, monkeypatch)
    monkeypatch.setattr(my_model, "encode", None)

    moved = registry.class_named("my-model")
    assert moved is not my_model
    opened = pickle.loads(saved)
    np.testing.assert_array_equal(opened.predict_proba(frame), probabilities)

    monkeypatch.setattr(moved, "prepare", staticmethod(fail_if_read))
    monkeypatch.setattr(moved, "encode", None)
    again = ModalityUnion(union, memory=tmp_path / "store").fit_transform(frame)["smri"]
    assert [cell.tokens.shape for cell in again] == [(8, 16)] * len(frame)
    assert again.iloc[0].backbone == pipeline[0].transform(frame)["smri"].iloc[0].backbone
