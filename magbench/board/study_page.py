"""The page of the kept studies: answers, tables, heat maps and curves, and what was not run.

Self-contained as the report of a run is (:mod:`magbench.board.report`): it makes no request, and everything that came
from outside is escaped by the template engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from magbench.board.numbers import point
from magbench.board.page import render_page, write_page
from magbench.board.panels import Panel
from magbench.board.study_charts import FIELD, LINES_SIZE, heat, lines, lines_scale, measured
from magbench.board.study_text import answer_text, finding_texts, question_text
from magbench.tables.base import ALPHA
from magbench.tables.grid import GAIN, GridTable, Quantity
from magbench.tables.study import TELEMETRY, StudyTable, StudyTask

PAGE = "studies.html"


@dataclass(frozen=True)
class QuantityView:
    """All panels of one quantity, on one scale."""

    name: str
    panels: tuple[Panel, ...]


def write_studies(studies: Sequence[StudyTable], folder: Path) -> Path:
    """Write ``folder/studies.html`` and return its path.

    Raises:
        OutputError: it cannot be written.
    """
    return write_page(render_studies(studies), folder / PAGE)


def render_studies(studies: Sequence[StudyTable]) -> str:
    """The page as text; the same studies give the same bytes."""
    return render_page(
        "studies.html",
        styles=("report.css", "studies.css"),
        studies=studies,
        quantities=quantity_views,
        answer_text=answer_text,
        question_text=question_text,
        finding_texts=finding_texts,
        telemetry=TELEMETRY,
        alpha=ALPHA,
        field=FIELD,
        lines_size=LINES_SIZE,
    )


def quantity_views(task: StudyTask) -> tuple[QuantityView, ...]:
    """The gain over the plain host and the figure's telemetry, drawn, each on one scale; none without a grid."""
    grid = task.grid
    return tuple(QuantityView(_title(q.name, task.metric), _panels(grid, q)) for q in grid.quantities) if grid else ()


def _panels(grid: GridTable, quantity: Quantity) -> tuple[Panel, ...]:
    name, signed = quantity.name, quantity.name == GAIN
    means = [point.mean for found in quantity.slices for point in found.points]
    largest, scale = max(map(abs, means)), lines_scale([*means, *([0.0] if signed else [])])
    panels = []
    for found in quantity.slices:
        here = measured(found.points)
        chart = heat(grid.xs, grid.ys, here, largest) if grid.kind == "heat" else lines(grid.xs, grid.ys, here, scale)
        listed = "; ".join(f"{grid.x} {p.x}, {grid.y} {p.y}: {point(p.mean, name)}" for p in found.points)
        label = f"{name} at {grid.panel} {found.at}. {listed}"
        panels.append(Panel(f"{grid.panel} = {found.at}", label, chart, grid.kind, signed))
    return tuple(panels)


def _title(name: str, metric: str) -> str:
    return f"Gain in {metric.replace('_', ' ')} over the plain host, points" if name == GAIN else name
