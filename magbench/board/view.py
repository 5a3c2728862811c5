"""The rows a report prints: cells grouped by task and protocol, with the statistics of :mod:`magbench.stats`.

A *section* is one task under one protocol. Its table has a row a method; a regularised method ``X+reg`` is compared
with its own host ``X`` on the seeds both have. Nothing here knows HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, stdev

import pandas as pd

from magbench.board import charts
from magbench.board.cells import ReportCell, scores_frame
from magbench.method_string import split_host
from magbench.metrics import higher_is_better
from magbench.results.items import COLUMNS, Items, by_design
from magbench.stats.paired import Design, against_hosts, summarise

ALPHA = 0.05


@dataclass(frozen=True)
class Label:
    """A method label in two parts, so that host and regulariser can be told apart at a glance."""

    full: str
    host: str
    rest: str


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (ddof 1) over seeds; ``std`` is NaN for one seed."""

    mean: float
    std: float


@dataclass(frozen=True)
class Comparison:
    """A regularised method against its host; NaN where nothing can be said."""

    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    detectable: float
    significant: bool
    note: str


@dataclass(frozen=True)
class Bar:
    """The interval of a row on the table's common scale; an open end goes on beyond the picture."""

    low: float
    mean: float
    high: float
    open_low: bool
    open_high: bool


@dataclass(frozen=True)
class Row:
    """One method of a section's table. ``others`` are the secondary metrics in the section's order."""

    label: Label
    score: Spread
    low: float
    high: float
    bar: Bar | None
    others: tuple[Spread | None, ...]
    versus: Comparison | None
    seeds: int
    failed: int
    params: int | None
    fit_s: float


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
class Section:
    """One task on one feature set under one protocol."""

    anchor: str
    task: str
    features: str
    protocol: str
    metrics: tuple[str, ...]
    n_test: int
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    bar_ticks: tuple[charts.Tick, ...]
    family: int
    strips: tuple[StripView, ...]
    curves: tuple[CurveView, ...]
    telemetry_names: tuple[str, ...]
    telemetry: tuple[tuple[Label, tuple[Spread | None, ...]], ...]
    failed: int
    fixed: bool
    """Whether the task's version fixes the split: comparisons are then over test items."""
    selected: str
    """What the learning curves show, e.g. ``accuracy``."""

    @property
    def best(self) -> Row | None:
        """The row with the best mean."""
        return self.rows[0] if self.rows else None

    @property
    def paired(self) -> bool:
        """Whether any method is a regularised one."""
        return any(row.versus for row in self.rows)

    @property
    def compared(self) -> tuple[Comparison, ...]:
        """Every comparison with a p value."""
        return tuple(row.versus for row in self.rows if row.versus and isfinite(row.versus.p_holm))

    @property
    def better(self) -> int:
        """How many regularised methods are significantly above their host."""
        return sum(versus.significant and versus.difference > 0 for versus in self.compared)

    @property
    def worse(self) -> int:
        """How many regularised methods are significantly below their host."""
        return sum(versus.significant and versus.difference < 0 for versus in self.compared)

    @property
    def detectable(self) -> tuple[float, float] | None:
        """The range over comparisons of the smallest effect that could have been detected."""
        found = [versus.detectable for versus in self.compared if isfinite(versus.detectable) and versus.detectable > 0]
        return (min(found), max(found)) if found else None


def label_of(method: str) -> Label:
    """A method label, split."""
    host = split_host(method)[0]
    return Label(method, host, method[len(host) :])


def sections(cells: Sequence[ReportCell], *, test_train_ratio: float) -> tuple[Section, ...]:
    """The sections of a report, in the order of their task names."""
    groups: dict[tuple[str, str, str], list[ReportCell]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.question, cell.method, cell.seed)):
        groups.setdefault(cell.question, []).append(cell)
    return tuple(
        _section(f"task-{number}", group, test_train_ratio) for number, group in enumerate(groups.values(), start=1)
    )


