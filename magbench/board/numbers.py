"""How numbers are printed: fixed digits, a true minus sign, an en dash where there is nothing to print."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import TypeGuard

NOTHING = "–"
_MINUS = "−"


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number to print."""
    return value is not None and isfinite(value)


def score(value: float | None) -> str:
    """A score or standard deviation to three digits; zero has no sign."""
    return f"{round(value, 3) + 0.0:.3f}".replace("-", _MINUS) if known(value) else NOTHING


def signed(value: float | None) -> str:
    """A difference to three digits with its sign; zero has none."""
    if not known(value):
        return NOTHING
    return f"{value:+.3f}".replace("-", _MINUS) if abs(value) >= 0.0005 else "0.000"


def p_value(value: float | None) -> str:
    """A p value: three digits below .1, two above."""
    if not known(value):
        return NOTHING
    if value < 0.001:
        return "< 0.001"
    return f"{value:.3f}" if value < 0.0995 else f"{value:.2f}"


def count(value: int | None) -> str:
    """A whole number with thin spaces between thousands."""
    return NOTHING if value is None else f"{value:,}".replace(",", "\u202f")


def seconds(value: float | None) -> str:
    """A duration in the unit that fits."""
    if not known(value):
        return NOTHING
    if value < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def general(value: float | None) -> str:
    """A number of any size to three significant digits."""
    return f"{value:.3g}".replace("-", _MINUS) if known(value) else NOTHING


def point(value: float | None, name: str = "gain") -> str:
    """A gain in points with its sign; a score to three digits; another quantity to three significant ones."""
    if name == "score":
        return score(value)
    if name != "gain" or not known(value):
        return general(value)
    return f"{value:+.1f}".replace("-", _MINUS) if abs(value) >= 0.05 else "0.0"


FILTERS: dict[str, Callable[..., str]] = {
    "score": score,
    "signed": signed,
    "p_value": p_value,
    "count": count,
    "seconds": seconds,
    "general": general,
    "point": point,
}
"""The template filters of the report."""
