"""A study's grid: pictures of the gain and of telemetry over its axes, and sentences that keep them in proportion.

Gains are mean differences of paired seeds to the plain host, in points (hundredths of the score).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean

from magbench.board import numbers
from magbench.board.study_charts import Heat, Lines, Value, heat, lines, lines_scale
from magbench.method_string import split_host
from magbench.results.study import StudyCell
from magbench.suites import Figure, Grid


@dataclass(frozen=True)
class Panel:
    """One picture: a quantity at one value of the axis that panels stand for."""

    title: str
    label: str
    chart: Heat | Lines
    kind: str
    signed: bool


@dataclass(frozen=True)
class Quantity:
    """All panels of one quantity, on one scale."""

    name: str
    panels: tuple[Panel, ...]


def _gains(cells: Sequence[StudyCell], metric: str) -> dict[str, tuple[float, int]]:
    """Method → mean gain over its host in points and the seeds it rests on, for seeds that both have."""
    scores = {(cell.method, cell.seed): cell.scores[metric] for cell in cells}
    found: dict[str, list[float]] = defaultdict(list)
    for (method, seed), score in scores.items():
        host = split_host(method)[0]
        if method != host and (host, seed) in scores:
            found[method].append(100 * (score - scores[host, seed]))
    return {method: (fmean(values), len(values)) for method, values in found.items()}


def _measured(cells: Sequence[StudyCell], metric: str, name: str) -> dict[str, tuple[float, int]]:
    """Method of the grid → mean of a quantity and its seeds; ``name`` is ``gain`` or a telemetry."""
    if name == "gain":
        return _gains(cells, metric)
    values: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        if name in cell.telemetry:
            values[cell.method].append(cell.telemetry[name])
    return {method: (fmean(found), len(found)) for method, found in values.items()}


def quantities(grid: Grid, figure: Figure, cells: Sequence[StudyCell], metric: str) -> tuple[Quantity, ...]:
    """The gain over the plain host and the figure's telemetry, each on one scale."""
    points = grid.points()
    axes = {option: values for options in grid.axes.values() for option, values in options.items()}
    found = []
    for name in ("gain", *figure.telemetry):
        values = {m: v for m, v in _measured(cells, metric, name).items() if m in points}
        if values:
            panels = _panels(figure, name, points, axes, values)
            found.append(Quantity(_quantity_name(name, metric), panels))
    return tuple(found)


def _panels(
    figure: Figure,
    name: str,
    points: Mapping[str, Mapping[str, Value]],
    axes: Mapping[str, Sequence[Value]],
    values: Mapping[str, tuple[float, int]],
) -> tuple[Panel, ...]:
    xs, ys = ordered(axes[figure.x]), ordered(axes[figure.y])
    means = [mean for mean, _ in values.values()]
    largest, scale = max(map(abs, means)), lines_scale([*means, *([0.0] if name == "gain" else [])])
    panels = []
    for at in ordered(axes[figure.panel]):
        here = {
            (points[method][figure.x], points[method][figure.y]): value
            for method, value in values.items()
            if points[method][figure.panel] == at
        }
        if not here:
            continue
        chart = heat(xs, ys, here, largest) if figure.kind == "heat" else lines(xs, ys, here, scale)
        listed = "; ".join(f"{figure.x} {x}, {figure.y} {y}: {point(mean, name)}" for (x, y), (mean, _) in here.items())
        panels.append(
            Panel(
                f"{figure.panel} = {at}", f"{name} at {figure.panel} {at}. {listed}", chart, figure.kind, name == "gain"
            )
        )
    return tuple(panels)


def findings(
    grid: Grid, figure: Figure, cells: Sequence[StudyCell], metric: str, name_of: Callable[[str], str]
) -> tuple[str, ...]:
    """Sentences about the grid: the best setting, what it must be held against, and the mean gain along each axis."""
    gains, points = _gains(cells, metric), grid.points()
    inside = {method: gain for method, (gain, _) in gains.items() if method in points}
    if not inside:
        return ("No setting of the grid has a seed in common with the plain host yet.",)
    best = max(inside, key=lambda method: inside[method])
    setting = ", ".join(f"{option} {value}" for option, value in points[best].items())
    seeds = max(n for method, (_, n) in gains.items() if method in points)
    above = sum(gain > 0 for gain in inside.values())
    said = [
        f"{above} of {len(inside)} settings have a higher mean than the plain host. The best ({setting}) gains "
        f"{point(inside[best])} points; it was picked among {len(inside)} by test score over {seeds} "
        f"seed{'s' if seeds != 1 else ''} without correction: a lead, not a result."
    ]
    for method in gains:
        if method not in points:
            beaten = sum(gain > gains[method][0] for gain in inside.values())
            said.append(
                f"{name_of(method)}, on the same footing, gains {point(gains[method][0])} points; {beaten} of "
                f"{len(inside)} settings have a higher mean."
            )
    for options in grid.axes.values():
        for option, values in options.items():
            levels = [(v, [g for m, g in inside.items() if points[m][option] == v]) for v in ordered(values)]
            shown = ", ".join(f"{value}: {point(fmean(found))}" for value, found in levels if found)
            said.append(f"Mean gain by {option}, over everything else: {shown}.")
    for name in figure.telemetry:
        measured = _measured(cells, metric, name)
        by_value: dict[Value, list[float]] = defaultdict(list)
        for method in points:
            if method in measured:
                by_value[points[method][figure.y]].append(measured[method][0])
        shown = ", ".join(f"{value}: {point(fmean(by_value[value]), name)}" for value in ordered(list(by_value)))
        if shown:
            said.append(f"Mean {name} by {figure.y}: {shown}.")
    return tuple(said)


def _quantity_name(name: str, metric: str) -> str:
    return f"Gain in {metric.replace('_', ' ')} over the plain host, points" if name == "gain" else name


def ordered(values: Sequence[Value]) -> list[Value]:
    """Numbers by size, names as they stand."""
    return sorted(values) if all(isinstance(v, int | float) for v in values) else list(values)


def point(value: float, name: str = "gain") -> str:
    """A difference in points with its sign; a score to three digits; another quantity to three significant ones."""
    if name == "score":
        return numbers.score(value)
    if name != "gain" or not isfinite(value):
        return numbers.general(value)
    return f"{value:+.1f}".replace("-", "−") if abs(value) >= 0.05 else "0.0"
