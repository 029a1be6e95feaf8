"""Other objects in a file of ``torch.save``: passed over, never made."""

from __future__ import annotations

import io
import pickletools
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from torch.serialization import safe_globals

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
# A file of the old format is a row of pickles: a magic number, a version, a platform, the object.
N_OLD_PICKLES = 4


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


def named_in_pickle(path: Path) -> set[str]:
    """Return the functions and classes that a file of ``torch.save`` names, without reading it."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return {name for _ in range(N_OLD_PICKLES) for name in names_until_stop(file)}
    with zipfile.ZipFile(path) as archive:
        inside = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        return {
            name for member in inside for name in names_until_stop(io.BytesIO(archive.read(member)))
        }


def names_until_stop(file: IO[bytes]) -> Iterator[str]:
    """Yield the names in one pickle, in the words of Python 3."""
    for operation, argument, _ in pickletools.genops(file):
        if operation.name in ("GLOBAL", "INST"):
            module, _, name = argument.partition(" ")
            module, name = NAME_MAPPING.get((module, name), (module, name))
            yield f"{IMPORT_MAPPING.get(module, module)}.{name}"


def not_data(names: Collection[str]) -> list[str]:
    """Return those names that have no place in a file of data."""
    return sorted(name for name in names if acts(*name.split(".", 1)))


def acts(package: str, name: str) -> bool:
    """Tell whether something of a top-level package does more than hold data."""
    return package in ACTING or (package == "builtins" and name not in BUILTIN_DATA)


def passing_over(kinds: Mapping[str, type]) -> safe_globals:
    """Return the context in which ``torch.load`` makes stand-ins for everything so named."""
    return safe_globals([stand_in(*name.rpartition(".")[::2], kinds[name]) for name in kinds])


def stand_in(module: str, name: str, kind: type) -> type:
    """Return a class that torch takes for the one so named; calling it makes a stand-in."""
    body: dict[str, Any] = {"__module__": module, "__qualname__": name}
    if kind is StandIn:
        return type(name, (StandIn,), body)
    body["__new__"] = lambda cls, *args, **kwargs: kind()
    return type(name, (), body)


def filled_as(message: str, names: Collection[str]) -> tuple[str, type] | None:
    """Return which stand-in torch wanted to fill, and as what, from its complaint.

    -> (str, type).
    """
    name = next((name for name in names if f"<class '{name}'>" in message), None)
    if name is None or not ("SETITEM" in message or " to lists" in message or "extend" in message):
        return None
    return name, OrderedDict if "SETITEM" in message else list
