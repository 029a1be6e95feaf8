"""What lies in the folder of a language model: its description, its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from adestim.exceptions import CheckpointError, MissingDependencyError

N_TOKENIZERS = 8
VOCABULARIES = (
    "tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "sentencepiece.bpe.model",
)  # fmt: skip


def transformers() -> Any:
    """Import and return the package transformers."""
    try:
        import transformers as package
    except ImportError as error:
        raise MissingDependencyError(
            "Language models need the package transformers",
            remedy="Run pip install 'adestim[foundation]'",
        ) from error
    return package


def read_description(folder: Path) -> dict[str, Any]:
    """Return a model's ``config.json``; of several towers, the type is that of the text's."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            "A language model is a folder with a config.json",
            got=str(folder),
            remedy="Pass the whole folder of the model, not its weights file",
        ) from error
    model_type = config.get("model_type")
    towers = isinstance(config.get("text_config"), Mapping)
    return config | {"model_type": f"{model_type}_text" if towers else model_type}


def read_config(folder: Path, trust_remote_code: bool = False) -> Any:
    """Return the configuration of a model, or of its text tower, defaults filled in."""
    package = transformers()
    try:
        with quiet():
            config = package.AutoConfig.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=trust_remote_code
            )
    except ImportError as error:
        raise lacking_package(error) from error
    # Every configuration has checks of its own, which raise in their own way.
    except Exception as error:
        raise CheckpointError(
            "The config.json of a language model must describe it as transformers does",
            got=f"{folder.name!r}, of which transformers says: {first_line(error)}",
            remedy="Download the model's config.json again",
        ) from error
    return config.get_text_config()


@lru_cache(maxsize=N_TOKENIZERS)
def read_tokenizer(folder: str, trust_remote_code: bool = False) -> Any:
    """Return the tokenizer of a model's folder, padding on the right; once a process."""
    package = transformers()
    # Without a vocabulary, transformers makes a tokenizer to which every word is unknown.
    if not any((Path(folder) / name).is_file() for name in VOCABULARIES):
        raise no_tokenizer(folder)
    try:
        return package.AutoTokenizer.from_pretrained(
            folder,
            padding_side="right",
            local_files_only=True,
            trust_remote_code=trust_remote_code,
        )
    except ImportError as error:
        raise lacking_package(error) from error
    # The packages behind it raise whatever a file makes them stumble over.
    except Exception as error:
        raise no_tokenizer(folder) from error


def no_tokenizer(folder: str) -> CheckpointError:
    """Return the error about a folder without a tokenizer that can be read."""
    return CheckpointError(
        "The folder of a language model must hold its tokenizer",
        got=folder,
        remedy="Copy tokenizer.json and tokenizer_config.json there too",
    )


def lacking_package(error: ImportError) -> MissingDependencyError:
    """Return the error about a package that transformers asks for."""
    return MissingDependencyError(
        "Reading this language model needs a package that is not installed",
        got=first_line(error),
        remedy="Run pip install 'adestim[foundation]', and install the package that is named",
    )


def first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from reporting what is checked here, and leave its settings as found."""
    logging = transformers().utils.logging
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
