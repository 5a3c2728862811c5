"""What a study found: contrasts with their verdicts, a table a task, its grid, and what was not run.

Gains are differences of paired seeds in points (hundredths of the score). A contrast that is not significant after
Holm's correction is *undecided*, with the smallest effect that could have been seen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

import numpy as np

from magbench.method_string import split_host
from magbench.results.study import KeptStudy, StudyCell
from magbench.stats.paired import against_hosts, contrasts
from magbench.suites import Suite
from magbench.tables.base import ALPHA, Number, Spread, Table, spread
from magbench.tables.frames import scores_frame
from magbench.tables.grid import GridTable, grid_table

TELEMETRY = ("lam", "mass", "diag_share")
Verdict = Literal["better", "worse", "undecided", "untested"]


class StudyRow(Table):
    """One method on one task; ``gain`` is over the plain host, in points; ``telemetry`` as :data:`TELEMETRY` names."""

    method: str
    name: str
    host: str
    seeds: int
    failed: int
    score: Spread
    gain: Number
    low: Number
    high: Number
    p_holm: Number
    telemetry: dict[str, Number]
    seconds: Number


class Answer(Table):
    """One contrast ``b - a`` on one task and host, in points; ``note`` says why it could not be tested."""

    task: str
    host: str
    a: str
    b: str
    seeds: int
    difference: Number
    low: Number
    high: Number
    boot_low: Number
    boot_high: Number
    p: Number
    p_holm: Number
    detectable: Number
    family: int
    verdict: Verdict
    note: str


class Question(Table):
    """A contrast of the suite: its answers on every task and host, and of those tested their counts and mean."""

    question: str
    answers: tuple[Answer, ...]
    tested: int
    counts: dict[Verdict, int]
    mean: Number


class StudyTask(Table):
    """A study on one task. ``rows`` leave out the settings of a grid that is drawn."""

    task: str
    metric: str
    rows: tuple[StudyRow, ...]
    grid: GridTable | None


class NotRun(Table):
    """Seeds of a method on a task that have no kept cell."""

    task: str
    method: str
    name: str
    seeds: tuple[int, ...]


class Failed(Table):
    """A cell of the study without scores."""

    task: str
    method: str
    seed: int
    status: str
    error: str


class StudyTable(Table):
    """A study: how much of it is there, what it found, and what was not run.

    Attributes:
        names: method without its host → the study's short name of it.
    """

    name: str
    title: str
    summary: str
    protocol: str
    names: dict[str, str]
    planned: int
    ok: int
    failed: tuple[Failed, ...]
    core_hours: float
    engines: tuple[int, ...]
    commits: tuple[str, ...]
    questions: tuple[Question, ...]
    tasks: tuple[StudyTask, ...]
    not_run: tuple[NotRun, ...]

    @property
    def missing(self) -> int:
        """Cells that are not kept."""
        return sum(len(group.seeds) for group in self.not_run)


def study_table(kept: KeptStudy) -> StudyTable:
    """Everything that is shown of a kept study."""
    cells, suite = kept.cells, kept.suite
    ok = [cell for cell in cells if cell.status == "ok"]
    tasks = list(dict.fromkeys(task for task, _, _ in kept.plan))
    return StudyTable(
        name=suite.name,
        title=suite.title,
        summary=suite.summary,
        protocol=suite.protocol,
        names=suite.study.names if suite.study else {},
        planned=len(kept.plan),
        ok=len(ok),
        failed=tuple(
            Failed(task=cell.task, method=cell.method, seed=cell.seed, status=cell.status, error=cell.error)
            for cell in cells
            if cell.status != "ok"
        ),
        core_hours=sum(cell.core_seconds for cell in cells) / 3600,
        engines=tuple(sorted({cell.engine for cell in cells})),
        commits=tuple(sorted({(cell.commit or "unknown")[:10] + ("+" if cell.dirty else "") for cell in cells})),
        questions=_questions(suite, ok),
        tasks=tuple(_task(suite, task, [cell for cell in cells if cell.task == task]) for task in tasks),
        not_run=_not_run(kept),
    )


def name_of(suite: Suite, method: str) -> str:
    """The study's short name of a method without its host; ``plain host`` for a host alone."""
    rest = split_host(method)[1]
    return (suite.study.names.get(rest, rest) if suite.study else rest) or "plain host"


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
    rng = np.random.default_rng(0)
    found = contrasts(scores_frame(ok), pairs, metric=_metric(ok), rng=rng, confidence=1 - ALPHA)
    answers: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for row in found.to_dict("records"):
        a, b = str(row["a"]), str(row["b"])
        answers[split_host(a)[1], split_host(b)[1]].append(_answer(suite, row))
    return tuple(_question(item.question, answers.get((item.a, item.b), [])) for item in declared)


