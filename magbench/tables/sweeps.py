"""Sweeps: where methods differ in two options alone, the score over both.

Nothing is declared: ``goma[alpha=0.1,steps=2]``, ``goma[alpha=0.1,steps=4]`` … are a sweep of ``goma``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from magbench.errors import OptionError
from magbench.method_string import Component, MethodString, parse_method
from magbench.tables.base import Table
from magbench.tables.curves import Curve, Point, Value, ordered
from magbench.tables.outcome import Outcome

Option = tuple[int, str]
"""Which component of a method string, and which option of it."""


class Sweep(Table):
    """The score of ``base`` over two of its options.

    Attributes:
        base: the method without the two options.
        x_name, y_name: the options; the one with more values lies across.
        xs, ys: their values.
        panels: one for each of several tasks, on one scale; of a point ``x`` and ``y`` are the options' values.
    """

    base: str
    x_name: str
    y_name: str
    xs: tuple[Value, ...]
    ys: tuple[Value, ...]
    panels: tuple[Curve, ...]


def sweeps_of(tasks: Sequence[tuple[str, Sequence[Outcome]]]) -> tuple[Sweep, ...]:
    """The sweeps among the methods of the first task, the largest first.

    Args:
        tasks: a title and the outcomes of one task each: the section's own, then those that stand beside it.
    """
    means = [(title, _means(outcomes)) for title, outcomes in tasks]
    if not means:
        return ()
    grids = sorted(_grids(means[0][1]), key=lambda grid: (-len(grid.methods), str(grid.base)))
    return tuple(_sweep(grid, means) for grid in grids)


@dataclass(frozen=True)
class _Grid:
    """Two options, the method without them, and (first value, second value) → method."""

    base: MethodString
    options: tuple[Option, Option]
    methods: Mapping[tuple[Value, Value], str]

    @property
    def values(self) -> tuple[list[Value], list[Value]]:
        first, second = (list(dict.fromkeys(place[axis] for place in self.methods)) for axis in range(2))
        return ordered(first), ordered(second)

    @property
    def filled(self) -> bool:
        """Whether both options vary, and half of their combinations or more are there, four at least."""
        first, second = map(len, self.values)
        return min(first, second) > 1 and len(self.methods) >= max(4, first * second / 2)


def _grids(methods: Mapping[str, Any]) -> list[_Grid]:
    found: dict[tuple[str, Option, Option], dict[tuple[Value, Value], str]] = defaultdict(dict)
    bases: dict[str, MethodString] = {}
    for method in methods:
        try:
            parsed = parse_method(method)
        except OptionError:
            continue  # a name from outside
        settings = {
            (place, option): value
            for place, part in enumerate(parsed.components)
            for option, value in part.options.items()
            if isinstance(value, bool | int | float | str)
        }
        for pair in combinations(sorted(settings), 2):
            base = _without(parsed, pair)
            bases[str(base)] = base
            found[str(base), *pair][settings[pair[0]], settings[pair[1]]] = method
    grids = [_Grid(bases[base], (first, second), here) for (base, first, second), here in found.items()]
    return [grid for grid in grids if grid.filled]


def _without(method: MethodString, options: Sequence[Option]) -> MethodString:
    return MethodString(
        tuple(
            Component(part.name, {key: value for key, value in part.options.items() if (place, key) not in options})
            for place, part in enumerate(method.components)
        )
    )


def _sweep(grid: _Grid, means: Sequence[tuple[str, Mapping[str, tuple[float, int]]]]) -> Sweep:
    """The option with more values lies across."""
    swap = len(grid.values[0]) < len(grid.values[1])
    (xs, ys), (x, y) = (grid.values[::-1], grid.options[::-1]) if swap else (grid.values, grid.options)
    panels = []
    for title, found in means:
        here = [((place[::-1] if swap else place), found[m]) for place, m in grid.methods.items() if m in found]
        if here:
            points = (Point(x=a, y=b, mean=mean, seeds=seeds) for (a, b), (mean, seeds) in here)
            panels.append(Curve(title=title, points=tuple(points)))
    return Sweep(base=str(grid.base), x_name=x[1], y_name=y[1], xs=tuple(xs), ys=tuple(ys), panels=tuple(panels))


def _means(outcomes: Sequence[Outcome]) -> dict[str, tuple[float, int]]:
    """Method → mean of the primary metric and its seeds."""
    values: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.ok:
            values[outcome.method].append(outcome.score)
    return {method: (fmean(found), len(found)) for method, found in sorted(values.items())}
