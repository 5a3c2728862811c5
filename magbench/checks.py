"""Checks of single option values, shared by every numeric function: one message form, naming option, value, allowed."""

from __future__ import annotations

import math
from numbers import Integral

from magbench.errors import OptionError


def number(name: str, value: float, low: float = 0.0, high: float = math.inf, *, low_open: bool = True) -> None:
    """Raise OptionError unless ``value`` is a finite number in (low, high] or, with ``low_open=False``, [low, high]."""
    ok = isinstance(value, (int, float)) and math.isfinite(value) and low <= value <= high
    if not ok or (low_open and value == low):
        allowed = f"{'(' if low_open else '['}{low:g}, {high:g}]"
        raise OptionError(f"{name}={value!r} is not allowed; it must be a finite number in {allowed}.")


def whole(name: str, value: int, low: int = 0) -> None:
    """Raise OptionError unless ``value`` is an integer of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise OptionError(f"{name}={value!r} is not allowed; it must be an integer from {low} up.")


def choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise OptionError unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise OptionError(f"{name}={value!r} is not allowed; choose one of {', '.join(allowed)}.")
