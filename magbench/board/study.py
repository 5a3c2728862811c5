"""What a study found: its cells as tables, contrasts, pictures and plain sentences. Pure; nothing here knows HTML.

Every sentence is generated from the numbers beside it and says as much when there is nothing to say: a contrast that is
not significant after Holm's correction is reported as *not shown*, with the smallest effect that could have been seen.
Gains are differences of paired seeds in points (hundredths of the score).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, stdev

import numpy as np
import pandas as pd

from magbench.board import numbers
from magbench.board.study_grid import Quantity, findings, point, quantities
from magbench.method_string import split_host
from magbench.results.study import KeptStudy, StudyCell
from magbench.stats.paired import against_hosts, contrasts
from magbench.suites import Suite

ALPHA = 0.05
TELEMETRY = ("lam", "mass", "diag_share")
MISSING = float("nan")


@dataclass(frozen=True)
class Row:
    """One method on one task; NaN where nothing was measured. ``gain`` is over the plain host, in points."""

    method: str
    name: str
    host: str
    seeds: int
    failed: int
    mean: float
    std: float
    gain: float
    low: float
    high: float
    p_holm: float
    telemetry: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Answer:
    """One contrast ``b - a`` on one task and host, in points."""

    task: str
    host: str
    a: str
    b: str
    seeds: int
    difference: float
    low: float
    high: float
    boot_low: float
    boot_high: float
    p: float
    p_holm: float
    detectable: float
    family: int
    verdict: str
    text: str


@dataclass(frozen=True)
class Question:
    """A contrast of the suite with its answers on every task and host, and their count in one sentence."""

    question: str
    verdict: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class TaskView:
    """A study on one task. ``findings`` are sentences about the grid."""

    task: str
    metric: str
    rows: tuple[Row, ...]
    quantities: tuple[Quantity, ...]
    findings: tuple[str, ...]


@dataclass(frozen=True)
class NotRun:
    """Seeds of a method on a task that have no kept cell."""

    task: str
    method: str
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class StudyView:
    """A study: how much of it is there, what it found, and what was not run."""

    suite: Suite
    planned: int
    ok: int
    failed: tuple[StudyCell, ...]
    core_hours: float
    engines: tuple[int, ...]
    commits: tuple[str, ...]
    questions: tuple[Question, ...]
    tasks: tuple[TaskView, ...]
    not_run: tuple[NotRun, ...]

    @property
    def missing(self) -> int:
        """Cells that are not kept."""
        return sum(len(group.seeds) for group in self.not_run)


def study_view(kept: KeptStudy) -> StudyView:
    """Everything that is shown of a kept study."""
    cells = kept.cells
    ok = [cell for cell in cells if cell.status == "ok"]
    tasks = list(dict.fromkeys(task for task, _, _ in kept.plan))
    return StudyView(
        suite=kept.suite,
        planned=len(kept.plan),
        ok=len(ok),
        failed=tuple(cell for cell in cells if cell.status != "ok"),
        core_hours=sum(cell.core_seconds for cell in cells) / 3600,
        engines=tuple(sorted({cell.engine for cell in cells})),
        commits=tuple(sorted({(cell.commit or "unknown")[:10] + ("+" if cell.dirty else "") for cell in cells})),
        questions=_questions(kept.suite, ok),
        tasks=tuple(_task(kept.suite, task, [cell for cell in cells if cell.task == task]) for task in tasks),
        not_run=_not_run(kept),
    )


def name_of(suite: Suite, method: str) -> str:
    """The study's short name of a method without its host; ``plain host`` for a host alone."""
    rest = split_host(method)[1]
    return (suite.study.names.get(rest, rest) if suite.study else rest) or "plain host"


def short_task(task: str) -> str:
    """``node_classification/emoji@1`` as ``emoji``."""
    return task.rpartition("/")[2].partition("@")[0]


def _frame(cells: Sequence[StudyCell]) -> pd.DataFrame:
    rows = [
        (cell.task, cell.dataset, cell.method, cell.seed, metric, value)
        for cell in cells
        for metric, value in cell.scores.items()
    ]
    return pd.DataFrame(rows, columns=["task", "dataset", "method", "seed", "metric", "value"])


def _metric(cells: Sequence[StudyCell]) -> str:
    """The primary metric: a record's first score."""
    return next((next(iter(cell.scores)) for cell in cells if cell.scores), "")


def _questions(suite: Suite, ok: Sequence[StudyCell]) -> tuple[Question, ...]:
    declared = suite.study.contrasts if suite.study else ()
    if not declared or not ok:
        return ()
    hosts = [method for method in suite.methods if not split_host(method)[1]]
    full = [(_with(host, item.a), _with(host, item.b)) for host in hosts for item in declared]
    known = set(suite.methods)
    pairs = [pair for pair in full if set(pair) <= known]
    found = contrasts(_frame(ok), pairs, metric=_metric(ok), rng=np.random.default_rng(0), confidence=1 - ALPHA)
    answers: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for row in found.to_dict("records"):
        a, b = str(row["a"]), str(row["b"])
        answers[split_host(a)[1], split_host(b)[1]].append(_answer(suite, row))
    return tuple(
        Question(item.question, _count(given), tuple(given))
        for item in declared
        for given in [answers.get((item.a, item.b), [])]
    )


