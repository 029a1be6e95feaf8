"""Files of weights: recognised by their content, read without running code."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import pickletools
import struct
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor
from torch.serialization import safe_globals

from adestim._support.digests import digest_file
from adestim._support.files import FETCHED_BY, name_pointer
from adestim.backbone.weights.bounds import N_OLD_PICKLES, require_bounded_checkpoint
from adestim.backbone.weights.layout import name_kind
from adestim.exceptions import CheckpointError, MissingDependencyError

# In the order in which they are preferred; transformers writes them so.
FOLDER_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".tar", ".ckpt", ".bin")
# What decides a language model's tokens besides its weights: configuration, vocabulary, merges.
COMPANIONS = ("*.json", "*.txt", "*.model")
# What torch raises where a file ends too soon, by the place where it ends.
BREAKS_OFF = (
    *(RuntimeError, EOFError, ValueError, LookupError, struct.error),
    *(MemoryError, OverflowError, TypeError),
)
HEAD_BYTES = 1024
LARGEST_HEADER = 100_000_000
N_NAMES_SHOWN = 4
HARMLESS = ("builtins.", "collections.", "torch.")
OLD_FORMAT = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
OTHER_KINDS = {
    b"<": (
        "a web page, such as the one that asks to log in or to confirm a download",
        "Open the address in a browser, and save the file itself",
    ),
    b"\x1f\x8b": ("a gzip archive", "Unpack it, and pass the file of weights inside"),
    b"BZh": ("a bzip2 archive", "Unpack it, and pass the file of weights inside"),
    b"7z\xbc\xaf": ("a 7z archive", "Unpack it, and pass the file of weights inside"),
    b"\x89HDF": ("an HDF5 file, as Keras writes it", "Pass the weights for PyTorch"),
    b"GGUF": ("a GGUF file, made for llama.cpp", "Pass the weights for PyTorch"),
    b"\x93NUMPY": ("a NumPy array", "Pass the weights for PyTorch"),
    b"{": ("a text file in JSON", "Pass the file of weights that lies beside it"),
}
TAR_MARK = slice(257, 262)
# Modules whose functions act on the machine or find other functions.
ACTING = frozenset(
    {
        *("_io", "ctypes", "importlib", "inspect", "io", "multiprocessing", "nt", "operator", "os"),
        *("pdb", "pickle", "pip", "pkgutil", "posix", "pty", "pydoc", "runpy", "shutil", "socket"),
        *("subprocess", "sys", "tempfile", "threading", "timeit", "types", "urllib", "webbrowser"),
    }
)
BUILTIN_DATA = frozenset(
    {
        *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "getattr", "int"),
        *("list", "object", "range", "set", "slice", "str", "tuple"),
    }
)


def read_checkpoint(path: str | Path, trust_pickle: bool = False) -> Mapping:
    """Read a checkpoint, by default without running any code that it may hold.

    Where torch's default device is the meta device, only names, shapes and kinds of numbers are
    read.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise CheckpointError(
            "Weights must be an existing file", got=str(path), remedy="Pass its path as weights="
        )
    files = list_weight_files(path)
    if len(files) == 1:
        return read_weights_file(files[0], trust_pickle)
    return {
        key: value
        for file in files
        for key, value in require_table(read_weights_file(file, trust_pickle), file).items()
    }


def list_weight_files(path: Path) -> list[Path]:
    """Return the files of weights: the file itself, or those of a folder."""
    if not path.is_dir():
        return list_shards(path) if path.name.endswith(".index.json") else [path]
    known = next((path / name for name in FOLDER_FILES if (path / name).is_file()), None)
    if known is not None:
        return list_weight_files(known)
    found = sorted(file for file in path.iterdir() if file.suffix in WEIGHT_SUFFIXES)
    if len(found) != 1:
        raise CheckpointError(
            "A folder of weights must hold one file of weights, or those that transformers writes",
            got=f"{path} with {', '.join(file.name for file in found) or 'none'}",
            remedy="Pass the path of the file",
        )
    return found


def list_shards(index: Path) -> list[Path]:
    """Return the files that an index of shards names."""
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{index.name} must map the names of weights to files, as transformers writes it",
            got="another content",
            remedy="Download it again",
        ) from error
    absent = [name for name in names if not (index.parent / name).is_file()]
    if absent:
        raise CheckpointError(
            f"All {len(names)} files of weights that {index.name} names must lie beside it",
            got=f"{len(absent)} missing: {', '.join(absent[:N_NAMES_SHOWN])}",
            remedy="Download them too",
        )
    return [index.parent / name for name in names]


def require_table(content: Any, path: Path) -> Mapping:
    """Refuse anything but named entries."""
    if isinstance(content, Mapping):
        return content
    raise CheckpointError(
        f"{path.name} must hold tensors by name, as a module's state_dict()",
        got=f"an object of type {name_kind(content)}",
        remedy="Save its state_dict() with torch.save; or, if you trust where the file comes from "
        "and its classes are installed, pass trust_checkpoint=True",
    )


