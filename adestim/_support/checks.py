"""Checks of arguments that more than one room asks for."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from adestim.exceptions import InputError


def require_count(value: Any, rule: str, least: int = 1) -> None:
    """Refuse what is no whole number from ``least`` on, with a rule that says so."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InputError(rule, got=repr(value))
