"""What lies in the folder of a language model."""

import json
import sys

import pytest

from adestim.exceptions import CheckpointError, MissingDependencyError
from adestim.modalities.clinical.models.language_files import (
    quiet,
    read_config,
    read_description,
    read_tokenizer,
    transformers,
)
from tests.modalities.clinical.language_folders import save_tokenizer, small_model


def write_config(folder, **config):
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_an_absent_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'adestim\[foundation\]'"):
        transformers()


@pytest.mark.parametrize("content", [None, "no json", "[]"])
def test_a_folder_without_a_description_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"a folder with a config\.json"):
        read_description(tmp_path)


def test_the_type_of_several_towers_is_that_of_the_text(tmp_path):
    folder = write_config(tmp_path, model_type="gemma3", text_config={"hidden_size": 32})
    assert read_description(folder)["model_type"] == "gemma3_text"
    assert read_config(folder).model_type == "gemma3_text"
    assert read_config(folder).hidden_size == 32


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    small_model("bert").save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="must hold its tokenizer"):
        read_tokenizer(str(tmp_path))


def test_a_tokenizer_is_read_once_and_pads_on_the_right(tmp_path):
    small_model("llama").save_pretrained(tmp_path)
    save_tokenizer(tmp_path, padding_side="left")
    tokenizer = read_tokenizer(str(tmp_path))
    assert tokenizer.padding_side == "right"
    assert read_tokenizer(str(tmp_path)) is tokenizer


def test_the_settings_of_transformers_are_left_as_found():
    logging = transformers().utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with quiet():
        assert not logging.is_progress_bar_enabled()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_a_description_that_transformers_cannot_read_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama", "hidden_size": "x"}')
    with pytest.raises(CheckpointError, match="must describe it as transformers does"):
        read_config(tmp_path)


def test_a_tokenizer_that_means_nothing_is_refused(tmp_path):
    save_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="must hold its tokenizer"):
        read_tokenizer(str(tmp_path))


def test_a_package_that_a_tokenizer_needs_is_named(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise ImportError("requires the SentencePiece library")

    save_tokenizer(tmp_path)
    monkeypatch.setattr(transformers().AutoTokenizer, "from_pretrained", refuse)
    with pytest.raises(MissingDependencyError, match="SentencePiece"):
        read_tokenizer(str(tmp_path))