def read_weights_file(path: Path, trust_pickle: bool) -> Mapping:
    """Read one file, by what it holds, whatever its name ends in."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= LARGEST_HEADER:
        return read_safetensors(path)
    if not head.startswith((b"PK", OLD_FORMAT)) or path.suffix == ".safetensors":
        raise explain_kind(path, head)
    if head.startswith(b"PK"):
        require_torch_archive(path)
    if not trust_pickle:
        require_bounded_checkpoint(path)
    content = read_torch(path, trust_pickle)
    # A whole module can only come from a file that is trusted.
    state = content.state_dict() if isinstance(content, torch.nn.Module) else content
    return require_table(state, path)


def explain_kind(path: Path, head: bytes) -> CheckpointError:
    """Return the error about a file that is no checkpoint, saying what it seems to be."""
    start = head.lstrip()
    found = next((OTHER_KINDS[mark] for mark in OTHER_KINDS if start.startswith(mark)), None)
    pointer = name_pointer(start)
    if pointer is not None:
        found = (
            f"a {pointer} pointer, which only says where the file is",
            f"Fetch the file itself with {FETCHED_BY[pointer]}, or download it from its page",
        )
    if head[TAR_MARK] == b"ustar":
        found = ("a tar archive", "Unpack it, and pass the file of weights inside")
    if head.startswith(b"\x80"):
        found = ("a pickle that torch.save did not write", "Pass the weights for PyTorch")
    if head.startswith((b"PK", OLD_FORMAT)):
        found = ("a file that torch.save wrote, under the wrong name", "Let its name end in .pt")
    if not head or (found is None and path.suffix == ".safetensors"):
        return explain_damage(path)
    what, remedy = found or (
        f"a file of another kind, {path.stat().st_size} bytes",
        "Check what you downloaded",
    )
    return CheckpointError(
        f"{path.name} must be a checkpoint, as torch.save or safetensors write it",
        got=what,
        remedy=remedy,
    )


def explain_damage(path: Path) -> CheckpointError:
    """Return the error about a file that breaks off."""
    return CheckpointError(
        f"{path.name} must be a whole checkpoint, as torch.save or safetensors write it",
        got=f"a damaged or truncated file of {path.stat().st_size} bytes",
        remedy="Download it again and compare its size with the source's",
    )


def require_torch_archive(path: Path) -> None:
    """Refuse a zip archive that holds no weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [Path(name).name for name in archive.namelist()]
    except zipfile.BadZipFile as error:
        raise explain_damage(path) from error
    if "constants.pkl" in inside:
        what, remedy = "a TorchScript program", "Save its state_dict() with torch.save"
    elif "data.pkl" not in inside:
        what, remedy = "a zip archive", "Unpack it, and pass the file of weights inside"
    else:
        return
    raise CheckpointError(
        f"{path.name} must be a checkpoint, as torch.save or safetensors write it",
        got=what,
        remedy=remedy,
    )


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file."""
    try:
        from safetensors import SafetensorError, safe_open
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingDependencyError(
            "Reading safetensors files needs the package safetensors",
            remedy="Run pip install 'adestim[foundation]'",
        ) from error
    try:
        if not names_alone():
            return load_file(path)
        with safe_open(path, framework="pt") as file:
            return {name: outline_tensor(file, name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise explain_damage(path) from error


def names_alone() -> bool:
    """Tell whether names and shapes are asked for, without numbers: on torch's meta device."""
    return torch.get_default_device().type == "meta"


def outline_tensor(file: Any, name: str) -> Tensor:
    """Return a tensor of a safetensors file without its numbers."""
    part = file.get_slice(name)
    shape = part.get_shape()
    kind = part[:0].dtype if shape else file.get_tensor(name).dtype
    return torch.empty(shape, dtype=kind, device="meta")


def read_torch(path: Path, trust_pickle: bool) -> Any:
    """Read a file that ``torch.save`` wrote: tensors alone where that does."""
    try:
        return load_torch(path, weights_only=True)
    except pickle.UnpicklingError as error:
        if trust_pickle:
            return read_trusted(path)
        try:
            names = list_pickled_names(path)
        except ValueError:
            raise explain_damage(path) from error
        return read_around(path, names)


def load_torch(path: Path, weights_only: bool) -> Any:
    """Call ``torch.load``; where the format allows it, tensors stay on the disk until used."""
    try:
        with warnings.catch_warnings():
            # Either the file is read all the same, or it is refused here in other words.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            return torch.load(
                path,
                map_location="meta" if names_alone() else "cpu",
                weights_only=weights_only,
                mmap=zipfile.is_zipfile(path),
            )
    except BREAKS_OFF as error:
        raise explain_damage(path) from error


