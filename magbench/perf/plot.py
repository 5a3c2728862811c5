"""The scaling plot: milliseconds an outer iteration over N, both logarithmic, as one HTML file that needs nothing else.

A panel an objective and precision, a line a solver, the floor dashed; straight lines are power laws. Whiskers are
quartiles. The numbers stand below the panels, for whoever cannot or would not read them off. What is drawn is computed
here; the template ``perf.html`` of the page engine (:mod:`magbench.board.page`) draws it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from magbench import __version__
from magbench.board.charts import Tick
from magbench.board.page import policy_hash, source, template_engine
from magbench.perf import ours
from magbench.perf.compare import Row
from magbench.perf.report import Report

_WIDTH, _HEIGHT = 460, 330
_LEFT, _TOP, _RIGHT, _BOTTOM = 40, 10, 116, 24
_GAP = 13
_SERIES = {ours.OURS: 0, ours.DENSE: 1, "POT torch": 2, "POT numpy": 3, "fugw": 4, "ott": 5, ours.NUMPY: 6}
_FLOOR = 7
COLUMNS = ("objective", "precision", "N", "solver", "ms", "quartiles", "ratio to ours", "objective differs by", "")
"""Of the table of figures."""


@dataclass(frozen=True)
class Log:
    """A logarithmic map of ``[low, high]`` to the coordinates ``[start, end]``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The coordinate of a positive value."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def decades(self) -> list[float]:
        """Powers of ten inside."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        return [10.0**power for power in range(first, last + 1)]


@dataclass(frozen=True)
class Series:
    """One line: points (N, milliseconds, lower and upper quartile), and the index of its colour."""

    name: str
    points: tuple[tuple[int, float, float, float], ...]
    colour: int


@dataclass(frozen=True)
class Dot:
    """A measured point: where its median and its quartiles stand, and what it says when it is pointed at."""

    x: float
    y: float
    low: float
    high: float
    tip: str


@dataclass(frozen=True)
class Curve:
    """A series with its coordinates, and where its name stands."""

    name: str
    colour: int
    floor: bool
    points: str
    dots: tuple[Dot, ...]
    label_x: float
    label_y: float


@dataclass(frozen=True)
class Panel:
    """One objective in one precision; without curves nothing was measured."""

    title: str
    curves: tuple[Curve, ...] = ()
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()


def page(report: Report) -> str:
    """The HTML page of a report."""
    machine = report.machine
    environ = template_engine()
    style = source(environ, "report.css") + source(environ, "perf.css")
    script = source(environ, "report.js")
    kinds = sorted({(row.kl, row.precision) for row in report.rows})
    return environ.get_template("perf.html").render(
        cpu=machine["cpu"],
        packages=[(name, number) for name, number in machine["packages"].items() if number],
        panels=[panel(kl, precision, report.rows) for kl, precision in kinds],
        columns=COLUMNS,
        rows=[_cells(row) for row in report.rows],
        size=(_WIDTH, _HEIGHT),
        area={"left": _LEFT, "right": _WIDTH - _RIGHT, "bottom": _HEIGHT - _BOTTOM},
        version=__version__,
        style=style,
        script=script,
        style_hash=policy_hash(style),
        script_hash=policy_hash(script),
    )


def series(rows: Iterable[Row]) -> list[Series]:
    """The lines of one panel, the floor last."""
    points: dict[str, list[tuple[int, float, float, float]]] = {}
    floors: dict[int, float] = {}
    for row in rows:
        if row.seconds is not None and row.agrees:
            spread = row.seconds.scaled(1e3)
            points.setdefault(row.solver, []).append((row.n, spread.median, spread.low, spread.high))
            if row.floor_share is not None:
                floors.setdefault(row.n, row.floor_share * spread.median)
    found = [Series(name, tuple(sorted(line)), _SERIES.get(name, _FLOOR)) for name, line in points.items()]
    if floors:
        found.append(Series("floor", tuple((n, ms, ms, ms) for n, ms in sorted(floors.items())), _FLOOR))
    return found


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions near the wanted ones, in their order, at least ``gap`` apart and within [low, high] if they fit."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    placed = [wanted[index] for index in order]
    for before, after in pairwise(range(len(placed))):
        placed[after] = max(placed[after], placed[before] + gap)
    overflow = max(0.0, placed[-1] - high) if placed else 0.0
    if overflow:
        placed[-1] -= overflow
        for after, before in pairwise(reversed(range(len(placed)))):
            placed[before] = max(low, min(placed[before], placed[after] - gap))
    found = [0.0] * len(wanted)
    for index, value in zip(order, placed, strict=True):
        found[index] = round(value, 1)
    return found


def panel(kl: str, precision: str, rows: Sequence[Row]) -> Panel:
    """The panel of an objective and a precision, with the coordinates of all that it shows."""
    title = f"{kl}, {precision}: milliseconds over N"
    lines = series(row for row in rows if (row.kl, row.precision) == (kl, precision))
    points = [point for line in lines for point in line.points]
    if not points:
        return Panel(title)
    sizes = sorted({n for n, *_ in points})
    x = Log(sizes[0] / 1.1, sizes[-1] * 1.1, _LEFT, _WIDTH - _RIGHT)
    low, high = min(point[2] for point in points), max(point[3] for point in points)
    y = Log(low / 1.3, high * 1.3, _HEIGHT - _BOTTOM, _TOP)
    labels = apart([y(line.points[-1][1]) for line in lines], _GAP, _TOP, _HEIGHT - _BOTTOM)
    return Panel(
        title,
        curves=tuple(_curve(line, x, y, at) for line, at in zip(lines, labels, strict=True)),
        x_ticks=tuple(Tick(x(n), str(n)) for n in sizes),
        y_ticks=tuple(Tick(y(value), f"{value:g}") for value in y.decades()),
    )


def _curve(line: Series, x: Log, y: Log, label_y: float) -> Curve:
    tip = "{}, N = {}: {:.3g} ms [{:.3g}, {:.3g}]".format
    return Curve(
        name=line.name,
        colour=line.colour,
        floor=line.name == "floor",
        points=" ".join(f"{x(n)},{y(ms)}" for n, ms, _, _ in line.points),
        dots=tuple(
            Dot(x(n), y(ms), y(low), y(high), tip(line.name, n, ms, low, high)) for n, ms, low, high in line.points
        ),
        label_x=x(line.points[-1][0]) + 10,
        label_y=label_y,
    )


def _cells(row: Row) -> tuple[str, ...]:
    spread = None if row.seconds is None else row.seconds.scaled(1e3)
    note = row.note or ("" if row.agrees else "another objective: the ratio does not count")
    return (
        row.kl,
        row.precision,
        str(row.n),
        row.solver,
        "–" if spread is None else f"{spread.median:.3g}",
        "–" if spread is None else f"{spread.low:.3g} – {spread.high:.3g}",
        "–" if row.ratio is None else f"{row.ratio.median:.3g}",
        "–" if row.difference is None else f"{row.difference:.1e}",
        note,
    )
