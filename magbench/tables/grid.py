"""A study's grid: the gain and telemetry over its axes, the best setting, and the mean along each axis.

Gains are mean differences of paired seeds to the plain host, in points (hundredths of the score).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

from magbench.method_string import split_host
from magbench.suites import Figure, Grid
from magbench.tables.base import Table
from magbench.tables.curves import Point, Value, ordered
from magbench.tables.outcome import Outcome

GAIN = "gain"
Means = dict[str, tuple[float, int]]
"""Method → mean and the seeds it rests on."""


class Slice(Table):
    """A quantity at one value of the axis that panels stand for."""

    at: Value
    points: tuple[Point, ...]


class Quantity(Table):
    """A quantity over the grid: ``gain``, or something that the regulariser measured."""

    name: str
    slices: tuple[Slice, ...]


class Best(Table):
    """The setting with the highest mean gain, among how many, and how many gain anything."""

    setting: dict[str, Value]
    gain: float
    seeds: int
    settings: int
    above: int


class Rival(Table):
    """A method beside the grid: its gain, and how many settings have a higher one."""

    method: str
    gain: float
    beaten: int


class Level(Table):
    """The mean over everything else at one value of an axis."""

    at: Value
    mean: float


class Margin(Table):
    """The mean of a quantity along one axis."""

    quantity: str
    axis: str
    levels: tuple[Level, ...]


class GridTable(Table):
    """A grid's numbers.

    Attributes:
        kind: ``heat`` or ``curves``, as the suite wants it drawn.
        x, y, panel: the options that lie across, down (or tell lines apart), and tell panels apart.
        xs, ys: their values.
        quantities: the gain, then the figure's telemetry.
        best: None where no setting has a seed in common with the plain host.
        rivals, margins: what the best must be held against.
    """

    kind: str
    x: str
    y: str
    panel: str
    xs: tuple[Value, ...]
    ys: tuple[Value, ...]
    quantities: tuple[Quantity, ...]
    best: Best | None
    rivals: tuple[Rival, ...]
    margins: tuple[Margin, ...]


def grid_table(grid: Grid, figure: Figure, ok: Sequence[Outcome], metric: str) -> GridTable:
    """The numbers of a grid on one task, from finished outcomes."""
    points = grid.points()
    axes = {option: values for options in grid.axes.values() for option, values in options.items()}
    measured = {name: _measured(ok, metric, name) for name in (GAIN, *figure.telemetry)}
    inside = {method: gain for method, (gain, _) in measured[GAIN].items() if method in points}
    return GridTable(
        kind=figure.kind,
        x=figure.x,
        y=figure.y,
        panel=figure.panel,
        xs=tuple(ordered(axes[figure.x])),
        ys=tuple(ordered(axes[figure.y])),
        quantities=_quantities(figure, points, axes, measured),
        best=_best(points, measured[GAIN], inside),
        rivals=_rivals(measured[GAIN], inside) if inside else (),
        margins=_margins(figure, points, axes, measured, inside) if inside else (),
    )


def _gains(ok: Sequence[Outcome], metric: str) -> Means:
    """Gain over the host in points, for seeds that both have."""
    scores = {(outcome.method, outcome.seed): outcome.scores[metric] for outcome in ok}
    found: dict[str, list[float]] = defaultdict(list)
    for (method, seed), score in scores.items():
        host = split_host(method)[0]
        if method != host and (host, seed) in scores:
            found[method].append(100 * (score - scores[host, seed]))
    return {method: (fmean(values), len(values)) for method, values in found.items()}


def _measured(ok: Sequence[Outcome], metric: str, name: str) -> Means:
    """The mean of a quantity; ``name`` is ``gain`` or a telemetry."""
    if name == GAIN:
        return _gains(ok, metric)
    values: dict[str, list[float]] = defaultdict(list)
    for outcome in ok:
        if name in outcome.telemetry:
            values[outcome.method].append(outcome.telemetry[name])
    return {method: (fmean(found), len(found)) for method, found in values.items()}


def _quantities(
    figure: Figure,
    points: Mapping[str, Mapping[str, Value]],
    axes: Mapping[str, Sequence[Value]],
    measured: Mapping[str, Means],
) -> tuple[Quantity, ...]:
    found = []
    for name, means in measured.items():
        slices = []
        for at in ordered(axes[figure.panel]):
            here = [(points[m], mean) for m, mean in means.items() if m in points and points[m][figure.panel] == at]
            placed = (Point(x=p[figure.x], y=p[figure.y], mean=mean, seeds=seeds) for p, (mean, seeds) in here)
            slices += [Slice(at=at, points=tuple(placed))] if here else []
        found += [Quantity(name=name, slices=tuple(slices))] if slices else []
    return tuple(found)


def _best(points: Mapping[str, Mapping[str, Value]], gains: Means, inside: Mapping[str, float]) -> Best | None:
    if not inside:
        return None
    best = max(inside, key=lambda method: inside[method])
    return Best(
        setting=dict(points[best]),
        gain=inside[best],
        seeds=max(seeds for method, (_, seeds) in gains.items() if method in points),
        settings=len(inside),
        above=sum(gain > 0 for gain in inside.values()),
    )


def _rivals(gains: Means, inside: Mapping[str, float]) -> tuple[Rival, ...]:
    outside = {method: gain for method, (gain, _) in gains.items() if method not in inside}
    return tuple(
        Rival(method=method, gain=gain, beaten=sum(other > gain for other in inside.values()))
        for method, gain in outside.items()
    )


def _margins(
    figure: Figure,
    points: Mapping[str, Mapping[str, Value]],
    axes: Mapping[str, Sequence[Value]],
    measured: Mapping[str, Means],
    inside: Mapping[str, float],
) -> tuple[Margin, ...]:
    """The gain along each axis, and each telemetry along ``y``."""
    found = [_margin(GAIN, option, values, points, inside) for option, values in axes.items()]
    for name in figure.telemetry:
        means = {method: measured[name][method][0] for method in points if method in measured[name]}
        values = list(dict.fromkeys(points[method][figure.y] for method in means))
        found += [_margin(name, figure.y, values, points, means)] if means else []
    return tuple(found)


def _margin(
    quantity: str,
    axis: str,
    values: Sequence[Value],
    points: Mapping[str, Mapping[str, Value]],
    means: Mapping[str, float],
) -> Margin:
    levels = [(value, [mean for m, mean in means.items() if points[m][axis] == value]) for value in ordered(values)]
    return Margin(
        quantity=quantity, axis=axis, levels=tuple(Level(at=at, mean=fmean(found)) for at, found in levels if found)
    )
