"""The geometry of the report's pictures: values in, SVG coordinates out. The template draws them.

Four pictures share one vocabulary. A *scale* maps values to coordinates and knows its round ticks. A *strip* shows a
score a seed, for a host alone or for a host and one regularised variant with lines joining equal seeds. *Curves* show
the validation value over epochs, a line a seed. A *track* has the score of a method and of its controls on one line.
All strips, all curves and all tracks of a task share their scales, so panels can be compared by eye.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from magbench.tables.section import MethodRuns, Run

STRIP_SIZE = (180, 170)
CURVE_SIZE = (250, 160)
BAR_SIZE = (132, 18)
TRACK_SIZE = (560, 22)
_LEFT, _TOP, _RIGHT, _BOTTOM = 34, 8, 8, 20


@dataclass(frozen=True)
class Tick:
    """A labelled position."""

    at: float
    label: str


@dataclass(frozen=True)
class Scale:
    """A linear map of ``[low, high]`` to the coordinates ``[start, end]``."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Iterable[float], start: float, end: float, *, pad: float = 0.06) -> Scale:
        """The scale that holds all values with some room; a unit wide hundredth if they do not vary."""
        found = [value for value in values if isfinite(value)] or [0.0, 1.0]
        low, high = min(found), max(found)
        room = (high - low) * pad or max(abs(high), 1.0) * 0.01
        return cls(low - room, high + room, start, end)

    def __call__(self, value: float) -> float:
        """The coordinate of a value, to a tenth; values outside stop at the ends."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, wanted: int = 4, *, whole: bool = False) -> tuple[Tick, ...]:
        """About ``wanted`` round values within the scale."""
        raw = (self.high - self.low) / wanted
        magnitude = 10.0 ** floor(log10(raw))
        step = magnitude * next(factor for factor in (1, 2, 5, 10) if factor * magnitude >= raw * 0.999)
        step = max(1.0, step) if whole else step
        digits = max(0, -floor(log10(step) + 1e-9))
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return tuple(Tick(self(i * step), f"{i * step:.{digits}f}") for i in range(first, last + 1))


@dataclass(frozen=True)
class Point:
    """One seed's score."""

    y: float
    seed: int
    value: float


@dataclass(frozen=True)
class Column:
    """All seeds of one method: where they stand, and the coordinate of their mean."""

    x: float
    label: str
    regularised: bool
    points: tuple[Point, ...]
    mean: float


@dataclass(frozen=True)
class Strip:
    """A panel of one or two columns with lines ``(x1, y1, x2, y2)`` between equal seeds."""

    columns: tuple[Column, ...]
    lines: tuple[tuple[float, float, float, float], ...]
    ticks: tuple[Tick, ...]


def strip_scale(values: Iterable[float]) -> Scale:
    """The vertical scale all strips of a task share."""
    return Scale.around(values, STRIP_SIZE[1] - _BOTTOM, _TOP)


def strip(scale: Scale, methods: Sequence[tuple[str, bool, MethodRuns]]) -> Strip:
    """A panel of one method, or of a host and its regularised variant.

    Args:
        scale: from :func:`strip_scale`.
        methods: ``(label, regularised, runs)`` for one or two methods, the host first; each has a score.
    """
    width = STRIP_SIZE[0] - _LEFT - _RIGHT
    places = [_LEFT + width * (2 * i + 1) / (2 * len(methods)) for i in range(len(methods))]
    columns = tuple(
        Column(
            round(x, 1),
            label,
            regularised,
            tuple(Point(scale(score), seed, score) for seed, score in scores_of(found).items()),
            scale(found.mean or 0.0),
        )
        for x, (label, regularised, found) in zip(places, methods, strict=True)
    )
    lines: tuple[tuple[float, float, float, float], ...] = ()
    if len(methods) == 2:
        first, second = (scores_of(found) for _, _, found in methods)
        left, right = (column.x for column in columns)
        lines = tuple((left, scale(first[s]), right, scale(second[s])) for s in sorted(first.keys() & second.keys()))
    return Strip(columns, lines, scale.ticks())


def scores_of(found: MethodRuns) -> dict[int, float]:
    """Seed → score, of the runs that have one."""
    return {run.seed: run.score for run in found.runs if run.score is not None}


@dataclass(frozen=True)
class Line:
    """One seed's curve: the points of a polyline, and the epoch that was best."""

    seed: int
    points: str
    best_x: float
    best_y: float
    best_epoch: int


@dataclass(frozen=True)
class Curves:
    """A panel of learning curves."""

    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def curve_scales(runs: Iterable[Run]) -> tuple[Scale, Scale]:
    """The scales of epochs and of the validation value that all curves of a task share."""
    runs = list(runs)
    width, height = CURVE_SIZE
    epochs = Scale.around([0, *(epoch for run in runs for epoch in run.epochs)], _LEFT, width - _RIGHT, pad=0)
    return epochs, Scale.around((value for run in runs for value in run.validation), height - _BOTTOM, _TOP)


def curves(scales: tuple[Scale, Scale], runs: Iterable[Run]) -> Curves:
    """A panel of one method's curves, a line a seed; seeds without validated epochs are left out."""
    x, y = scales
    lines = []
    for run in runs:
        if run.best_epoch is not None:
            points = " ".join(f"{x(e):g},{y(value):g}" for e, value in zip(run.epochs, run.validation, strict=True))
            best = run.validation[run.epochs.index(run.best_epoch)]
            lines.append(Line(run.seed, points, x(run.best_epoch), y(best), run.best_epoch))
    return Curves(tuple(lines), x.ticks(3, whole=True), y.ticks())


def bar_scale(bounds: Iterable[float]) -> Scale:
    """The horizontal scale of the interval bars of a table."""
    return Scale.around(bounds, 6, BAR_SIZE[0] - 6, pad=0.04)


def track_scale(values: Iterable[float]) -> Scale:
    """The horizontal scale, from 0, that all tracks of a task share; values are at least 0."""
    return Scale(0.0, max(values, default=0.0) or 1.0, 8, TRACK_SIZE[0] - 8)
