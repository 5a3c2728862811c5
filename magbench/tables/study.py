"""What a study found: contrasts with their verdicts, a table a task, its grid, and what was not run.

Gains are differences of paired seeds in points (hundredths of the score), tested as the task's split asks: over seeds
where it is drawn for each, over test items where the task's version fixes it. A contrast that is not significant after
Holm's correction is *undecided*, with the smallest effect that could have been seen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

import numpy as np

from magbench.method_string import split_host
from magbench.registry import Registry
from magbench.results.controls import fit_to_show
from magbench.results.items import by_design
from magbench.results.study import KeptStudy
from magbench.stats.paired import against_hosts, contrasts
from magbench.suites import Suite
from magbench.tables.base import ALPHA, Number, Spread, Table, spread
from magbench.tables.frames import scores_frame
from magbench.tables.grid import GridTable, grid_table
from magbench.tables.outcome import Outcome, items_of, outcome_of

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
    """One contrast ``b - a`` on one task and host, in points.

    Attributes:
        fixed: whether the task's version fixes the split; the test is then over test items.
        boot_low, boot_high: of a drawn split a bootstrap interval over seeds.
        note: why it could not be tested, or what is to be known of the test.
    """

    task: str
    host: str
    a: str
    b: str
    fixed: bool
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
        not_shown: a sentence for each row that may not stand beside the others, or not alone.
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
    not_shown: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Cells that are not kept."""
        return sum(len(group.seeds) for group in self.not_run)


def study_table(kept: KeptStudy) -> StudyTable:
    """Everything that is shown of a kept study.

    Raises:
        RecordError: a prediction that a fixed split's test needs is not kept or cannot be read, or a cell stands twice.
    """
    suite, registry = kept.suite, Registry.default()
    records = [cell.record for cell in kept.cells]
    shown, not_shown = fit_to_show(kept.cells)
    outcomes = [outcome_of(cell, registry) for cell in shown]
    tasks = list(dict.fromkeys(task for task, _, _ in kept.plan))
    commits = {(record.magbench.commit or "unknown")[:10] + "+" * bool(record.magbench.dirty) for record in records}
    return StudyTable(
        name=suite.name,
        title=suite.title,
        summary=suite.summary,
        protocol=suite.protocol,
        names=suite.study.names if suite.study else {},
        planned=len(kept.plan),
        ok=sum(record.status == "ok" for record in records),
        failed=tuple(
            Failed(task=o.task, method=o.method, seed=o.seed, status=o.status, error=o.error or "")
            for o in outcomes
            if not o.ok
        ),
        core_hours=sum(record.core_seconds for record in records) / 3600,
        engines=tuple(sorted({record.magbench.engine for record in records})),
        commits=tuple(sorted(commits)),
        questions=_questions(suite, [outcome for outcome in outcomes if outcome.ok]),
        tasks=tuple(_task(suite, task, [outcome for outcome in outcomes if outcome.task == task]) for task in tasks),
        not_run=_not_run(kept),
        not_shown=tuple(not_shown),
    )


def name_of(suite: Suite, method: str) -> str:
    """The study's short name of a method without its host; ``plain host`` for a host alone."""
    rest = split_host(method)[1]
    return (suite.study.names.get(rest, rest) if suite.study else rest) or "plain host"


def _metric(ok: Sequence[Outcome]) -> str:
    """The primary metric of one task's outcomes."""
    return next((next(iter(outcome.scores)) for outcome in ok), "")


