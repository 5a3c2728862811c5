"""The geometry of the conflict report's pictures: histograms as steps over a common range, and degrees as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from magbench.board.charts import Scale, Tick
from magbench.data.report.figures import Histogram

SIZE = (340, 150)
_LEFT, _TOP, _RIGHT, _BOTTOM = 38, 8, 8, 22


@dataclass(frozen=True)
class Steps:
    """A histogram: for each series its name and the points of a closed polygon; ``zero`` is the place of 0, if seen."""

    series: tuple[tuple[str, str], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    zero: float | None


@dataclass(frozen=True)
class Bar:
    """A bar from ``y`` to the ground, with what it counts."""

    x: float
    y: float
    width: float
    height: float
    label: str
    count: int


def steps(histogram: Histogram) -> Steps:
    """The shares of each series, in per cent, as steps over the bins."""
    bounds = histogram.bounds
    width, height = SIZE
    x = Scale(bounds[0], bounds[-1], _LEFT, width - _RIGHT)
    top = 100 * max(max(values) for values in histogram.series.values())
    y = Scale(0, top * 1.05, height - _BOTTOM, _TOP)
    series = []
    for name, values in histogram.series.items():
        corners = [(x(bounds[0]), y(0))]
        for left, right, value in zip(bounds, bounds[1:], values, strict=False):
            corners += [(x(left), y(100 * value)), (x(right), y(100 * value))]
        corners.append((x(bounds[-1]), y(0)))
        series.append((name, " ".join(f"{a:g},{b:g}" for a, b in corners)))
    ticks = tuple(Tick(tick.at, f"{tick.label} %") for tick in y.ticks(3))
    return Steps(tuple(series), x.ticks(6), ticks, x(0) if bounds[0] < 0 < bounds[-1] else None)


def degree_bars(doubling: Sequence[int]) -> tuple[Bar, ...]:
    """A bar for the nodes of degree 0, 1, 2–3, 4–7, …"""
    width, height = SIZE
    y = Scale(0, max(doubling) * 1.05, height - _BOTTOM, _TOP + 8)
    step = (width - 2 * _RIGHT) / len(doubling)
    bars = []
    for rung, count in enumerate(doubling):
        low = 2 ** (rung - 1) if rung else 0
        high = 2**rung - 1 if rung else 0
        label = f"{low}" if low == high else f"{low}–{high}"
        top = y(count)
        bars.append(
            Bar(
                round(_RIGHT + step * rung + 1, 1),
                top,
                round(step - 2, 1),
                round(height - _BOTTOM - top, 1),
                label,
                count,
            )
        )
    return tuple(bars)
