"""A section: everything that is shown of one task on one feature set under one protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from statistics import fmean
from typing import Any, TypeGuard

from magbench.method_string import split_host
from magbench.results.reported import Reported
from magbench.tables.base import Number, Spread, Table, spread
from magbench.tables.controls import FEATURES, NOISE, ControlTable, controls_of, noise_of
from magbench.tables.curves import Curves
from magbench.tables.ladders import ladders_of
from magbench.tables.outcome import Outcome
from magbench.tables.results import ResultsTable, results_table
from magbench.tables.sweeps import Sweep, sweeps_of


class Run(Table):
    """One seed: its score, and the validation value of each validated epoch; the first best epoch's model was tested.

    ``score`` is None of a run that lacks the table's first metric.
    """

    seed: int
    score: Number
    epochs: tuple[int, ...]
    validation: tuple[float, ...]
    best_epoch: int | None


class MethodRuns(Table):
    """The runs of one method that have scores, by seed, and the mean of their scores."""

    method: str
    mean: Number
    runs: tuple[Run, ...]


class Measured(Table):
    """What one method measured; ``values`` are in the order of the section's ``quantities``."""

    method: str
    values: tuple[Spread | None, ...]


class Quoted(Table):
    """A number that a paper reports; it is never ranked."""

    method: str
    metric: str
    value: float
    note: str
    source: str
    url: str


class Section(Table):
    """Everything that is shown of one question.

    Attributes:
        results: the table.
        runs: seed by seed, each host directly before its variants.
        selected: what validation measured, e.g. ``accuracy``; "" for nothing.
        quantities: what methods and regularisers measured; ``telemetry`` has the values.
        controls: of a finished retrieval task.
        ladders, sweeps: over variants of the task, and over options of methods.
        reported: what papers report.
    """

    results: ResultsTable
    runs: tuple[MethodRuns, ...]
    selected: str
    quantities: tuple[str, ...]
    telemetry: tuple[Measured, ...]
    controls: ControlTable | None
    ladders: tuple[Curves, ...]
    sweeps: tuple[Sweep, ...]
    reported: tuple[Quoted, ...]


def section_of(
    own: Sequence[Outcome],
    beside: Sequence[Outcome],
    shown: Sequence[Outcome],
    *,
    test_train_ratio: float,
    reported: Sequence[Reported] = (),
) -> Section:
    """The section of one question.

    Args:
        own: its outcomes.
        beside: controls, of any task.
        shown: every outcome that may be shown, for ladders.
        test_train_ratio: test items over training items of a drawn split.
        reported: what papers report, of any task.
    """
    ok = [outcome for outcome in own if outcome.ok]
    results = results_table(own, test_train_ratio=test_train_ratio)
    quantities = tuple(dict.fromkeys(name for outcome in ok for name in outcome.telemetry))
    controls = controls_of(own, beside)
    return Section(
        results=results,
        runs=_runs(ok, results.metrics[0] if results.metrics else ""),
        selected=next((name for outcome in ok for row in outcome.history if (name := _selected(row))), ""),
        quantities=quantities,
        telemetry=_telemetry(ok, quantities),
        controls=controls,
        ladders=ladders_of(controls, own, shown) if controls else (),
        sweeps=sweeps_of([(FEATURES, own), (NOISE, noise_of(own, beside))]),
        reported=_quoted(results.task.partition("@")[0], reported),
    )


def _by_method(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Outcomes grouped by method, each host directly before its variants."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: (split_host(outcome.method), outcome.seed)):
        groups.setdefault(outcome.method, []).append(outcome)
    return groups


def _runs(ok: Sequence[Outcome], metric: str) -> tuple[MethodRuns, ...]:
    found = []
    for method, group in _by_method(ok).items():
        runs = tuple(_run(outcome, metric) for outcome in group)
        scores = [run.score for run in runs if run.score is not None]
        found.append(MethodRuns(method=method, mean=fmean(scores) if scores else None, runs=runs))
    return tuple(found)


def _run(outcome: Outcome, metric: str) -> Run:
    points = validated(outcome.history)
    return Run(
        seed=outcome.seed,
        score=outcome.scores.get(metric),
        epochs=tuple(epoch for epoch, _ in points),
        validation=tuple(value for _, value in points),
        best_epoch=max(points, key=lambda point: (point[1], -point[0]))[0] if points else None,
    )


def validated(history: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """``(epoch, validation value)`` of the epochs that were validated."""
    found = ((row.get("epoch"), row.get(f"val_{_selected(row)}")) for row in history)
    return [(int(epoch), float(value)) for epoch, value in found if _is_number(epoch) and _is_number(value)]


def _selected(row: Mapping[str, Any]) -> str:
    """What validation measured in this row of a history, e.g. ``accuracy`` for ``val_accuracy``; "" for nothing."""
    return next((name.removeprefix("val_") for name in row if name.startswith("val_")), "")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and isfinite(value)


def _telemetry(ok: Sequence[Outcome], names: Sequence[str]) -> tuple[Measured, ...]:
    """Mean and spread over seeds of everything a method or regulariser measured."""
    found = []
    for method, group in _by_method(ok).items():
        measured = [[float(o.telemetry[name]) for o in group if name in o.telemetry] for name in names]
        if any(measured):
            found.append(Measured(method=method, values=tuple(map(spread, measured))))
    return tuple(found)


def _quoted(task: str, reported: Sequence[Reported]) -> tuple[Quoted, ...]:
    return tuple(
        Quoted(
            method=found.method,
            metric=found.metric,
            value=found.values[task],
            note=found.note,
            source=found.source,
            url=found.url,
        )
        for found in reported
        if task in found.values
    )
