"""Sweeps in a report: where methods differ in two options alone, the score over both as a heat map.

Nothing is declared: ``goma[alpha=0.1,steps=2]``, ``goma[alpha=0.1,steps=4]`` … are a sweep of ``goma``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from magbench.board.cells import ReportCell
from magbench.board.numbers import score
from magbench.board.study_charts import Value, heat
from magbench.board.study_grid import Panel, ordered
from magbench.board.view import Label, label_of
from magbench.errors import OptionError
from magbench.method_string import MethodString, Part, parse_method

_MOST = 4
"""Sweeps of a task that are drawn: the largest."""

Option = tuple[int, str]
"""Which component of a method string, and which option of it."""


@dataclass(frozen=True)
class Sweep:
    """The score of one method over two of its options: a heat map for each of several tasks, on one scale."""

    base: Label
    x_name: str
    y_name: str
    panels: tuple[Panel, ...]


def sweeps_of(tasks: Sequence[tuple[str, Sequence[ReportCell]]]) -> tuple[Sweep, ...]:
    """The sweeps among the methods of the first task, the largest first.

    Args:
        tasks: a title and the cells of one task each: the section's own, then those that stand beside it.
    """
    means = [(title, _means(cells)) for title, cells in tasks]
    if not means:
        return ()
    grids = sorted(_grids(means[0][1]), key=lambda grid: (-len(grid.methods), str(grid.base)))
    return tuple(_sweep(grid, means) for grid in grids[:_MOST])


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
            for place, part in enumerate(parsed.parts)
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
            Part(part.name, {key: value for key, value in part.options.items() if (place, key) not in options})
            for place, part in enumerate(method.parts)
        )
    )


def _sweep(grid: _Grid, means: Sequence[tuple[str, Mapping[str, tuple[float, int]]]]) -> Sweep:
    """The option with more values lies across."""
    swap = len(grid.values[0]) < len(grid.values[1])
    (xs, ys), (x, y) = (grid.values[::-1], grid.options[::-1]) if swap else (grid.values, grid.options)
    measured = {
        title: {(place[::-1] if swap else place): found[m] for place, m in grid.methods.items() if m in found}
        for title, found in means
    }
    every = [mean for here in measured.values() for mean, _ in here.values()]
    panels = []
    for title, here in measured.items():
        if here:
            listed = "; ".join(f"{x[1]} {a}, {y[1]} {b}: {score(mean)}" for (a, b), (mean, _) in here.items())
            chart = heat(xs, ys, here, max(every), smallest=min(every))
            panels.append(Panel(title, f"{title}. {listed}", chart, "heat", signed=False))
    return Sweep(label_of(str(grid.base)), x[1], y[1], tuple(panels))


def _means(cells: Sequence[ReportCell]) -> dict[str, tuple[float, int]]:
    """Method → mean of the primary metric and its seeds."""
    values: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        if cell.ok:
            values[cell.method].append(float(next(iter(cell.scores.values()))))
    return {method: (fmean(found), len(found)) for method, found in sorted(values.items())}
