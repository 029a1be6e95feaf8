"""What is pickled tells which version of adestim wrote it, and warns when another opens it."""

from __future__ import annotations

import warnings
from typing import Any

from adestim._support.version import __version__
from adestim.exceptions import VersionWarning

KEY = "_adestim_version"


class Versioned:
    """Mixin of what users pickle; it stands before other bases."""

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__() or {}
        return {**state, KEY: __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        warn_of_another_version(type(self).__name__, state.pop(KEY, None))
        # That of scikit-learn's estimators, which other objects do not have.
        restore = getattr(super(), "__setstate__", self.__dict__.update)
        restore(state)


def warn_of_another_version(name: str, written_by: str | None) -> None:
    """Warn where another version wrote what is opened, or one that did not say so."""
    if written_by == __version__:
        return
    version = f"adestim {written_by}" if written_by else "an adestim that did not tell its version"
    warnings.warn(
        f"{name} was written by {version} and is opened by {__version__}, which may read it "
        "wrongly: it may fail, or say other things. Open it with the version that wrote it, or "
        "make it again.",
        VersionWarning,
        stacklevel=3,
    )
