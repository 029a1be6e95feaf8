"""What a report of a fault begins with: versions and the machine."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import chain

import torch
from threadpoolctl import threadpool_info

from adestim._support.version import __version__

# Development tools say nothing about a fault.
IGNORED_EXTRAS = ("test", "doc", "lint")


def show_versions() -> None:
    """Print the versions of Python, adestim and its dependencies, and the processors at hand.

    To be pasted into the report of a fault. No path, no name of a user and no data is printed.

    Examples
    --------
    >>> import adestim
    >>> adestim.show_versions()  # doctest: +ELLIPSIS
    System
      python: ...
    """
    sections = {
        "System": describe_system(),
        "Packages": {"adestim": __version__, **list_dependencies()},
        "Processors": describe_processors(),
    }
    for title, rows in sections.items():
        print(title, *(f"  {name}: {value}" for name, value in rows.items()), sep="\n")


def describe_system() -> dict[str, str]:
    """Return Python and the operating system."""
    return {
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": platform.platform(),
    }


def list_dependencies() -> dict[str, str]:
    """Return the versions of what adestim needs or can use, by name."""
    try:
        lines = requires("adestim") or []
    except PackageNotFoundError:
        lines = []
    chosen = [
        line
        for line in lines
        if not any(f"'{e}'" in line.replace('"', "'") for e in IGNORED_EXTRAS)
    ]
    names = {re.match(r"[\w.-]+", line).group() for line in chosen} - {"adestim"}
    return {name: find_version(name) for name in sorted(names, key=str.lower)}


def find_version(name: str) -> str:
    """Return the version of a package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def describe_processors() -> dict[str, str]:
    """Return cores, threads of linear algebra, and GPUs."""
    pools = (f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info())
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpus = (torch.cuda.get_device_name(place) for place in range(count))
    return {
        "cores": str(os.cpu_count()),
        "threads": ", ".join(chain([f"torch {torch.get_num_threads()}"], pools)),
        "CUDA of torch": str(torch.version.cuda),
        "GPUs": ", ".join(gpus) or "none",
    }
