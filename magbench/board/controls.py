"""Retrieval in a report: each method's score beside its controls, ranked twice; recall over k; smoothing by step.

A control is a task of its own (:mod:`magbench.stats.controls`); on the page it is a column beside the task it belongs
to. A coupled method without its random-feature control is not shown at all. Nothing here knows HTML.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean, stdev
from typing import Any

import numpy as np

from magbench.board.cells import ReportCell, scores_frame
from magbench.board.charts import Scale, track_scale
from magbench.board.study_charts import Lines, Value, lines, lines_scale
from magbench.board.view import ALPHA, Label, Spread, item_frame, label_of
from magbench.results.controls import reason
from magbench.stats.controls import CONTROLS, PLAIN, control_table, split_control

MAIN = ("no_graph", "random", "node_disjoint")
"""Controls that have a column whether they were run or not."""
_SHOWN = 6
"""Methods in a picture."""


@dataclass(frozen=True)
class Gain:
    """Content gain: node-disjoint less no graph, with its interval over test items and its p value after Holm."""

    value: float
    low: float
    high: float
    p: float
    significant: bool
    note: str


@dataclass(frozen=True)
class ControlRow:
    """One method; ``parts`` are in the order of :class:`Controls`.

    Attributes:
        controls: for each control that has a column its score, None where it was not run.
        seeds: for each of them the number of its seeds where that is not the row's own, else None.
        share: the score on random features over the score.
    """

    label: Label
    coupled: bool
    score: Spread
    controls: Mapping[str, Spread | None]
    seeds: Mapping[str, int | None]
    share: float
    gain: Gain | None
    rank: int
    content_rank: int | None
    parts: tuple[Spread | None, ...]


@dataclass(frozen=True)
class Curve:
    """A line a method over the k of recall@k, the number of smoothing steps, or the values of an option."""

    title: str
    chart: Lines


@dataclass(frozen=True)
class Controls:
    """What stands beside a retrieval task's table.

    Attributes:
        pool: candidates of a query.
        names: controls that have a column.
        parts: directions, and connected and isolated items.
        rows: best score first.
        best: the row with the highest content gain.
        scale: from 0, for the picture of all rows' scores and main controls; None where no control was run.
        curves: recall@k of the best methods on one scale, with the task's features and with random ones.
        smoothing: what each step does, of the methods that measure it.
    """

    pool: int | None
    names: tuple[str, ...]
    parts: tuple[str, ...]
    rows: tuple[ControlRow, ...]
    best: ControlRow | None
    scale: Scale | None
    curves: tuple[Curve, ...]
    smoothing: tuple[Curve, ...]


def split_cells(cells: Sequence[ReportCell]) -> tuple[list[ReportCell], list[ReportCell], tuple[str, ...]]:
    """Cells that have a section of their own, controls that stand beside one, and why rows are not shown."""
    fingerprinted = {(*_base(cell), cell.method) for cell in cells if cell.ok and _control(cell) == "random"}
    shown = {
        (*_base(cell), cell.method)
        for cell in cells
        if cell.ok
        and _control(cell) == PLAIN
        and (cell.towers != "coupled" or (*_base(cell), cell.method) in fingerprinted)
    }
    own: list[ReportCell] = []
    beside: list[ReportCell] = []
    hidden = set()
    for cell in cells:
        row = (*_base(cell), cell.method)
        if cell.ok and cell.towers == "coupled" and _control(cell) == PLAIN and row not in shown:
            hidden.add(reason(cell.task, cell.method))
        elif _control(cell) != PLAIN and row in shown:
            beside.append(cell)
        else:
            own.append(cell)
    return own, beside, tuple(sorted(hidden))


def controls_of(section: Sequence[ReportCell], beside: Sequence[ReportCell]) -> Controls | None:
    """What stands beside the cells of one section; None unless it is a finished retrieval task.

    Args:
        section: cells of one task, feature set and protocol.
        beside: controls, of any task.
    """
    own = [cell for cell in section if cell.ok]
    if not own or not own[0].task.startswith("retrieval/"):
        return None
    controls = [cell for cell in beside if cell.ok and _base(cell) == own[0].question]
    metric = next(iter(own[0].scores))
    table = control_table(
        scores_frame([*own, *controls]),
        metric=metric,
        items=item_frame([*own, *controls]).frame,
        rng=np.random.default_rng(0),
        confidence=1 - ALPHA,
    )
    run = {_control(cell) for cell in controls}
    names = tuple(name for name in CONTROLS if name in MAIN or name in run)
    parts = tuple(dict.fromkeys(part for cell in own for part in cell.parts))
    rows = tuple(_row(found, own, names, parts) for found in table.to_dict("records"))
    gains = [row for row in rows if row.gain is not None]
    methods = [row.label.full for row in rows]
    stepwise = [method for method in methods if any(cell.steps for cell in own if cell.method == method)]
    random = noise_of(own, controls)
    return Controls(
        pool=own[0].pool,
        names=names,
        parts=parts,
        rows=rows,
        best=max(gains, key=lambda row: row.gain.value if row.gain else 0.0, default=None),
        scale=_scale(rows),
        curves=_recall_curves(methods, own, random),
        smoothing=_smoothing_curves(stepwise, own, random),
    )


def noise_of(section: Sequence[ReportCell], beside: Sequence[ReportCell]) -> list[ReportCell]:
    """The finished controls with random features that belong to a section's cells."""
    asked = {cell.question for cell in section}
    return [cell for cell in beside if cell.ok and _control(cell) == "random" and _base(cell) in asked]


