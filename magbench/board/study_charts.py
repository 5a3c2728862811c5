"""The geometry of a study's pictures: heat maps and curves over the axes of a grid. Values in, SVG coordinates out.

A heat map prints every value in its field, so colour is never all there is. Signed quantities have two hues around 0,
others one; the strength of a field is its share of the largest magnitude among the maps that belong together, or where
it stands between the smallest and the largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log2

from magbench.board.charts import Scale, Tick
from magbench.tables.curves import Point, Value

Measured = Mapping[tuple[Value, Value], tuple[float, int]]
"""(x, y) → mean and number of seeds."""

FIELD, LINES_SIZE = (54, 26), (270, 190)
_LEFT, _TOP, _RIGHT, _BOTTOM = 44, 8, 8, 30


def measured(points: Iterable[Point]) -> Measured:
    """The means of some points, by place."""
    return {(point.x, point.y): (point.mean, point.seeds) for point in points}


@dataclass(frozen=True)
class Field:
    """A field of a heat map: its corner, value, share of the scale in [0, 1], and the seeds it rests on."""

    x: float
    y: float
    value: float
    share: float
    seeds: int


@dataclass(frozen=True)
class Heat:
    """A heat map; ``width`` and ``height`` hold the labels too."""

    columns: tuple[Tick, ...]
    rows: tuple[Tick, ...]
    fields: tuple[Field, ...]
    width: float
    height: float


def heat(
    xs: Sequence[Value], ys: Sequence[Value], measured: Measured, largest: float, *, smallest: float = 0.0
) -> Heat:
    """The map of ``measured`` over ``xs`` (across) and ``ys`` (down); what was not measured has no field.

    Args:
        xs, ys: the axes' values.
        measured: means and seeds.
        largest: the magnitude that has the full colour.
        smallest: the magnitude that has none.
    """
    width, height = FIELD
    span = largest - smallest
    fields = tuple(
        Field(
            _LEFT + i * width,
            _TOP + j * height,
            mean,
            min((abs(mean) - smallest) / span, 1.0) if span > 0 else 0.0,
            seeds,
        )
        for j, y in enumerate(ys)
        for i, x in enumerate(xs)
        for mean, seeds in [measured.get((x, y), (float("nan"), 0))]
        if isfinite(mean)
    )
    bottom = _TOP + len(ys) * height
    return Heat(
        columns=tuple(Tick(_LEFT + (i + 0.5) * width, _text(x)) for i, x in enumerate(xs)),
        rows=tuple(Tick(_TOP + (j + 0.5) * height, _text(y)) for j, y in enumerate(ys)),
        fields=fields,
        width=_LEFT + len(xs) * width + _RIGHT,
        height=bottom + _BOTTOM,
    )


@dataclass(frozen=True)
class Dot:
    """A measured point of a line."""

    x: float
    y: float
    at: str
    value: float
    seeds: int


@dataclass(frozen=True)
class Line:
    """One value of the axis that tells lines apart; ``style`` numbers its dash and marker."""

    name: str
    style: int
    points: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Lines:
    """A picture of lines; ``zero`` is the height of no gain, None where it is out of the picture."""

    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    zero: float | None


def lines_scale(values: Sequence[float]) -> Scale:
    """The vertical scale that pictures which belong together share."""
    return Scale.around(values, LINES_SIZE[1] - _BOTTOM, _TOP)


def lines(xs: Sequence[Value], ys: Sequence[Value], measured: Measured, scale: Scale) -> Lines:
    """One line a value of ``ys`` over ``xs`` (sizes stand by their logarithm, names evenly)."""
    xs = sorted(xs) if all(isinstance(x, int | float) for x in xs) else xs
    numbers = [float(x) for x in xs if isinstance(x, int | float)]
    spread = len(numbers) == len(xs) and min(numbers, default=0.0) > 0
    places = {x: log2(float(x)) if spread else float(i) for i, x in enumerate(xs)}
    across = Scale.around(places.values(), _LEFT, LINES_SIZE[0] - _RIGHT)
    found = []
    for style, y in enumerate(ys):
        dots = tuple(
            Dot(across(places[x]), scale(mean), _text(x), mean, seeds)
            for x in xs
            for mean, seeds in [measured.get((x, y), (float("nan"), 0))]
            if isfinite(mean)
        )
        if dots:
            found.append(Line(_text(y), style, " ".join(f"{dot.x:g},{dot.y:g}" for dot in dots), dots))
    return Lines(
        lines=tuple(found),
        x_ticks=tuple(Tick(across(places[x]), _text(x)) for x in xs),
        y_ticks=scale.ticks(),
        zero=scale(0.0) if scale.low <= 0 <= scale.high else None,
    )


def _text(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