def _with(host: str, rest: str) -> str:
    return f"{host}+{rest}" if rest else host


def _answer(suite: Suite, row: Mapping[str, object]) -> Answer:
    points = {key: 100 * _float(row.get(key)) for key in ("difference", "low", "high", "boot_low", "boot_high")}
    detectable, p, p_holm = 100 * _float(row.get("detectable")), _float(row.get("p")), _float(row.get("p_holm"))
    a, b = (name_of(suite, str(row[side])) for side in ("a", "b"))
    host, task, seeds = split_host(str(row["a"]))[0], short_task(str(row["task"])), int(_float(row["n_seeds"]))
    better = points["difference"] > 0
    if not isfinite(p):
        verdict, said = "untested", f"cannot be compared with {a}"
    elif row["significant"]:
        verdict, said = ("better", f"beats {a}") if better else ("worse", f"is worse than {a}")
    else:
        verdict, said = "undecided", f"is not shown to differ from {a}"
    where = f"{b} {said} on {task}, {host} host"
    if verdict == "untested":
        text = f"{where}: {row.get('note') or 'too few seeds'}."
    else:
        text = (
            f"{where}: {point(points['difference'])} points [{point(points['low'])}, {point(points['high'])}], "
            f"p = {numbers.p_value(p)}, after Holm {numbers.p_value(p_holm)} ({seeds} seeds; "
            f"detectable from {detectable:.1f})."
        )
    return Answer(
        task=task,
        host=host,
        a=a,
        b=b,
        seeds=seeds,
        **points,
        p=p,
        p_holm=p_holm,
        detectable=detectable,
        family=int(_float(row["family"])),
        verdict=verdict,
        text=text.replace("= <", "<"),
    )


def _count(answers: Sequence[Answer]) -> str:
    """How often yes, no and undecided, in one sentence."""
    tested = [answer for answer in answers if answer.verdict != "untested"]
    if not tested:
        return "Not tested: fewer than two seeds have both methods."
    counts = Counter(answer.verdict for answer in tested)
    parts = [
        f"{said} in {counts[verdict]}"
        for verdict, said in (("better", "yes"), ("worse", "the reverse"), ("undecided", "not shown"))
        if counts[verdict]
    ]
    mean = fmean(answer.difference for answer in tested)
    pairs = f"{len(tested)} pair{'s' if len(tested) != 1 else ''} of task and host"
    return f"Of {pairs}: {', '.join(parts)}; mean difference {point(mean)} points."


def _task(suite: Suite, task: str, cells: Sequence[StudyCell]) -> TaskView:
    ok = [cell for cell in cells if cell.status == "ok"]
    metric = _metric(ok)
    grid, figure = suite.grid, suite.study.figure if suite.study else None
    drawn = grid is not None and figure is not None
    return TaskView(
        task=task,
        metric=metric,
        rows=_rows(suite, cells, metric, hidden=set(grid.points()) if grid and drawn else set()),
        quantities=quantities(grid, figure, ok, metric) if grid and figure and ok else (),
        findings=findings(grid, figure, ok, metric, lambda method: name_of(suite, method))
        if grid and figure and ok
        else (),
    )


def _rows(suite: Suite, cells: Sequence[StudyCell], metric: str, hidden: set[str]) -> tuple[Row, ...]:
    shown = [cell for cell in cells if cell.method not in hidden]
    ok = [cell for cell in shown if cell.status == "ok"]
    versus: dict[str, Mapping[str, object]] = {}
    if ok:
        table = against_hosts(_frame(ok), metric=metric, confidence=1 - ALPHA, missing="drop")
        versus = {str(row["b"]): row for row in table.to_dict("records")}
    rows = []
    for method in dict.fromkeys(cell.method for cell in shown):
        own = [cell for cell in ok if cell.method == method]
        scores = [cell.scores[metric] for cell in own]
        found = versus.get(method, {})
        rows.append(
            Row(
                method=method,
                name=name_of(suite, method),
                host=split_host(method)[0],
                seeds=len(own),
                failed=sum(cell.method == method and cell.status != "ok" for cell in shown),
                mean=fmean(scores) if scores else MISSING,
                std=stdev(scores) if len(scores) > 1 else MISSING,
                gain=100 * _float(found.get("difference")),
                low=100 * _float(found.get("low")),
                high=100 * _float(found.get("high")),
                p_holm=_float(found.get("p_holm")),
                telemetry=tuple(_mean([c.telemetry[key] for c in own if key in c.telemetry]) for key in TELEMETRY),
                seconds=_mean([cell.seconds for cell in own if cell.seconds is not None]),
            )
        )
    return tuple(rows)


def _not_run(kept: KeptStudy) -> tuple[NotRun, ...]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for task, method, seed in kept.not_run:
        groups[task, method].append(seed)
    return tuple(NotRun(task, method, tuple(seeds)) for (task, method), seeds in groups.items())


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else MISSING


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float | np.number) else MISSING
