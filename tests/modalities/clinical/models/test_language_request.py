"""From a name to a language model."""

import json
from pathlib import Path

import pytest

from adestim import BackboneCard, list_backbones
from adestim.backbone.registry import _CARDS
from adestim.exceptions import CheckpointError, InputError
from adestim.extraction.foundation import ModelRequest
from adestim.modalities.clinical.models.language_request import language_request

CARDS = [
    "llama-2-7b", "llama-2-13b", "medgemma-4b", "medgemma-27b", "medgemma-1.5-4b", "clinicalbert",
    "bioclinical-modernbert-base", "bioclinical-modernbert-large",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(bert_folder):
    return bert_folder


def requested(backbone, weights=None, backbone_params=None, adapt=None):
    request = ModelRequest("ClinicalExtractor", "clinical", backbone, weights, backbone_params)
    return language_request(request, ["age"], adapt)


def tell(folder, **config):
    """Write the description of a model into a folder."""
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.fixture
def downloads(monkeypatch, folder):
    """Let the hub give a folder, and note what it was asked for."""
    asked = []

    def download(repository, revision, **_):
        asked.append((repository, revision))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    return asked


def test_every_card_says_where_it_is_and_under_which_licence():
    table = list_backbones("clinical").loc[CARDS]
    assert (table["parameters"] > 10**8).all()
    assert table["weights"].str.contains("/").all()
    assert (table["licence"].str.len() > 0).all()
    assert table.loc["clinicalbert", "pretrained_on"] == "MIMIC-III"


def test_a_folder_may_be_the_name(folder):
    request = requested(backbone=str(folder))
    assert request == requested(backbone="language-model", weights=str(folder))
    assert isinstance(request, ModelRequest)
    assert (request.backbone, request.weights) == ("language-model", folder)
    assert request.params["architecture"] == {
        "normalize": False, "quantization": None, "trust_remote_code": False, "pooling": "mean",
    }  # fmt: skip


def test_a_card_with_weights_asks_no_hub(folder, downloads):
    assert requested(backbone="clinicalbert", weights=folder).weights == folder
    assert downloads == []


def test_a_card_is_fetched_from_its_repository(folder, downloads):
    assert requested(backbone="clinicalbert").weights == folder
    card = list_backbones("clinical").loc["clinicalbert"]
    assert len(card["revision"]) == 40
    assert downloads == [("emilyalsentzer/Bio_ClinicalBERT", card["revision"])]


def test_any_repository_is_fetched_at_the_revision_asked_for(downloads):
    request = requested(backbone="Some-Lab/Model-X", backbone_params={"revision": "v2"})
    assert downloads == [("Some-Lab/Model-X", "v2")]
    assert request.backbone == "language-model"


def test_another_revision_is_not_held_to_the_released_digest(folder, downloads):
    with pytest.raises(CheckpointError, match="must be those that were released"):
        requested(backbone="all-minilm-l6-v2")
    older = requested(backbone="all-minilm-l6-v2", backbone_params={"revision": "v1"})
    assert older.weights == folder
    assert downloads[-1] == ("sentence-transformers/all-MiniLM-L6-v2", "v1")


def test_options_go_where_they_are_used(folder):
    given = {"pooling": "cls", "reserve": 8, "normalize": True, "template": {"age": "{value}"}}
    params = requested(backbone=str(folder), backbone_params=given).params
    assert params["architecture"]["pooling"] == "cls"
    assert params["architecture"]["normalize"]
    assert params["reserve"] == 8
    assert params["template"] == {"age": "{value}"}
    assert "too_long" not in params


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"temperature": 1}, r"must hold its options alone. Got 'temperature'.*'template'"),
        ({"quantization": "2bit"}, r"quantization=.*one of '8bit', '4bit', None. Got '2bit'"),
        ({"too_long": "wrap"}, r"too_long=.*one of 'truncate', 'raise'"),
        ({"pooling": "last"}, r"pooling= of an encoder must be one of 'mean', 'cls'"),
        ({"trust_remote_code": "yes"}, r"one of True, False. Got 'yes'"),
    ],
)
def test_options_that_mean_nothing_are_refused(folder, params, message):
    with pytest.raises(InputError, match=message):
        requested(backbone=str(folder), backbone_params=params)


@pytest.mark.parametrize("adapt", ["lora", "full"])
def test_quantised_weights_are_not_trained(folder, adapt):
    params = {"backbone": str(folder), "backbone_params": {"quantization": "8bit"}}
    with pytest.raises(InputError, match=rf"adapt='{adapt}'.*quantization='8bit'.*adapt='head'"):
        requested(adapt=adapt, **params)
    assert requested(adapt="head", **params) == requested(**params)


def test_a_name_that_means_nothing_is_refused_with_what_may_be_meant():
    with pytest.raises(InputError, match=r"Got 'lama-2-7b'. Did you mean 'llama-2-7b'"):
        requested(backbone="lama-2-7b")


def test_a_model_that_is_not_on_this_machine_is_refused_offline(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr("socket.socket.connect", lambda *args: calls.append(args))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"'llama-2-7b' was not downloaded.*as weights="):
        requested(backbone="llama-2-7b")
    assert calls == []


def test_weights_must_be_there():
    with pytest.raises(CheckpointError, match="must be an existing file or folder"):
        requested(backbone="clinicalbert", weights="nowhere")


def test_weights_must_be_a_whole_folder(folder):
    with pytest.raises(CheckpointError, match=r"not its weights file"):
        requested(backbone="clinicalbert", weights=folder / "model.safetensors")


def test_another_family_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"Got 't5'.*llama"):
        requested(backbone=tell(tmp_path, model_type="t5"))


def test_a_model_with_code_of_its_own_is_the_users_decision(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    name = tell(tmp_path, **config, auto_map={"AutoModel": "own.Model"})
    with pytest.raises(CheckpointError, match=r"code of its own.*trust_remote_code"):
        requested(backbone=name)
    native = requested(backbone=name, backbone_params={"trust_remote_code": False})
    assert native.weights == Path(name)


def test_another_backbone_is_left_to_its_class(monkeypatch):
    card = BackboneCard("my-table-model", "clinical", "my_package.mine:Model")
    monkeypatch.setitem(_CARDS, card.name, card)
    request = ModelRequest("ClinicalExtractor", "clinical", "my-table-model")
    assert language_request(request, ["age"], None) is request


def test_a_model_of_another_type_than_the_one_named_is_refused(folder):
    with pytest.raises(
        CheckpointError, match=r"'llama-2-7b' must be a model of type 'llama'.*'bert'"
    ):
        requested(backbone="llama-2-7b", weights=folder)


def test_a_backbone_without_a_name_is_refused():
    with pytest.raises(InputError, match="must name a backbone"):
        requested(backbone="")


@pytest.mark.parametrize(
    ("name", "model_type"),
    [("medgemma-1.5-4b", "gemma3_text"), ("bioclinical-modernbert-base", "modernbert")],
)
def test_models_of_today_are_told_from_others_by_their_type(tmp_path, name, model_type):
    with pytest.raises(CheckpointError, match=rf"must be a model of type '{model_type}'"):
        requested(backbone=name, weights=tell(tmp_path, model_type="bert"))
