"""A section as the report's template prints it: its table, and the pictures that go with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from magbench.board import charts
from magbench.board.controls import ControlView, control_view
from magbench.board.label import Label, label_of
from magbench.board.nodes import Card, cards
from magbench.board.panels import SWEEPS, LinePanels, SweepPanels, draw_curves, draw_sweep
from magbench.board.sample import Sampled
from magbench.tables.results import Comparison, Row
from magbench.tables.section import MethodRuns, Section


@dataclass(frozen=True)
class Bar:
    """The interval of a row on the table's common scale; an open end goes on beyond the picture."""

    low: float
    mean: float
    high: float
    open_low: bool
    open_high: bool


@dataclass(frozen=True)
class StripView:
    """A panel of per-seed scores and what it compares."""

    label: Label
    versus: Comparison | None
    chart: charts.Strip


@dataclass(frozen=True)
class CurveView:
    """A panel of learning curves."""

    label: Label
    chart: charts.Curves


@dataclass(frozen=True)
class SectionView:
    """One section.

    Attributes:
        anchor: its place on the page.
        numbers: everything that is printed.
        bars: method → its interval, drawn; None where it has none.
        bar_ticks: of the bars' common scale.
        seed, nodes: a sample of test nodes, and the seed it is from.
    """

    anchor: str
    numbers: Section
    bars: dict[str, Bar | None]
    bar_ticks: tuple[charts.Tick, ...]
    strips: tuple[StripView, ...]
    curves: tuple[CurveView, ...]
    controls: ControlView | None
    ladders: tuple[LinePanels, ...]
    sweeps: tuple[SweepPanels, ...]
    seed: int | None
    nodes: tuple[Card, ...]


def section_view(number: int, section: Section, sampled: Sequence[Sampled], limit: int) -> SectionView:
    """A section, drawn.

    Args:
        number: its place among the page's sections, from 1.
        section: the numbers.
        sampled: samples of its runs.
        limit: the most nodes that are shown.
    """
    bars, ticks = interval_bars(section.results.rows)
    seed, nodes = cards(sampled, limit)
    return SectionView(
        anchor=f"task-{number}",
        numbers=section,
        bars=bars,
        bar_ticks=ticks,
        strips=strips(section),
        curves=_curves(section.runs),
        controls=control_view(section.controls) if section.controls else None,
        ladders=tuple(map(draw_curves, section.ladders)),
        sweeps=tuple(map(draw_sweep, section.sweeps[:SWEEPS])),
        seed=seed,
        nodes=nodes,
    )


def interval_bars(rows: Sequence[Row]) -> tuple[dict[str, Bar | None], tuple[charts.Tick, ...]]:
    """A bar a method, and the ticks of their scale."""
    means = [row.score.mean for row in rows if row.score.mean is not None]
    if not means:
        return {row.method: None for row in rows}, ()
    # Two seeds give an interval dozens of standard deviations wide: bars that long stop at the edge of the picture.
    reach = max(0.02, 3 * (max(means) - min(means)))
    least, most = min(means) - reach, max(means) + reach
    ends = [end for row in rows for end in (row.low, row.high) if end is not None]
    scale = charts.bar_scale([*(min(max(end, least), most) for end in ends), *means])
    return {row.method: _bar(scale, row) for row in rows}, scale.ticks(3)


def _bar(scale: charts.Scale, row: Row) -> Bar | None:
    low, mean, high = row.low, row.score.mean, row.high
    if low is None or mean is None or high is None:
        return None
    return Bar(scale(low), scale(mean), scale(high), low < scale.low, high > scale.high)


def strips(section: Section) -> tuple[StripView, ...]:
    """A panel for every regularised method beside its host, and one for every host that has no variant."""
    versus = {row.method: row.versus for row in section.results.rows}
    runs = {found.method: found for found in section.runs if found.mean is not None}
    scale = charts.strip_scale(score for found in runs.values() for score in charts.scores_of(found).values())
    labels = [label_of(method) for method in runs]
    hosts = {label.host for label in labels if label.rest}
    views = []
    for label in labels:
        if not label.rest and label.full in hosts:
            continue
        columns = [(label.rest or label.host, bool(label.rest), runs[label.full])]
        if label.rest and label.host in runs:
            columns.insert(0, (label.host, False, runs[label.host]))
        views.append(StripView(label, versus.get(label.full), charts.strip(scale, columns)))
    return tuple(views)


def _curves(runs: Sequence[MethodRuns]) -> tuple[CurveView, ...]:
    validated = [found for found in runs if any(run.epochs for run in found.runs)]
    scales = charts.curve_scales(run for found in validated for run in found.runs)
    return tuple(CurveView(label_of(found.method), charts.curves(scales, found.runs)) for found in validated)
