"""Curves: means over seeds along an axis, a line a method, in panels that belong on one scale."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from magbench.tables.base import Table
from magbench.tables.outcome import Outcome

Value = bool | int | float | str
Measured = Mapping[int, float] | Mapping[float, float]
"""Where on the axis → value."""
Panel = tuple[str, Sequence[Outcome], Callable[[Outcome], Measured]]
"""A title, the outcomes, and what is measured of each."""


class Point(Table):
    """The mean of some seeds at ``x`` of the axis that lies across and ``y`` of the other axis, or of a method."""

    x: Value
    y: Value
    mean: float
    seeds: int


class Curve(Table):
    """One panel; ``y`` of its points is the method."""

    title: str
    points: tuple[Point, ...]


class Curves(Table):
    """Panels on one scale. ``axis`` is what lies across; ``methods`` are the best first."""

    axis: str
    methods: tuple[str, ...]
    panels: tuple[Curve, ...]


def curves(axis: str, methods: Sequence[str], panels: Sequence[Panel]) -> Curves | None:
    """The panels that have anything of these methods; None where none has."""
    measured = [Curve(title=title, points=_points(methods, outcomes, of)) for title, outcomes, of in panels]
    found = tuple(curve for curve in measured if curve.points)
    return Curves(axis=axis, methods=tuple(methods), panels=found) if found else None


def ordered(values: Sequence[Value]) -> list[Value]:
    """Numbers by size, names as they stand."""
    return sorted(values) if all(isinstance(v, int | float) for v in values) else list(values)


def _points(
    methods: Sequence[str], outcomes: Sequence[Outcome], of: Callable[[Outcome], Measured]
) -> tuple[Point, ...]:
    values: dict[tuple[Value, str], list[float]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.method in methods:
            for x, value in of(outcome).items():
                values[x, outcome.method].append(value)
    return tuple(Point(x=x, y=method, mean=fmean(v), seeds=len(v)) for (x, method), v in values.items())