def read_around(path: Path, names: set[str]) -> Any:
    """Read the tensors of a file that holds other objects too, without making those."""
    kinds: dict[str, type] = dict.fromkeys(names, StandIn)
    refused = find_acting(names)
    # Each round finds out that one more stand-in is filled like a table or a list.
    for _ in () if refused else range(len(kinds) + 1):
        try:
            with pass_over(kinds):
                return load_torch(path, weights_only=True)
        except pickle.UnpicklingError as error:
            filled = find_filled(str(error), kinds)
            if filled is None:
                break
            kinds[filled[0]] = filled[1]
    shown = refused or sorted(name for name in names if not name.startswith(HARMLESS))
    more = " and others" if len(shown) > N_NAMES_SHOWN else ""
    raise CheckpointError(
        f"{path.name} must hold tensors and plain data; to read it all runs code that it names",
        got=", ".join(shown[:N_NAMES_SHOWN]) + more or "a kind of pickle that must be run",
        remedy="Prefer a file of weights alone from its authors; only if you trust where this one "
        "comes from, pass trust_checkpoint=True",
    )


def read_trusted(path: Path) -> Any:
    """Read a file and make all its objects, which runs code that it names."""
    try:
        return load_torch(path, weights_only=False)
    except (ImportError, AttributeError) as error:
        raise CheckpointError(
            f"{path.name} holds objects whose classes must be installed to make them",
            got=str(error),
            remedy="Install them, or leave trust_checkpoint=False, which passes over such objects",
        ) from error


def digest_weights(path: str | Path) -> str:
    """Return the SHA-256 of a file, or of the files of a model in a folder."""
    path = Path(path).expanduser()
    if not path.is_dir() and not path.name.endswith(".index.json"):
        return digest_file(path)
    folder = path if path.is_dir() else path.parent
    companions = [file for pattern in COMPANIONS for file in folder.glob(pattern)]
    files = sorted({*list_weight_files(path), *companions})
    lines = [f"{file.relative_to(folder).as_posix()} {digest_file(file)}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class StandIn:
    """What stands for an object that is not made: it accepts everything, and does nothing."""

    def __new__(cls, *args: Any, **kwargs: Any):
        """Make one, whatever it is called with."""
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def __setstate__(self, state: Any):
        pass

    def __setitem__(self, key: Any, value: Any):
        pass

    @classmethod
    def kind(cls) -> str:
        """Return the importable name of the class that the object would be of."""
        return f"{cls.__module__}.{cls.__qualname__}"


def list_pickled_names(path: Path) -> set[str]:
    """Return the functions and classes that a file of ``torch.save`` names, without reading it."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return {name for _ in range(N_OLD_PICKLES) for name in read_pickled_names(file)}
    with zipfile.ZipFile(path) as archive:
        inside = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        return {
            name
            for member in inside
            for name in read_pickled_names(io.BytesIO(archive.read(member)))
        }


def read_pickled_names(file: IO[bytes]) -> Iterator[str]:
    """Yield the names in one pickle, in the words of Python 3."""
    for operation, argument, _ in pickletools.genops(file):
        if operation.name in ("GLOBAL", "INST"):
            module, _, name = argument.partition(" ")
            module, name = NAME_MAPPING.get((module, name), (module, name))
            yield f"{IMPORT_MAPPING.get(module, module)}.{name}"


def find_acting(names: Collection[str]) -> list[str]:
    """Return those names that have no place in a file of data."""
    return sorted(name for name in names if acts_on_machine(*name.split(".", 1)))


def acts_on_machine(package: str, name: str) -> bool:
    """Tell whether something of a top-level package does more than hold data."""
    return package in ACTING or (package == "builtins" and name not in BUILTIN_DATA)


def pass_over(kinds: Mapping[str, type]) -> safe_globals:
    """Return the context in which ``torch.load`` makes stand-ins for everything so named."""
    return safe_globals([make_stand_in(*name.rpartition(".")[::2], kinds[name]) for name in kinds])


def make_stand_in(module: str, name: str, kind: type) -> type:
    """Return a class that torch takes for the one so named; calling it makes a stand-in."""
    body: dict[str, Any] = {"__module__": module, "__qualname__": name}
    if kind is StandIn:
        return type(name, (StandIn,), body)
    body["__new__"] = lambda cls, *args, **kwargs: kind()
    return type(name, (), body)


def find_filled(message: str, names: Collection[str]) -> tuple[str, type] | None:
    """Return which stand-in torch wanted to fill, and as what, from its complaint.

    -> (str, type).
    """
    name = next((name for name in names if f"<class '{name}'>" in message), None)
    if name is None or not ("SETITEM" in message or " to lists" in message or "extend" in message):
        return None
    return name, OrderedDict if "SETITEM" in message else list