def _row(found: Mapping[Any, Any], own: Sequence[ReportCell], names: Sequence[str], parts: Sequence[str]) -> ControlRow:
    cells = [cell for cell in own if cell.method == found["method"]]
    gain = None
    if isfinite(found["content_gain"]):
        value, low, high, p = (float(found[f"content_{name}"]) for name in ("gain", "low", "high", "p_holm"))
        gain = Gain(value, low, high, p, p <= ALPHA, str(found["content_note"]))
    return ControlRow(
        label=label_of(str(found["method"])),
        coupled=any(cell.towers == "coupled" for cell in cells),
        score=_spread(found, PLAIN) or Spread(float("nan"), float("nan")),
        controls={name: _spread(found, name) for name in names},
        seeds={name: _other_seeds(found, name) for name in names},
        share=float(found["fingerprint_share"]),
        gain=gain,
        rank=int(found["rank"]),
        content_rank=int(found["content_rank"]) if gain else None,
        parts=tuple(_over_seeds([cell.parts[part] for cell in cells if part in cell.parts]) for part in parts),
    )


def _scale(rows: Sequence[ControlRow]) -> Scale | None:
    controls = [value.mean for row in rows for name in MAIN if (value := row.controls[name])]
    return track_scale([row.score.mean for row in rows] + controls) if controls else None


def _spread(found: Mapping[Any, Any], name: str) -> Spread | None:
    return Spread(float(found[name]), float(found[f"{name}_std"])) if isfinite(found[name]) else None


def _other_seeds(found: Mapping[Any, Any], name: str) -> int | None:
    seeds = found[f"{name}_seeds"]
    return int(seeds) if isfinite(seeds) and seeds != found[f"{PLAIN}_seeds"] else None


def _over_seeds(values: Sequence[float]) -> Spread | None:
    return Spread(fmean(values), stdev(values) if len(values) > 1 else float("nan")) if values else None


Panel = tuple[str, Sequence[ReportCell], Callable[[ReportCell], Mapping[int, float] | Mapping[float, float]]]
"""A title, the cells, and what is drawn of a cell: where → value."""


def _recall_curves(
    methods: Sequence[str], own: Sequence[ReportCell], random: Sequence[ReportCell]
) -> tuple[Curve, ...]:
    def recall(cell: ReportCell) -> Mapping[int, float]:
        return cell.recall

    return curves(methods, [("the task’s features", own, recall), ("random features", random, recall)])


def _smoothing_curves(
    methods: Sequence[str], own: Sequence[ReportCell], random: Sequence[ReportCell]
) -> tuple[Curve, ...]:
    def panel(title: str, cells: Sequence[ReportCell], quantity: str) -> Panel:
        return title, cells, lambda cell: cell.steps.get(quantity, {})

    together = [
        [panel("MRR, the task’s features", own, "val_mrr"), panel("MRR, random features", random, "val_mrr")],
        [panel("Cosine of pairs", own, "paired"), panel("Cosine of strangers", own, "unpaired")],
        [panel("Dirichlet energy", own, "dirichlet")],
        [panel("Effective rank", own, "effective_rank")],
    ]
    return tuple(curve for panels in together for curve in curves(methods, panels))


def curves(methods: Sequence[str], panels: Sequence[Panel]) -> tuple[Curve, ...]:
    """The panels that have anything to show, all on one scale, of the first methods."""
    methods = methods[:_SHOWN]
    measured = {title: _means(methods, cells, values) for title, cells, values in panels}
    measured = {title: found for title, found in measured.items() if found}
    scale = lines_scale([mean for found in measured.values() for mean, _ in found.values()] or [0.0])
    ks = list({k: None for found in measured.values() for k, _ in found})
    return tuple(Curve(title, lines(ks, methods, found, scale)) for title, found in measured.items())


def _means(
    methods: Sequence[str],
    cells: Sequence[ReportCell],
    values: Callable[[ReportCell], Mapping[int, float] | Mapping[float, float]],
) -> dict[tuple[Value, Value], tuple[float, int]]:
    """(k, method) → mean over seeds and their number."""
    points: dict[tuple[Value, Value], list[float]] = defaultdict(list)
    for cell in cells:
        if cell.method in methods:
            for k, value in values(cell).items():
                points[k, cell.method].append(value)
    return {place: (fmean(found), len(found)) for place, found in points.items()}


def _base(cell: ReportCell) -> tuple[str, str, str]:
    """The question that the cell's control belongs to."""
    return replace(cell, task=split_control(cell.task)[0]).question


def _control(cell: ReportCell) -> str:
    return split_control(cell.task)[1]
