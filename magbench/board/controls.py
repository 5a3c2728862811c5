"""Controls as a report draws them: which have a column, the track of each method, and the curves."""

from __future__ import annotations

from dataclasses import dataclass

from magbench.board.charts import Scale, track_scale
from magbench.board.panels import LinePanel, LinePanels, draw_curves
from magbench.tables.controls import ControlRow, ControlTable

MAIN = ("no_graph", "random", "node_disjoint")
"""Controls of retrieval that have a column whether they were run or not."""


@dataclass(frozen=True)
class ControlView:
    """What stands beside a task's table.

    Attributes:
        table: the numbers.
        names: controls that have a column.
        scale: from 0, for the picture of all rows' scores and main controls; None where no control was run.
        recall: recall@k of the best methods; None where no rank is stored.
        smoothing: what each step does, of the methods that measure it.
    """

    table: ControlTable
    names: tuple[str, ...]
    scale: Scale | None
    recall: LinePanels | None
    smoothing: tuple[LinePanel, ...]

    @property
    def graph_gain(self) -> bool:
        """Whether any method was run with shuffled nodes."""
        return any(row.graph_gain for row in self.table.rows)

    @property
    def coupled(self) -> list[str]:
        """The methods that pass messages between the two sides."""
        return [row.method for row in self.table.rows if row.towers == "coupled"]


def control_view(table: ControlTable) -> ControlView:
    """A table of controls, drawn."""
    run = {name for row in table.rows for name, value in row.controls.items() if value}
    order = tuple(table.rows[0].controls) if table.rows else MAIN
    recall = draw_curves(table.recall) if table.recall else None
    return ControlView(
        table=table,
        names=tuple(name for name in order if name in run or (name in MAIN and table.pool is not None)),
        scale=_scale(table.rows),
        recall=recall if recall and recall.panels else None,
        smoothing=tuple(panel for found in table.smoothing for panel in draw_curves(found).panels),
    )


def _scale(rows: tuple[ControlRow, ...]) -> Scale | None:
    controls = [value.mean for row in rows for name in MAIN if (value := row.controls[name])]
    means = [mean for mean in [*(row.score.mean for row in rows), *controls] if mean is not None]
    return track_scale(means) if controls else None