def _section(anchor: str, cells: list[ReportCell], ratio: float) -> Section:
    ok = [cell for cell in cells if cell.ok]
    metrics = tuple(dict.fromkeys(metric for cell in ok for metric in cell.scores))
    frame = scores_frame(ok)
    versus, family = _comparisons(frame, metrics, ratio, item_frame(ok))
    telemetry_names = tuple(dict.fromkeys(name for cell in ok for name in cell.telemetry))
    fixed = any(len(cell.items) for cell in ok)
    rows, bar_ticks = _rows(cells, frame, metrics, versus, "fixed" if fixed else "drawn", ratio)
    return Section(
        anchor=anchor,
        task=cells[0].task,
        features=cells[0].features,
        protocol=cells[0].protocol,
        metrics=metrics,
        n_test=max((cell.n_test for cell in ok), default=0),
        seeds=tuple(sorted({cell.seed for cell in cells})),
        rows=rows,
        bar_ticks=bar_ticks,
        family=family,
        strips=_strips(ok, metrics, versus),
        curves=_curves(ok),
        telemetry_names=telemetry_names,
        telemetry=_telemetry(ok, telemetry_names),
        failed=len(cells) - len(ok),
        fixed=fixed,
        selected=next((name for cell in ok for row in cell.history if (name := charts.selected(row))), ""),
    )


def item_frame(cells: Sequence[ReportCell]) -> Items:
    """The item frame of the primary metric."""
    parts = [pd.DataFrame(columns=COLUMNS)]
    for cell in cells:
        if len(cell.items):
            head = [cell.task, cell.dataset, cell.method, cell.seed, next(iter(cell.scores))]
            items = {"item": range(len(cell.items)), "value": cell.items}
            parts.append(pd.DataFrame(dict(zip(COLUMNS, head, strict=False)) | items))
    return Items(pd.concat(parts[1:] or parts, ignore_index=True), frozenset(c.task for c in cells if len(c.items)))


def _comparisons(
    frame: pd.DataFrame, metrics: tuple[str, ...], ratio: float, items: Items
) -> tuple[dict[str, Comparison], int]:
    """The comparison of every regularised method on the primary metric, and how many were corrected for."""
    if not metrics:
        return {}, 0
    options = {"metric": metrics[0], "test_train_ratio": ratio, "confidence": 1 - ALPHA, "missing": "drop"}
    found = by_design(against_hosts, frame, items, **options)
    comparisons = {
        row["b"]: Comparison(
            difference=float(row["difference"]),
            low=float(row["low"]),
            high=float(row["high"]),
            p=float(row["p"]),
            p_holm=float(row["p_holm"]),
            detectable=float(row["detectable"]),
            significant=bool(row["significant"]),
            note=str(row["note"]),
        )
        for row in found.to_dict("records")
    }
    return comparisons, int(found["family"].max()) if len(found) else 0


def _rows(
    cells: list[ReportCell],
    frame: pd.DataFrame,
    metrics: tuple[str, ...],
    versus: Mapping[str, Comparison],
    design: Design,
    ratio: float,
) -> tuple[tuple[Row, ...], tuple[charts.Tick, ...]]:
    """The table's rows, best first, and the ticks of its interval bars."""
    if not metrics:
        return (), ()
    table = summarise(frame, design=design, test_train_ratio=ratio, confidence=1 - ALPHA).set_index(
        ["metric", "method"]
    )
    primary = table.loc[metrics[0]].sort_values("mean", ascending=not higher_is_better(metrics[0]), kind="stable")
    # Two seeds give an interval dozens of standard deviations wide: bars that long stop at the edge of the picture.
    reach = max(0.02, 3 * (primary["mean"].max() - primary["mean"].min()))
    edges = (primary["mean"].min() - reach, primary["mean"].max() + reach)
    bounds = [*primary["low"].clip(*edges), *primary["high"].clip(*edges), *primary["mean"]]
    scale = charts.bar_scale(bounds)
    rows = []
    for method, found in primary.iterrows():
        own = [cell for cell in cells if cell.method == method]
        costs = [float(cell.cost["fit_s"]) for cell in own if cell.ok and cell.cost.get("fit_s") is not None]
        others = (table.loc[(metric, method)] if (metric, method) in table.index else None for metric in metrics[1:])
        low, high = float(found["low"]), float(found["high"])
        rows.append(
            Row(
                label=label_of(str(method)),
                score=Spread(float(found["mean"]), float(found["std"])),
                low=low,
                high=high,
                bar=_bar(scale, low, float(found["mean"]), high),
                others=tuple(None if o is None else Spread(float(o["mean"]), float(o["std"])) for o in others),
                versus=versus.get(str(method)),
                seeds=int(found["n_seeds"]),
                failed=sum(not cell.ok for cell in own),
                params=next((cell.params for cell in own if cell.params is not None), None),
                fit_s=fmean(costs) if costs else float("nan"),
            )
        )
    return tuple(rows), scale.ticks(3)