def _with(host: str, rest: str) -> str:
    return f"{host}+{rest}" if rest else host


def _answer(suite: Suite, row: Mapping[Any, Any]) -> Answer:
    verdict: Verdict = "undecided"
    if not row["p"] >= 0:
        verdict = "untested"
    elif row["significant"]:
        verdict = "better" if row["difference"] > 0 else "worse"
    return Answer(
        task=str(row["task"]),
        host=split_host(str(row["a"]))[0],
        a=name_of(suite, str(row["a"])),
        b=name_of(suite, str(row["b"])),
        seeds=row["n_seeds"],
        **{name: 100 * row[name] for name in ("difference", "low", "high", "boot_low", "boot_high", "detectable")},
        p=row["p"],
        p_holm=row["p_holm"],
        family=row["family"],
        verdict=verdict,
        note=row["note"] or "",
    )


def _question(question: str, answers: Sequence[Answer]) -> Question:
    tested = [answer for answer in answers if answer.verdict != "untested"]
    differences = [answer.difference for answer in tested if answer.difference is not None]
    return Question(
        question=question,
        answers=tuple(answers),
        tested=len(tested),
        counts=Counter(answer.verdict for answer in tested),
        mean=fmean(differences) if differences else None,
    )


def _task(suite: Suite, task: str, cells: Sequence[StudyCell]) -> StudyTask:
    ok = [cell for cell in cells if cell.status == "ok"]
    metric = _metric(ok)
    grid, figure = suite.grid, suite.study.figure if suite.study else None
    drawn = grid is not None and figure is not None
    return StudyTask(
        task=task,
        metric=metric,
        rows=_rows(suite, cells, metric, hidden=set(grid.points()) if grid and drawn else set()),
        grid=grid_table(grid, figure, ok, metric) if grid and figure and ok else None,
    )


def _rows(suite: Suite, cells: Sequence[StudyCell], metric: str, hidden: set[str]) -> tuple[StudyRow, ...]:
    shown = [cell for cell in cells if cell.method not in hidden]
    ok = [cell for cell in shown if cell.status == "ok"]
    versus: dict[str, Mapping[Any, Any]] = {}
    if ok:
        table = against_hosts(scores_frame(ok), metric=metric, confidence=1 - ALPHA, missing="drop")
        versus = {str(row["b"]): row for row in table.to_dict("records")}
    return tuple(
        _row(suite, method, metric, [cell for cell in shown if cell.method == method], versus.get(method, {}))
        for method in dict.fromkeys(cell.method for cell in shown)
    )


def _row(suite: Suite, method: str, metric: str, cells: Sequence[StudyCell], versus: Mapping[Any, Any]) -> StudyRow:
    own = [cell for cell in cells if cell.status == "ok"]
    missing = float("nan")
    return StudyRow(
        method=method,
        name=name_of(suite, method),
        host=split_host(method)[0],
        seeds=len(own),
        failed=len(cells) - len(own),
        score=spread([cell.scores[metric] for cell in own]) or Spread(mean=None, std=None),
        gain=100 * versus.get("difference", missing),
        low=100 * versus.get("low", missing),
        high=100 * versus.get("high", missing),
        p_holm=versus.get("p_holm"),
        telemetry={key: _mean([cell.telemetry[key] for cell in own if key in cell.telemetry]) for key in TELEMETRY},
        seconds=_mean([cell.seconds for cell in own if cell.seconds is not None]),
    )


def _not_run(kept: KeptStudy) -> tuple[NotRun, ...]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for task, method, seed in kept.not_run:
        groups[task, method].append(seed)
    return tuple(
        NotRun(task=task, method=method, name=name_of(kept.suite, method), seeds=tuple(seeds))
        for (task, method), seeds in groups.items()
    )


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