def _questions(suite: Suite, ok: Sequence[Outcome]) -> tuple[Question, ...]:
    declared = suite.study.contrasts if suite.study else ()
    if not declared or not ok:
        return ()
    hosts = [method for method in suite.methods if not split_host(method)[1]]
    full = [(_with(host, item.a), _with(host, item.b)) for host in hosts for item in declared]
    known = set(suite.methods)
    pairs = [pair for pair in full if set(pair) <= known]
    rng = np.random.default_rng(0)
    answers: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for task in sorted({outcome.task for outcome in ok}):
        own = [outcome for outcome in ok if outcome.task == task]
        fixed = any(outcome.items is not None for outcome in own)
        for row in _compared(contrasts, own, pairs=pairs, rng=rng):
            place = split_host(str(row["a"]))[1], split_host(str(row["b"]))[1]
            answers[place].append(_answer(suite, row, fixed=fixed))
    return tuple(_question(item.question, answers.get((item.a, item.b), [])) for item in declared)


def _compared(compare: Callable[..., Any], ok: Sequence[Outcome], **options: Any) -> list[dict[Any, Any]]:
    """The rows of a comparison on one task's primary metric, by the test that its split asks for."""
    options |= {"metric": _metric(ok), "confidence": 1 - ALPHA}
    found: list[dict[Any, Any]] = by_design(compare, scores_frame(ok), items_of(ok), **options).to_dict("records")
    return found


def _with(host: str, rest: str) -> str:
    return f"{host}+{rest}" if rest else host


def _answer(suite: Suite, row: Mapping[Any, Any], *, fixed: bool) -> Answer:
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
        fixed=fixed,
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


def _task(suite: Suite, task: str, outcomes: Sequence[Outcome]) -> StudyTask:
    ok = [outcome for outcome in outcomes if outcome.ok]
    metric = _metric(ok)
    grid, figure = suite.grid, suite.study.figure if suite.study else None
    drawn = grid is not None and figure is not None
    return StudyTask(
        task=task,
        metric=metric,
        rows=_rows(suite, outcomes, metric, hidden=set(grid.points()) if grid and drawn else set()),
        grid=grid_table(grid, figure, ok, metric) if grid and figure and ok else None,
    )


def _rows(suite: Suite, outcomes: Sequence[Outcome], metric: str, hidden: set[str]) -> tuple[StudyRow, ...]:
    shown = [outcome for outcome in outcomes if outcome.method not in hidden]
    ok = [outcome for outcome in shown if outcome.ok]
    found = _compared(against_hosts, ok, missing="drop") if ok else []
    versus = {str(row["b"]): row for row in found}
    return tuple(
        _row(suite, method, metric, [outcome for outcome in shown if outcome.method == method], versus.get(method, {}))
        for method in dict.fromkeys(outcome.method for outcome in shown)
    )


def _row(suite: Suite, method: str, metric: str, outcomes: Sequence[Outcome], versus: Mapping[Any, Any]) -> StudyRow:
    own = [outcome for outcome in outcomes if outcome.ok]
    missing = float("nan")
    return StudyRow(
        method=method,
        name=name_of(suite, method),
        host=split_host(method)[0],
        seeds=len(own),
        failed=len(outcomes) - len(own),
        score=spread([outcome.scores[metric] for outcome in own]) or Spread(mean=None, std=None),
        gain=100 * versus.get("difference", missing),
        low=100 * versus.get("low", missing),
        high=100 * versus.get("high", missing),
        p_holm=versus.get("p_holm"),
        telemetry={name: _mean(o.telemetry[name] for o in own if name in o.telemetry) for name in TELEMETRY},
        seconds=_mean(_seconds(outcome) for outcome in own if outcome.cost.get("fit_s") is not None),
    )


def _seconds(outcome: Outcome) -> float:
    """Of fit and predict, as far as it was measured."""
    return sum(outcome.cost.get(name) or 0.0 for name in ("fit_s", "predict_s"))


def _not_run(kept: KeptStudy) -> tuple[NotRun, ...]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for task, method, seed in kept.not_run:
        groups[task, method].append(seed)
    return tuple(
        NotRun(task=task, method=method, name=name_of(kept.suite, method), seeds=tuple(seeds))
        for (task, method), seeds in groups.items()
    )


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return fmean(found) if found else None