def _bar(scale: charts.Scale, low: float, mean: float, high: float) -> Bar | None:
    if not (isfinite(low) and isfinite(high)):
        return None
    return Bar(scale(low), scale(mean), scale(high), low < scale.low, high > scale.high)


def _by_method(cells: Iterable[ReportCell]) -> dict[str, list[ReportCell]]:
    """Cells grouped by method, each host directly before its variants."""
    groups: dict[str, list[ReportCell]] = {}
    for cell in sorted(cells, key=lambda cell: (split_host(cell.method), cell.seed)):
        groups.setdefault(cell.method, []).append(cell)
    return groups


def _strips(
    cells: Sequence[ReportCell], metrics: tuple[str, ...], versus: Mapping[str, Comparison]
) -> tuple[StripView, ...]:
    """A panel for every regularised method beside its host, and one for every host that has no variant."""
    scores = {
        method: {cell.seed: float(cell.scores[metrics[0]]) for cell in group if metrics[0] in cell.scores}
        for method, group in _by_method(cells).items()
    }
    scores = {method: seeds for method, seeds in scores.items() if seeds}
    scale = charts.strip_scale(value for seeds in scores.values() for value in seeds.values())
    labels = [label_of(method) for method in scores]
    hosts = {label.host for label in labels if label.rest}
    views = []
    for label in labels:
        if not label.rest and label.full in hosts:
            continue
        columns = [(label.rest or label.host, bool(label.rest), scores[label.full])]
        if label.rest and label.host in scores:
            columns.insert(0, (label.host, False, scores[label.host]))
        views.append(StripView(label, versus.get(label.full), charts.strip(scale, columns)))
    return tuple(views)


def _curves(cells: Sequence[ReportCell]) -> tuple[CurveView, ...]:
    histories = {
        method: {cell.seed: charts.curve_points(cell.history) for cell in group}
        for method, group in _by_method(cells).items()
    }
    histories = {method: seeds for method, seeds in histories.items() if any(seeds.values())}
    scales = charts.curve_scales(history for seeds in histories.values() for history in seeds.values())
    return tuple(CurveView(label_of(method), charts.curves(scales, seeds)) for method, seeds in histories.items())


def _telemetry(
    cells: Sequence[ReportCell], names: tuple[str, ...]
) -> tuple[tuple[Label, tuple[Spread | None, ...]], ...]:
    """Mean and spread over seeds of everything a regulariser measured."""
    found = []
    for method, group in _by_method(cells).items():
        measured = [[float(cell.telemetry[name]) for cell in group if name in cell.telemetry] for name in names]
        if any(measured):
            found.append((label_of(method), tuple(_spread(values) for values in measured)))
    return tuple(found)


def _spread(values: list[float]) -> Spread | None:
    if not values:
        return None
    finite = all(isfinite(value) for value in values)
    return Spread(fmean(values), stdev(values) if len(values) > 1 and finite else float("nan"))
