"""The listing: what ``magbench results ls`` and ``magbench run`` show of some cells, one metric a table."""

from __future__ import annotations

from collections.abc import Sequence

from magbench.errors import UnknownNameError
from magbench.registry import Registry
from magbench.results.controls import fit_to_show
from magbench.results.items import Cell
from magbench.tables.base import Table
from magbench.tables.controls import ControlTable, arrange, base_of, controls_of
from magbench.tables.outcome import Outcome, by_question, outcome_of
from magbench.tables.results import ResultsTable, results_table


class Listing(Table):
    """Tables of results, controls included, of scores beside controls where any was run, and what is not shown."""

    results: tuple[ResultsTable, ...]
    controls: tuple[ControlTable, ...]
    not_shown: tuple[str, ...]


def listing_of(cells: Sequence[Cell], metric: str | None = None) -> Listing:
    """The listing of some cells; tables by protocol, feature set, metric and task.

    Args:
        cells: stored or kept cells.
        metric: which is shown; default: the primary one of each task, the first of its scores.

    Raises:
        UnknownNameError: no cell has the metric.
        RecordError: a prediction cannot be read.
    """
    fit, hidden = fit_to_show(cells)
    ok = [cell for cell in fit if cell.record.status == "ok"]
    known = {score.metric for cell in ok for score in cell.record.scores}
    if metric is not None and known and metric not in known:
        raise UnknownNameError("metric", metric, known)
    having = [cell for cell in ok if metric is None or any(s.metric == metric for s in cell.record.scores)]
    registry = Registry.default()
    outcomes = [outcome_of(cell, registry, metric) for cell in having]
    results = [results_table(group) for group in by_question(outcomes)]
    return Listing(
        results=tuple(sorted(results, key=lambda t: (t.protocol, t.features, t.metrics[0], t.task))),
        controls=_controls(outcomes),
        not_shown=tuple(hidden),
    )


def _controls(outcomes: Sequence[Outcome]) -> tuple[ControlTable, ...]:
    """A table for each task with a control."""
    own, beside, _ = arrange(outcomes)
    with_controls = {base_of(outcome) for outcome in beside}
    tables = (controls_of(group, beside) for group in by_question(own) if group[0].question in with_controls)
    return tuple(sorted((t for t in tables if t is not None), key=lambda t: (t.protocol, t.features, t.task)))
