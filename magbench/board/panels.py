"""Panels of lines and heat maps: tables of means in, pictures on a common scale out."""

from __future__ import annotations

from dataclasses import dataclass

from magbench.board.label import Label, label_of
from magbench.board.numbers import score
from magbench.board.study_charts import Heat, Lines, heat, lines, lines_scale, measured
from magbench.tables.curves import Curve, Curves
from magbench.tables.sweeps import Sweep

SHOWN = 6
"""Methods in a picture of lines."""
SWEEPS = 4
"""Sweeps of a task that are drawn: the largest."""


@dataclass(frozen=True)
class Panel:
    """One picture: its title, what a screen reader says of it, and whether its values have a sign."""

    title: str
    label: str
    chart: Heat | Lines
    kind: str
    signed: bool


@dataclass(frozen=True)
class LinePanel:
    """A picture of lines, one a method."""

    title: str
    chart: Lines


@dataclass(frozen=True)
class LinePanels:
    """Pictures of lines on one scale; ``axis`` is what lies across."""

    axis: str
    panels: tuple[LinePanel, ...]


@dataclass(frozen=True)
class SweepPanels:
    """The score of one method over two of its options: a heat map for each of several tasks, on one scale."""

    base: Label
    x_name: str
    y_name: str
    panels: tuple[Panel, ...]


def draw_curves(table: Curves) -> LinePanels:
    """The first methods of a table of curves."""
    methods = table.methods[:SHOWN]
    shown = {panel.title: [point for point in panel.points if point.y in methods] for panel in table.panels}
    shown = {title: points for title, points in shown.items() if points}
    scale = lines_scale([point.mean for points in shown.values() for point in points] or [0.0])
    xs = list(dict.fromkeys(point.x for points in shown.values() for point in points))
    drawn = (LinePanel(title, lines(xs, methods, measured(points), scale)) for title, points in shown.items())
    return LinePanels(table.axis, tuple(drawn))


def draw_sweep(sweep: Sweep) -> SweepPanels:
    """The heat maps of a sweep."""
    means = [point.mean for panel in sweep.panels for point in panel.points]
    panels = tuple(_map(sweep, panel, min(means), max(means)) for panel in sweep.panels)
    return SweepPanels(label_of(sweep.base), sweep.x_name, sweep.y_name, panels)


def _map(sweep: Sweep, panel: Curve, smallest: float, largest: float) -> Panel:
    listed = "; ".join(f"{sweep.x_name} {p.x}, {sweep.y_name} {p.y}: {score(p.mean)}" for p in panel.points)
    chart = heat(sweep.xs, sweep.ys, measured(panel.points), largest, smallest=smallest)
    return Panel(panel.title, f"{panel.title}. {listed}", chart, "heat", signed=False)
