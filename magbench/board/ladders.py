"""Ladders in a report: methods over the variants of a task that make it harder step by step.

Fewer training pairs and noisier edges are variants of retrieval, each a task with a section of its own; a ladder draws
them together, from the task itself on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from magbench.board.cells import ReportCell
from magbench.board.controls import Controls, Curve, curves
from magbench.stats.controls import PLAIN, split_control
from magbench.variants import split_option

RUNGS = {"pair_share": (1.0, "share of the training pairs"), "edge_swap": (0.0, "share of edges swapped")}
"""Option → where the task without it stands, and what the axis is called."""


@dataclass(frozen=True)
class Ladder:
    """One option: the primary metric over its values, with the task's features and with random ones on one scale."""

    axis: str
    curves: tuple[Curve, ...]


def ladders_of(controls: Controls, section: Sequence[ReportCell], cells: Sequence[ReportCell]) -> tuple[Ladder, ...]:
    """The ladders that start at one section's task, of the best methods that were run on their variants.

    Args:
        controls: of the section.
        section: cells of one task, feature set and protocol.
        cells: every cell that the report shows.
    """
    asked = {cell.question for cell in section}
    found = []
    for option, (foot, axis) in RUNGS.items():

        def score(cell: ReportCell, option: str = option, foot: float = foot) -> Mapping[float, float]:
            return {_rung(cell, option, foot): float(next(iter(cell.scores.values())))}

        panels, climbed = [], set()
        for title, control in (("the task’s features", PLAIN), ("random features", "random")):
            here = [cell for cell in cells if cell.ok and _stands_on(cell, option, control, asked)]
            here = [cell for cell in here if isfinite(_rung(cell, option, foot))]
            higher = {cell.method for cell in here if _rung(cell, option, foot) != foot}
            if higher:
                panels.append((title, here, score))
                climbed |= higher
        methods = [row.label.full for row in controls.rows if row.label.full in climbed]
        if methods:
            found.append(Ladder(axis, curves(methods, panels)))
    return tuple(found)


def _rung(cell: ReportCell, option: str, foot: float) -> float:
    """Where the cell stands; NaN for a value that is no number."""
    value = split_option(cell.task, option)[1]
    try:
        return foot if value is None else float(value)
    except ValueError:
        return float("nan")


def _stands_on(cell: ReportCell, option: str, control: str, asked: set[tuple[str, str, str]]) -> bool:
    """Whether the cell is of an asked task, but for the option and the control."""
    task, found = split_control(split_option(cell.task, option)[0])
    return found == control and replace(cell, task=task).question in asked
